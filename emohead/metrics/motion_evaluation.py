"""All measures of all generators of motion on everything that there is to measure on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emohead.data.measuring_speech import FilmedClip, Utterance
from emohead.head.generic import load_generic
from emohead.metrics.judges import MotionJudges, load_judges
from emohead.metrics.manner_scores import manner_scores, prompt_scores, variety_scores
from emohead.metrics.motion_table import Results
from emohead.metrics.obedience import OPEN_CHOICE
from emohead.metrics.speech_scores import Hear, Prompt, Scores, closure_scores, filmed_scores
from emohead.metrics.truth_scores import TEACHER_SEED, TruthClip, clip_of_teacher, truth_scores
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator, Setting, build_generator
from emohead.motion.phone_net import TRACTS, PhoneNet
from emohead.performance import Progress
from emohead.types import PhonePosteriors, Waveform

PROMPTED = 4.0
"""Seconds spoken while action units are asked for."""


@dataclass(frozen=True)
class Sources:
    """What generators are measured on; every key is a name in the table."""

    free: tuple[Waveform, ...]
    """Recordings for variety, obedience and manner, at least one."""
    utterances: Mapping[str, list[Utterance]] = field(default_factory=dict)
    """Recordings with labelled phones: human, aligned, emodb."""
    films: Mapping[str, list[FilmedClip]] = field(default_factory=dict)
    """Filmed talkers: grid_timed, grid_untimed, films."""
    truths: Mapping[str, list[TruthClip]] = field(default_factory=dict)
    """Known motions: corpus."""


def measure(
    names: Sequence[str],
    sources: Sources,
    net: PhoneNet,
    moods: Mapping[str, Prompt],
    *,
    takes: int,
    progress: Progress,
    units: Sequence[str] = OPEN_CHOICE,
    judges: MotionJudges | None = None,
) -> Results:
    """The figures of the named generators by source.

    Args:
        names: as `generators.build_generator` takes them.
        sources: what there is.
        net: the phone recogniser that every generator hears through.
        moods: prompts by name, for lips under emotion and for the teacher.
        takes: of one recording, for the diversity.
        progress: told the share done.
        units: action units whose obedience is measured.
        judges: None takes those that ship.

    Raises:
        InputError: an unknown generator.
    """
    head, hear, threshold = load_generic(), _remembering(net), net.config.closure_threshold
    judges = judges or load_judges()
    truths = {**sources.truths, **_teacher(sources, moods, threshold)}
    free = [Voice(audio, hear(audio)) for audio in sources.free]
    first = sources.free[0]
    short = Waveform(first.samples[: round(PROMPTED * first.sample_rate)], first.sample_rate)
    asked = Voice(short, hear(short))
    results: Results = {}
    for index, name in enumerate(names):

        def build(voices: Sequence[Voice], name: str = name) -> MotionGenerator:
            return build_generator(name, Setting(tuple(voices), threshold))

        jobs: dict[str, Callable[[], Scores]] = {
            **{source: _job(closure_scores, items, build, head, hear, moods) for source, items in sources.utterances.items()},
            **{source: _job(filmed_scores, clips, build, head, hear, judges) for source, clips in sources.films.items()},
            **{source: _job(truth_scores, clips, build, head, hear, judges) for source, clips in truths.items()},
            "prompt": _job(prompt_scores, asked, build, units=units),
            "variety": _job(variety_scores, free, build, takes=takes),
            "manner": _job(manner_scores, free, build, hear),
        }
        for step, (source, job) in enumerate(jobs.items()):
            progress((index + step / len(jobs)) / len(names), f"{name}: {source.replace('_', ' ')}")
            results.setdefault(source, {})[_label(name)] = job()
    return results


def _label(name: str) -> str:
    """The name of a generator in the table: of a file of weights its name without folder and suffix."""
    kind, colon, weights = name.partition(":")
    return f"{kind}{colon}{Path(weights).stem}" if weights else kind


def _teacher(sources: Sources, moods: Mapping[str, Prompt], threshold: float) -> dict[str, list[TruthClip]]:
    """The rule engine told the phones, in turn neutral and in each mood, as a truth for generators that only hear."""
    teacher, turns = Setting((), threshold).rules(), ["neutral", *moods]
    told = enumerate(sources.utterances.get("human", []))
    clips = [clip_of_teacher(item, teacher, turns[index % len(turns)], moods, seed=TEACHER_SEED + index) for index, item in told]
    return {"teacher": clips} if clips else {}


def _job(score: Callable[..., Scores], *arguments: object, **options: object) -> Callable[[], Scores]:
    return lambda: score(*arguments, **options)


def _remembering(net: PhoneNet) -> Hear:
    """The recogniser, which hears each recording once."""
    heard: dict[int, tuple[Waveform, PhonePosteriors]] = {}

    def hear(audio: Waveform) -> PhonePosteriors:
        if id(audio) not in heard:
            # The recording is kept beside its answer, so that no other one gets its id.
            heard[id(audio)] = (audio, net.posteriors(audio, tracts=TRACTS))
        return heard[id(audio)][1]

    return hear
