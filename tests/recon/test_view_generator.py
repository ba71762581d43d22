"""More views of a person: where they come from, which are refused, and what a picture gains by them."""

import json
import math

import pytest
import torch
from PIL import Image

from emohead.errors import InputError
from emohead.head.generic import load_generic
from emohead.media import read_picture, read_video
from recon.flat_face import FlatFace, compare_flat
from recon.kept_views import Likeness, kept_views
from recon.landmarks import Face
from recon.picture_expression import expression
from recon.single_image import follow_portrait, read_portrait
from recon.view_generator import DiffusersViews, FolderViews, GeneratedView, ViewGenerator, in_words, open_views
from recon.view_pictures import cut_head, solve_together
from tests.shared import shared_data

TURNS = torch.tensor([[0.4, 0.0], [-0.4, 0.0]])


def _save(folder, *names, side=32):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (side, side), (10 * number, 100, 200)).save(folder / name)
    return folder


def test_a_folder_gives_its_pictures_in_order_and_nothing_else(tmp_path):
    folder = _save(tmp_path / "more", "b.png", "a.jpg")
    (folder / "notes.txt").write_text("not a picture")
    generator = open_views(str(folder))
    assert isinstance(generator, FolderViews) and isinstance(generator, ViewGenerator)
    views = generator(torch.zeros(8, 8, 3, dtype=torch.uint8), TURNS)
    assert [view.name for view in views] == ["a.jpg", "b.png"] and views[1].asked is None and views[1].image.shape == (32, 32, 3)


def test_folders_without_pictures_or_with_too_many_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_views(str(tmp_path / "absent"))
    with pytest.raises(InputError, match="0 pictures"):
        open_views(str(tmp_path))
    with pytest.raises(InputError, match="61 pictures"):
        FolderViews(_save(tmp_path / "many", *(f"{number}.png" for number in range(61)), side=2))


def test_a_pipeline_that_is_not_there_is_not_downloaded(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="nothing is downloaded"):
        open_views("nobody/no-such-pipeline")


def test_a_pipeline_with_code_of_its_own_is_refused(tmp_path):
    pytest.importorskip("diffusers")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": ["pipeline", "Own"], "unet": ["diffusers", "UNet2DModel"]}))
    with pytest.raises(InputError, match="code of its own"):
        open_views(str(folder))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", "unet": ["pipeline", "Own"]}))
    with pytest.raises(InputError, match="code of its own"):
        open_views(str(folder))
    (folder / "model_index.json").write_text("{")
    with pytest.raises(InputError, match="readable"):
        DiffusersViews(str(folder))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A real image-to-image pipeline of a few kilobytes that has learned nothing."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "block_out_channels": (8,), "norm_num_groups": 4}
    codes = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",), "block_out_channels": (8,)}
    made = diffusers.LDMSuperResolutionPipeline(
        vqvae=diffusers.VQModel(**codes, norm_num_groups=4, latent_channels=3, num_vq_embeddings=16),
        unet=diffusers.UNet2DModel(sample_size=8, in_channels=6, out_channels=3, layers_per_block=1, **blocks),
        scheduler=diffusers.DDIMScheduler(),
    )
    folder = tmp_path_factory.mktemp("pipeline")
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def test_a_pipeline_is_loaded_called_and_gives_pictures_of_the_same_size(pipeline):
    picture = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    generator = open_views(str(pipeline), seed=3)
    assert isinstance(generator, DiffusersViews) and isinstance(generator, ViewGenerator)
    views = generator(picture, TURNS)
    assert len(views) == 1 and views[0].asked is None and views[0].image.shape == (64, 64, 3)
    again = open_views(str(pipeline), seed=3)(picture, TURNS)
    assert torch.equal(views[0].image, again[0].image)


def test_weights_that_are_not_safetensors_are_refused(pipeline, tmp_path):
    import shutil

    folder = tmp_path / "pickled"
    shutil.copytree(pipeline, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match="safetensors"):
        open_views(str(folder))


def test_turns_are_put_in_words_as_the_viewer_sees_them():
    assert "23 degrees to the right side" in in_words(0.4, 0.0) and "17 degrees up" in in_words(0.0, -0.3)


def test_a_face_agrees_with_itself_and_shading_does_not_count():
    rest = torch.rand(478, 3, generator=torch.Generator().manual_seed(1))
    points = torch.cat([rest[:, :1], 1 - rest[:, 1:2]], 1) * 100 + 14
    image = torch.randint(0, 256, (128, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    layout = FlatFace(rest)
    seen = layout.seen(torch.ones(478))
    flat = layout(image, points)
    assert compare_flat(flat, flat, seen) == pytest.approx((1.0, 0.0, 0.0), abs=1e-5)
    shade = torch.linspace(0.8, 1.2, 64)
    assert compare_flat(flat, flat * shade, seen)[0] > 0.95
    other = layout(image.flip(0), points)
    assert compare_flat(flat, other, seen)[0] < 0.5
    assert math.isnan(compare_flat(flat, flat, torch.zeros_like(seen))[0])


def test_objections_name_what_differs():
    good = Likeness(1.0, 0.9, 0.01, 0.02, (0.4, 0.0))
    assert good.objection() is None and good.objection((0.5, 0.1)) is None
    assert "asked" in str(good.objection((-0.4, 0.0)))
    assert "shape" in str(Likeness(1.5, 0.9, 0.01, 0.02, (0.0, 0.0)).objection())
    assert "features" in str(Likeness(1.0, 0.5, 0.01, 0.02, (0.0, 0.0)).objection())
    assert "colours" in str(Likeness(1.0, 0.9, 0.06, 0.02, (0.0, 0.0)).objection())
    assert Likeness(1.0, math.nan, math.nan, math.nan, (0.0, 0.0)).objection()


@pytest.fixture(scope="module")
def filmed(networks):
    """A person from the front, two more pictures of the same, one of another, and one without a face."""
    front = next(frame.rgb for frame in read_video(shared_data("captures/mei/mei.mp4"), fps=25.0))
    novel = {name: read_picture(shared_data(f"captures/mei/novel/{file}_f00005.png")) for name, file in (("below", "v4"), ("turned", "v2"))}
    same = [GeneratedView(name, image, None) for name, image in novel.items()]
    others = [GeneratedView(name, read_picture(shared_data(f"images/synthetic_{name}.png")), None) for name in ("0170",)]
    return front, same, [*others, GeneratedView("empty", torch.full((256, 256, 3), 90, dtype=torch.uint8), None)]


@pytest.fixture(scope="module")
def explained(filmed):
    head = load_generic()
    portrait = read_portrait(filmed[0], size=256)
    return head, portrait, follow_portrait(portrait, head)


@pytest.fixture(scope="module")
def checked(filmed, explained):
    head, portrait, tracked = explained
    face = Face(portrait.landmarks.points[0], portrait.landmarks.scores[0])
    return kept_views(portrait.frames.images[0], face, tracked, [*filmed[1], *filmed[2]], head)


def test_the_same_person_is_kept_and_others_are_not(checked):
    kept, notes = checked
    assert [view.view.name for view in kept] == ["below", "turned"]
    assert len(notes) == 2 and all("not used" in note for note in notes) and any("no face" in note for note in notes)
    frontal, turned = (view.likeness for view in kept)
    assert abs(frontal.turn[0]) < 0.15 and 0.25 < abs(turned.turn[0]) < 0.6


def test_views_are_cut_to_the_head_with_landmarks_on_the_projected_head(checked, explained):
    from recon.landmark_head import landmark_points
    from recon.landmarks import IRISES, OVAL
    from recon.matte import SelfieSegmenter
    from recon.subject import project

    head, portrait, tracked = explained
    together, seen = solve_together(portrait.landmarks.points, tracked, checked[0], head)
    assert together.motion.n_frames == 2 and seen.motion.n_frames == 2
    inner = torch.ones(478, dtype=torch.bool)
    inner[list(OVAL) + list(IRISES)] = False
    for number, view in enumerate(checked[0]):
        cut = cut_head(view, seen.pick(torch.tensor([number])), head, SelfieSegmenter())
        assert cut.frames.images.shape == (1, 256, 256, 3) and float((cut.frames.mattes > 200).float().mean()) > 0.3
        drawn = project(landmark_points(head)(cut.tracked.identity, cut.tracked.motion), cut.tracked.camera)[0]
        # 4 of 256 pixels, of a face that is larger in the cut picture than in the whole one.
        assert float((drawn - cut.points)[inner].norm(dim=1).median()) < 4.0


def test_pictures_of_a_network_that_has_learned_nothing_are_refused(pipeline, explained):
    head, portrait, tracked = explained
    picture = portrait.frames.images[0]
    views = open_views(str(pipeline))(picture[::4, ::4].contiguous(), TURNS)
    kept, notes = kept_views(picture, Face(portrait.landmarks.points[0], portrait.landmarks.scores[0]), tracked, views, head)
    assert kept == [] and notes == ("view 1 not used: no face in it",)


def test_scores_that_every_face_has_say_nothing():
    assert float(expression(torch.full((1, 52), 0.2)).max()) == 0.0
