"""Training of the emotion space: what it is given, what it must not see, and that it learns."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from controllers.binding_data import Faces, Tones, label_items, motion_items, state_names, texts, voice_items
from controllers.binding_evaluation import Fold, Set, named, retrieved
from controllers.binding_net import CLASSES
from controllers.binding_training import BindingTrainingConfig, lessons_of, train_binding
from controllers.binding_voice import N_TONE
from controllers.labels import LabelController
from controllers.phrases import held_out
from emohead.data.prompt_plans import EMOTIONS


def tiny_faces() -> Faces:
    """Performances without speech: two of each emotion, and two of nothing."""
    shown, emotion = np.zeros((16, 30, 46), np.float16), np.zeros((16, 30, 7), np.float16)
    for clip in range(14):
        shown[clip] = LabelController(EMOTIONS[clip % 7], seed=clip)(42, 6.25).intensity[12:].numpy()
        emotion[clip, :, clip % 7] = 0.9
    return Faces(shown, np.zeros((16, 30, 5), np.float16), emotion, np.arange(16))


def tiny_tones() -> Tones:
    """Two speakers whose emotions differ in one number each."""
    names = ("angry", "happy", "sad") * 4
    values = 0.3 * torch.randn(12, 2, N_TONE, generator=torch.Generator().manual_seed(0))
    for row, name in enumerate(names):
        values[row, :, CLASSES.index(name)] += 4.0
    return Tones(values, names, tuple("x/1" if row < 6 else "x/2" for row in range(12)))


def test_windows_show_what_was_meant():
    items = motion_items(tiny_faces(), np.random.default_rng(0), overlaid=1)
    assert len(items.values) == 14 * 4 + 2 + len(state_names())
    known = [state_names()[index] for index in items.state[:4].tolist()]
    assert known == ["happy"] * 4 and torch.allclose(items.strength[:4], torch.tensor(0.9), atol=1e-2)
    assert float(items.strength[items.state == 0].max()) == 0.0
    assert bool(torch.isfinite(items.values).all())


def test_a_speaker_can_be_left_out():
    tones = tiny_tones()
    assert len(voice_items(tones).values) == 24 and len(voice_items(tones, without="x/1").values) == 12
    kept = voice_items(tones, without="x/1").values
    assert torch.equal(kept[0], tones.values[6, 0])


def test_withheld_phrases_are_never_drawn():
    withheld = held_out()
    assert not any(withheld.occurs_in(phrase.text) for _, phrase in texts(random.Random(0), 600, without=withheld))
    assert any(withheld.occurs_in(phrase.text) for _, phrase in texts(random.Random(0), 600))


def test_labels_come_at_many_strengths():
    items = label_items(np.random.default_rng(0), per_state=3)
    assert items.values.shape[0] == 3 * len(state_names()) and items.strength.unique().numel() > 100


def test_it_learns_and_goes_on(tmp_path: Path):
    pytest.importorskip("accelerate")
    plain = BindingTrainingConfig(batch=16, per_state=2, sentences=200)
    config = replace(plain, training=replace(plain.training, steps=30, warmup=5, every=30, average=0.9, report_every=10))
    seen: list[dict[str, float]] = []
    lessons = lessons_of(tiny_faces(), config=config, without=held_out())
    space = train_binding(lessons, tiny_tones(), tmp_path, config=config, without_speaker="x/2", report=lambda _, m: seen.append(m))
    assert space.hears and seen[-1]["loss"] < 6.0
    labels = Set(space.label(list(EMOTIONS)).vectors, torch.ones(7), EMOTIONS)
    faces = motion_items(tiny_faces(), np.random.default_rng(5), overlaid=0)
    made = space.embed("motion", faces.values)
    motions = Set(made.vectors, made.strength, tuple(state_names()[index] for index in faces.state.tolist()))
    assert named([(space, motions)], EMOTIONS).accuracy > 0.5
    fold = Fold("x/2", space, {"motion": motions, "label": labels})
    found = retrieved([fold], "label", "motion")
    assert found.count == 7 and found.accuracy > 0.5
    again = train_binding(lessons, tiny_tones(), tmp_path, config=config, without_speaker="x/2")
    assert torch.equal(again.label(["happy"]).vectors, space.label(["happy"]).vectors)
