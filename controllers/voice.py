"""The expression that the tone of a voice suggests. Off unless asked for: it reads emotion from a person's voice, and it guesses.

Only action units that carry emotion are taken; what the mouth says is the motion's own. Acted anger and joy sound alike to it.
"""

from dataclasses import dataclass

from emohead.channels import AU_INDEX
from emohead.errors import InputError
from emohead.head.action_units import channel_names
from emohead.motion.articulation import frame_times, sample
from emohead.motion.speech_to_au import load_speech_to_au
from emohead.types import AUTrack, Waveform

TOLD: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 12, 15)
"""Action units that are taken from a voice."""


@dataclass(frozen=True)
class VoiceController:
    """What `SpeechToAU` hears, as a prompt."""

    audio: Waveform
    """The voice."""
    strength: float = 1.0
    """Multiplier of what is heard, 0..1."""

    def __post_init__(self):
        if not 0.0 <= self.strength <= 1.0:
            raise InputError(f"the share of the voice's expression must be 0..1, got {self.strength:g}")

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The expected intensities; nothing is asked of other units. Ones that the voice leaves at rest are asked to rest."""
        track = AUTrack.neutral(n_frames, fps)
        if self.strength == 0.0:
            return track
        heard = load_speech_to_au()(self.audio)
        columns = [AU_INDEX[name] for number in TOLD for name in channel_names(f"AU{number}")]
        track.intensity[:, columns] = self.strength * sample(heard.intensity[:, columns], heard.fps, frame_times(n_frames, fps))
        track.weight[:, columns] = 1.0
        return track
