"""The benchmark's sentences: files and tables agree, and what must be unseen is unseen."""

import random
import re
from pathlib import Path

import pytest

from controllers.described import described_sentences
from controllers.lexicon import table_meanings
from controllers.meaning_corpus import MeaningCorpus
from controllers.phrases import held_out, lexicon_phrases, situation_phrases
from controllers.tables import read_table
from controllers.text_cases import SPLITS, TextCase, make_cases, read_cases, write_cases
from controllers.text_to_au import text_to_plan
from controllers.understanding import Understanding
from controllers.word_vectors import load_word_vectors
from emohead.errors import InputError

FOLDER = Path(__file__).parents[2] / "benchmarks" / "text"


@pytest.fixture(scope="module")
def corpus() -> MeaningCorpus:
    return MeaningCorpus(load_word_vectors(), without=held_out())


@pytest.mark.parametrize("split", SPLITS)
def test_the_files_are_those_of_the_tables(split: str, tmp_path: Path):
    cases = make_cases(split, held_out())  # type: ignore[arg-type]
    assert read_cases(FOLDER / f"{split}.jsonl") == cases, "write them again: python benchmarks/text_splits.py"
    write_cases(cases[:5], tmp_path / "some.jsonl")
    assert read_cases(tmp_path / "some.jsonl") == cases[:5]


def test_wordings_that_are_only_looked_up_are_neither_learned_nor_withheld(corpus: MeaningCorpus):
    only = {meaning.phrase for meaning in table_meanings() if not meaning.learned}
    assert "hide smile" in only and not only & {phrase.text for phrase in lexicon_phrases()}
    assert not only & held_out().texts and not only & {phrase.text for phrase in corpus.phrases}


def test_no_withheld_phrase_is_in_what_the_network_sees(corpus: MeaningCorpus):
    hidden = held_out()
    assert len([phrase for phrase in hidden.phrases if phrase.kind in ("state", "action")]) > 0.15 * len(lexicon_phrases())
    assert not hidden.texts & {phrase.text for phrase in corpus.phrases}
    examples = corpus.draw(3000, random.Random(7))
    seen = [phrase.text for example in examples for phrase in example.meant or ()]
    assert not any(hidden.occurs_in(text) for text in seen)
    assert {phrase.concept for phrase in corpus.phrases} == {phrase.concept for phrase in lexicon_phrases()}
    # A frame may happen to complete a phrase (`i feel blue`), and a slip of the pen may; no more than that.
    assert sum(hidden.occurs_in(example.text) for example in examples) <= 0.01 * len(examples)


def test_no_withheld_phrase_is_looked_up():
    lexicon = held_out().lexicon()
    for phrase in held_out().phrases:
        if phrase.kind == "state" and " " not in phrase.text:
            found = lexicon.match([phrase.text], 0)
            assert found is None or found.meaning.phrase != phrase.text


def test_no_withheld_frame_is_trained_on():
    frames = read_table("frames")
    trained = {frame for group in frames["frames"].values() for frame in group}
    unseen = {frame for group in frames["held_out"].values() for frame in group}
    assert unseen and not trained & unseen
    withheld_words = {" ".join(frame.replace("{}", " ").split()) for frame in unseen}
    assert not any(words in frame for words in withheld_words if words.count(" ") for frame in trained)


def test_known_sentences_mean_what_the_tables_say():
    """S1 is a check of sanity: without any network, known phrases in known frames give the tables' units."""
    understanding = Understanding(held_out().lexicon())
    cases = [case for case in read_cases(FOLDER / "s1.jsonl") if case.sentence.startswith(("she looks", "he seems", "she is"))][:20]
    right = 0
    for case in cases:
        peak = text_to_plan(case.sentence, understanding=understanding).peak()
        right += set(peak) >= {name for name, value in named(case).items() if value > 0.1}
    assert cases and right >= 0.9 * len(cases)


def named(case: TextCase) -> dict[str, float]:
    from emohead.channels import AU_NAMES

    return dict(zip(AU_NAMES, case.phases().peak.tolist(), strict=True))


def test_a_broken_file_is_refused_with_its_line(tmp_path: Path):
    (tmp_path / "s1.jsonl").write_text('{"id": "a", "sentence": "happy", "steps": []}\n{"id": 3}\n')
    with pytest.raises(InputError, match="line 2"):
        read_cases(tmp_path / "s1.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_cases(tmp_path / "missing.jsonl")


def test_free_sentences_are_kept_out_of_training():
    rows = (FOLDER / "paraphrases.tsv").read_text().splitlines()[1:]
    free = {plain(row.split("\t")[2]) for row in rows}
    trained = {plain(phrase.text) for phrase in (*lexicon_phrases(), *situation_phrases())}
    # Idioms and single words are the language's own; longer sentences that are in both would be a leak.
    assert not {sentence for sentence in free & trained if sentence.count(" ") >= 4}
    drawn = MeaningCorpus(load_word_vectors()).draw(5000, random.Random(3))
    assert not {sentence for sentence in free & {plain(example.text) for example in drawn} if sentence.count(" ") >= 4}


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "development"])
def test_no_described_sentence_is_nearly_one_that_is_measured(folder: Path):
    rows = (folder / "paraphrases.tsv").read_text().splitlines()[1:]
    measured = [frozenset(plain(row.split("\t")[2]).split()) for row in rows]
    exact = {plain(row.split("\t")[2]) for row in rows}
    for item in described_sentences():
        assert plain(item.text) not in exact, item.text
        words = frozenset(plain(item.text).split())
        if len(words) >= 4:
            assert not any(len(words & other) > 0.7 * len(words | other) for other in measured), item.text


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))
