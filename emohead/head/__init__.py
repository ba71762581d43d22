"""Head models: identity and motion in, mesh out; and the conversions between AUs, the ARKit rig and FLAME."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emohead.head.base import HeadModel


def load_head(name_or_path: str | Path) -> "HeadModel":
    """The head that ships (`"generic"`) or the user's FLAME file (a path ending in .pkl or .npz).

    Raises:
        InputError: neither, or the file cannot be used.
    """
    if name_or_path == "generic":
        from emohead.head.generic import load_generic

        return load_generic()
    from emohead.errors import InputError

    if Path(name_or_path).suffix not in (".pkl", ".npz"):
        raise InputError(f"head {str(name_or_path)!r} is unknown; use 'generic' or the path of a FLAME file (.pkl or .npz)")
    from emohead.head.flame import load_flame

    return load_flame(name_or_path)
