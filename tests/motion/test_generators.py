"""The generators by name: same call, same length; the baselines do what they say and no more."""

import pytest
import torch

from emohead.channels import RIG_INDEX
from emohead.errors import InputError
from emohead.motion.baselines import EnergyJaw, OtherVoice, Voice
from emohead.motion.generators import GENERATORS, Setting, build_generator
from emohead.motion.phone_net import load_phone_net
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, PhoneSegment
from tests.tiny import voice

PHONES = [PhoneSegment("pau", 0.0, 0.4), PhoneSegment("m", 0.4, 0.6), PhoneSegment("aa", 0.6, 1.0), PhoneSegment("pau", 1.0, 1.3)]


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_takes_phones_posteriors_and_prompts(name: str):
    audio, other = voice(1.3), voice(0.9, seed=1)
    speeches = PHONES, load_phone_net().posteriors(audio)
    try:
        engine = build_generator(name, Setting([Voice(audio, PHONES), Voice(other, PHONES)]))
    except InputError as error:
        pytest.skip(str(error))
    for speech in speeches:
        for fps in (25.0, 30.0):
            motion = engine(audio, speech, prompt=AUTrack.neutral(round(1.3 * fps), fps), fps=fps, seed=3)
            assert motion.n_frames == round(1.3 * fps) and motion.fps == fps
            assert float(motion.rig.min()) >= 0.0 and float(motion.rig.max()) <= 1.0
            assert torch.equal(engine(audio, speech, prompt=AUTrack.neutral(round(1.3 * fps), fps), fps=fps, seed=3).rig, motion.rig)


def test_unknown_generators_are_named():
    with pytest.raises(InputError, match="unknown generator 'magic'; use one of rules"):
        build_generator("magic", Setting())
    with pytest.raises(InputError, match="rules has no weights"):
        build_generator("rules:mine.safetensors", Setting())
    with pytest.raises(InputError, match=r"mine\.safetensors"):
        build_generator("diffusion:mine.safetensors", Setting())


def test_the_energy_jaw_moves_the_jaw_alone_and_only_in_speech():
    motion = EnergyJaw()(voice(1.3), PHONES)
    jaw = motion.rig[:, RIG_INDEX["jawOpen"]]
    assert float(jaw.max()) > 0.1 and float(motion.rig.sum()) == pytest.approx(float(jaw.sum()))
    assert float(jaw[12:24].mean()) > 3 * float(EnergyJaw()(voice(1.3), [PhoneSegment("pau", 0.0, 1.3)]).rig.sum(1).mean())


@pytest.mark.parametrize("posteriors", [False, True])
def test_another_voice_is_the_next_one_repeated(posteriors: bool):
    audio, other = voice(1.0), voice(0.6, seed=5)
    speech = load_phone_net().posteriors(other) if posteriors else PHONES[:2]
    engine = RuleConfig().build()
    shuffled = OtherVoice(engine, (Voice(audio, PHONES), Voice(other, speech)))
    made = shuffled(audio, PHONES, seed=2)
    assert made.n_frames == 25 and not torch.equal(made.rig, engine(audio, PHONES, seed=2).rig)
    # A recording that is not in the list gets the first one, here the one that is asked for last.
    assert torch.equal(shuffled(other, speech, seed=2).rig, OtherVoice(engine, (Voice(audio, PHONES),))(other, speech, seed=2).rig)
