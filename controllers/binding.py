"""The emotion space: anything that carries an emotion in, its place out; what is near what; files."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from controllers.binding_face import expression_values, face_of_motion, face_statistics
from controllers.binding_net import CLASSES, BindingConfig, BindingNet, Embedded, Modality
from controllers.binding_voice import tone_statistics
from controllers.expression import scaled
from controllers.front_ends import MAX_WORDS, load_front_end
from controllers.labels import MAX_INTENSITY, find_state, parse_label
from controllers.lexicon import Lexicon, load_lexicon
from emohead import assets
from emohead.errors import InputError
from emohead.types import AUTrack, HeadMotion, Waveform

ASSET_NAME = "emotion_space.safetensors"
UNLIKE_A_VOICE = 2.1
"""Mean distance (root of the mean square, in spreads of the training voices) above which something is no voice."""
_LISTED = 1.0
"""How much what the lexicon lists counts beside what the words' vectors say."""
_WORD = re.compile(r"[a-z']+")
_KIND = "emohead.emotion_space"


@dataclass(frozen=True)
class EmotionSpace:
    """A trained space; every method gives unit vectors, one per item, and strengths."""

    net: BindingNet
    """In evaluation mode."""
    hears: bool = True
    """Whether it was trained on voices."""

    def motion(self, items: Sequence[AUTrack | HeadMotion]) -> Embedded:
        """Faces over time, all of each.

        Raises:
            InputError: one that is shorter than half a second or has values that are not numbers.
        """
        tracks = [item if isinstance(item, AUTrack) else face_of_motion(item) for item in items]
        return self.embed("motion", torch.stack([face_statistics(track) for track in tracks]))

    def voice(self, items: Sequence[Waveform]) -> Embedded:
        """Recordings of one speaker each. It reads emotion from a person's voice: call it only when that was asked for.

        Raises:
            InputError: silence, music, no voice, too short; or the space was trained without voices.
        """
        if not self.hears:
            raise InputError("this emotion space was trained without voices; train it with emohead train binding --emotional FOLDER")
        values = torch.stack([tone_statistics(item) for item in items])
        unlike = self.net.adapter("voice").scaled(values).square().mean(1).sqrt()
        if float(unlike.max()) > UNLIKE_A_VOICE:
            raise InputError("this does not sound like one person who speaks (music, noise or several voices?); give clear speech")
        return self.embed("voice", values)

    @torch.no_grad()
    def text(self, items: Sequence[str], *, lexicon: Lexicon | None = None) -> Embedded:
        """Sentences, by their words alone: denial and order are the business of `text_to_au`.

        Args:
            items: texts; states that the lexicon lists are taken as it lists them, all words by their vectors.
            lexicon: None takes the one that ships.
        """
        features = load_front_end("small")(items)
        made = self.net.embed("text", self.net.pooled(features.values, features.there))
        vectors, strength = made.vectors.clone(), made.strength.clone()
        for row, item in enumerate(items):
            listed = _listed(item, lexicon or load_lexicon())
            if listed:
                known = self.embed("label", torch.stack([values for values, _ in listed])).vectors.mean(0)
                vectors[row] = functional.normalize(_LISTED * known + vectors[row], dim=0)
                strength[row] = sum(gain for _, gain in listed) / len(listed)
        return Embedded(vectors, strength)

    def label(self, items: Sequence[str]) -> Embedded:
        """Labels such as `happy:0.8`.

        Raises:
            InputError: unknown label.
        """
        rows = []
        for item in items:
            label = parse_label(item)
            rows.append(expression_values(scaled(find_state(label.name).expression, label.intensity)))
        return self.embed("label", torch.stack(rows))

    @torch.no_grad()
    def embed(self, modality: Modality, values: Float[Tensor, "B I"]) -> Embedded:
        """Items given as statistics (not texts)."""
        return self.net.embed(modality, values)

    @torch.no_grad()
    def odds(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        """Probability of each of `binding_net.CLASSES`; rows sum to 1."""
        return self.net.log_odds(vectors).softmax(1)


def _listed(text: str, lexicon: Lexicon) -> list[tuple[Float[Tensor, " L"], float]]:
    """The states that a text names, as what the adapter of labels reads, with their gains."""
    words, at, found = _WORD.findall(text.lower())[:MAX_WORDS], 0, []
    while at < len(words):
        match = lexicon.match(words, at)
        if match is not None and match.meaning.kind == "state" and match.meaning.concept is not None:
            gain = min(float(match.meaning.value), MAX_INTENSITY)
            found.append((expression_values(scaled(match.meaning.concept.expression, gain)), gain))
        at = max(at + 1, match.stop if match is not None else 0)
    return found


def nearest(query: Float[Tensor, " D"], among: Float[Tensor, "n D"], *, count: int = 1) -> list[tuple[int, float]]:
    """The rows of `among` that are nearest to a vector, the nearest first, with their cosines."""
    alike = among @ query
    return [(int(row), float(alike[row])) for row in alike.argsort(descending=True)[:count]]


def save_space(space: EmotionSpace, path: Path) -> None:
    """Write weights (half precision) and sizes as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in space.net.state_dict().items()}
    about = {"kind": _KIND, "hears": str(space.hears), "network": json.dumps(asdict(space.net.config))}
    save_file(tensors, path, metadata=about | {"classes": ", ".join(CLASSES)})


def read_space(path: Path) -> EmotionSpace:
    """A trained space from a file, in evaluation mode.

    Raises:
        InputError: no such file, or another kind of file.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != _KIND or about.get("classes") != ", ".join(CLASSES):
            raise KeyError("kind")
        net = BindingConfig(**json.loads(about["network"])).build()
        net.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: not an emotion space ({type(error).__name__}); train one with emohead train binding") from error
    return EmotionSpace(net.eval(), about.get("hears") == "True")


@lru_cache(maxsize=1)
def load_space() -> EmotionSpace:
    """The space that ships.

    Raises:
        InputError: it is not there.
    """
    return read_space(assets.find(ASSET_NAME))
