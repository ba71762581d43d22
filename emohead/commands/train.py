"""`emohead train`: make the networks, from voices to weights, with commands that can be stopped and repeated."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from emohead.commands.options import Outcome, TrainingCommand, to_json

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from emohead.data.motion_corpus import MotionCorpus
    from emohead.motion.training import Report
    from emohead.performance import Progress


@dataclass(frozen=True, kw_only=True)
class TrainMotion(TrainingCommand):
    """Train the AU-prompted diffusion: voices, performances by the rule engine, network; or, with --data, recordings of people, network.

    Everything made on the way stays in --work, where the same command goes on after a stop. It needs flite and espeak-ng for the
    synthetic voices and the extra `train`.
    """

    work: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("build/motion")
    """Corpora, checkpoints, log, settings and curves."""
    human: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Human recordings with transcripts.tsv (speechocean762's columns); they are aligned here. Without them voices are synthetic."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Train on recorded motion with sound instead: a corpus of emohead track, or a folder of --layout."""
    layout: str = "emohead"
    """How --data is laid out: emohead (of emohead track), live-link-face, beat, arkit, tfhp; tfhp-videos, hdtf, mead, ravdess, whose videos
    are tracked first (docs/corpora.md)."""
    shards: int = 1
    """Shards of synthetic speech, 3.2 hours each."""
    clips: int = 5000
    """Performances of 8 seconds."""
    steps: int | None = None
    """Training steps; 5000 by default, 300 with --personalise."""
    personalise: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Fit the diffusion to one person instead: a folder of tracked clips with sound, from emohead track."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Weights to start from; with --personalise those that ship if not given, else none."""
    deterministic: bool = False
    """Train the baseline instead: a network of the same size that predicts the mean performance in one step, without noise."""
    adversarial: float = 0.0
    """Weight of a discriminator in the loss, 0 for none; .01 to .05 is usual."""
    features: str = "phones"
    """What the network hears: phones (of the network that ships), mel, hubert, wav2vec2 or wavlm (extra `encoders`)."""
    features_from: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the encoder's weights are: a folder, or a name on the Hugging Face hub."""
    batch: int = 32
    """Clips per step and process."""
    width: int = 192
    """Channels of the network."""

    def run(self) -> Outcome:
        """Make what is missing, train and write the weights."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target

        check_target(self.out)
        self._check()
        if self.dry_run:
            return Outcome(to_json(self.settings()))
        torch.set_num_threads(self.threads)
        with progress_bar() as tell:
            tell(0.0, "loading")
            return self._train(tell) if self.personalise is None else self._personalise(tell)

    def _train(self, tell: "Progress") -> Outcome:
        from dataclasses import replace

        from emohead.data.motion_corpus import MOTION_RATE
        from emohead.motion.diffusion_loss import LossWeights
        from emohead.motion.diffusion_model import load_diffusion, save_diffusion
        from emohead.motion.motion_training import MotionTrainingConfig, default_network, train_motion
        from emohead.motion.training import TrainingConfig

        corpus = self._corpus(tell) if self.data is None else self._recorded(self.data, tell)
        plain = MotionTrainingConfig().batches
        longest = min(plain.seconds[1], corpus.motion.shape[1] / MOTION_RATE)
        config = MotionTrainingConfig(
            network=replace(default_network(corpus.features.shape[2]), width=self.width),
            batches=replace(plain, n_clips=self.batch, seconds=(plain.seconds[0], longest)),
            weights=LossWeights(adversarial=self.adversarial),
            training=TrainingConfig(
                steps=self._n_steps, learning_rate=1e-3 if self.start is None else 6e-4, seed=self.seed, precision=self.precision
            ),
            deterministic=self.deterministic,
        )
        start = None if self.start is None else load_diffusion(self.start)
        model = train_motion(corpus, self.work / "run", config=config, start=start, report=self._reporter(tell, 0.4, self.work / "run"))
        save_diffusion(model, self.out)
        seen = f"{corpus.n_clips} {'performances' if self.data is None else 'pieces of recordings'}, {corpus.hours:.1f} h"
        return Outcome(f"wrote {self.out}: {self._n_steps} steps on {seen}; see {self.work}")

    def _personalise(self, tell: "Progress") -> Outcome:
        from dataclasses import replace

        from emohead.data.clip_folder import read_corpus
        from emohead.motion.diffusion_model import load_diffusion, save_diffusion
        from emohead.motion.personalise import PersonaliseConfig, personalise
        from emohead.motion.phone_net import load_phone_net

        assert self.personalise is not None
        config = PersonaliseConfig()
        config = replace(config, training=replace(config.training, steps=self._n_steps, every=self._n_steps, seed=self.seed))
        run = self.work / "personal"
        clips = list(read_corpus(self.personalise))
        model = load_diffusion(self.start)
        result = personalise(model, clips, load_phone_net(), run, config=config, report=self._reporter(tell, 0.0, run))
        save_diffusion(result.model, self.out)
        change = f"held-out error {result.before:.4f} before, {result.after:.4f} after"
        worse = (
            ("the held-out end of the clips is explained no better than before; give more speech",) if result.after > result.before else ()
        )
        return Outcome(f"wrote {self.out}: {self._n_steps} steps on {len(clips)} clips, {change}", worse)

    def _reporter(self, tell: "Progress", start: float, run: Path) -> "Report":
        from emohead.motion.training import log_lines
        from emohead.motion.training_curves import write_curves

        def report(step: int, means: dict[str, float]) -> None:
            tell(start + (1 - start) * step / self._n_steps, f"training, step {step} of {self._n_steps}, loss {means['loss']:.4f}")
            write_curves(self.work / "curves.png", log_lines(run))

        return report

    @property
    def _n_steps(self) -> int:
        return self.steps or (5000 if self.personalise is None else 300)

    def _corpus(self, tell: "Progress") -> "MotionCorpus":
        """The performances, made where they are missing."""
        from emohead.data.motion_corpus import MotionCorpusConfig, build_motion_corpus
        from emohead.data.phone_corpus import well_aligned
        from emohead.data.speech_corpora import build_speech_corpora, split_speakers
        from emohead.motion.features.sounds import encoder_to_train_with
        from emohead.motion.phone_net import load_phone_net

        encoder = encoder_to_train_with(self.features, self.features_from)
        tell(0.0, "making voices")
        voices = build_speech_corpora(self.human, self.work / "voices", n_synthetic=self.shards)
        shares = [1.0] * len(voices)
        if self.human is not None:
            voices[0] = well_aligned(split_speakers(voices[0])[0])
            shares[0] = float(max(1, len(voices) - 1))
        return build_motion_corpus(
            self.work / "performances",
            list(zip(voices, shares, strict=True)),
            load_phone_net(),
            prototypes(),
            config=MotionCorpusConfig(n_clips=self.clips, seed=self.seed),
            encoder=encoder,
            progress=lambda share, text: tell(0.1 + 0.3 * share, text),
        )

    def _recorded(self, data: Path, tell: "Progress") -> "MotionCorpus":
        """The recordings, brought to our own format where they have another."""
        from emohead.commands.corpora import collect
        from emohead.data.clip_folder import read_corpus
        from emohead.data.readers.registry import reader_named
        from emohead.errors import InputError
        from emohead.head import load_head
        from emohead.motion.features.sounds import encoder_to_train_with
        from emohead.motion.phone_net import load_phone_net
        from emohead.motion.recorded import piece_length, recorded_corpus

        reader, folder = reader_named(self.layout), data
        clips = reader.clips(data)
        if self.layout != "emohead":
            folder = self.work / "recorded"
            within = lambda share, text: tell(0.3 * share, text)  # noqa: E731
            collected = collect(data, folder, reader, lambda: load_head("generic"), within)
            if not collected.usable:
                raise InputError(f"--data {data}: none of {len(clips)} recordings can be used: {collected.failed[0]}")
        encoder, record = encoder_to_train_with(self.features, self.features_from)
        return recorded_corpus(
            read_corpus(folder),
            load_phone_net(),
            encoder,
            seconds=piece_length(folder),
            seed=self.seed,
            record=record,
            heard=lambda number: tell(0.3 + 0.1 * min(1.0, number / len(clips)), "listening"),
        )

    def _check(self) -> None:
        from emohead.errors import InputError
        from emohead.motion.features.base import encoder_named

        if self.human is not None and not (self.human / "transcripts.tsv").is_file():
            raise InputError(f"--human {self.human}: no transcripts.tsv there (columns file, speaker, split, text, canonical_phones)")
        if self.data is not None:
            self._check_data(self.data)
        elif self.human is None and self.shards < 1:
            raise InputError("--shards 0 without --human leaves no voice to train on; give either")
        for name, value in (("clips", self.clips), ("steps", self._n_steps), ("batch", self.batch), ("width", self.width)):
            if value < 1:
                raise InputError(f"--{name} {value}: give 1 or more")
        if not 0.0 <= self.adversarial <= 1.0:
            raise InputError(f"--adversarial {self.adversarial:g}: give 0..1")
        encoder = encoder_named(self.features, {"source": self.features_from} if self.features_from else {})
        if self.features_from or self.features in ("mel", "phones"):
            encoder.build()  # what is not there is said before hours of work
        if self.width % 4:
            raise InputError(f"--width {self.width}: give a multiple of 4")
        if self.personalise is not None and not self.personalise.is_dir():
            raise InputError(f"--personalise {self.personalise}: no such folder; make one with emohead track FOLDER -o CORPUS")
        if self.start is not None and not self.start.is_file():
            raise InputError(f"--start {self.start}: no such file")

    def _check_data(self, data: Path) -> None:
        from emohead.data.readers.registry import reader_named
        from emohead.errors import InputError

        if self.personalise is not None or self.human is not None:
            raise InputError("--data goes without --personalise and --human; leave these out")
        reader_named(self.layout).clips(data)

    def settings(self) -> dict[str, Any]:
        """The options as JSON has them, with the number of steps that is taken."""
        return super().settings() | {"steps": self._n_steps}


def prototypes() -> "dict[str, Float[Tensor, ' A']]":
    """The action units of each emotion that the diffusion knows by name, at full intensity."""
    import torch

    from controllers.states import states
    from emohead.channels import AU_INDEX, N_AU
    from emohead.data.prompt_plans import EMOTIONS

    found = {}
    for name in EMOTIONS:
        found[name] = torch.zeros(N_AU)
        for channel, value in states()[name].expression.au.items():
            found[name][AU_INDEX[channel]] = value
    return found
