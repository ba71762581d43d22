"""The emotion space: what it reads, what it finds, its files."""

from pathlib import Path

import pytest
import torch

from controllers.binding import load_space, nearest, read_space, save_space
from controllers.binding_face import N_EXPRESSION, N_FACE, expression_values, face_of_motion, face_statistics
from controllers.binding_net import CLASSES, BindingConfig
from controllers.binding_voice import N_TONE, tone_statistics
from controllers.labels import LabelController
from controllers.states import states
from emohead.channels import AU_INDEX, RIG_INDEX
from emohead.data.prompt_plans import EMOTIONS
from emohead.errors import InputError
from emohead.head.action_units import mirror
from emohead.media import read_audio
from emohead.motion.phone_net import load_phone_net
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, HeadMotion, Waveform
from tests.shared import shared_data


def sung(seconds: float = 2.0, *, rate: int = 16_000) -> Waveform:
    """A vowel that glides and swells, with pauses: something like a voice."""
    time = torch.arange(round(seconds * rate)) / rate
    pitch = 140.0 + 40.0 * torch.sin(2.0 * time)
    phase = 2 * torch.pi * pitch.cumsum(0) / rate
    sound = torch.stack([torch.sin(k * phase) / k for k in range(1, 20)]).sum(0)
    return Waveform(0.1 * sound * (torch.sin(2 * torch.pi * 2.0 * time) + 0.3).clamp(min=0.0), rate)


def test_a_face_has_the_numbers_of_its_mirror_image():
    track = LabelController("contemptuous")(60, 25.0)
    turned = AUTrack(25.0, mirror(track.intensity), mirror(track.weight), track.gaze, track.head_rotation, track.pose_weight)
    values = face_statistics(track)
    assert values.shape == (N_FACE,) and torch.allclose(values, face_statistics(turned), atol=1e-6)
    assert not torch.allclose(values, face_statistics(LabelController("happy")(60, 25.0)), atol=0.1)


def test_a_blink_is_no_expression_but_closed_lids_are():
    still, lids = HeadMotion.neutral(75, 25.0), [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]
    blinking, asleep = still.rig.clone(), still.rig.clone()
    blinking[30:35, lids] = 1.0
    asleep[:, lids] = 1.0
    column = AU_INDEX["AU43L"]
    faces = [face_of_motion(HeadMotion(25.0, rig, *[still.head_rotation] * 3, still.gaze)) for rig in (blinking, asleep)]
    assert float(faces[0].intensity[:, column].max()) < 0.1 and float(faces[1].intensity[:, column].min()) > 0.8


def test_an_expression_has_its_intensities():
    values = expression_values(states()["happy"].expression)
    assert values.shape == (N_EXPRESSION,) and torch.allclose(values.max(), torch.tensor(0.9))


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (AUTrack.neutral(10, 25.0), "0.40 s is too short"),
        (AUTrack(25.0, *[torch.full((50, 46), torch.nan)] * 2, *[torch.zeros(50, n) for n in (2, 3, 2)]), "not numbers"),
    ],
)
def test_faces_that_cannot_be_read(track: AUTrack, said: str):
    with pytest.raises(InputError, match=said):
        face_statistics(track)


def test_a_tone_does_not_depend_on_the_level():
    audio = sung()
    loud, soft = tone_statistics(audio), tone_statistics(Waveform(0.2 * audio.samples, 16_000))
    assert loud.shape == (N_TONE,) and bool(torch.isfinite(loud).all()) and torch.allclose(loud, soft, atol=0.05)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (Waveform(torch.zeros(32_000), 16_000), "silent"),
        (Waveform(torch.full((32_000,), torch.nan), 16_000), "not numbers"),
        (Waveform(0.1 * torch.randn(32_000, generator=torch.Generator().manual_seed(0)), 16_000), "no voice was heard"),
        (Waveform(torch.ones(4_000), 16_000), "0.25 s is too short"),
    ],
)
def test_sounds_that_are_no_voice(audio: Waveform, said: str):
    with pytest.raises(InputError, match=said):
        tone_statistics(audio)


def test_music_is_refused():
    time = torch.arange(64_000) / 16_000
    chord = sum((torch.sin(2 * torch.pi * hertz * k * time) / k for hertz in (220, 277, 330) for k in (1, 2, 3, 4)), torch.zeros(64_000))
    with pytest.raises(InputError, match="not sound like one person"):
        load_space().voice([Waveform(0.1 * chord, 16_000)])


def test_labels_are_nearest_to_themselves_at_any_strength():
    space = load_space()
    whole = space.label(list(EMOTIONS)).vectors
    assert torch.allclose(whole.norm(dim=1), torch.ones(7), atol=1e-5)
    for gain in (0.4, 0.7, 1.0):
        made = space.label([f"{name}:{gain}" for name in EMOTIONS])
        assert (made.vectors @ whole.T).argmax(1).tolist() == list(range(7))
        assert (made.strength - gain).abs().mean() < 0.2
    with pytest.raises(InputError, match="unknown label 'hapy'"):
        space.label(["hapy"])


def test_sentences_find_their_label():
    space = load_space()
    said = {"she is absolutely furious": "angry", "grinning with joy": "happy", "in tears, heartbroken": "sad", "revolted": "disgusted"}
    odds = space.odds(space.text(list(said)).vectors)
    assert [CLASSES[index] for index in odds.argmax(1).tolist()] == list(said.values())
    assert torch.allclose(odds.sum(1), torch.ones(4), atol=1e-5)
    found = nearest(space.text(["terrified"]).vectors[0], space.label(["happy", "fearful", "bored"]).vectors, count=2)
    assert found[0][0] == 1 and found[0][1] > found[1][1]


def test_what_the_rule_engine_is_asked_for_is_found_again():
    space, audio = load_space(), sung()
    speech, engine = load_phone_net().posteriors(audio), RuleConfig().build()
    motions = [engine(audio, speech, prompt=LabelController(name)(50, 25.0), fps=25.0) for name in EMOTIONS]
    vectors = space.motion(motions).vectors
    assert (vectors @ space.label(list(EMOTIONS)).vectors.T).argmax(1).tolist() == list(range(7))


def test_acted_voices_lie_with_their_labels():
    # Recordings that the shipped space was trained on: this checks the way from sound to place, not the network.
    files = {"03a02Ta": "sad", "03a01Wa": "angry", "03a01Nc": "neutral"}
    audio = [read_audio(shared_data(f"speech/emodb/{name}.flac")) for name in files]
    space = load_space()
    among = ["sad", "angry", "neutral"]
    assert (space.voice(audio).vectors @ space.label(among).vectors.T).argmax(1).tolist() == [0, 1, 2]


def test_a_space_is_written_and_read(tmp_path: Path):
    path = tmp_path / "space.safetensors"
    save_space(load_space(), path)
    assert path.stat().st_size < 1_000_000
    one, other = (space.label(["happy"]).vectors for space in (load_space(), read_space(path)))
    assert torch.allclose(one, other, atol=1e-3)
    (tmp_path / "text.safetensors").write_text("nothing")
    for missing in ("text.safetensors", "none.safetensors"):
        with pytest.raises(InputError, match="not an emotion space"):
            read_space(tmp_path / missing)


def test_a_space_without_voices_says_so():
    from controllers.binding import EmotionSpace

    net = BindingConfig(N_FACE, N_TONE, 209, N_EXPRESSION).build().eval()
    with pytest.raises(InputError, match="trained without voices"):
        EmotionSpace(net, hears=False).voice([sung()])
