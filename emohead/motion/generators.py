"""The generators of motion by name: voice, phones and prompt in, head motion out. Adding one is one line of `GENERATORS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from emohead.errors import InputError
from emohead.motion.baselines import EnergyJaw, OtherVoice, Speech, Voice
from emohead.motion.closures import CLOSURE_THRESHOLD
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.rules import RuleConfig, with_closure_threshold
from emohead.types import AUTrack, HeadMotion, Waveform


@runtime_checkable
class MotionGenerator(Protocol):
    """What makes a head move; the rule engine is one."""

    def __call__(self, audio: Waveform, speech: Speech, *, prompt: AUTrack | None = None, fps: float = 25.0, seed: int = 0) -> HeadMotion:
        """round(duration * fps) frames of motion; arguments as of `RuleEngine`."""
        ...


@dataclass(frozen=True)
class Setting:
    """What generators are built from."""

    voices: Sequence[Voice] = ()
    """The recordings that will be asked for."""
    closure_threshold: float = CLOSURE_THRESHOLD
    """The phone recogniser's."""

    def rules(self) -> MotionGenerator:
        """The rule engine in its default style."""
        return with_closure_threshold(RuleConfig(), self.closure_threshold).build()


GENERATORS: dict[str, Callable[[Setting], MotionGenerator]] = {
    "rules": lambda setting: setting.rules(),
    "diffusion": lambda setting: replace(DiffusionEngine.load(), closure_threshold=setting.closure_threshold),
    "energy": lambda setting: EnergyJaw(),
    "shuffled": lambda setting: OtherVoice(setting.rules(), tuple(setting.voices)),
}
"""rules: the rule engine. diffusion: the AU-prompted diffusion that ships. energy: a jaw that follows loudness.
shuffled: the rule engine hearing another recording."""


def build_generator(name: str, setting: Setting) -> MotionGenerator:
    """The generator of that name.

    Raises:
        InputError: there is none.
    """
    if name not in GENERATORS:
        raise InputError(f"unknown generator {name!r}; use one of {', '.join(GENERATORS)}")
    return GENERATORS[name](setting)
