"""A sentence as a controller."""

import warnings
from dataclasses import dataclass

from controllers.doubts import understood
from controllers.plan import plan_to_track
from controllers.understanding import DEFAULT_READING, Reading
from emohead.types import AUTrack


@dataclass(frozen=True)
class TextController:
    """Performs a sentence."""

    sentence: str
    """English, at most 2,000 characters; empty asks for nothing."""
    intensity: float = 1.0
    """Multiplier of everything the sentence asks for, 0..1.3."""
    strict: bool = False
    """Refuse a sentence with words that are not known."""
    seed: int = 0
    """Seed of the small variations of a sustained mood."""
    reading: Reading = DEFAULT_READING
    """What understands words that no table lists: the network that ships, MiniLM (extra `text`), or nothing (`lexicon`)."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track of the sentence over the whole clip; what was not understood of it is warned about (`UserWarning`)."""
        plan = understood(self.sentence, duration=n_frames / fps, intensity=self.intensity, strict=self.strict, reading=self.reading)
        for text in plan.warnings:
            warnings.warn(text, UserWarning, stacklevel=2)
        return plan_to_track(plan, n_frames, fps, seed=self.seed)
