"""What a front end is, and what it makes of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class TextFeatures:
    """What a front end makes of some texts."""

    values: Float[Tensor, "B L D"]
    """A row per word, or one for the whole text."""
    there: Float[Tensor, "B L"]
    """1 where there is a row, 0 where a shorter text was filled up."""


@runtime_checkable
class FrontEnd(Protocol):
    """Turns texts into rows of numbers. It learns nothing; what it knows it was made with."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        ...

    @property
    def longest(self) -> int:
        """Most rows of a text; the rest is cut off."""
        ...

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """Rows of each text; a text without a word has one row of zeros."""
        ...

    def weakened(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Rows with part of what they tell blotted out at random, so that training does not learn single words by heart."""
        ...
