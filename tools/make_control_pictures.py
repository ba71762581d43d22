"""Make the pictures of docs/control.md with the demo avatar: docs/images/control-*.webp.

python tools/make_control_pictures.py
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from controllers.control import control
from controllers.keyframe_files import read_keyframes
from controllers.keyframe_plan import keyframes_to_plan
from controllers.labels import LabelController
from controllers.plan import Event, TextPlan, plan_to_track
from controllers.plot import write_plot
from controllers.portraits import write_portraits
from controllers.tags import parse_script, script_to_plan
from controllers.text_to_au import text_to_plan
from controllers.word_times import spread
from emohead.pipeline import Pipeline
from emohead.types import AUTrack

FPS = 25.0
SENTENCE = "starts calm, then delighted surprise, looks away at the end"
SCRIPT = "[delighted 0.8] We won. [then worried] But how? [slowly calm, looks away] All right."
KEYS = [
    {"time": 0, "AU12": 0, "AU2L": 0}, {"time": 1, "AU12": 0.7, "AU6": 0.5, "AU2L": 0, "gaze": [0, 0]},
    {"time": 2, "AU12": 0.2, "AU6": 0, "AU2L": 0.9, "AU4": 0, "AU7": 0, "gaze": [0.3, -0.1]},
    {"time": 3, "AU2L": 0, "AU4": 0.9, "AU7": 0.7, "AU12": 0, "gaze": [0, 0]},
]  # fmt: skip
PLACES = ("va:0.8,0.5", "va:0.6,-0.5", "va:0,-0.8", "va:-0.6,-0.3", "vad:-0.6,0.6,-0.5", "vad:-0.5,0.6,0.4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    folder = parser.parse_args().out
    renderer = Pipeline.from_pretrained("demo").renderer
    sheets = {"sentence": sentence(), "tags": tags(), "keyframes": keyframes(), "coordinates": coordinates(), "blend": blended()}
    for name, (plan, track) in sheets.items():
        _small(folder / f"control-{name}.webp", lambda png, t=track, p=plan: write_portraits(png, t, p, renderer))
        if name in ("sentence", "tags"):
            _small(folder / f"control-{name}-plot.webp", lambda png, t=track, p=plan: write_plot(png, t, p))


def sentence() -> tuple[TextPlan, AUTrack]:
    return _performed(text_to_plan(SENTENCE, duration=6.0), 6.0)


def tags() -> tuple[TextPlan, AUTrack]:
    script = parse_script(SCRIPT)
    return _performed(script_to_plan(script, spread(script.words, [(0.3, 5.4)]), 6.0), 6.0)


def keyframes() -> tuple[TextPlan, AUTrack]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"
        path.write_text(json.dumps(KEYS), encoding="utf-8")
        keys = read_keyframes(path)
    track = keys(round(3.5 * FPS), FPS)
    return keyframes_to_plan(keys, track), track


def coordinates() -> tuple[TextPlan, AUTrack]:
    """One place after the other."""
    events = [LabelController(place).plan(1.0).events[0] for place in PLACES]
    steps = [Event(float(i), i + 1.0, e.au, e.gaze, e.head, text=e.text) for i, e in enumerate(events)]
    return _performed(TextPlan(tuple(steps), float(len(steps))), float(len(steps)))


def blended() -> tuple[TextPlan, AUTrack]:
    """A label, a sentence over it, sliders over both: each alone and together."""
    slider = ["AU2L=1"]
    last = {
        "--label sad": control(75, FPS, label="sad").track,
        "--emotion smiles": control(75, FPS, sentence="smiles").track,
        "--au AU2L=1": control(75, FPS, sliders=slider).track,
        "all three": control(75, FPS, label="sad", sentence="smiles", sliders=slider).track,
    }
    events = [Event(3.0 * index + 2.9, 3.0 * index + 3.0, text=text) for index, text in enumerate(last)]
    return TextPlan(tuple(events), 12.0), _joined(list(last.values()))


def _joined(tracks: list[AUTrack]) -> AUTrack:
    import torch

    names = ("intensity", "weight", "gaze", "head_rotation", "pose_weight")
    return AUTrack(FPS, *(torch.cat([getattr(track, name) for track in tracks]) for name in names))


def _performed(plan: TextPlan, seconds: float) -> tuple[TextPlan, AUTrack]:
    return plan, plan_to_track(plan, round(seconds * FPS), FPS)


def _small(path: Path, write: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "picture.png"
        write(png)
        with Image.open(png) as picture:
            picture.save(path, "WEBP", quality=80, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
