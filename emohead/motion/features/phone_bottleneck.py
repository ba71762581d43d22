"""What the motion networks hear: phone probabilities, loudness and pitch every 10 ms, the same for synthetic and human voices.

The phone network, trained with heavy augmentation, takes the voice's timbre away; a motion network behind it never meets the sound of
the voices that it was trained on (Sun et al. 2016 use phone posteriors so; Huang et al. 2020 for talking faces, arXiv 2006.11610).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.motion.phone_net import PhoneNet
from emohead.motion.phones import PHONES
from emohead.motion.prosody import pitch
from emohead.types import PhonePosteriors, PhoneSegment, Waveform

FEATURE_RATE = 100.0
"""Frames per second; frame t is centred at (t + 0.5) / 100 s."""
N_FEATURES = len(PHONES) + 3
"""Phone probabilities, then loudness, pitch and whether there is one (`D`)."""
MIDDLE_PITCH = 165.0
"""Hz that counts as 0; an octave is 1."""
_LOUDNESS = (-2.5, 2.0)
"""Middle and spread of the relative loudness (log units)."""


class PhoneBottleneck:
    """Callable speech encoder (a `features.base.SpeechEncoder`) around a phone network."""

    fps, dim = FEATURE_RATE, N_FEATURES

    def __init__(self, net: PhoneNet):
        self.net = net

    def __call__(self, audio: Waveform) -> Float[Tensor, "T D"]:
        """Features of audio at any sample rate; `T = max(1, ceil(100 * duration))`."""
        return speech_features(audio, self.net.posteriors(audio))


def speech_features(audio: Waveform, speech: PhonePosteriors) -> Float[Tensor, "T D"]:
    """Features of a voice whose phones are known as probabilities every 10 ms."""
    frequency = pitch(audio, speech.probabilities.shape[0])
    voiced = (frequency > 0).float()
    octaves = torch.log2(frequency.clamp(min=1.0) / MIDDLE_PITCH) * voiced
    loudness = (speech.energy - _LOUDNESS[0]) / _LOUDNESS[1]
    return torch.cat([speech.probabilities, loudness[:, None], octaves[:, None], voiced[:, None]], 1)


def certain(segments: list[PhoneSegment], heard: PhonePosteriors) -> PhonePosteriors:
    """Timed phones as probabilities of one, with the loudness that was heard."""
    from emohead.data.alignments import UNKNOWN_LABEL, frame_labels

    n_frames = heard.probabilities.shape[0]
    labels = torch.from_numpy(frame_labels(segments, n_frames)).long()
    labels[labels == UNKNOWN_LABEL] = PHONES.index("pau")
    return PhonePosteriors(heard.fps, torch.nn.functional.one_hot(labels, len(PHONES)).float(), heard.energy)
