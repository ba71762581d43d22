"""The text benchmark on a handful of sentences."""

import json
import math
from pathlib import Path

import pytest
import torch

from controllers.phrases import Phrase, lexicon_phrases
from controllers.text_baselines import always, keywords, nearest_by_letters, prototype
from controllers.text_cases import TextCase, Wish
from controllers.text_evaluation import agreement, behaviour, ours, plan_phases, read_annotated, score_annotated, score_splits
from controllers.text_table import flat, table
from controllers.text_to_au import text_to_plan
from controllers.understanding import load_understanding
from emohead.channels import AU_INDEX, N_AU
from emohead.errors import InputError

SENTENCES = ("a broad grin", "she weeps, then she laughs", "winks with the left eye", "a man at a table", "raises the right eyebrow")
CODES = [
    [{"au": {"AU12": 0.8, "AU6": 0.4, "AU25": 0.5}}],
    [{"au": {"AU15": 0.6, "AU1": 0.6}}, {"au": {"AU12": 0.9, "AU6": 0.9}}],
    [{"au": {"AU43L": 1.0}}],
    [],
    [{"au": {"AU2R": 0.8}}],
]


def write(folder: Path, rows: list[list[dict[str, dict[str, float]]]] | None = None) -> Path:
    lines = ["id\tkind\tsentence", *(f"P{index}\tfree\t{text}" for index, text in enumerate(SENTENCES))]
    (folder / "paraphrases.tsv").write_text("\n".join(lines) + "\n")
    for letter in "ab":
        codes = [json.dumps({"id": f"P{index}", "events": events}) for index, events in enumerate(rows or CODES)]
        (folder / f"codes_{letter}.jsonl").write_text("\n".join(codes) + "\n")
    return folder


def test_annotated_sentences_are_read_and_scored(tmp_path: Path):
    data = read_annotated(write(tmp_path))
    assert data.sentences == SENTENCES and [len(item.intensity) for item in data.first] == [1, 2, 1, 0, 1]
    assert float(data.first[0].peak[AU_INDEX["AU12R"]]) == pytest.approx(0.8), "a unit without a side is on both"
    assert agreement(data).f1 == 1.0
    methods = {
        "ours": ours(load_understanding("lexicon")),
        "mean": always(torch.full((N_AU,), 0.2)),
        "keywords": keywords(lexicon_phrases()),
    }
    scores = score_annotated(data, methods)
    assert scores["ours"].mean.f1 > scores["keywords"].mean.f1 > scores["mean"].mean.f1
    assert scores["ours"].mean.side == 1.0 and scores["ours"].mean.order == 1.0
    assert "S5, 5 sentences" in table({}, scores, agreement(data), None)
    assert flat({}, scores, agreement(data), None)["s5_ours_side"] == 1.0


def test_broken_annotations_are_refused(tmp_path: Path):
    write(tmp_path, CODES[:4])
    with pytest.raises(InputError, match="P4 has no line"):
        read_annotated(tmp_path)
    (tmp_path / "codes_a.jsonl").write_text('{"id": "P0", "events": [{"au": {"AU99": 0.5}}]}\n')
    with pytest.raises(InputError, match="line 1: not an annotation"):
        read_annotated(tmp_path)
    (tmp_path / "paraphrases.tsv").write_text("P0 a sentence without tabs\n")
    with pytest.raises(InputError, match="three columns"):
        read_annotated(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_annotated(tmp_path / "missing")


def test_known_meanings_are_scored_per_split_and_method():
    cases = [
        TextCase("S2-1", "she looks happy", ((Wish("happy", 0.7),),), "kin"),
        TextCase("S2-2", "raises the left eyebrow", ((Wish("raise brows", side="L"),),), "new"),
        TextCase("S2-3", "first sad, then angry", ((Wish("sad", 0.7),), (Wish("angry", 0.7),)), "new"),
    ]
    known = [phrase for phrase in lexicon_phrases() if phrase.text in ("happy", "sad", "angry", "raise eyebrow")]
    methods = {"ours": ours(load_understanding("lexicon")), "letters": nearest_by_letters(known)}
    scores = score_splits({"s2": cases}, methods)
    assert scores["s2"]["ours"].f1 == 1.0 and scores["s2"]["ours"].whole == 1.0 and scores["s2 new"]["ours"].order == 1.0
    assert scores["s2"]["letters"].f1 < 1.0 and math.isnan(scores["s2 kin"]["letters"].order)
    assert flat(scores, None, None, None)["s2_kin_letters_order"] is None


def test_phases_of_plans():
    for sentence, count in (
        ("smiles, nods and winks", 1),
        ("looks sad, then winks", 1),
        ("first sad, then angry", 2),
        ("", 0),
        ("nods", 0),
        ("ends on a grin", 2),
    ):
        assert len(plan_phases(text_to_plan(sentence, reading="lexicon")).intensity) == count, sentence
    wink = plan_phases(text_to_plan("winks with the left eye", reading="lexicon")).peak
    assert wink[AU_INDEX["AU43L"]] == 1.0 and wink[AU_INDEX["AU43R"]] == 0.0


def test_a_prototype_is_a_state_at_usual_strength():
    happy, raised = prototype(Phrase("happy", "happy", 1.0, "state")), prototype(Phrase("brows up", "raise brows", 1.0, "action"))
    assert happy[AU_INDEX["AU12L"]] == pytest.approx(0.63) and raised[AU_INDEX["AU2L"]] == pytest.approx(0.8)
    starstruck = prototype(Phrase("starstruck", "awed", 1.0, "state"))
    assert not torch.equal(starstruck, prototype(Phrase("awed", "awed", 1.0, "state"))), "a word has its own shade"


def test_behaviour_of_the_grammar():
    case = TextCase("S4-1", "raises the left eyebrow, happy", ((Wish("raise brows", side="L"), Wish("happy", 0.7)),), "")
    found = behaviour(load_understanding("lexicon"), {"s4": [case]})
    assert found.mirrored == 1.0 and found.denials >= 0.95 and found.ladders >= 0.95
