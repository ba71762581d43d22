"""How well the emotion space binds: what it takes faces, voices, texts and labels for that it has never met, and what comes of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from controllers.binding import EmotionSpace
from controllers.binding_data import HOLD_OUT_EVERY, Faces, Tones, motion_items, state_names
from controllers.binding_face import face_of_motion
from controllers.binding_net import CLASSES, MODALITIES
from controllers.binding_training import BindingTrainingConfig, lessons_of, train_binding
from controllers.labels import LabelController
from controllers.phrases import HeldOut, has_kin, lexicon_phrases, situation_phrases
from controllers.reference import ReferenceController, reference_of
from controllers.tables import read_table
from emohead.data.motion_corpus import MOTION_RATE, PROMPT_RATE, MotionCorpus, performed
from emohead.data.prompt_plans import EMOTIONS
from emohead.metrics.judges import EMOTIONS as JUDGED
from emohead.metrics.judges import MotionJudges
from emohead.motion.baselines import Voice
from emohead.motion.generators import MotionGenerator
from emohead.motion.vector import to_motion
from emohead.types import AUTrack

Progress = Callable[[float, str], None]
GAINS = (0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
"""Strengths at which labels are asked for."""
_FPS = 25.0
_CLEAR, _CLEAR_FRAMES = 0.4, 50
"""Strength from which a performance shows an emotion clearly, and for how many frames at 25 per second it must."""


@dataclass(frozen=True)
class Score:
    """How often the right emotion was nearest."""

    accuracy: float
    """Share of all items."""
    recall: float
    """Mean over emotions of the share of each one's items."""
    count: int
    """Items."""
    among: int
    """Emotions to choose from."""


@dataclass(frozen=True)
class Set:
    """Embedded items of one modality that a space has never met."""

    vectors: Float[Tensor, "n D"]
    strength: Float[Tensor, " n"]
    emotion: tuple[str, ...]

    def of(self, emotions: Sequence[str]) -> "Set":
        """Those of some emotions."""
        rows = [row for row, name in enumerate(self.emotion) if name in emotions]
        return Set(self.vectors[rows], self.strength[rows], tuple(self.emotion[row] for row in rows))


@dataclass(frozen=True)
class Fold:
    """A space that lacks one speaker, the phrases of S2 and every tenth performance, with just those."""

    speaker: str
    space: EmotionSpace
    sets: Mapping[str, Set]
    """By modality; further kinds of texts as `text, known words` and so on."""


def folds(
    faces: Faces,
    tones: Tones,
    withheld: HeldOut,
    work: Path,
    *,
    config: BindingTrainingConfig | None = None,
    progress: Progress | None = None,
) -> list[Fold]:
    """One training per speaker who is left out; each is made once and kept in `work`."""
    held = faces.number % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1
    training, unseen = _chosen(faces, ~held), _chosen(faces, held)
    speakers, made = sorted(set(tones.speaker)), []
    lessons = lessons_of(training, config=config, without=withheld)
    for index, speaker in enumerate(speakers):
        if progress:
            progress(index / len(speakers), f"training without {speaker}")
        folder = work / f"without_{speaker.replace('/', '_')}"
        space = train_binding(lessons, tones, folder, config=config, without_speaker=speaker)
        made.append(Fold(speaker, space, _sets(space, unseen, tones, speaker, withheld)))
    return made


def named(found: Sequence[tuple[EmotionSpace, Set]], among: Sequence[str]) -> Score:
    """How often the label nearest to an item, at full strength, is its own."""
    right: dict[str, list[bool]] = {name: [] for name in among}
    for space, items in found:
        kept = items.of(among)
        labels = space.label(list(among)).vectors
        for name, said in zip(kept.emotion, (kept.vectors @ labels.T).argmax(1).tolist(), strict=True):
            right[name].append(among[said] == name)
    flat = [one for row in right.values() for one in row]
    recalls = [sum(row) / len(row) for row in right.values() if row]
    return Score(sum(flat) / max(len(flat), 1), sum(recalls) / max(len(recalls), 1), len(flat), len(among))


def retrieved(found: Sequence[Fold], query: str, target: str) -> Score:
    """How often the nearest item of another modality shows the query's emotion, of the emotions that both have."""
    right: dict[str, list[bool]] = {}
    for fold in found:
        shared = sorted(set(fold.sets[query].emotion) & set(fold.sets[target].emotion))
        asked, gallery = fold.sets[query].of(shared), fold.sets[target].of(shared)
        alike = asked.vectors @ gallery.vectors.T
        if query == target:
            alike.fill_diagonal_(-2.0)
        for name, row in zip(asked.emotion, alike.argmax(1).tolist(), strict=True):
            right.setdefault(name, []).append(gallery.emotion[row] == name)
    flat = [one for row in right.values() for one in row]
    recalls = [sum(row) / len(row) for row in right.values()]
    return Score(sum(flat) / len(flat), sum(recalls) / len(recalls), len(flat), len(right))


@dataclass(frozen=True)
class Likeness:
    """What was made of references, as a judge sees it that was trained apart."""

    emo_sim: float
    """Mean cosine with performances of the emotion that was meant (Emo-sim)."""
    others: float
    """The same with performances of the other emotions."""
    recognised: float
    """Share in which the judge sees the emotion that was meant."""
    count: int
    """Motions."""


Prompt = tuple[str, AUTrack | None]
"""An emotion that is meant, and what is asked for."""


def prompts(found: Sequence[Fold], n_frames: int, *, seed: int = 0) -> dict[str, list[Prompt]]:
    """One reference of each of the seven emotions by modality and fold, through the space; and two rows to compare with.

    `label` asks the space for its own label; `the label itself` asks the tables, without the space.
    """
    rng = random.Random(seed)
    made: dict[str, list[Prompt]] = {name: [] for name in ("motion", "text", "voice", "label", "the label itself", "nothing")}
    for fold in found:
        for emotion in EMOTIONS:
            for modality in MODALITIES:
                items = fold.sets[modality]
                rows = [row for row, name in enumerate(items.emotion) if name == emotion]
                if rows:
                    row = rng.choice(rows)
                    reference = reference_of(items.vectors[row], float(items.strength[row]), modality, fold.space)
                    made[modality].append((emotion, ReferenceController(reference, seed=seed)(n_frames, _FPS)))
            if fold is found[0]:  # these do not go through the space
                made["the label itself"].append((emotion, LabelController(emotion, seed=seed)(n_frames, _FPS)))
                made["nothing"].append((emotion, None))
    return made


def truths(corpus: MotionCorpus, judges: MotionJudges, *, per_emotion: int = 6) -> dict[str, Float[Tensor, "n E"]]:
    """The judge's embeddings of performances that trained nothing here, where they show an emotion clearly."""
    found: dict[str, list[Tensor]] = {name: [] for name in EMOTIONS}
    for clip in range(HOLD_OUT_EVERY - 1, corpus.n_clips, HOLD_OUT_EVERY):
        meant = np.asarray(corpus.emotion[clip], np.float32)
        name = EMOTIONS[int(meant.mean(0).argmax())]
        shown = np.flatnonzero(meant[:, EMOTIONS.index(name)] > _CLEAR)
        if len(shown) < _CLEAR_FRAMES or len(found[name]) == per_emotion:
            continue
        step = round(MOTION_RATE / PROMPT_RATE)
        vectors = performed(corpus, clip)[step * shown[0] : step * (shown[-1] + 1)]
        found[name].append(judges.emotion(to_motion(vectors, MOTION_RATE)))
    return {name: torch.stack(rows) for name, rows in found.items() if rows}


def likeness(
    asked: Sequence[Prompt],
    generator: MotionGenerator,
    voices: Sequence[Voice],
    judges: MotionJudges,
    true: Mapping[str, Tensor],
) -> Likeness:
    """Emo-sim of what a generator makes of prompts, in voices taken in turn."""
    own, others, known = [], [], []
    for index, (emotion, prompt) in enumerate(asked):
        voice = voices[index % len(voices)]
        n_frames = max(1, round(voice.audio.duration * _FPS))
        motion = generator(voice.audio, voice.speech, prompt=None if prompt is None else _fitted(prompt, n_frames), fps=_FPS, seed=index)
        seen = judges.emotion(motion)
        alike = {name: float((rows @ seen).mean()) for name, rows in true.items()}
        own.append(alike[emotion])
        others.append(float(np.mean([value for name, value in alike.items() if name != emotion])))
        known.append(JUDGED[int(judges.emotion_log_odds(seen[None]).argmax())] == _judged(emotion))
    return Likeness(float(np.mean(own)), float(np.mean(others)), sum(known) / len(known), len(known))


def asked_of(generator: MotionGenerator, voices: Sequence[Voice], *, per_emotion: int = 6, seed: int = 0) -> list[tuple[str, AUTrack]]:
    """The faces that a generator makes of the labels of the seven emotions, at strengths from .5 to 1.1, in voices taken in turn."""
    rng, made = random.Random(seed), []
    for index in range(per_emotion * len(EMOTIONS)):
        emotion, voice = EMOTIONS[index % len(EMOTIONS)], voices[index // len(EMOTIONS) % len(voices)]
        prompt = LabelController(emotion, rng.uniform(0.5, 1.1), index)(max(1, round(voice.audio.duration * _FPS)), _FPS)
        made.append((emotion, face_of_motion(generator(voice.audio, voice.speech, prompt=prompt, fps=_FPS, seed=seed + index))))
    return made


def embedded(space: EmotionSpace, motions: Sequence[tuple[str, AUTrack]]) -> Set:
    """Faces of known emotion as a space sees them."""
    made = space.motion([motion for _, motion in motions])
    return Set(made.vectors, made.strength, tuple(emotion for emotion, _ in motions))


def _sets(space: EmotionSpace, unseen: Faces, tones: Tones, speaker: str, withheld: HeldOut) -> dict[str, Set]:
    """What the space has never met; labels at strengths of their own."""
    items = motion_items(unseen, np.random.default_rng(1), per_clip=3, overlaid=0)
    motion = space.embed("motion", items.values)
    rows = [row for row, one in enumerate(tones.speaker) if one == speaker]
    voice = space.embed("voice", tones.values[rows, 0])
    asked = [(name, gain) for name in CLASSES for gain in GAINS]
    label = space.label([f"{name}:{gain}" for name, gain in asked])
    names = _names(items.state)
    return {
        "motion": Set(motion.vectors, motion.strength, names),
        "voice": Set(voice.vectors, torch.ones(len(rows)), tuple(tones.emotion[row] for row in rows)),
        "label": Set(label.vectors, label.strength, tuple(name for name, _ in asked)),
        **_text_sets(space, withheld),
    }


def _text_sets(space: EmotionSpace, withheld: HeldOut) -> dict[str, Set]:
    """Sentences with the phrases of S2, all and by kind, and with known phrases in the frames of S3, which training lacks."""
    table, rng = read_table("frames"), random.Random(0)
    known = tuple(phrase for phrase in (*lexicon_phrases(), *situation_phrases()) if phrase.concept in CLASSES)
    phrases = [phrase for phrase in withheld.phrases if phrase.concept in CLASSES]
    told = tuple(phrase for phrase in known if not withheld.occurs_in(phrase.text))
    kinds = {
        "text": phrases,
        "text, words with kin": [phrase for phrase in phrases if phrase.kind == "state" and has_kin(phrase, told)],
        "text, words without kin": [phrase for phrase in phrases if phrase.kind == "state" and not has_kin(phrase, told)],
        "text, situations": [phrase for phrase in phrases if phrase.kind != "state"],
    }
    texts = {name: [rng.choice(table["frames"][one.kind]).format(one.text) for one in listed] for name, listed in kinds.items()}
    kinds["text, known words"] = [phrase for phrase in told if phrase.kind in table["held_out"]]
    texts["text, known words"] = [rng.choice(table["held_out"][one.kind]).format(one.text) for one in kinds["text, known words"]]
    lexicon = withheld.lexicon()
    made = {name: space.text(listed, lexicon=lexicon) for name, listed in texts.items()}
    return {name: Set(one.vectors, one.strength, tuple(phrase.concept for phrase in kinds[name])) for name, one in made.items()}


def _names(state: Int[Tensor, " n"]) -> tuple[str, ...]:
    return tuple(state_names()[index] for index in state.tolist())


def _chosen(faces: Faces, rows: np.ndarray) -> Faces:
    return Faces(faces.shown[rows], faces.pose[rows], faces.emotion[rows], faces.number[rows])


def _judged(emotion: str) -> str:
    return "contempt" if emotion == "contemptuous" else emotion


def _fitted(prompt: AUTrack, n_frames: int) -> AUTrack:
    """A prompt at the length of a voice: cut, or held at its end."""
    rows = torch.arange(n_frames).clamp(max=prompt.n_frames - 1)
    columns = (prompt.intensity, prompt.weight, prompt.gaze, prompt.head_rotation, prompt.pose_weight)
    return AUTrack(prompt.fps, *(values[rows] for values in columns))
