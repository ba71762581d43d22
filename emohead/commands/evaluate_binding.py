"""`emohead evaluate binding`: how well faces, voices, texts and labels of one emotion are found by each other, in one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emohead.commands.options import SAMPLE_SPEECH, Command, Outcome, to_json

if TYPE_CHECKING:
    from controllers.binding_evaluation import Fold, Likeness, Score
    from emohead.data.motion_corpus import MotionCorpus
    from emohead.motion.baselines import Voice
    from emohead.performance import Progress

_MODALITIES = ("motion", "voice", "text", "label")


@dataclass(frozen=True, kw_only=True)
class EvaluateBinding(Command):
    """Measure the emotion space on what it has never met: one training per speaker of the acted voices, who is then measured.

    Every training also lacks every tenth performance and the phrases that `emohead evaluate text` withholds (S2). docs/binding.md defines
    every figure. Trainings are kept in --work, so that a second run only measures.
    """

    performances: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Performances: the folder `performances` that emohead train motion makes in its --work."""
    emotional: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Acted emotions, by speaker."""
    emotional_corpus: str = "emodb"
    """What --emotional holds: emodb, mead or ravdess."""
    human: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Recordings with transcripts.tsv whose test speakers the generators speak with; without it, the spoken sample that ships."""
    generator: tyro.conf.UseAppendAction[tuple[Literal["rules", "diffusion"], ...]] = ()
    """What makes motion of references, repeatable: rules, diffusion. Default: rules."""
    steps: int = 600
    """Steps of each training."""
    work: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Keeps what was read and trained. Default: measures in EmoHead's cache folder."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write all figures as JSON, flat."""

    def run(self) -> Outcome:
        """Train what is missing, measure and print the tables."""
        import torch

        from emohead.assets import cache_folder
        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, write_text

        if self.json:
            check_target(self.json)
        torch.set_num_threads(1)
        work = self.work or cache_folder() / "measures" / "binding"
        work.mkdir(parents=True, exist_ok=True)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from controllers.binding_table import flat, table
            from emohead.data.motion_corpus import load_motion_corpus

            corpus = load_motion_corpus(self.performances)
            found = self._folds(corpus, work, tell)
            voices = self._voices(work)
            named, likeness = self._named(found), {}
            for index, name in enumerate(self.generator or ("rules",)):
                tell(0.8 + 0.2 * index / len(self.generator or ("rules",)), f"what {name} makes of references")
                seen, likeness[name] = self._generated(name, found, corpus, voices)
                named[f"motion, {name} asked by label"] = seen
        matrix = self._matrix(found)
        if self.json:
            write_text(self.json, to_json(flat(named, matrix, likeness)) + "\n")
        return Outcome(table(named, matrix, likeness))

    def _folds(self, corpus: "MotionCorpus", work: Path, tell: "Progress") -> "list[Fold]":
        from dataclasses import replace

        from controllers.binding_data import faces_of, tones_of
        from controllers.binding_evaluation import folds
        from controllers.binding_training import BindingTrainingConfig
        from controllers.phrases import held_out
        from emohead.data.emotional_voices import emotional_voices

        plain = BindingTrainingConfig()
        config = replace(plain, training=replace(plain.training, steps=self.steps, every=self.steps))
        faces = faces_of(corpus, work / "faces.npz", progress=lambda share, text: tell(0.2 * share, text))
        voices = emotional_voices(self.emotional, self.emotional_corpus)
        tones = tones_of(voices, work / "tones.npz", progress=lambda share, text: tell(0.2 + 0.1 * share, text))
        return folds(faces, tones, held_out(), work, config=config, progress=lambda share, text: tell(0.3 + 0.5 * share, text))

    def _named(self, found: "Sequence[Fold]") -> "dict[str, Score]":
        """Each kind of item against the labels."""
        from controllers.binding_evaluation import named
        from emohead.data.prompt_plans import EMOTIONS

        scores = {}
        for name in found[0].sets:
            heard = sorted({emotion for fold in found for emotion in fold.sets["voice"].emotion})
            among = heard if name == "voice" else EMOTIONS
            scores[name] = named([(fold.space, fold.sets[name]) for fold in found], among)
        return scores

    def _matrix(self, found: "Sequence[Fold]") -> "dict[tuple[str, str], Score]":
        from controllers.binding_evaluation import retrieved

        return {(query, target): retrieved(found, query, target) for query in _MODALITIES for target in _MODALITIES}

    def _generated(
        self, name: str, found: "Sequence[Fold]", corpus: "MotionCorpus", voices: "Sequence[Voice]"
    ) -> "tuple[Score, dict[str, Likeness]]":
        """What a generator asked by label is taken for, and how like the emotion it is that a reference of each modality gives."""
        from controllers.binding_evaluation import asked_of, embedded, likeness, named, prompts, truths
        from emohead.data.prompt_plans import EMOTIONS
        from emohead.metrics.judges import load_judges
        from emohead.motion.generators import Setting, build_generator

        generator, judges = build_generator(name, Setting()), load_judges()
        motions = asked_of(generator, voices)
        seen = named([(fold.space, embedded(fold.space, motions)) for fold in found], EMOTIONS)
        true = truths(corpus, judges)
        n_frames = max(round(voice.audio.duration * 25) for voice in voices)
        asked = prompts(found, n_frames)
        return seen, {kind: likeness(listed, generator, voices, judges, true) for kind, listed in asked.items() if listed}

    def _voices(self, work: Path) -> "list[Voice]":
        from emohead.assets import find
        from emohead.data.measuring_speech import human_utterances
        from emohead.media import read_audio
        from emohead.motion.baselines import Voice
        from emohead.motion.phone_net import load_phone_net

        if self.human is None:
            audio = read_audio(find(SAMPLE_SPEECH))
            return [Voice(audio, load_phone_net().posteriors(audio))]
        spoken = human_utterances(self.human, limit=6, cache=work / "alignments")
        return [Voice(utterance.audio, utterance.phones) for utterance in spoken]
