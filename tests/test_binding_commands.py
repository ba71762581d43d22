"""The emotion space on the command line: references, searches, training; what is refused, and that reading emotion is off by default."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from controllers.labels import LabelController
from emohead.cli import main
from emohead.commands.reference_files import reference_file
from emohead.data.motion_corpus import N_PROMPT
from emohead.errors import InputError
from emohead.export.motion_npz import write_motion_npz
from emohead.head.action_units import au_to_rig
from emohead.motion.vector import N_CHANNELS
from emohead.pipeline import Request, plan
from emohead.types import HeadMotion
from tests.tiny import voice

NOTICE = "guessed from the face in"


def acted(folder: Path, name: str, seconds: float = 3.0) -> Path:
    """A face that shows an emotion and says nothing, as a motion file."""
    n_frames = round(25 * seconds)
    still = HeadMotion.neutral(n_frames, 25.0)
    rig = au_to_rig(LabelController(name)(n_frames, 25.0).intensity)
    write_motion_npz(
        folder / f"{name}.npz", HeadMotion(25.0, rig, still.head_rotation, still.torso_rotation, still.translation, still.gaze)
    )
    return folder / f"{name}.npz"


def test_nothing_is_read_from_anybody_unless_asked_for(tmp_path: Path):
    path = acted(tmp_path, "angry")
    assert not any("guessed" in warning for warning in plan(voice(1.0), Request(emotion="smiles")).warnings)
    planned = plan(voice(1.0), Request(reference=path))
    assert sum(NOTICE in warning for warning in planned.warnings) == 1 and planned.settings["reference"] == str(path)
    assert planned.prompt.weight.any() and not plan(voice(1.0)).prompt.weight.any()


def test_what_is_asked_for_in_words_wins_over_a_reference(tmp_path: Path):
    planned = plan(voice(2.0), Request(reference=acted(tmp_path, "angry"), au=("AU4=0.1",)))
    assert torch.allclose(planned.prompt.intensity[-1, 4:6].max(), torch.tensor(0.1), atol=1e-4)


def test_a_motion_is_performed_like_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, out = acted(tmp_path, "happy"), tmp_path / "out.npz"
    assert main(["animate", "--reference", str(path), "--reference-course", "-o", str(out)]) == 0
    assert capsys.readouterr().err.count(NOTICE) == 1
    assert main(["nearest", "--like", str(out), "--among", str(path), str(acted(tmp_path, "sad")), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["nearest"]
    assert found[0]["name"] == str(path) and found[0]["cosine"] > found[1]["cosine"] + 0.5


def test_words_find_labels_and_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["nearest", "terrified", "--count", "2"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2 and "fear" in shown.out and "guessed" not in shown.err
    clips = [str(acted(tmp_path, name)) for name in ("happy", "angry")]
    assert main(["nearest", "she is furious", "--among", *clips]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].endswith("angry.npz") and "guessed from 2 files" in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["animate", "--reference", "nowhere.mp4"], "reference nowhere.mp4: no such file"),
        (["animate", "--reference-course"], "without a reference"),
        (["nearest"], "give one of a sentence, --label, --like, got none"),
        (["nearest", "sad", "--label", "sad"], "got text and label"),
        (["nearest", "sad", "--count", "0"], "--count 0"),
        (["nearest", "--label", "hapy"], "unknown label 'hapy'"),
        (["nearest", "sad", "--among", "nowhere.wav"], "nowhere.wav: no such file"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = ["-o", str(tmp_path / "out.npz")] if arguments[0] == "animate" else []
    assert main([*arguments, *out]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1 and said in errors[0] and not (tmp_path / "out.npz").exists()


def test_a_reference_that_is_no_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    motion, text = acted(tmp_path, "sad"), tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InputError, match="a motion has no voice"):
        reference_file(f"{motion}:voice")
    with pytest.raises(InputError, match="a recording has no face"):
        (tmp_path / "a.wav").write_bytes(b"")
        reference_file(f"{tmp_path / 'a.wav'}:face")
    assert reference_file(tmp_path / "a.wav").voice and not reference_file(motion).voice and reference_file(f"{text}:voice").voice
    short = acted(tmp_path, "happy", 0.3)
    for file, said in ((f"{text}:voice", "not a readable audio"), (str(short), "too short"), (str(tmp_path / "a.wav"), "a.wav")):
        assert main(["animate", "--reference", file, "-o", str(tmp_path / "out.npz")]) == 2
        assert said in capsys.readouterr().err


def tiny_corpus(folder: Path) -> Path:
    """Forty performances of four seconds: a smile, a frown, or nothing, on a motion corpus's arrays."""
    n, n_frames, rng = 40, 200, np.random.default_rng(0)
    folder.mkdir()
    motion, emotion = 0.02 * rng.random((n, n_frames, N_CHANNELS)), np.zeros((n, n_frames // 2, 7))
    prompt = np.zeros((n, n_frames // 2, N_PROMPT))
    for clip in range(n):
        kind = clip % 3
        columns = ((), (18, 19), (38, 39))[kind]  # mouthSmile*, browDown* among the generated channels
        motion[clip][:, list(columns)] = 0.7
        if kind:
            emotion[clip, :, (0, 4)[kind - 1]], prompt[clip, :, 0] = 0.8, 1.0
    arrays = {"motion": motion, "emotion": emotion, "prompt": prompt, "features": np.zeros((n, 4, 2)), "style": np.zeros((n, 13))}
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values.astype(np.float32 if name == "style" else np.float16))
    np.save(folder / "labels.npy", np.zeros((n, 4), np.uint8))
    (folder / "corpus.json").write_text(json.dumps({"settings": {}, "encoder": None}))
    return folder


def test_a_short_training_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("accelerate")
    corpus, weights = tiny_corpus(tmp_path / "performances"), tmp_path / "space.safetensors"
    where = ["--performances", str(corpus), "-o", str(weights), "--work", str(tmp_path / "work")]
    command = ["train", "binding", *where, "--batch", "8", "--per-state", "1"]
    assert main([*command, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["n_performances"] == 40 and not weights.exists()
    assert main([*command, "--steps", "2"]) == 0
    assert (tmp_path / "work" / "run" / "step0000002.safetensors").is_file() and "no voices" in capsys.readouterr().out
    from controllers.binding import read_space

    space = read_space(weights)
    assert not space.hears and space.label(["happy"]).vectors.shape == (1, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "0"], "--steps 0: give 1 or more"),
        (["--emotional", "nowhere"], "no emodb recording with an emotion there"),
        ([], "no motion corpus there"),
    ],
)
def test_trainings_that_cannot_work(arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["train", "binding", "--performances", str(tmp_path / "nowhere"), "-o", str(tmp_path / "a.safetensors")]
    assert main([*command, *arguments]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())
