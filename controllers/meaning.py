"""What a stretch of text means for a face, as learned: concepts with probabilities, for words that no lexicon lists."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from controllers.front_ends import FRONT_ENDS, FrontEndName, load_front_end
from controllers.meaning_net import MeaningNet, MeaningNetConfig
from controllers.phrases import concept_names
from emohead import assets
from emohead.errors import InputError

ASSETS: dict[FrontEndName, str] = {"small": "text_to_au.safetensors", "minilm": "text_to_au_minilm.safetensors"}
"""File of the network for each front end on the search path of assets; the small one ships."""
_KIND = "emohead.text_to_au"
_OTHER_SIDE = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(left|right)\b")


@dataclass(frozen=True)
class Guess:
    """One thing that a text may mean."""

    concept: str
    """Name of a state or an action."""
    probability: float
    """0..1."""


@dataclass(frozen=True)
class Meant:
    """What a text may mean."""

    guesses: tuple[Guess, ...]
    """All concepts, the likeliest first."""
    nothing: float
    """Probability 0..1 that it says nothing about a face."""
    strength: float
    """How strongly it is meant, 1 for the plain word."""


@dataclass(frozen=True)
class MeaningModel:
    """A trained network with its front end."""

    net: MeaningNet
    """In evaluation mode."""
    front_end: FrontEndName
    """What reads the text for it."""

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> list[Meant]:
        """What each text means; exchanging left and right in a text exchanges them in what it means, exactly."""
        names = concept_names()
        if not texts:
            return []
        features = load_front_end(self.front_end)([left_handed(text)[0] for text in texts])
        scores = self.net(features.values, features.there)
        odds, share = scores.logits.sigmoid(), scores.likeness.softmax(1)
        # What both outputs believe in: the classifier knows how many are meant, the contrast which ones are more alike.
        probability = (odds * share.clamp(min=1e-6)).sqrt()
        found = []
        for row, text in enumerate(texts):
            swapped = left_handed(text)[1]
            values = sorted(zip(probability[row, :-1].tolist(), names, strict=True), key=lambda item: (-item[0], item[1]))
            guesses = tuple(Guess(other_side(name) if swapped else name, value) for value, name in values)
            found.append(Meant(guesses, float(probability[row, -1]), float(scores.strength[row].clamp(0.5, 1.5))))
        return found


def left_handed(text: str) -> tuple[str, bool]:
    """The text with left and right exchanged when it names the right first, and whether it was."""
    first = _SIDE.search(text.lower())
    swapped = first is not None and first[0] == "right"
    return (other_side(text.lower()) if swapped else text.lower(), swapped)


def other_side(text: str) -> str:
    """The text with left and right exchanged."""
    return _SIDE.sub(lambda found: _OTHER_SIDE[found[0]], text)


def save_meaning(model: MeaningModel, path: Path) -> None:
    """Write weights (half precision), sizes and the names of the concepts as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.net.state_dict().items()}
    about = {"kind": _KIND, "front_end": model.front_end, "network": json.dumps(asdict(model.net.config))}
    save_file(tensors, path, metadata=about | {"concepts": ", ".join(concept_names())})


def read_meaning(path: Path) -> MeaningModel:
    """A trained network from a file, in evaluation mode.

    Raises:
        InputError: no such file, another kind of file, or one made for other concepts.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != _KIND or about.get("front_end") not in FRONT_ENDS:
            raise KeyError("kind")
        front_end = FRONT_ENDS[FRONT_ENDS.index(about["front_end"])]  # type: ignore[arg-type]
        net = MeaningNetConfig(**json.loads(about["network"])).build()
        net.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: not a text-to-AU network ({type(error).__name__}); fetch or train it again") from error
    if about.get("concepts") != ", ".join(concept_names()):
        raise InputError(f"{path}: made for other tables of expressions; train it again with emohead train text-to-au")
    return MeaningModel(net.eval(), front_end)


@lru_cache(maxsize=2)
def load_meaning(front_end: FrontEndName = "small") -> MeaningModel:
    """The network for a front end.

    Raises:
        InputError: it is not there.
    """
    name = ASSETS[front_end]
    if front_end != "small" and not any((folder / name).is_file() for folder in assets.search_path()):
        remedy = f"make it with: emohead train text-to-au --front-end {front_end} -o {assets.cache_folder() / name}"
        raise InputError(f"the network for the front end {front_end} ({name}) does not ship; {remedy}")
    return read_meaning(assets.find(name))
