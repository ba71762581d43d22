"""A quick look at a video or picture before the long run: what is in it, what would be refused, what would be better."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from emohead.video_writer import write_video
from recon.landmarks import Face
from recon.preflight import Preflight, preflight
from tests.shared import shared_data


class DrawnFaces:
    """Takes every red pixel's box for a face seen from the front, and its green for how far the nose is to the side."""

    def __call__(self, image: UInt8[Tensor, "H W 3"]) -> list[Face]:
        red = (image[..., 0] > 180) & (image[..., 2] < 90)
        if int(red.sum()) < 16:
            return []
        rows, columns = torch.nonzero(red, as_tuple=True)
        low, high = torch.tensor([columns.min(), rows.min()]).float(), torch.tensor([columns.max(), rows.max()]).float()
        points = low + torch.rand(478, 2, generator=torch.Generator().manual_seed(0)) * (high - low)
        points[234], points[454] = torch.stack([low[0], low[1]]), torch.stack([high[0], low[1]])
        aside = (float(image[red][:, 1].float().mean()) / 80.0 - 1.0) / 2 + 0.5
        points[1] = torch.stack([low[0] + aside * (high[0] - low[0]), low[1]])
        return [Face(points, torch.zeros(52))]


def _film(path: Path, sides: list[int], *, green: float = 80.0, fps: float = 25.0) -> Path:
    with write_video(path, fps=fps, width=320, height=320) as writer:
        for number, side in enumerate(sides):
            picture = torch.full((320, 320, 3), 120, dtype=torch.uint8)
            picture[40 : 40 + side, 40 : 40 + side] = torch.tensor([230, int(green), 20], dtype=torch.uint8)
            picture[40 : 40 + side : 16, 40 : 40 + side] //= 1 + number % 2
            writer.write(picture)
    return path


def _advice(seen: Preflight) -> str:
    return "; ".join(seen.advice)


def test_it_measures_the_face_and_names_what_is_not_seen(tmp_path: Path):
    seen = preflight(_film(tmp_path / "a.mp4", [220] * 20), detector=DrawnFaces())
    assert seen.facts["face_found_share"] == 1.0 and abs(seen.facts["face_size_px"] - 220) < 6
    assert seen.facts["people_at_once"] == 1 and seen.facts["cuts_seen"] == 0
    assert not seen.facts["smile_seen"] and "a smile" in _advice(seen)
    assert "turn the head left" in _advice(seen) and "only 1 s long" in _advice(seen)
    assert 2 < seen.facts["estimate_draft_minutes"] < seen.facts["estimate_standard_minutes"] < seen.facts["estimate_high_minutes"]


def test_what_would_be_refused_comes_first(tmp_path: Path):
    small = preflight(_film(tmp_path / "small.mp4", [40] * 8), detector=DrawnFaces())
    assert "pixels high: film closer, so that it has at least 64" in small.advice[0]
    rare = preflight(_film(tmp_path / "rare.mp4", [0] * 18 + [200] * 2), detector=DrawnFaces())
    assert rare.facts["face_found_share"] == 0.1 and "only 10%" in rare.advice[0]
    none = preflight(_film(tmp_path / "none.mp4", [0] * 8), detector=DrawnFaces())
    assert none.facts["face_found_share"] == 0.0 and "no face was found" in none.advice[0]
    one = preflight(_film(tmp_path / "one.mp4", [200]), detector=DrawnFaces())
    assert "a single picture" in one.advice[0]


def test_a_look_is_short(tmp_path: Path):
    film = _film(tmp_path / "a.mp4", [200] * 40)
    assert preflight(film, detector=DrawnFaces(), most_frames=10).facts["looked_at_frames"] <= 11
    stopped = preflight(film, detector=DrawnFaces(), most_seconds=0.0).facts
    assert stopped["looked_at_frames"] == 1 and stopped["looked_at_until_s"] == 0.0


def test_a_cut_is_seen(tmp_path: Path):
    path = tmp_path / "cut.mp4"
    with write_video(path, fps=25.0, width=128, height=128) as writer:
        for level in [20] * 5 + [220] * 5:
            writer.write(torch.full((128, 128, 3), level, dtype=torch.uint8))
    assert preflight(path, detector=DrawnFaces()).facts["cuts_seen"] == 1


def test_somebody_else_after_a_cut_is_told(tmp_path: Path):
    path = tmp_path / "two.mp4"
    random = torch.Generator().manual_seed(0)
    with write_video(path, fps=25.0, width=320, height=320) as writer:
        for ground in (60, 160):
            own = torch.nn.functional.interpolate(torch.rand(1, 1, 25, 25, generator=random), (200, 200), mode="bilinear")[0, 0] * 160
            picture = torch.full((320, 320, 3), ground, dtype=torch.uint8)
            picture[60:260, 60:260] = torch.stack([torch.full_like(own, 230), own, torch.full_like(own, 20)], -1).to(torch.uint8)
            for _ in range(20):
                writer.write(picture)
    seen = preflight(path, detector=DrawnFaces())
    assert seen.facts["cuts_seen"] == 1 and "another person seems to be seen after a cut (person 2 at" in seen.advice[0]


def test_black_pictures_are_said_to_be_black(tmp_path: Path):
    path = tmp_path / "black.mp4"
    with write_video(path, fps=25.0, width=64, height=64) as writer:
        for _ in range(4):
            writer.write(torch.zeros(64, 64, 3, dtype=torch.uint8))
    assert "the pictures are black" in preflight(path, detector=DrawnFaces()).advice[0]


def test_a_picture(tmp_path: Path):
    path = tmp_path / "me.png"
    picture = np.full((300, 300, 3), 120, np.uint8)
    picture[50:250, 50:250] = (230, 80, 20)
    Image.fromarray(picture).save(path)
    seen = preflight(path, detector=DrawnFaces())
    assert seen.facts["face_size_px"] > 190 and "one picture" in seen.advice[-1]
    assert "estimate_draft_minutes" not in seen.facts


def test_a_real_clip(networks):
    seen = preflight(shared_data("videos/wojtek.mp4"), most_frames=40)
    # The tracker finds 40 degrees to the left and 18 to the right in this clip.
    assert 33 < seen.facts["yaw_left_deg"] < 48 and 12 < seen.facts["yaw_right_deg"] < 26
    assert seen.facts["blink_seen"] and not seen.facts["mouth_open_seen"]
