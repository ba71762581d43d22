"""`emohead train binding`: make the emotion space that faces, voices, texts and labels share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Outcome, TrainingCommand, to_json

if TYPE_CHECKING:
    from controllers.binding_training import BindingTrainingConfig
    from emohead.data.emotional_voices import EmotionalVoice


@dataclass(frozen=True, kw_only=True)
class TrainBinding(TrainingCommand):
    """Train the emotion space: performances for faces, acted voices, generated sentences and the tables' expressions.

    What is read from recordings, checkpoints, log, settings and curves stay in --work, where the same command goes on after a stop. It
    needs the extra `train`.
    """

    performances: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Performances to learn faces from: the folder `performances` that emohead train motion makes in its --work."""
    work: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("build/binding")
    """Checkpoints, log, settings and curves."""
    emotional: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Acted emotions to learn voices from; without them the space knows faces, texts and labels."""
    emotional_corpus: str = "emodb"
    """What --emotional holds: emodb, mead or ravdess."""
    steps: int = 600
    """Training steps."""
    batch: int = 96
    """Items of each modality per step and process."""
    per_state: int = 40
    """Strengths of the label of each state of the tables, and windows of faces that it is laid over."""
    width: int = 96
    """Hidden units of each adapter."""
    seed: int = 0
    """Of what is drawn, the first weights and every batch."""

    def run(self) -> Outcome:
        """Read what there is to learn from, train and write the weights."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, whole_file

        check_target(self.out)
        self._check()
        torch.set_num_threads(self.threads)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from controllers.binding import save_space
            from controllers.binding_data import faces_of, tones_of
            from controllers.binding_training import lessons_of, train_binding
            from emohead.data.motion_corpus import load_motion_corpus
            from emohead.motion.training import log_lines
            from emohead.motion.training_curves import write_curves

            config, voices = self._config(), self._voices()
            corpus = load_motion_corpus(self.performances)
            if self.dry_run:
                return Outcome(to_json(self.settings() | {"n_performances": corpus.n_clips, "n_voices": len(voices)}))
            self.work.mkdir(parents=True, exist_ok=True)
            faces = faces_of(corpus, self.work / "faces.npz", progress=lambda share, text: tell(0.4 * share, text))
            tones = (
                tones_of(voices, self.work / "tones.npz", progress=lambda share, text: tell(0.4 + 0.3 * share, text)) if voices else None
            )
            run = self.work / "run"

            def report(step: int, means: dict[str, float]) -> None:
                tell(0.7 + 0.3 * step / self.steps, f"training, step {step} of {self.steps}, loss {means['loss']:.3f}")
                write_curves(self.work / "curves.png", log_lines(run))

            tell(0.7, "preparing")
            space = train_binding(lessons_of(faces, config=config), tones, run, config=config, report=report)
            with whole_file(self.out) as partial:
                save_space(space, partial)
        heard = f"{len(voices)} voices" if voices else "no voices"
        return Outcome(f"wrote {self.out}: {self.steps} steps on {len(faces.shown)} performances and {heard}; see {self.work}")

    def _voices(self) -> "list[EmotionalVoice]":
        from emohead.data.emotional_voices import emotional_voices

        return [] if self.emotional is None else emotional_voices(self.emotional, self.emotional_corpus)

    def _config(self) -> "BindingTrainingConfig":
        from dataclasses import replace

        from controllers.binding_training import BindingTrainingConfig

        plain = BindingTrainingConfig()
        training = replace(plain.training, steps=self.steps, seed=self.seed, precision=self.precision)
        return replace(plain, per_state=self.per_state, width=self.width, batch=self.batch, training=training)

    def _check(self) -> None:
        from emohead.errors import InputError

        for name in ("steps", "batch", "per_state", "width", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: give 1 or more")
