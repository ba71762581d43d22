"""`emohead nearest`: which clips, recordings, sentences or labels are nearest in emotion to one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from controllers.binding import EmotionSpace

MAX_ITEMS = 10_000


@dataclass(frozen=True, kw_only=True)
class Nearest(Command):
    """Search by emotion: the nearest of some files, or of all labels, to a sentence, a label or a file.

    A file is a motion or a video (its face; FILE:voice its voice), or a recording (its voice). It compares performances; it is no judge of
    what a person feels, and it reads faces and voices in the files named here only.
    """

    text: tyro.conf.Positional[str | None] = None
    """What is looked for, in words: "bitter disappointment"."""
    label: Annotated[str | None, tyro.conf.arg(metavar="NAME[:STRENGTH]")] = None
    """A label instead: happy:0.8."""
    like: Annotated[str | None, tyro.conf.arg(metavar="FILE[:voice]")] = None
    """A file instead: what is like it?"""
    among: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")] = ()
    """The files to search; without them all labels are."""
    count: int = 5
    """How many to show."""
    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Search and print the nearest with their cosines."""
        import torch

        from emohead.commands.progress import progress_bar
        from emohead.errors import InputError

        given = [name for name in ("text", "label", "like") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(f"give one of a sentence, --label, --like, got {' and '.join(given) or 'none'}; see emohead nearest --help")
        if not 1 <= self.count <= MAX_ITEMS or len(self.among) > MAX_ITEMS:
            raise InputError(f"--count {self.count} of {len(self.among)} files: give 1 to {MAX_ITEMS} of at most {MAX_ITEMS}")
        torch.set_num_threads(1)
        with progress_bar() as tell:
            tell(0.0, "loading")
            from controllers.binding import load_space, nearest
            from controllers.states import states

            space = load_space()
            query = self._query(space)
            names: Sequence[str] = self.among or tuple(states())
            vectors = []
            for index, name in enumerate(names if self.among else ()):
                tell((index + 1) / (len(names) + 1), f"looking at {Path(name).name}")
                vectors.append(_place(space, name))
            among = torch.stack(vectors) if self.among else space.label(list(names)).vectors
            found = [{"name": names[row], "cosine": round(cosine, 4)} for row, cosine in nearest(query, among, count=self.count)]
        told = f"\n{len(found)} of {len(names)}; more with --count" if self.among and len(found) < len(names) else ""
        read = [name for name in (self.like, *self.among) if name]
        warnings = (f"emotion was guessed from {len(read)} files, as asked for; it says nothing about what anybody feels",) if read else ()
        lines = "\n".join(f"{row['cosine']:5.2f}  {row['name']}" for row in found)
        return Outcome(to_json({"nearest": found}) if self.json else lines + told, warnings)

    def _query(self, space: "EmotionSpace") -> "Float[Tensor, ' D']":
        if self.like is not None:
            return _place(space, self.like)
        return (space.label([self.label]) if self.label is not None else space.text([self.text or ""])).vectors[0]


def _place(space: "EmotionSpace", given: str) -> "Float[Tensor, ' D']":
    """Where the face or the voice of a file is."""
    from controllers.reference import place_of
    from emohead.commands.reference_files import read_source, reference_file

    return place_of(read_source(reference_file(given)), space)
