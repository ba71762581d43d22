"""What a stretch of text means for a face, as learned: concepts with probabilities, for words that no lexicon lists."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from controllers.described import face_row, row_expression
from controllers.expression import Expression
from controllers.front_ends import FRONT_ENDS, FrontEndName, load_front_end
from controllers.meaning_net import MeaningNet, MeaningNetConfig
from controllers.phrases import concept_names
from emohead import assets
from emohead.channels import N_AU
from emohead.errors import InputError
from emohead.head.action_units import mirror

ASSETS: dict[FrontEndName, str] = {"small": "text_to_au.safetensors", "minilm": "text_to_au_minilm.safetensors"}
"""File of the network for each front end on the search path of assets; the small one ships."""
SHOWN = 0.38
"""Probability from which an action unit is shown."""
KNOWN, SHOWN_BESIDE = 0.2, 0.45
"""Where a text says something known and more: what the tables' word for a unit adds to its probability, and from which sum it is shown."""
_FAINTEST = 0.12
"""Intensity of a unit that is barely shown (FACS letter A)."""
_EVEN = 0.1
"""Difference between the sides of a unit up to which both are alike."""
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
    shown: Float[Tensor, " A"]
    """Probability that each action unit is to be seen."""
    row: Float[Tensor, " F"]
    """The face that goes with it, at its own strength, were every unit to be seen."""

    @property
    def sure(self) -> float:
        """Probability of the likeliest action unit: whether the text asks for a face at all."""
        return float(self.shown.max())

    @property
    def face(self) -> Expression:
        """The face that goes with it: the units that are likelier than not to be missed."""
        return row_expression(_only(_evened(self.row), self.shown >= SHOWN), least=_FAINTEST)

    def beside(self, known: Expression) -> Expression:
        """The face of a text that also says something known, at that thing's own strength: what both agree on."""
        told = face_row(known)
        certain = told[:N_AU] > 0.0
        row = _evened(self.row)
        row[:N_AU] = torch.where(certain, 0.5 * (row[:N_AU] + told[:N_AU]), row[:N_AU])
        both = row_expression(_only(row, self.shown + KNOWN * certain >= SHOWN_BESIDE), least=_FAINTEST)
        return replace(both, gaze=known.gaze or both.gaze, head=known.head or both.head)


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
            shown, face = scores.shown[row].sigmoid(), torch.cat([scores.intensity[row].clamp(min=_FAINTEST), scores.pose[row]])
            if swapped:
                shown, face = mirror(shown[None])[0], _mirrored_row(face)
            found.append(Meant(guesses, float(probability[row, -1]), shown, face))
        return found


def _evened(row: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
    """The face with both sides alike where they nearly are."""
    other = _mirrored_row(row)
    near = (row - other).abs() < _EVEN
    near[N_AU:] = False
    return torch.where(near, 0.5 * (row + other), row)


def _only(row: Float[Tensor, " F"], shown: Bool[Tensor, " A"]) -> Float[Tensor, " F"]:
    return torch.cat([row[:N_AU] * shown, row[N_AU:]])


def _mirrored_row(row: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
    return torch.cat([mirror(row[None, :N_AU])[0], row[N_AU:] * torch.tensor([-1.0, 1.0, 1.0, -1.0, -1.0])])


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
