"""The articulation table: for each phone, which rig coefficients its mouth shape needs and how strongly it insists on them.

Targets and dominance parameters are engineering values of this project: set so that read English has about the per-channel spread
of captured speech (`CALIBRATION`), then corrected by looking at filmed mouths (lip gap of ten talkers), which showed that /w r uw/
nearly shut the lips, that /s z/ keep them apart over closed teeth and that /p b m/ reach further to both sides than the literature's
decay. The form of the dominance is Cohen & Massaro 1993.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emohead.motion.phones import PHONES

ARTICULATORS: tuple[str, ...] = (
    "jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthRollLower", "mouthPress", "tongueOut",
)  # fmt: skip
"""What speech moves (`M` = 9). A name without a side drives both sides of the rig."""

CALIBRATION: dict[str, float] = {
    "mouthPucker": 0.55, "mouthFunnel": 0.25, "mouthLowerDown": 1.85, "mouthUpperUp": 1.30, "mouthStretch": 0.80, "mouthPress": 0.80,
}  # fmt: skip
"""Multipliers of the table below; with them the spread of each channel comes near that of captured neutral speech (BlendVOCA)."""

# J jawOpen, L mouthLowerDown, U mouthUpperUp, P mouthPucker, F mouthFunnel, S mouthStretch, R mouthRollLower, X mouthPress, T tongueOut
_LETTERS = dict(zip("JLUPFSRXT", ARTICULATORS, strict=True))
_TABLE: dict[str, dict[str, float]] = {
    "pau": {"J": 0.01},
    "aa": {"J": 0.50, "L": 0.45, "U": 0.20},
    "ae": {"J": 0.45, "L": 0.45, "U": 0.25, "S": 0.25},
    "ah": {"J": 0.34, "L": 0.38, "U": 0.15},
    "ao": {"J": 0.30, "L": 0.12, "P": 0.20, "F": 0.35},
    "ax": {"J": 0.22, "L": 0.28, "U": 0.10},
    "eh": {"J": 0.36, "L": 0.40, "U": 0.18, "S": 0.20},
    "er": {"J": 0.18, "L": 0.05, "P": 0.30, "F": 0.30},
    "ih": {"J": 0.20, "L": 0.32, "U": 0.12, "S": 0.20},
    "iy": {"J": 0.14, "L": 0.34, "U": 0.15, "S": 0.38},
    "uh": {"J": 0.08, "L": 0.03, "P": 0.42, "F": 0.25},
    "uw": {"J": 0.05, "P": 0.75},
    "p": {"J": 0.05, "X": 0.35},
    "b": {"J": 0.05, "X": 0.25},
    "m": {"J": 0.06, "X": 0.20},
    "f": {"J": 0.08, "U": 0.22, "R": 0.45},
    "v": {"J": 0.08, "U": 0.18, "R": 0.38},
    "th": {"J": 0.09, "L": 0.15, "T": 0.25},
    "dh": {"J": 0.09, "L": 0.14, "T": 0.20},
    "t": {"J": 0.12, "L": 0.30, "U": 0.08},
    "d": {"J": 0.13, "L": 0.30, "U": 0.08},
    "n": {"J": 0.14, "L": 0.28, "U": 0.06},
    "l": {"J": 0.20, "L": 0.30},
    "k": {"J": 0.20, "L": 0.28},
    "g": {"J": 0.20, "L": 0.28},
    "ng": {"J": 0.20, "L": 0.25},
    "s": {"J": 0.04, "L": 0.46, "U": 0.10, "S": 0.20},
    "z": {"J": 0.05, "L": 0.44, "U": 0.10, "S": 0.18},
    "sh": {"J": 0.06, "L": 0.10, "U": 0.12, "P": 0.25, "F": 0.55},
    "r": {"J": 0.06, "L": 0.04, "P": 0.38},
    "w": {"J": 0.03, "P": 0.80},
    "y": {"J": 0.12, "L": 0.28, "S": 0.25},
}
_SAME_AS = {"zh": "sh", "ch": "sh", "jh": "sh"}

SHAPES: tuple[str, ...] = (*_TABLE, *_SAME_AS)
"""The phones that are one mouth shape each (`Q` = 35); the others are made of these."""

DIPHTHONGS: dict[str, tuple[str, str]] = {
    "ay": ("aa", "ih"), "ey": ("eh", "iy"), "ow": ("ao", "uw"), "aw": ("aa", "uw"), "oy": ("ao", "ih"),
}  # fmt: skip
"""Diphthongs and the two shapes they glide between."""

DIPHTHONG_SPLIT = 0.6
"""Share of a diphthong that belongs to its first shape."""

BILABIALS = ("p", "b", "m")
LABIODENTALS = ("f", "v")
SIBILANTS = ("s", "z", "sh", "zh", "ch", "jh")
ROUNDED = ("uw", "uh", "ao", "er", "w", "sh", "zh", "ch", "jh", "r", "ow", "oy")

CLOSURE_SHARE: dict[str, float] = {"p": 0.6, "b": 0.8, "m": 1.0}
"""The part of the phone, from its start, during which the lips are shut: stops release inside the segment (flite, aligners)."""

GROUPS = ("jaw", "rounding", "lips")
_GROUP_OF = {"jawOpen": 0, "mouthPucker": 1, "mouthFunnel": 1}
ARTICULATOR_GROUP: tuple[int, ...] = tuple(_GROUP_OF.get(name, 2) for name in ARTICULATORS)
"""For each articulator, its index in `GROUPS`: articulators of a group share their dominance."""

# Per class and group: strength alpha, decay before and after the centre in 1/ms (Cohen & Massaro 1993, with c = 1).
_DOMINANCE: dict[str, tuple[tuple[float, float, float], ...]] = {
    "vowel": ((1.0, 0.020, 0.020), (0.6, 0.016, 0.016), (1.0, 0.020, 0.020)),
    "rounded vowel": ((1.0, 0.020, 0.020), (1.6, 0.012, 0.014), (0.7, 0.020, 0.020)),
    "bilabial": ((1.5, 0.017, 0.017), (0.05, 0.030, 0.030), (4.0, 0.027, 0.027)),
    "labiodental": ((2.1, 0.017, 0.017), (0.05, 0.030, 0.030), (4.0, 0.024, 0.024)),
    "sibilant": ((2.5, 0.026, 0.026), (0.3, 0.020, 0.020), (1.0, 0.020, 0.020)),
    "rounded sibilant": ((1.6, 0.026, 0.026), (1.8, 0.014, 0.014), (0.5, 0.020, 0.020)),
    "glide": ((4.8, 0.021, 0.021), (1.8, 0.011, 0.011), (3.0, 0.016, 0.016)),
    "tongue": ((0.45, 0.028, 0.028), (0.05, 0.030, 0.030), (0.25, 0.025, 0.025)),
    "silence": ((0.5, 0.012, 0.012), (0.5, 0.012, 0.012), (0.5, 0.012, 0.012)),
}
_CLASS_OF: dict[str, str] = {
    **dict.fromkeys(("aa", "ae", "ah", "ax", "eh", "ih", "iy"), "vowel"),
    **dict.fromkeys(("ao", "er", "uh", "uw"), "rounded vowel"),
    **dict.fromkeys(BILABIALS, "bilabial"),
    **dict.fromkeys(LABIODENTALS, "labiodental"),
    **dict.fromkeys(("s", "z"), "sibilant"),
    **dict.fromkeys(("sh", "zh", "ch", "jh"), "rounded sibilant"),
    **dict.fromkeys(("w", "r"), "glide"),
    **dict.fromkeys(("t", "d", "n", "l", "k", "g", "ng", "th", "dh", "y"), "tongue"),
    "pau": "silence",
}


@dataclass(frozen=True)
class PhoneTargets:
    """The table as tensors."""

    values: Float[Tensor, "Q M"]
    """Rig coefficients 0..1 of each shape."""
    dominance: Float[Tensor, "Q 3 3"]
    """Per shape and group: strength, decay before and after the centre (1/s)."""
    spread: Float[Tensor, "P Q"]
    """How each of the 41 phones is divided among the shapes when all that is known is its probability."""


def load_targets() -> PhoneTargets:
    """The calibrated articulation table."""
    values, dominance = torch.zeros(len(SHAPES), len(ARTICULATORS)), torch.zeros(len(SHAPES), 3, 3)
    for row, shape in enumerate(SHAPES):
        for letter, value in _TABLE[_SAME_AS.get(shape, shape)].items():
            name = _LETTERS[letter]
            values[row, ARTICULATORS.index(name)] = value * CALIBRATION.get(name, 1.0)
        dominance[row] = torch.tensor(_DOMINANCE[_CLASS_OF[shape]])
    dominance[..., 1:] *= 1000.0
    return PhoneTargets(values, dominance, _spread())


def shape_indices(names: tuple[str, ...]) -> Int[Tensor, " n"]:
    """Rows of the table for the given shapes."""
    return torch.tensor([SHAPES.index(name) for name in names])


def _spread() -> Float[Tensor, "P Q"]:
    spread = torch.zeros(len(PHONES), len(SHAPES))
    for row, phone in enumerate(PHONES):
        if phone in DIPHTHONGS:
            first, second = DIPHTHONGS[phone]
            spread[row, SHAPES.index(first)], spread[row, SHAPES.index(second)] = DIPHTHONG_SPLIT, 1 - DIPHTHONG_SPLIT
        elif phone == "hh":
            # /h/ has no mouth shape of its own; a weak neutral vowel lets its neighbours decide.
            spread[row, SHAPES.index("ax")] = 0.3
        else:
            spread[row, SHAPES.index(phone)] = 1.0
    return spread
