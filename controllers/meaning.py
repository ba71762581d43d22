"""What a stretch of text means for a face, as learned: concepts with probabilities, for words that no lexicon lists."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from controllers.calibration import calibrated
from controllers.described import face_row, row_expression
from controllers.expression import Expression
from controllers.front_ends import FRONT_ENDS, FrontEndName, load_front_end
from controllers.handedness import left_handed, mirrored_row, other_side
from controllers.meaning_net import MeaningNet, MeaningNetConfig, MeaningScores
from controllers.neighbours import Neighbours
from controllers.phrases import concept_names
from emohead import assets
from emohead.channels import N_AU
from emohead.errors import InputError
from emohead.head.action_units import mirror

NetworkName: TypeAlias = Literal["small", "second", "minilm", "clip"]
ASSETS: dict[NetworkName, str] = {
    "small": "text_to_au.safetensors", "second": "text_to_au_second.safetensors", "minilm": "text_to_au_minilm.safetensors",
    "clip": "text_to_au_clip.safetensors",
}  # fmt: skip
"""Files of the networks on the search path of assets, each called after its front end (`second` is another on that of `small`); the one for
CLIP does not ship."""
SHOWN = 0.38
"""Probability from which an action unit is shown."""
KEPT_BESIDE, SHOWN_BESIDE = 0.32, 0.42
"""Where a text says something known and more: probability from which a unit of what is known is shown, and from which another is."""
_FAINTEST = 0.12
"""Intensity of a unit that is barely shown (FACS letter A)."""
_EVEN = 0.1
"""Difference between the sides of a unit up to which both are alike."""
_EVEN_ODDS = 0.15
"""The same for their probabilities."""
_KIND = "emohead.text_to_au"
_PREFIX = "neighbours."
NEIGHBOURS = 0.7
"""How much a text's neighbours count against the network itself, 0..1."""


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
        return row_expression(_only(_evened(self.row), self.odds >= SHOWN), least=_FAINTEST)

    @property
    def odds(self) -> Float[Tensor, " A"]:
        """Probability of each unit, alike on both sides where it nearly is."""
        other = mirror(self.shown[None])[0]
        return torch.where((self.shown - other).abs() < _EVEN_ODDS, 0.5 * (self.shown + other), self.shown)

    def beside(self, known: Expression, named: Expression, *, kept: float = KEPT_BESIDE, added: float = SHOWN_BESIDE) -> Expression:
        """The face of a text that also says something known, at that thing's own strength: what both agree on.

        Args:
            known: all that is known.
            named: what of it was asked for by naming movements; it is seen in any case.
            kept: probability from which a known unit is seen.
            added: probability from which another is.
        """
        told, asked = face_row(known), face_row(named)[:N_AU] > 0.0
        certain = told[:N_AU] > 0.0
        row = _evened(self.row)
        row[:N_AU] = torch.where(certain, 0.5 * (row[:N_AU] + told[:N_AU]), row[:N_AU])
        row[:N_AU] = torch.where(asked, told[:N_AU], row[:N_AU])
        seen = asked | (self.odds >= torch.where(certain, kept, added))
        both = row_expression(_only(row, seen), least=_FAINTEST)
        return replace(both, gaze=known.gaze or both.gaze, head=known.head or both.head)


@dataclass(frozen=True)
class BothMeanings:
    """Two networks that read or learned differently: faces are their average, which errs less than either; concepts are the first one's."""

    first: "MeaningModel"
    second: "MeaningModel"
    share: float = 0.5
    """How much the first one counts, 0..1."""

    def __call__(self, texts: Sequence[str]) -> list[Meant]:
        """What each text means."""
        mine, its = self.share, 1.0 - self.share
        return [
            Meant(one.guesses, mine * one.nothing + its * two.nothing, mine * one.shown + its * two.shown, mine * one.row + its * two.row)
            for one, two in zip(self.first(texts), self.second(texts), strict=True)
        ]


@dataclass(frozen=True)
class MeaningModel:
    """A trained network with its front end."""

    net: MeaningNet
    """In evaluation mode."""
    front_end: FrontEndName
    """What reads the text for it."""
    neighbours: Neighbours | None = None
    """Described sentences in its space, which it asks too; None asks the network alone."""
    source: str = ""
    """Where the front end's own model is, if it does not ship."""

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> list[Meant]:
        """What each text means; exchanging left and right in a text exchanges them in what it means, exactly."""
        names = concept_names()
        if not texts:
            return []
        features = load_front_end(self.front_end, self.source)([left_handed(text)[0] for text in texts])
        scores = self.net(features.values, features.there)
        odds, share = scores.logits.sigmoid(), scores.likeness.softmax(1)
        # What both outputs believe in: the classifier knows how many are meant, the contrast which ones are more alike.
        probability = (odds * share.clamp(min=1e-6)).sqrt()
        all_shown, faces = self._faces(scores)
        found = []
        for row, text in enumerate(texts):
            swapped = left_handed(text)[1]
            values = sorted(zip(probability[row, :-1].tolist(), names, strict=True), key=lambda item: (-item[0], item[1]))
            guesses = tuple(Guess(other_side(name) if swapped else name, value) for value, name in values)
            shown, face = all_shown[row], faces[row]
            if swapped:
                shown, face = mirror(shown[None])[0], mirrored_row(face)
            found.append(Meant(guesses, float(probability[row, -1]), shown, face))
        return found

    def _faces(self, scores: MeaningScores) -> tuple[Float[Tensor, "B A"], Float[Tensor, "B F"]]:
        """Probability of each unit, and the face, by the network and the neighbours together."""
        shown, face = scores.shown.sigmoid(), torch.cat([scores.intensity, scores.pose], dim=1)
        if self.neighbours is not None:
            near_shown, near = self.neighbours(scores.whole)
            share = torch.full_like(face, NEIGHBOURS)
            share[:, :N_AU] *= near_shown > 0  # nobody near shows it, so nobody near knows how strong it is
            shown, face = shown.lerp(near_shown, NEIGHBOURS), face.lerp(near, share)
        face[:, :N_AU].clamp_(min=_FAINTEST)
        return calibrated(shown), face


def _evened(row: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
    """The face with both sides alike where they nearly are."""
    other = mirrored_row(row)
    near = (row - other).abs() < _EVEN
    near[N_AU:] = False
    return torch.where(near, 0.5 * (row + other), row)


def _only(row: Float[Tensor, " F"], shown: Bool[Tensor, " A"]) -> Float[Tensor, " F"]:
    return torch.cat([row[:N_AU] * shown, row[N_AU:]])


def save_meaning(model: MeaningModel, path: Path) -> None:
    """Write weights (half precision), sizes and the names of the concepts as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.net.state_dict().items()}
    if model.neighbours is not None:
        tensors |= {_PREFIX + name: tensor for name, tensor in model.neighbours.tensors().items()}
    about = {"kind": _KIND, "front_end": model.front_end, "network": json.dumps(asdict(model.net.config)), "source": model.source}
    about["weights"] = _fingerprint(model.front_end, model.source)
    save_file(tensors, path, metadata=about | {"concepts": ", ".join(concept_names())})


def read_meaning(path: Path) -> MeaningModel:
    """A trained network from a file, in evaluation mode.

    Raises:
        InputError: no such file, another kind of file, or one made for other concepts.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != _KIND or about.get("front_end") not in FRONT_ENDS:
            raise KeyError("kind")
        front_end = FRONT_ENDS[FRONT_ENDS.index(about["front_end"])]  # type: ignore[arg-type]
        net = MeaningNetConfig(**json.loads(about["network"])).build()
        near = {name.removeprefix(_PREFIX): tensors.pop(name) for name in [*tensors] if name.startswith(_PREFIX)}
        net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        neighbours = Neighbours.of_tensors(near) if near else None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: not a text-to-AU network ({type(error).__name__}); fetch or train it again") from error
    if about.get("concepts") != ", ".join(concept_names()):
        raise InputError(f"{path}: made for other tables of expressions; train it again with emohead train text-to-au")
    source = about.get("source", "")
    if about.get("weights", "") != _fingerprint(front_end, source):
        raise InputError(f"{path}: trained on another model than the one that is now at {source or front_end}; train it again")
    return MeaningModel(net.eval(), front_end, neighbours, source)


def _fingerprint(front_end: FrontEndName, source: str) -> str:
    """Checksum of a front end's own weights where they do not come with the project."""
    return getattr(load_front_end(front_end, source), "fingerprint", "") if front_end == "clip" else ""


@lru_cache(maxsize=4)
def load_meaning(network: NetworkName = "small") -> MeaningModel:
    """A network by name.

    Raises:
        InputError: it is not there.
    """
    name = ASSETS[network]
    if network in ("minilm", "clip") and not any((folder / name).is_file() for folder in assets.search_path()):
        remedy = f"make it with: emohead train text-to-au --front-end {network} -o {assets.cache_folder() / name}"
        raise InputError(f"the network for the front end {network} ({name}) does not ship; {remedy}")
    return read_meaning(assets.find(name))
