"""`emohead train speech-to-au`: make the network that hears action units in a voice, from voices to weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Outcome, TrainingCommand, to_json

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from emohead.data.emotional_voices import EmotionalVoice
    from emohead.data.motion_corpus import MotionCorpus
    from emohead.motion.speech_to_au_training import SpeechToAUTrainingConfig
    from emohead.performance import Progress


@dataclass(frozen=True, kw_only=True)
class TrainSpeechToAU(TrainingCommand):
    """Train the network that hears action units in a voice: voices, performances by the rule engine, acted emotions, network.

    Everything made on the way stays in --work, where the same command goes on after a stop. It needs the extra `train`, and flite and
    espeak-ng for synthetic voices unless --performances are given.
    """

    work: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("build/speech_to_au")
    """Corpora, checkpoints, log, settings and curves."""
    performances: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Performances that are there already, such as the work folder of `emohead train motion` has; only those without a prompt count."""
    human: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Human recordings with transcripts.tsv (speechocean762's columns); they are aligned here. Without them voices are synthetic."""
    shards: int = 1
    """Shards of synthetic speech, 3.2 hours each."""
    clips: int = 1000
    """Performances of 8 seconds to make."""
    emotional: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Acted emotions as weak labels of brows, lids, cheeks and lip corners. Without them the tone of a voice says nothing."""
    emotional_corpus: str = "emodb"
    """What --emotional holds: emodb, mead or ravdess."""
    steps: int = 1800
    """Training steps."""
    batch: int = 16
    """Clips per step and process."""
    width: int = 128
    """Channels of the network."""
    narrow: bool = False
    """Restrict the attention of all layers: the network without prosody, for comparison."""

    def run(self) -> Outcome:
        """Make what is missing, train and write the weights."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.output import check_target, whole_file

        check_target(self.out)
        self._check()
        torch.set_num_threads(self.threads)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from emohead.data.emotional_voices import hear
            from emohead.data.performed_aus import performed_aus
            from emohead.motion.phone_net import load_phone_net
            from emohead.motion.speech_to_au import save_speech_to_au
            from emohead.motion.speech_to_au_training import train_speech_to_au
            from emohead.motion.training import log_lines
            from emohead.motion.training_curves import write_curves

            config, voices = self._config(), self._voices()
            prototypes = prototypes_of(voice.emotion for voice in voices)
            if self.dry_run:
                n_weights = sum(weight.numel() for weight in config.network.build().parameters())
                return Outcome(to_json(self.settings() | {"weights": n_weights, "emotional_utterances": len(voices)}))
            corpus = self._corpus(tell)
            performed = performed_aus(corpus, self.work / "performed_aus.npz", progress=lambda share, text: tell(0.2 + 0.05 * share, text))
            heard = hear(
                voices, load_phone_net(), self.work / "emotional.npz", progress=lambda share, text: tell(0.25 + 0.05 * share, text)
            )

            def report(step: int, means: dict[str, float]) -> None:
                tell(0.3 + 0.7 * step / self.steps, f"training, step {step} of {self.steps}, error {means['error']:.3f}")
                write_curves(self.work / "curves.png", log_lines(self.work / "run"))

            model = train_speech_to_au(performed, heard, prototypes, self.work / "run", config=config, report=report)
            with whole_file(self.out) as partial:
                save_speech_to_au(model, partial)
        seen = f"{len(performed.intensity)} performances and {len(voices)} acted utterances"
        return Outcome(f"wrote {self.out}: {self.steps} steps on {seen}; see {self.work}")

    def _config(self) -> "SpeechToAUTrainingConfig":
        from dataclasses import replace

        from emohead.motion.speech_to_au_net import SpeechToAUConfig
        from emohead.motion.speech_to_au_training import SpeechToAUTrainingConfig

        plain = SpeechToAUTrainingConfig()
        training = replace(plain.training, steps=self.steps, seed=self.seed, precision=self.precision)
        network = SpeechToAUConfig(width=self.width, wide=not self.narrow)
        return replace(plain, network=network, training=training, n_clips=self.batch)

    def _voices(self) -> "list[EmotionalVoice]":
        from emohead.data.emotional_voices import emotional_voices

        return [] if self.emotional is None else emotional_voices(self.emotional, self.emotional_corpus)

    def _corpus(self, tell: "Progress") -> "MotionCorpus":
        """The performances, made where they are missing."""
        from emohead.data.motion_corpus import MotionCorpusConfig, build_motion_corpus, load_motion_corpus
        from emohead.data.phone_corpus import well_aligned
        from emohead.data.prompt_plans import PlanConfig
        from emohead.data.speech_corpora import build_speech_corpora, split_speakers
        from emohead.motion.phone_net import load_phone_net

        self.work.mkdir(parents=True, exist_ok=True)
        if self.performances is not None:
            return load_motion_corpus(self.performances)
        tell(0.0, "making voices")
        voices = build_speech_corpora(self.human, self.work / "voices", n_synthetic=self.shards)
        shares = [1.0] * len(voices)
        if self.human is not None:
            voices[0] = well_aligned(split_speakers(voices[0])[0])
            shares[0] = float(max(1, len(voices) - 1))
        nothing_asked = PlanConfig(nothing=1.0, emotion=0.0, units=0.0, only=0.0, pose=0.0)
        return build_motion_corpus(
            self.work / "performances",
            list(zip(voices, shares, strict=True)),
            load_phone_net(),
            {},
            config=MotionCorpusConfig(n_clips=self.clips, plans=nothing_asked, seed=self.seed),
            progress=lambda share, text: tell(0.1 + 0.1 * share, text),
        )

    def _check(self) -> None:
        from emohead.errors import InputError

        if self.human is not None and not (self.human / "transcripts.tsv").is_file():
            raise InputError(f"--human {self.human}: no transcripts.tsv there (columns file, speaker, split, text, canonical_phones)")
        if self.performances is None and self.human is None and self.shards < 1:
            raise InputError("--shards 0 without --human leaves no voice to train on; give either")
        for name, value in (("clips", self.clips), ("steps", self.steps), ("batch", self.batch), ("width", self.width)):
            if value < 1:
                raise InputError(f"--{name} {value}: give 1 or more")
        if self.width % 4:
            raise InputError(f"--width {self.width}: give a multiple of 4")


def prototypes_of(emotions: Iterable[str]) -> "dict[str, Float[Tensor, ' A']]":
    """The action units of emotions by name, at full intensity.

    Raises:
        InputError: an emotion that has none.
    """
    import torch

    from controllers.states import states
    from emohead.channels import AU_INDEX, N_AU
    from emohead.errors import InputError

    found = {}
    for name in sorted(set(emotions)):
        if name not in states():
            raise InputError(f"no action units are known of the emotion {name!r}; there are those of {', '.join(states())}")
        found[name] = torch.zeros(N_AU)
        for channel, value in states()[name].expression.au.items():
            found[name][AU_INDEX[channel]] = value
    return found
