"""Sentences with the face that each describes (tables/described.tsv): what the network learns whole looks from."""

import csv
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

import torch
from jaxtyping import Float
from torch import Tensor

from controllers.expression import Expression, parse_codes
from emohead.channels import AU_INDEX, AU_NAMES, N_AU
from emohead.errors import InputError

N_FACE = N_AU + 5
"""Numbers of a face: the action units, gaze (yaw, pitch), head rotation (pitch, yaw, roll)."""
_GAZES = {
    "left": (0.4, 0.0), "right": (-0.4, 0.0), "up": (0.0, -0.25), "down": (0.0, 0.25), "away": (-0.3, 0.08), "at viewer": (0.0, 0.0),
}  # fmt: skip
_HEADS = {
    "tilt": (0.0, 0.0, 0.15), "turn": (0.0, -0.2, 0.0), "down": (0.15, 0.0, 0.0), "up": (-0.12, 0.0, 0.0), "back": (-0.1, 0.0, 0.0),
    "forward": (0.1, 0.0, 0.0), "nod": None, "shake": None,
}  # fmt: skip
"""A nod and a shake are movements, not poses: the network does not learn them here."""


@dataclass(frozen=True)
class Described:
    """A sentence and the face that a coder of action units gave it."""

    text: str
    """As somebody might type it."""
    expression: Expression
    """What should be seen; empty where nothing facial is asked or the face is neutral."""


@lru_cache(maxsize=1)
def described_sentences() -> tuple[Described, ...]:
    """The sentences that ship, one look each."""
    table = files("controllers.tables") / "described.tsv"
    return read_described(table.read_text(encoding="utf-8"), "described.tsv")


def read_described(text: str, name: str) -> tuple[Described, ...]:
    """Sentences from a tab-separated table: sentence, action units (`1=.6 12R=.4`), gaze, head.

    Raises:
        InputError: a line that cannot be read, with its number.
    """
    found = []
    for number, row in enumerate(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        try:
            sentence, codes, gaze, head = row
            expression = replace(parse_codes(codes), gaze=_GAZES[gaze] if gaze else None, head=_HEADS[head] if head else None)
        except (ValueError, KeyError, InputError) as error:
            raise InputError(f"{name}, line {number}: not a sentence with codes, gaze and head ({error}); see docs/text.md") from error
        found.append(Described(sentence, expression))
    return tuple(found)


def face_row(expression: Expression) -> Float[Tensor, " F"]:
    """An expression as numbers: the action units 0..1, gaze and head rotation in radians."""
    row = torch.zeros(N_FACE)
    for name, value in expression.au.items():
        row[AU_INDEX[name]] = value
    row[N_AU : N_AU + 2] = torch.tensor(expression.gaze or (0.0, 0.0))
    row[N_AU + 2 :] = torch.tensor(expression.head or (0.0, 0.0, 0.0))
    return row


def row_expression(row: Float[Tensor, " F"], *, least: float, least_pose: float = 0.05) -> Expression:
    """Numbers as an expression: the units from `least` on, and a pose of at least `least_pose` radians."""
    values = row.tolist()
    au = {name: value for name, value in zip(AU_NAMES, values[:N_AU], strict=True) if value >= least}
    (yaw, pitch), (nod, turn, tilt) = values[N_AU : N_AU + 2], values[N_AU + 2 :]
    gaze = (yaw, pitch) if max(abs(yaw), abs(pitch)) >= least_pose else None
    return Expression(au, gaze, (nod, turn, tilt) if max(abs(nod), abs(turn), abs(tilt)) >= least_pose else None)
