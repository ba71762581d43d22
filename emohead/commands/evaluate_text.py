"""`emohead evaluate text`: how well sentences are understood, in one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from controllers.meaning import MeaningModel
    from controllers.text_baselines import Method
    from controllers.understanding import Understanding
    from emohead.performance import Progress

Part = Literal["s1", "s2", "s3", "s4", "s5", "behaviour"]
PARTS: tuple[Part, ...] = ("s1", "s2", "s3", "s4", "s5", "behaviour")


@dataclass(frozen=True, kw_only=True)
class EvaluateText(Command):
    """Measure how well sentences are understood: error, F1, side and order of action units, against simple methods.

    S1 known phrases in known frames, S2 phrases that neither lexicon nor network has seen, S3 unseen frames, S4 combinations, S5 free
    sentences with two annotations. S1 to S4 are measured with a lexicon and a network from which the phrases of S2 were withheld; S5 and
    the behaviour with those that ship. docs/text.md defines every column.
    """

    cases: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("benchmarks/text")
    """s1.jsonl to s4.jsonl; for S5 paraphrases.tsv, codes_a.jsonl and codes_b.jsonl."""
    part: tyro.conf.UseAppendAction[tuple[Part, ...]] = ()
    """What to measure, repeatable: s1, s2, s3, s4, s5, behaviour. Default: all whose files are there."""
    front_end: Literal["small", "minilm", "clip"] = "small"
    """What reads unknown words: the network that ships, or the one on MiniLM (extra `text`)."""
    hold_out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Weights that `emohead train text-to-au --hold-out` made. Without them they are trained now, in minutes, and kept in the cache."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write all figures as JSON, flat."""

    def run(self) -> Outcome:
        """Measure and print the table."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, write_text

        if self.json:
            check_target(self.json)
        torch.set_num_threads(1)
        parts = self._parts()
        with progress_bar() as tell:
            tell(0.0, "loading")
            from controllers.text_evaluation import agreement, behaviour, read_annotated, read_splits, score_annotated, score_splits
            from controllers.text_table import flat, table
            from controllers.understanding import load_understanding

            known = read_splits(self.cases) if set(parts) - {"s5"} else {}
            splits = {name: cases for name, cases in known.items() if name in parts}
            scores = {}
            if splits:
                model = self._held_out_model(tell)
                tell(0.7, "sentences with known meanings")
                scores = score_splits(splits, self._methods(self._without(model), model, withheld=True))
            shipped, free, agreed, held = load_understanding(self.front_end), None, None, None
            if "s5" in parts:
                tell(0.8, "free sentences")
                data = read_annotated(self.cases)
                free, agreed = score_annotated(data, self._methods(shipped, _network(shipped), withheld=False)), agreement(data)
            if "behaviour" in parts:
                tell(0.9, "behaviour")
                held = behaviour(shipped, known)
        if self.json:
            write_text(self.json, to_json({"front_end": self.front_end, **flat(scores, free, agreed, held)}) + "\n")
        return Outcome(table(scores, free, agreed, held))

    def _parts(self) -> tuple[Part, ...]:
        if self.part:
            return self.part
        return PARTS if (self.cases / "paraphrases.tsv").is_file() else tuple(part for part in PARTS if part != "s5")

    def _held_out_model(self, tell: "Progress") -> "MeaningModel":
        """The network that has not seen the phrases of S2, trained where it is not given."""
        from controllers.meaning import read_meaning, save_meaning
        from emohead.assets import cache_folder
        from emohead.errors import InputError
        from emohead.output import whole_file

        if self.hold_out is not None:
            model = read_meaning(self.hold_out)
            if model.front_end != self.front_end:
                raise InputError(f"--hold-out {self.hold_out} was trained for --front-end {model.front_end}; give that, or other weights")
            return model
        folder = cache_folder() / "measures" / f"text_hold_out_{_tables()}_{self.front_end}"
        path = folder / "weights.safetensors"
        if path.is_file():
            return read_meaning(path)
        from controllers.meaning_training import train_meaning, training_config
        from controllers.phrases import held_out

        config = training_config(self.front_end)

        def report(step: int, means: dict[str, float]) -> None:
            tell(0.7 * step / config.training.steps, f"training without the phrases of S2, step {step}, loss {means['loss']:.3f}")

        model = train_meaning(folder, config=config, without=held_out(), report=report)
        with whole_file(path) as partial:
            save_meaning(model, partial)
        return read_meaning(path)

    def _without(self, model: "MeaningModel") -> "Understanding":
        """The understanding that lacks the phrases of S2."""
        from controllers.phrases import held_out
        from controllers.understanding import Understanding
        from controllers.word_vectors import load_word_vectors

        return Understanding(held_out().lexicon(), model, load_word_vectors())

    def _methods(self, understanding: "Understanding", model: "MeaningModel", *, withheld: bool) -> "dict[str, Method]":
        """Ours and the simple ones; all know the same phrases."""
        import torch

        from controllers.described import described_sentences
        from controllers.minilm import is_installed, load_minilm
        from controllers.phrases import held_out, lexicon_phrases, situation_phrases
        from controllers.text_baselines import always, binary, keywords, nearest_by_letters, nearest_by_minilm, nearest_described, prototype
        from controllers.text_evaluation import ours

        hidden = held_out().texts if withheld else frozenset()
        listed = [phrase for phrase in lexicon_phrases() if phrase.text not in hidden]
        phrases = [*listed, *(phrase for phrase in situation_phrases() if phrase.text not in hidden)]
        mean = torch.stack([prototype(phrase) for phrase in phrases]).mean(0)
        methods: dict[str, Method] = {
            "ours": ours(understanding),
            "mean face": always(mean),
            "keywords": keywords(listed),
            "nearest by letters": nearest_by_letters(phrases),
        }
        if is_installed():
            methods["nearest by MiniLM"] = nearest_by_minilm(phrases, load_minilm())
            known = [item for item in described_sentences() if not (withheld and held_out().occurs_in(item.text))]
            methods["nearest described by MiniLM"] = nearest_described(known, load_minilm())
        return methods | {"binary edit": binary(model, torch.full_like(mean, _EDITED))}


_EDITED = 0.3
"""Intensity of every unit in the face that the binary edit scales, so that what it means becomes .6 and the rest 0."""


def _network(understanding: "Understanding") -> "MeaningModel":
    from controllers.meaning import BothMeanings, MeaningModel

    meaning = understanding.meaning.first if isinstance(understanding.meaning, BothMeanings) else understanding.meaning
    assert isinstance(meaning, MeaningModel)
    return meaning


def _tables() -> str:
    """A number that changes with the tables that are trained on."""
    import zlib
    from json import dumps

    from controllers.described import described_sentences
    from controllers.tables import read_table

    names = ("words", "emotions", "actions", "situations", "frames")
    faces = [(item.text, dict(item.expression.au)) for item in described_sentences()]
    return f"{zlib.crc32(dumps([*(read_table(name) for name in names), faces]).encode()):08x}"
