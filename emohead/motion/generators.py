"""The generators of motion by name: voice, phones and prompt in, head motion out. Adding one is one line of `GENERATORS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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
    weights: Path | None = None
    """A file of weights for a generator that learned; None for those that ship."""

    def rules(self) -> MotionGenerator:
        """The rule engine in its default style."""
        return with_closure_threshold(RuleConfig(), self.closure_threshold).build()


GENERATORS: dict[str, Callable[[Setting], MotionGenerator]] = {
    "rules": lambda setting: setting.rules(),
    "diffusion": lambda setting: replace(DiffusionEngine.load(setting.weights), closure_threshold=setting.closure_threshold),
    "deterministic": lambda setting: _deterministic(setting),
    "energy": lambda setting: EnergyJaw(),
    "shuffled": lambda setting: OtherVoice(setting.rules(), tuple(setting.voices)),
}
"""rules: the rule engine. diffusion: the AU-prompted diffusion that ships. deterministic: its twin that
always predicts the mean (`emohead train motion --deterministic`; none ships). energy: a jaw that follows loudness.
shuffled: the rule engine hearing another recording."""
LEARNED: tuple[str, ...] = ("diffusion", "deterministic")
"""Those that have weights."""


def build_generator(name: str, setting: Setting) -> MotionGenerator:
    """The generator of that name; `diffusion:FILE` is one with weights of your own.

    Raises:
        InputError: there is none, its weights are not there, or it has none.
    """
    kind, _, weights = name.partition(":")
    if kind not in GENERATORS:
        raise InputError(f"unknown generator {kind!r}; use one of {', '.join(GENERATORS)}")
    if weights and kind not in LEARNED:
        raise InputError(f"generator {name!r}: {kind} has no weights; only {', '.join(LEARNED)} may be followed by a file")
    return GENERATORS[kind](replace(setting, weights=Path(weights) if weights else setting.weights))


def _deterministic(setting: Setting) -> MotionGenerator:
    if setting.weights is None:
        raise InputError("no deterministic twin ships; train one with emohead train motion --deterministic and give deterministic:FILE")
    engine = DiffusionEngine.load(setting.weights)
    if not engine.model.deterministic:
        raise InputError(f"{setting.weights}: a diffusion, not its deterministic twin; give diffusion:{setting.weights}")
    return replace(engine, closure_threshold=setting.closure_threshold)
