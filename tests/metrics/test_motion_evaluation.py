"""The scores of generators on sources whose answer is known, and the table of them all."""

import math

import pytest
import torch

from emohead.channels import AU_INDEX
from emohead.data.clip_folder import CorpusClip
from emohead.data.measuring_speech import FilmedClip, Utterance
from emohead.head.generic import load_generic
from emohead.metrics.judges import JudgeConfig
from emohead.metrics.motion_evaluation import Sources, measure
from emohead.metrics.motion_table import flat, table
from emohead.metrics.speech_scores import closure_scores, filmed_scores, spoken_parts
from emohead.metrics.truth_scores import TruthClip, clip_of_corpus, clip_of_teacher, truth_scores
from emohead.metrics.vertices import face_vertices
from emohead.motion.baselines import EnergyJaw
from emohead.motion.phone_net import load_phone_net
from emohead.motion.phones import PHONE_INDEX
from emohead.motion.rules import RuleConfig
from emohead.types import AUTrack, HeadMotion, PhonePosteriors, PhoneSegment
from tests.tiny import voice

HEAD, NET, RULES = load_generic(), load_phone_net(), RuleConfig().build()
JUDGES = JudgeConfig(width=8, embedding=4).build().eval()
PHONES = [
    PhoneSegment("pau", 0.0, 0.3), PhoneSegment("m", 0.3, 0.4), PhoneSegment("aa", 0.4, 0.8), PhoneSegment("b", 0.8, 0.9),
    PhoneSegment("iy", 0.9, 1.2), PhoneSegment("f", 1.2, 1.35), PhoneSegment("ow", 1.35, 1.6), PhoneSegment("pau", 1.6, 2.0),
]  # fmt: skip
UTTERANCE = Utterance("one", voice(2.0), PHONES, PHONES)


def _smiling(n_frames: int, fps: float) -> AUTrack:
    track = AUTrack.neutral(n_frames, fps)
    for name in ("AU12L", "AU12R", "AU6L", "AU6R"):
        track.intensity[:, AU_INDEX[name]], track.weight[:, AU_INDEX[name]] = 1.0, 1.0
    return track


def test_told_closures_are_met_by_rules_and_missed_by_a_jaw():
    scores = closure_scores([UTTERANCE], lambda voices: RULES, HEAD, NET.posteriors, {"happy": _smiling})
    assert scores["told_closure_recall"] == scores["moods_closure_recall"] == scores["told_happy_closure_recall"] == 1.0
    assert scores["told_labiodental_recall"] == 1.0 and (scores["closures"], scores["labiodentals"]) == (2.0, 1.0)
    jaw = closure_scores([UTTERANCE], lambda voices: EnergyJaw(), HEAD, NET.posteriors, {})
    assert jaw["told_closure_recall"] < 1.0 and "moods_closures" not in jaw


def test_a_film_of_the_generator_itself_correlates_fully():
    points = HEAD.landmarks(face_vertices(HEAD, RULES(UTTERANCE.audio, PHONES)), "mediapipe478")[..., :2]
    clips = [FilmedClip(str(shift), UTTERANCE.audio, 800 * points.roll(shift, 0), PHONES, PHONES, True) for shift in (0, 2)]
    scores = filmed_scores(clips[:1], lambda voices: RULES, HEAD, NET.posteriors, JUDGES)
    # Landmark tracks are smoothed over three frames before they are compared.
    assert scores["told_r"] > 0.95 and scores["told_lag_ms"] == 0.0 and math.isnan(scores["told_r_wrong_audio"])
    late = filmed_scores(clips[1:], lambda voices: RULES, HEAD, NET.posteriors, JUDGES)
    assert late["told_r"] < 0.7 and late["told_lag_ms"] == pytest.approx(-80.0)
    pair = filmed_scores(clips, lambda voices: RULES, HEAD, NET.posteriors, JUDGES)
    assert pair["told_r_least"] == pytest.approx(late["told_r"]) and pair["clips"] == 2.0


def test_speech_is_where_silence_is_unlikely():
    speech = PhonePosteriors(100.0, torch.zeros(100, len(PHONE_INDEX)), torch.zeros(100))
    speech.probabilities[:, PHONE_INDEX["pau"]] = 1.0
    speech.probabilities[20:50, PHONE_INDEX["pau"]] = 0.1
    assert [(part.start, part.end) for part in spoken_parts(speech)] == [(0.2, 0.5)]


def test_a_generator_against_its_own_motion_has_no_error():
    truth = RULES(UTTERANCE.audio, NET.posteriors(UTTERANCE.audio))
    scores = truth_scores([TruthClip("own", UTTERANCE.audio, truth)], lambda voices: RULES, HEAD, NET.posteriors, JUDGES)
    for name in ("lve_mm", "lve_rms_mm", "mve_mm", "fdd_mm", "mod_mm", "lag_ms"):
        assert scores[name] == pytest.approx(0.0, abs=1e-4)
    assert scores["emotion_similarity"] == pytest.approx(1.0, abs=1e-4) and math.isnan(scores["emotion_similarity_others"])
    assert scores["sync_windows"] == scores["sync_windows_true"] < 8 and math.isnan(scores["sync_retrieval"])
    for name in ("opening_r", "mouth_std_ratio", "head_std_ratio", "jitter_ratio", "theval_mean_score", "theval_lip_dynamics_score"):
        assert scores[name] == pytest.approx(1.0, abs=1e-4)
    other = truth_scores([TruthClip("own", UTTERANCE.audio, truth)], lambda voices: EnergyJaw(), HEAD, NET.posteriors, JUDGES)
    assert other["lve_mm"] > 1.0 and other["fdd_mm"] > 0.0 and other["upper_std_ratio"] < 0.1


def test_the_teacher_speaks_with_another_seed():
    clip = clip_of_teacher(UTTERANCE, RULES, "happy", {"happy": _smiling})
    assert clip.mood == "happy" and clip.prompt is not None and clip.motion.n_frames == 50
    assert not torch.equal(clip.motion.head_rotation, RULES(UTTERANCE.audio, PHONES, prompt=clip.prompt).head_rotation)


def test_clips_of_a_corpus_are_cut_to_their_voice_and_never_give_the_mouth_away():
    au = AUTrack.neutral(60, 25.0)
    au.intensity[:], au.weight[:] = 0.5, 1.0
    clip = CorpusClip(HeadMotion.neutral(60, 25.0), au, voice(2.0), {})
    truth = clip_of_corpus("a", clip, prompted=True)
    assert truth is not None and truth.prompt is not None and round(truth.audio.duration * 25) == truth.motion.n_frames == 60
    asked = {name for name, index in AU_INDEX.items() if truth.prompt.weight[0, index] > 0}
    assert {"AU1L", "AU4R", "AU6L", "AU43L"} <= asked and not asked & {"AU12L", "AU25", "AU26", "AU17"}
    plain = clip_of_corpus("a", clip, prompted=False)
    assert plain is not None and plain.prompt is None
    assert clip_of_corpus("b", CorpusClip(clip.motion, au, None, {}), prompted=False) is None


def test_one_table_of_everything():
    film = FilmedClip("film", UTTERANCE.audio, torch.rand(50, 478, 2, generator=torch.Generator().manual_seed(0)), [], None, False)
    sources = Sources((voice(1.0),), {"human": [UTTERANCE]}, {"films": [film]})
    told: list[float] = []
    results = measure(
        ("rules", "energy"),
        sources,
        NET,
        {"happy": _smiling},
        takes=2,
        progress=lambda share, text: told.append(share),
        units=("AU4",),
        judges=JUDGES,
    )
    assert set(results) == {"human", "films", "teacher", "prompt", "variety", "manner"}
    assert told == sorted(told) and told[0] >= 0.0 and told[-1] < 1.0
    text = table(results)
    for name in ("rules", "energy"):
        assert text.count(f"| {name} ") == 8
    assert "human, 2 p b m and 1 f v" in text and "nan" not in text
    figures = flat(results)
    assert figures["human_rules_told_closure_recall"] == 1.0 and figures["films_rules_r_wrong_audio"] is None
    assert figures["variety_energy_diversity_mouth"] == 0.0 < (figures["variety_rules_diversity_head"] or 0.0)
    assert 0.85 < (figures["prompt_rules_au4_slope"] or 0.0) < 1.15 and figures["manner_rules_silence_mouth_std"] is not None
