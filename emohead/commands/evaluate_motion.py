"""`emohead evaluate motion`: how well generators move a face, in one table."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import SAMPLE_SPEECH, Command, Outcome, to_json

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from emohead.data.measuring_speech import FilmedClip, Utterance
    from emohead.metrics.motion_evaluation import Sources
    from emohead.metrics.speech_scores import Prompt
    from emohead.metrics.truth_scores import TruthClip
    from emohead.performance import Progress

EMOTIONS = ("happy", "sad", "surprised", "fearful", "angry", "disgusted", "contempt")
"""The seven emotions, each asked for at full intensity."""
FREE_SPEECH = 3
"""Recordings on which variety and manner are measured."""


@dataclass(frozen=True, kw_only=True)
class EvaluateMotion(Command):
    """Measure generators of motion: lips, distance from known motions, obedience to prompts, variety and speed. One row per generator.

    Without a source only what needs no recordings is measured, on the spoken sample that ships. docs/motion-metrics.md defines every
    column. Lips are measured on the mesh of the generic head at 25 frames per second, never on coefficients.
    """

    generator: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """One to measure, repeatable: rules, diffusion, diffusion:FILE (other weights), deterministic:FILE (its twin without noise), energy (a
    jaw that follows loudness), shuffled (rules hearing another recording). Default: all but the twin."""
    corpus: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Known motions to compare with: a corpus of emohead track."""
    prompted: bool = False
    """Ask the generators for the brows, eyes, nose and cheeks of the corpus; without it they only hear."""
    speech: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Recorded speech: a folder with any of human/ (transcripts.tsv), aligned/ (.TextGrid), emodb/ (.lablaut), grid/ (.mpg, .align)."""
    film: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="VIDEO")] = ()
    """A filmed talker with sound, repeatable. Films need the face landmark model (emohead assets fetch)."""
    limit: int = 24
    """Recordings of each kind, evenly spread."""
    takes: int = 4
    """Takes of one recording for the diversity, 2 or more."""
    cache: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Keeps alignments and landmarks for the next run. Default: measures in EmoHead's cache folder."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write all figures as JSON, flat, with units in the keys."""

    def run(self) -> Outcome:
        """Measure and print the table."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.metrics.motion_evaluation import measure
        from emohead.metrics.motion_table import flat, table
        from emohead.motion.phone_net import load_phone_net
        from emohead.output import check_target, write_text

        names = self._names()
        if self.json:
            check_target(self.json)
        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "reading")
            sources = self._sources(tell)
            net, told = load_phone_net(), lambda share, text: tell(0.2 + 0.8 * share, text)
            results = measure(names, sources, net, emotions_at_full(), takes=self.takes, progress=told)
        if self.json:
            about = {"corpus": str(self.corpus or ""), "speech": str(self.speech or ""), "limit": self.limit, "takes": self.takes}
            write_text(self.json, to_json({**about, **flat(results)}) + "\n")
        return Outcome(table(results))

    def _names(self) -> tuple[str, ...]:
        """The generators asked for, each once; of all, those whose weights are there."""
        from emohead.errors import InputError
        from emohead.motion.generators import GENERATORS, Setting, build_generator

        if self.limit < 1 or self.takes < 2:
            raise InputError(f"--limit must be at least 1 and --takes at least 2, got {self.limit} and {self.takes}")
        names = []
        for name in self.generator or (name for name in GENERATORS if name != "deterministic"):
            try:
                build_generator(name, Setting())
                names.append(name)
            except InputError as error:
                if self.generator:
                    raise
                warnings.warn(f"{name} is left out: {error}", UserWarning, stacklevel=2)
        return tuple(dict.fromkeys(names))

    def _sources(self, tell: "Progress") -> "Sources":
        """Everything that is measured on."""
        from emohead.assets import cache_folder, find
        from emohead.data.measuring_speech import filmed_clip
        from emohead.media import read_audio
        from emohead.metrics.motion_evaluation import Sources

        cache = self.cache or cache_folder() / "measures"
        truths = {"corpus": _corpus_clips(self.corpus, self.limit, self.prompted)} if self.corpus else {}
        utterances = _utterances(self.speech, self.limit, cache, tell) if self.speech else {}
        films = _grid(self.speech, self.limit, cache, tell) if self.speech else {}
        _check_found(self.speech, utterances, films)
        if self.film:
            films["films"] = [filmed_clip(path, face_landmarks, cache=cache) for path in self.film]
        free = [item.audio for item in utterances.get("human", [])[:FREE_SPEECH]] or [read_audio(find(SAMPLE_SPEECH))]
        return Sources(tuple(free), utterances, films, truths)


def _utterances(folder: Path, limit: int, cache: Path, tell: "Progress") -> "dict[str, list[Utterance]]":
    """The transcribed and the hand-labelled recordings that are there."""
    from emohead.data.measuring_speech import emodb_utterances, human_utterances, textgrid_utterances

    found = {}
    if (folder / "human").is_dir():
        tell(0.02, "aligning human/")
        found["human"] = human_utterances(folder / "human", limit=limit, cache=cache)
    if (folder / "aligned").is_dir():
        found["aligned"] = textgrid_utterances(folder / "aligned", limit=limit)
    if (folder / "emodb").is_dir():
        found["emodb"] = emodb_utterances(folder / "emodb", limit=limit)
    return found


def _grid(folder: Path, limit: int, cache: Path, tell: "Progress") -> "dict[str, list[FilmedClip]]":
    """The filmed talkers that are there: those with word times, and those without."""
    from emohead.data.measuring_speech import grid_clips

    if not (folder / "grid").is_dir():
        return {}
    tell(0.08, "following mouths in grid/")
    clips = grid_clips(folder / "grid", face_landmarks, limit=limit, cache=cache)
    groups = {"grid_timed": [clip for clip in clips if clip.timed], "grid_untimed": [clip for clip in clips if not clip.timed]}
    return {name: group for name, group in groups.items() if group}


def _check_found(folder: Path | None, utterances: "dict[str, list[Utterance]]", films: "dict[str, list[FilmedClip]]") -> None:
    from emohead.errors import InputError

    if folder and not utterances and not films:
        raise InputError(
            f"--speech {folder}: none of human/, aligned/, emodb/ and grid/ is there; docs/motion-metrics.md says what they hold"
        )


def _corpus_clips(folder: Path, limit: int, prompted: bool) -> "list[TruthClip]":
    """Evenly spread clips with a voice."""
    from emohead.data.clip_folder import META_FILE, read_clip
    from emohead.data.measuring_speech import evenly
    from emohead.errors import InputError
    from emohead.metrics.truth_scores import clip_of_corpus

    folders = sorted(path.parent for path in folder.glob(f"*/{META_FILE}") if not path.parent.name.startswith("."))
    read = (clip_of_corpus(path.name, read_clip(path), prompted=prompted) for path in evenly(folders, limit))
    clips = [clip for clip in read if clip is not None]
    if not clips:
        raise InputError(f"--corpus {folder}: no clip with a voice there; make one with emohead track FOLDER")
    return clips


def face_landmarks(path: Path) -> "Float[Tensor, 'T 478 2']":
    """Face landmarks of every picture of a film, each found by itself: following a face over time delays the lips."""
    from emohead.data.measuring_speech import FILM_FPS
    from emohead.errors import ResourceError
    from emohead.media import read_video

    try:
        from recon.landmarks import detect_landmarks
    except ModuleNotFoundError as error:
        raise ResourceError(f"filmed talkers need {error.name}; pip install 'emohead[recon]'") from error
    return detect_landmarks(frame.rgb for frame in read_video(path, fps=FILM_FPS)).points


def emotions_at_full() -> "dict[str, Prompt]":
    """Each emotion's action units at full intensity in every frame: harder on the lips than any envelope."""
    from controllers.labels import LabelController
    from emohead.channels import AU_INDEX
    from emohead.types import AUTrack

    def full(label: str, n_frames: int, fps: float) -> AUTrack:
        track = AUTrack.neutral(n_frames, fps)
        for name, value in LabelController(label, 1.0).plan(n_frames / fps).peak().items():
            track.intensity[:, AU_INDEX[name]], track.weight[:, AU_INDEX[name]] = value, 1.0
        return track

    return {label: lambda n_frames, fps, label=label: full(label, n_frames, fps) for label in EMOTIONS}
