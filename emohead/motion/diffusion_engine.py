"""The diffusion as a generator of head motion: a voice, its phones and an AU prompt in, motion out. Called like the rule engine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool1d

from emohead.data.motion_corpus import PROMPT_RATE, prompt_columns
from emohead.errors import InputError
from emohead.motion import blinks, closures
from emohead.motion.articulation import frame_times, sample, smooth
from emohead.motion.denoiser import Conditions
from emohead.motion.diffusion_model import ASSET_NAME, DiffusionModel, load_diffusion
from emohead.motion.features.base import SpeechEncoder
from emohead.motion.features.phone_bottleneck import certain
from emohead.motion.features.sounds import encoder_for, sounds
from emohead.motion.phone_net import load_phone_net
from emohead.motion.phones import PHONE_INDEX
from emohead.motion.sampling import FPS, SamplingConfig, draw
from emohead.motion.style import N_STYLE
from emohead.motion.vector import N_CHANNELS, to_motion
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment, Waveform

_BLINK = N_CHANNELS - 1
_PAUSE = 0.5
"""Seconds around a word in which the lips are still the voice's: who opens them wide in every gap between words seems out of step."""
_PASSAGE = 0.1
"""Seconds (a standard deviation) in which they pass from the voice to what is asked of them."""


@dataclass(frozen=True)
class DiffusionEngine:
    """Draws head motion from a trained diffusion."""

    model: DiffusionModel
    """The network."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How motion is drawn."""
    closure_threshold: float = closures.CLOSURE_THRESHOLD
    """Probability of /p b m/ at which lips are about half shut; the recogniser's own."""
    style: Float[Tensor, " Y"] | None = None
    """A speaking style (`motion.style.style_of`); None takes the network's own, if it is personalised."""
    encoder: SpeechEncoder | None = None
    """Hears the voice for the network; None gives it the phones that are heard anyway."""

    @classmethod
    def load(cls, path: Path | None = None, *, sampling: SamplingConfig | None = None) -> "DiffusionEngine":
        """The engine that ships, or one with weights of your own.

        Raises:
            InputError: its weights are not on the asset path, the file is not a diffusion, or its speech encoder is not here.
        """
        model, sampling = load_diffusion(path), sampling or SamplingConfig()
        if model.deterministic:
            sampling = replace(sampling, steps=1, diversity=0.0)
        encoder = encoder_for(model.encoder, trained=str(path or ASSET_NAME))
        return cls(model, sampling, load_phone_net().config.closure_threshold, encoder=encoder)

    def __call__(
        self,
        audio: Waveform,
        speech: PhonePosteriors | Sequence[PhoneSegment],
        *,
        prompt: AUTrack | None = None,
        emotion: Float[Tensor, "N E"] | None = None,
        fps: float = 25.0,
        seed: int = 0,
        given: tuple[Float[Tensor, "T M"], Float[Tensor, "T M"]] | None = None,
    ) -> HeadMotion:
        """The motion of a head that speaks `audio`.

        Args:
            audio: the voice.
            speech: what is said, as phone probabilities or as timed phones.
            prompt: what was asked for, with as many frames as the result; None asks for nothing.
            emotion: emotions meant (`data.prompt_plans.EMOTIONS`, 0..1.3) at 25 per second; None for none.
            fps: frames per second of the result, 1..240.
            seed: one seed gives one take.
            given: motion vectors at 50 fps and 1 where they are given, 0 where they are to be drawn.

        Raises:
            InputError: a frame rate, prompt or waveform that cannot be used.
        """
        n_frames = check_request(audio, prompt, fps)
        n_drawn = 2 * math.ceil(n_frames / fps * FPS / 2)
        heard = _heard(audio, speech)
        conditions = self.conditions(sounds(audio, heard, self.encoder), heard, n_drawn, prompt=prompt, emotion=emotion)
        if given is not None:
            wanted, mask = (track[None, :n_drawn] for track in given)
            conditions = replace(conditions, given=self.model.scale.shrink(wanted) * mask, mask=mask)
        vectors = draw(self.model, conditions, config=self.sampling, seed=seed)
        return self.finished(vectors, speech, n_frames, fps)

    def conditions(
        self,
        features: Float[Tensor, "S D"],
        heard: PhonePosteriors,
        n_frames: int,
        *,
        prompt: AUTrack | None = None,
        emotion: Float[Tensor, "N E"] | None = None,
    ) -> Conditions:
        """What `n_frames` (even) at 50 fps should follow, of what is heard from their start on; nothing is given."""
        config = self.model.denoiser.config
        n_tokens = n_frames // 2
        sounds = features[: 2 * n_frames]
        if sounds.shape[0] < 2 * n_frames:
            silence = sounds[-1:].expand(2 * n_frames - sounds.shape[0], -1)
            sounds = torch.cat([sounds, silence])
        asked = torch.zeros(n_tokens, config.n_prompt)
        if prompt is not None:
            asked = sample(prompt_columns(prompt), prompt.fps, frame_times(n_tokens, PROMPT_RATE))
        meant = torch.zeros(n_tokens, config.n_emotions)
        if emotion is not None:
            meant[: emotion.shape[0]] = emotion[:n_tokens]
        own = self.model.style if self.style is None else self.style
        style = torch.zeros(1, N_STYLE) if own is None else own[None]
        styled = torch.full((1, 1), float(own is not None))
        nothing = torch.zeros(1, n_frames, N_CHANNELS)
        talking = _talking(heard, n_tokens)[None]
        return Conditions(sounds[None], asked[None], meant[None], style, styled, nothing, nothing.clone(), talking)

    def finished(
        self, vectors: Float[Tensor, "T M"], speech: PhonePosteriors | Sequence[PhoneSegment], n_frames: int, fps: float
    ) -> HeadMotion:
        """Drawn vectors as motion at the output's rate: every blink shuts the lids, every closure holds."""
        times = frame_times(n_frames, fps)
        closure = blinks.blink_closure(n_frames, fps, blinks.onsets_in(vectors[:, _BLINK], FPS))
        still = sample(vectors, FPS, times)
        still[:, _BLINK] = closure
        motion = to_motion(still, fps)
        return replace(motion, rig=closures.hold_in_speech(motion.rig, speech, fps, threshold=self.closure_threshold))


def _talking(heard: PhonePosteriors, n_tokens: int) -> Float[Tensor, " N"]:
    """How far somebody speaks now or within `_PAUSE`."""
    spoken = 1.0 - smooth(heard.probabilities[:, PHONE_INDEX["pau"], None], heard.fps, 0.05)
    reach = round(_PAUSE * PROMPT_RATE)
    within = max_pool1d(sample(spoken, heard.fps, frame_times(n_tokens, PROMPT_RATE)).T, 2 * reach + 1, stride=1, padding=reach)
    return smooth(within.T, PROMPT_RATE, _PASSAGE)[:, 0]


def _heard(audio: Waveform, speech: PhonePosteriors | Sequence[PhoneSegment]) -> PhonePosteriors:
    if isinstance(speech, PhonePosteriors):
        return speech
    return certain(list(speech), load_phone_net().posteriors(audio))


def check_request(audio: Waveform, prompt: AUTrack | None, fps: float) -> int:
    """The number of output frames of a request.

    Raises:
        InputError: a frame rate, prompt or waveform that cannot be used.
    """
    if not 1.0 <= fps <= 240.0:
        raise InputError(f"fps must be 1..240, got {fps}")
    if not bool(torch.isfinite(audio.samples).all()):
        raise InputError("the audio has NaN or infinite samples; export it again or repair it in an audio editor")
    n_frames = max(1, round(audio.duration * fps))
    if prompt is not None and (prompt.n_frames != n_frames or prompt.fps != fps):
        raise InputError(
            f"the prompt has {prompt.n_frames} frames at {prompt.fps} fps, this audio at {fps} fps needs {n_frames}; make it that long"
        )
    return n_frames
