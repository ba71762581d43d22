"""`emohead train text-to-au`: make the network that knows what words mean for a face, from tables to weights, in minutes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emohead.commands.options import Outcome, TrainingCommand, to_json

if TYPE_CHECKING:
    from controllers.meaning_training import MeaningTrainingConfig


@dataclass(frozen=True, kw_only=True)
class TrainTextToAU(TrainingCommand):
    """Train the network that knows what words mean for a face, on sentences generated from the tables.

    Checkpoints, log, settings and curves stay in --work, where the same command goes on after a stop. It needs the extra `train`, and with
    --front-end minilm the extra `text`.
    """

    work: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("build/text_to_au")
    """Checkpoints, log, settings and curves."""
    front_end: Literal["small", "minilm", "clip"] = "small"
    """What reads the text: the word vectors that ship, MiniLM, or CLIP (extra `clip`), whose weights are yours to have."""
    text_model: Annotated[str, tyro.conf.arg(metavar="FOLDER")] = ""
    """With --front-end clip: folder of the model, or its name on the Hugging Face hub; openai/clip-vit-base-patch32 if not given."""
    hold_out: bool = False
    """Withhold a fifth of the phrases of every meaning: the network that `emohead evaluate text` measures on unseen words."""
    steps: int | None = None
    """Training steps; 4,000 if not given."""
    batch: int | None = None
    """Sentences per step and process; 256, or 64 on MiniLM, if not given."""
    width: int | None = None
    """Channels of the network, a multiple of 4; 192, or 128 on MiniLM, if not given."""
    seed: int = 0
    """Of the sentences, the first weights and every batch."""

    def run(self) -> Outcome:
        """Train and write the weights."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, whole_file

        check_target(self.out)
        self._check()
        torch.set_num_threads(self.threads)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from controllers.front_ends import load_front_end
            from controllers.meaning import save_meaning
            from controllers.meaning_training import train_meaning
            from controllers.phrases import held_out
            from emohead.motion.training import log_lines
            from emohead.motion.training_curves import write_curves

            config = self._config()
            load_front_end(self.front_end, self.text_model)
            if self.dry_run:
                return Outcome(to_json(self.settings()))

            def report(step: int, means: dict[str, float]) -> None:
                tell(step / config.training.steps, f"training, step {step} of {config.training.steps}, loss {means['loss']:.3f}")
                write_curves(self.work / "curves.png", log_lines(self.work))

            model = train_meaning(self.work, config=config, without=held_out() if self.hold_out else None, report=report)
            with whole_file(self.out) as partial:
                save_meaning(model, partial)
        without = f", without {len(held_out().phrases)} phrases" if self.hold_out else ""
        return Outcome(f"wrote {self.out}: {config.training.steps} steps of {config.batch} sentences{without}; see {self.work}")

    def _config(self) -> "MeaningTrainingConfig":
        from dataclasses import replace

        from controllers.meaning_training import training_config

        plain = training_config(self.front_end)
        training = replace(plain.training, steps=self.steps or plain.training.steps, seed=self.seed, precision=self.precision)
        width, batch = self.width or plain.width, self.batch or plain.batch
        return replace(plain, source=self.text_model, width=width, batch=batch, training=training)

    def _check(self) -> None:
        from emohead.errors import InputError

        for name, value in (("steps", self.steps), ("batch", self.batch), ("width", self.width), ("threads", self.threads)):
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: give 1 or more")
        if self.text_model and self.front_end != "clip":
            raise InputError(f"--text-model {self.text_model} goes with --front-end clip; give that, or leave it out")
        if self.width is not None and self.width % 4:
            raise InputError(f"--width {self.width}: give a multiple of 4")
