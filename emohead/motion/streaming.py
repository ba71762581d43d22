"""Motion while the speaker still speaks: audio in pieces of any size, motion in chunks, the same whatever the pieces were.

Each chunk is drawn from a window of the last second of motion, the chunk itself and a look-ahead; noise belongs to the frame, and what was
drawn before is given, so chunks join. What is heard of a chunk never depends on sound after its look-ahead. First frame after its sound:
chunk + look-ahead + the time of one computation.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.data.motion_corpus import N_PROMPT, PROMPT_RATE, prompt_columns
from emohead.data.resampling import resampled
from emohead.errors import InputError
from emohead.motion import blinks, closures
from emohead.motion.articulation import frame_times, sample, smooth
from emohead.motion.diffusion_engine import DiffusionEngine
from emohead.motion.features.sounds import sounds
from emohead.motion.phone_net import PhoneNet, load_phone_net
from emohead.motion.phones import PHONE_INDEX
from emohead.motion.pose import EasedPose, pose_of, posed, without_pose
from emohead.motion.sampling import FPS, draw_window, initial_noise
from emohead.motion.vector import INDEX, N_CHANNELS, to_motion
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, Waveform

_RATE = 16000
_RATE_PER_TOKEN = round(_RATE / PROMPT_RATE)
_MEMORY = 3.0
"""Seconds of sound before a chunk that the recogniser hears again with it."""
_BLINK = INDEX["blink"]
_BLINK_ON = 0.35
"""Drawn lid closure at which a blink begins; from there it takes its usual course."""
_TORSO_LAG = 0.35
"""Seconds in which the torso follows the head."""


@dataclass(frozen=True)
class StreamConfig:
    """How sound becomes chunks."""

    chunk: float = 0.08
    """Seconds of motion drawn at once; a multiple of 0.04."""
    look_ahead: float = 0.08
    """Seconds of sound after a chunk that it waits for; a multiple of 0.04."""
    past: float = 1.0
    """Seconds of motion that each chunk continues; a multiple of 0.04."""
    fps: float = 25.0
    """Frames per second that come out: 25 or 50."""

    def __post_init__(self):
        for name in ("chunk", "look_ahead", "past"):
            value = getattr(self, name)
            if not 0.04 <= value <= 10.0 or abs(value / 0.04 - round(value / 0.04)) > 1e-6:
                raise InputError(f"{name} must be a multiple of 0.04 s, up to 10, got {value:g}")
        if self.fps not in (25.0, 50.0):
            raise InputError(f"a stream has 25 or 50 frames per second, got {self.fps:g}")


class MotionStream:
    """A stream of motion; one object per conversation."""

    def __init__(
        self,
        engine: DiffusionEngine,
        *,
        config: StreamConfig | None = None,
        net: PhoneNet | None = None,
        seed: int = 0,
    ):
        """Begin in silence.

        Args:
            engine: draws the motion; its sampling settings hold.
            config: chunks.
            net: hears the phones; None loads the one that ships.
            seed: one seed, one take.
        """
        self.engine, self.config, self.seed = engine, config or StreamConfig(), seed
        self._net = net or load_phone_net()
        self._samples = torch.zeros(0)
        self._dropped = 0
        self._drawn = 0
        self._before = torch.zeros(0, N_CHANNELS)
        self._prompt: Float[Tensor, "N P"] | None = None
        self._asked_at = 0
        self._pose = EasedPose()
        self._onsets: list[float] = []
        self._torso = torch.zeros(3)
        self._finished = False

    def ask(self, prompt: AUTrack | None) -> None:
        """Perform a prompt from the next chunk on, and keep to its last frame when it is over; None asks for nothing any more.

        `controllers.control.control(100, 25.0, sentence="surprised, then amused").track` is one of four seconds.
        """
        self._asked_at, self._prompt = self._drawn, None
        if prompt is not None:
            n_tokens = max(1, math.ceil(prompt.n_frames / prompt.fps * PROMPT_RATE))
            self._prompt = sample(prompt_columns(prompt), prompt.fps, frame_times(n_tokens, PROMPT_RATE))

    def push(self, audio: Waveform) -> list[HeadMotion]:
        """Take more sound (mono, any rate, as it comes) and give the chunks that it completes.

        Raises:
            InputError: NaN samples, or the stream is finished.
        """
        if self._finished:
            raise InputError("the stream is finished; begin another one")
        if not bool(torch.isfinite(audio.samples).all()):
            raise InputError("the audio has NaN or infinite samples; check the microphone's format")
        self._samples = torch.cat([self._samples, resampled(audio, _RATE).samples])
        return list(self._chunks())

    def finish(self) -> list[HeadMotion]:
        """The rest, to the end of the sound that came."""
        if self._finished:
            return []
        heard = self._dropped + self._samples.shape[0]
        n_frames = math.ceil(heard / _RATE * self.config.fps)
        ending = torch.zeros(round((self.config.chunk + self.config.look_ahead) * _RATE) + 1)
        self._samples = torch.cat([self._samples, ending])
        chunks = list(self._chunks())
        self._finished = True
        given = round(self._drawn / FPS * self.config.fps) - sum(chunk.n_frames for chunk in chunks)
        kept = []
        for chunk in chunks:
            room = n_frames - given
            given += chunk.n_frames
            if room > 0:
                kept.append(chunk.frames(0, min(room, chunk.n_frames)))
        return kept

    def _chunks(self) -> Iterator[HeadMotion]:
        n_chunk, n_ahead = (round(seconds * FPS) for seconds in (self.config.chunk, self.config.look_ahead))
        while (self._drawn + n_chunk + n_ahead) / FPS * _RATE <= self._dropped + self._samples.shape[0]:
            yield self._chunk(n_chunk, n_ahead)

    @torch.no_grad()
    def _chunk(self, n_chunk: int, n_ahead: int) -> HeadMotion:
        """Draw the next chunk; the sound for it is there."""
        end = self._drawn + n_chunk + n_ahead
        n_before = self._before.shape[0]
        heard, features = self._hear(end, n_before + n_chunk + n_ahead)
        conditions = self.engine.conditions(features, heard, n_before + n_chunk + n_ahead)
        asked = self._asked_of(self._drawn - n_before, end)
        conditions = replace(conditions, prompt=without_pose(asked)[None])
        if n_before:
            given, mask = conditions.given.clone(), conditions.mask.clone()
            given[0, :n_before], mask[0, :n_before] = self._before, 1.0
            conditions = replace(conditions, given=given, mask=mask)
        first = self._drawn - n_before
        noise = initial_noise(first, end, self.engine.sampling, seed=self.seed)
        scaled = draw_window(self.engine.model, conditions, noise, self.engine.sampling)[0]
        chunk = scaled[n_before : n_before + n_chunk]
        keep = round(self.config.past * FPS)
        self._before = torch.cat([self._before, chunk])[-keep:]
        pose = self._pose.toward(pose_of(asked[n_before // 2 : (n_before + n_chunk) // 2], n_chunk), FPS)
        vectors = posed(self.engine.model.scale.grow(chunk), pose)
        motion = self._finish_chunk(vectors, heard, n_chunk, n_ahead)
        self._drawn += n_chunk
        return motion

    def _asked_of(self, first: int, last: int) -> Float[Tensor, "N P"]:
        """What is asked of frames `first` to `last` (excluded), both even."""
        if self._prompt is None:
            return torch.zeros((last - first) // 2, N_PROMPT)
        passed = torch.arange(first, last, 2) - self._asked_at
        return self._prompt[(passed // 2).clamp(0, self._prompt.shape[0] - 1)]

    def _hear(self, end: int, n_frames: int) -> tuple[PhonePosteriors, Float[Tensor, "S D"]]:
        """What is heard of the last `n_frames` before frame `end`, from the sound before `end` alone."""
        stop = round(end / FPS * _RATE)
        start = max(0, stop - round((_MEMORY + self.config.past) * _RATE)) // _RATE_PER_TOKEN * _RATE_PER_TOKEN
        if start > self._dropped:
            self._samples, self._dropped = self._samples[start - self._dropped :], start
        audio = Waveform(self._samples[start - self._dropped : stop - self._dropped], _RATE)
        posteriors = self._net.posteriors(audio)
        features = sounds(audio, posteriors, self.engine.encoder)
        last = 2 * n_frames
        heard = PhonePosteriors(posteriors.fps, posteriors.probabilities[-last:], posteriors.energy[-last:])
        return heard, features[-last:]

    def _finish_chunk(self, vectors: Float[Tensor, "T M"], heard: PhonePosteriors, n_chunk: int, n_ahead: int) -> HeadMotion:
        """Blinks, torso and closures, each from what is known by now."""
        fps, per_frame = self.config.fps, round(FPS / self.config.fps)
        start = self._drawn / FPS
        for frame, closure in enumerate(vectors[:, _BLINK].tolist()):
            now = start + frame / FPS
            if closure > _BLINK_ON and (not self._onsets or now - self._onsets[-1] > blinks.REFRACTORY):
                self._onsets = [*self._onsets[-2:], now]
        vectors = vectors.unflatten(0, (-1, per_frame)).mean(1)
        n_out = vectors.shape[0]
        times = start + (torch.arange(n_out) + 0.5) / fps
        # The last instant of each frame is the fullest while lids close, the first while they open.
        edges = torch.stack([blinks.lid_closure(times + shift / fps, self._onsets) for shift in (-0.4, -0.2, 0.0, 0.2, 0.4)])
        vectors[:, _BLINK] = edges.amax(0)
        motion = to_motion(vectors, fps)
        tail = 2 * (n_chunk + n_ahead)
        near = PhonePosteriors(heard.fps, heard.probabilities[-tail - 8 :], heard.energy[-tail - 8 :])
        n_lead = (near.probabilities.shape[0] - tail) // 2 // per_frame
        n_all = n_lead + (n_chunk + n_ahead) // per_frame
        constraints = closures.constraints_of_posteriors(near, n_all, fps, threshold=self.engine.closure_threshold)
        window = slice(n_lead, n_lead + n_out)
        inside = closures.Constraints(constraints.bilabial[window], constraints.labiodental[window], constraints.sibilant[window])
        silent = heard.probabilities[:, PHONE_INDEX["pau"], None]
        talking = 1.0 - smooth(silent, heard.fps, 0.05)[-tail : -2 * n_ahead, 0].unflatten(0, (-1, 2 * per_frame)).mean(1)
        return replace(motion, rig=closures.hold(motion.rig, inside, talking), torso_rotation=self._torso_of(motion.head_rotation, fps))

    def _torso_of(self, head: Float[Tensor, "T 3"], fps: float) -> Float[Tensor, "T 3"]:
        """A share of the head's rotation, late by a low-pass, for a stream cannot look ahead."""
        keep, rows = math.exp(-1.0 / (fps * _TORSO_LAG)), []
        for frame in head:
            self._torso = keep * self._torso + (1 - keep) * 0.12 * frame
            rows.append(self._torso)
        return torch.stack(rows)


def stream_motion(
    engine: DiffusionEngine,
    pieces: Iterable[Waveform],
    *,
    prompt: AUTrack | None = None,
    config: StreamConfig | None = None,
    seed: int = 0,
) -> Iterator[HeadMotion]:
    """Chunks of motion for pieces of sound, to the end of the sound; `prompt` as in `MotionStream.ask`."""
    stream = MotionStream(engine, config=config, seed=seed)
    stream.ask(prompt)
    for piece in pieces:
        yield from stream.push(piece)
    yield from stream.finish()
