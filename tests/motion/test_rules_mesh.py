"""The engine's promises on the mesh: lips meet at every /p b m/ and touch the teeth at every /f v/, at 25 fps, in every emotion."""

from dataclasses import replace

import pytest
import torch

from emohead.head.generic import GenericHead, load_generic
from emohead.head.measure import lip_gap
from emohead.metrics.lip import CLOSED_GAP, closure_score, labiodental_score, lower_lip_to_teeth
from emohead.motion import closures
from emohead.motion.articulation import frame_times
from emohead.motion.rules import RuleConfig
from emohead.types import HeadMotion, PhoneSegment, Waveform
from tests.motion.test_rules import FULL_EMOTIONS, asking
from tests.motion.voices import certain, silence, spoken


@pytest.fixture(scope="module")
def head() -> GenericHead:
    return load_generic()


@pytest.fixture(scope="module")
def voice() -> tuple[Waveform, list[PhoneSegment]]:
    return spoken()


def _vertices(head: GenericHead, motion: HeadMotion) -> torch.Tensor:
    """The face's vertices with the head held still."""
    return head(head.identity(), replace(HeadMotion.neutral(motion.n_frames, motion.fps), rig=motion.rig)).vertices


@pytest.mark.parametrize("emotion", ["neutral", *FULL_EMOTIONS])
def test_every_closure_closes_and_every_labiodental_touches(head, voice, emotion: str):
    audio, segments = voice
    n_frames = round(audio.duration * 25)
    prompt = None if emotion == "neutral" else asking(n_frames, FULL_EMOTIONS[emotion])
    vertices = _vertices(head, RuleConfig(articulation=1.2).build()(audio, segments, prompt=prompt))
    gap = lip_gap(head, vertices)
    closed = closure_score(gap, 25.0, segments)
    assert closed.hit == closed.labelled == 15 and closed.precision == 1.0
    touched = labiodental_score(lower_lip_to_teeth(head, vertices), 25.0, segments)
    assert touched.hit == touched.labelled == 7
    # The mouth is no letter box either: vowels open it in any emotion.
    times = frame_times(n_frames, 25.0)
    for segment in segments:
        if segment.phone in ("ae", "ao", "aa", "ay", "eh") and segment.end - segment.start > 0.06:
            assert gap[(times > segment.start) & (times < segment.end)].max() > 0.003


def test_sure_posteriors_close_the_lips_too(head, voice):
    audio, segments = voice
    motion = RuleConfig().build()(audio, certain(segments, confidence=0.85))
    score = closure_score(lip_gap(head, _vertices(head, motion)), 25.0, segments)
    assert score.recall == 1.0 and score.precision > 0.9


def test_lips_stay_together_in_silence(head):
    audio, segments = silence(4.0)
    assert lip_gap(head, _vertices(head, RuleConfig().build()(audio, segments))).abs().max() < CLOSED_GAP


def test_the_mouth_opens_as_far_as_filmed_mouths(head, voice):
    """Filmed readers of English open 15 mm at most in a sentence and 8 on average, with a standard deviation of 4."""
    gap = 1000 * lip_gap(head, _vertices(head, RuleConfig().build()(*voice)))
    assert 9 < gap.max() < 20 and 2.5 < gap.std() < 6.0


def test_the_linear_lip_model_is_that_of_the_head(head, voice):
    """`closures` opens and shuts lips by a linear model of the generic head; a rebuilt head must not leave it behind."""
    motion = RuleConfig().build()(*voice)
    modelled = closures._opening_mm(motion.rig).clamp(min=0.0)
    assert (modelled - 1000 * lip_gap(head, _vertices(head, motion))).abs().mean() < 0.7
