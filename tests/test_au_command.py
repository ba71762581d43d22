"""`emohead au`: sentence, label or keyframes as a table, JSON, curves and pictures."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from controllers.keyframe_files import read_keyframes
from controllers.keyframe_plan import MAX_MOMENTS, keyframes_to_plan
from controllers.labels import LabelController
from controllers.plan import plan_to_track
from controllers.plot import write_plot
from controllers.portraits import MAX_PORTRAITS, SIZE, apex, still_motion
from controllers.text_to_au import text_to_plan
from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.cli import main
from tests.tiny import write_tiny_emo

KEYS = '[{"time": 0, "AU12": 0}, {"time": 1, "AU12": 0.6, "head": [0.1, 0.2, 0]}, {"time": 2, "AU12": 0.2}]'


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with an avatar and keyframes."""
    monkeypatch.chdir(tmp_path)
    write_tiny_emo(tmp_path / "me.emo")
    (tmp_path / "keys.json").write_text(KEYS, encoding="utf-8")
    return tmp_path


def test_a_label_and_keyframes_are_described(desk: Path, capsys: pytest.CaptureFixture):
    assert main(["au", "--label", "va:0.81,0.51:0.5", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert 0.3 < described["peak"]["AU12L"] < 0.5 and described["unit"] == "fraction"
    assert main(["au", "--keyframes", "keys.json", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["duration"] == pytest.approx(2.04) and [event["start"] for event in described["events"]] == [0.0, 1.0, 2.0]
    assert described["peak"]["AU12L"] == pytest.approx(0.6) and described["events"][1]["head"]["yaw"] == pytest.approx(0.2)
    assert described["events"][2]["end"] > described["events"][2]["start"], "the last key is seen"


def test_several_wishes_are_shown_together(desk: Path, capsys: pytest.CaptureFixture):
    assert main(["au", "smiles", "--label", "sad", "--au", "AU2L=1", "--json", "--plot", "plot.png"]) == 0
    (event,) = json.loads(capsys.readouterr().out)["events"]
    shown = event["au"]
    assert shown["AU2L"] == 1.0 and shown["AU12R"] == pytest.approx(0.6, abs=0.05) and shown["AU15L"] > 0.4 and shown["AU1L"] > 0.4
    assert (desk / "plot.png").stat().st_size > 2000
    assert main(["au", "calm, then delighted", "--keyframes", "keys.json", "--duration", "4", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert [event["start"] for event in events] == [0.0, 1.0, 2.0]
    assert 0.4 < events[0]["au"]["AU12L"] < 0.6 and events[2]["au"]["AU12L"] == pytest.approx(0.2, abs=0.02), "the keys win"
    assert main(["au", "--keyframes", "keys.json", "--au", "AU2L=1", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["duration"] == pytest.approx(2.04) and described["peak"]["AU2L"] == 1.0, "as long as the keys"
    assert main(["au", "sad", "--intensity", ".4", "--json"]) == 0
    faint = json.loads(capsys.readouterr().out)["peak"]
    assert 0.0 < faint["AU1L"] < 0.5 * text_to_plan("sad").peak()["AU1L"]


def test_plot_and_picture(desk: Path, capsys: pytest.CaptureFixture):
    sentence = "calm, then delighted surprise, looks away at the end"
    assert main(["au", sentence, "--duration", "4", "--plot", "plot.png", "--picture", "face.png", "--avatar", "me.emo"]) == 0
    assert capsys.readouterr().out.endswith("wrote plot.png\nwrote face.png\n")
    with Image.open(desk / "plot.png") as plot, Image.open(desk / "face.png") as face:
        assert len(plot.convert("RGB").getcolors(1 << 20) or []) > 5, "curves in several colours"
        assert face.width == SIZE * len(text_to_plan(sentence).events) and face.height > SIZE
        one, other = (face.crop((SIZE * index, 0, SIZE * (index + 1), SIZE)) for index in range(2))
        assert one.tobytes() != other.tobytes(), "another face at another event"
    assert main(["au", "--keyframes", "keys.json", "--plot", "keys.png"]) == 0
    assert (desk / "keys.png").stat().st_size > 2000


def test_a_script_is_described(desk: Path, capsys: pytest.CaptureFixture):
    assert main(["au", "--script", "[smiles 0.5] We won. [sad] But how?", "--duration", "4", "--json"]) == 0
    smile, sad = json.loads(capsys.readouterr().out)["events"]
    assert smile["text"] == "smiles" and sad["text"] == "sad" and smile["end"] == sad["start"] and sad["end"] == 4.0


def test_what_reads_the_words_can_be_chosen(desk: Path, capsys: pytest.CaptureFixture):
    lemon = "looks like he swallowed a lemon"
    assert main(["au", lemon, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["guessed"] and "by what was learned" in said.err
    assert main(["au", lemon, "--json", "--reading", "lexicon"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["guessed"] == [] and described["events"] == [] and "swallowed" in described["not_understood"]


def test_guesses_in_tags_are_told(desk: Path, capsys: pytest.CaptureFixture):
    script = ["au", "--script", "[looks like he swallowed a lemon] We won.", "--json"]
    assert main(script) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["guessed"] and "warning: tag [looks like he swallowed a lemon]" in said.err
    assert main([*script, "--strict"]) == 2
    assert main([*script, "--reading", "lexicon"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["happy", "--reading", "tea leaves"], "--reading"),
        (["happy", "--intensity", "2"], "between 0 and 1.3"),
        (["happy", "--plot", "plot.jpg"], "written as .png"),
        (["happy", "--plot", "absent/plot.png"], "does not exist"),
        (["happy", "--picture", "face.png", "--avatar", "nobody.emo"], "nobody.emo"),
        (["--label", "hapy"], "did you mean 'happy'"),
        (["--label", "va:2,0"], "between -1 and 1"),
        (["--label", "happy", "--duration", "-1"], "more than 0"),
        (["happy", "--duration", "1e9", "--plot", "plot.png"], "at most 3600"),
        (["--keyframes", "absent.json"], "no such keyframe file"),
        (["--script", "[happy] we [won"], "line 1: a tag that is not closed"),
        (["--script", "absent.txt"], "no such transcript"),
        (["happy", "--audio", "voice.wav"], "goes with --script"),
    ],
)
def test_wrong_wishes_are_one_line(desk: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str):
    assert main(["au", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not list(desk.glob("*.png"))


@pytest.mark.parametrize("sentence", ["", "🤯\x00<b>", "nods", "happy, " * 40, "looks left, then right"])
def test_any_plan_can_be_drawn(tmp_path: Path, sentence: str):
    plan = text_to_plan(sentence)
    write_plot(tmp_path / "plot.png", plan_to_track(plan, 50, 25.0), plan)
    assert (tmp_path / "plot.png").stat().st_size > 500


def test_the_apex_is_where_an_event_is_up():
    plan = text_to_plan("sad, then smiles, then winks with the left eye", duration=6.0)
    track = plan_to_track(plan, 150, 25.0)
    sad, smile, wink = (apex(track, plan, event) for event in plan.events)
    assert track.intensity[sad, AU_INDEX["AU15L"]] > 0.4 and track.intensity[smile, AU_INDEX["AU12L"]] > 0.5
    assert track.intensity[wink, AU_INDEX["AU43L"]] > 0.9
    still = still_motion(track, [sad, smile, wink])
    assert still.n_frames == 3 and still.rig[2, RIG_INDEX["eyeBlinkLeft"]] > 0.8 > 0.2 > still.rig[2, RIG_INDEX["eyeBlinkRight"]]


def test_eyes_hold_still_while_the_head_turns_unless_asked():
    track = plan_to_track(LabelController("proud").plan(2.0), 50, 25.0)
    still = still_motion(track, [49])
    assert torch.allclose(still.gaze[0, 0, 1], -still.head_rotation[0, 0])


def test_many_keys_are_thinned(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"fps": 10, "AU12": [0.5] * 60}), encoding="utf-8")
    keys = read_keyframes(path)
    assert len(keyframes_to_plan(keys, keys(150, 25.0)).events) == MAX_MOMENTS == MAX_PORTRAITS
