"""A FLAME pickle read as data: every class it names becomes an inert record, so nothing in it can run.

FLAME is distributed as a Python 2 pickle of numpy arrays, one scipy sparse matrix and `chumpy.ch.Ch` objects. Unpickling
normally imports and calls whatever the file names. Here the file may name only the classes of `_ALLOWED` and any `chumpy.*`
class, and each name stands for a record below that stores bytes and shapes; not even numpy's own unpickling code is called.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from emohead.errors import InputError

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read (FLAME has about 50 MB)."""
_MAX_ELEMENTS = 1 << 27
_NUMERIC_KINDS = frozenset("fiub")

_MALFORMED = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError, ArithmeticError)
"""What `pickle` documents that a damaged file may raise."""


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The numeric arrays of a pickled dictionary, by key; entries of other kinds (names, notes) are left out.

    Raises:
        InputError: the file names a class that no FLAME file needs (nothing is executed), or is damaged, or is not a dictionary.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size} bytes, too many for a FLAME file; give FLAME's generic_model.pkl")
    with path.open("rb") as file:
        try:
            content = _InertUnpickler(file, encoding="latin1").load()
            if not isinstance(content, dict):
                raise InputError(f"{path} holds a {type(content).__name__}, not a dictionary; give FLAME's generic_model.pkl")
            resolved = {key: _resolve(value) for key, value in content.items() if isinstance(key, str)}
        except (*_MALFORMED, MemoryError, RecursionError) as error:
            reason = str(error) or type(error).__name__
            raise InputError(f"{path} is cut short, damaged or not a pickle ({reason}); download it again") from error
    return {key: value for key, value in resolved.items() if value is not None}


class _Record:
    """What an object of the pickle becomes: its state, never interpreted by code that the file chose."""

    state: Any = None

    def __new__(cls, *arguments: Any) -> Any:  # Constructor arguments carry nothing that is needed.
        return super().__new__(cls)

    def __init__(self, *arguments: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        # Its presence also keeps pickle's BUILD from setting attributes on these classes.
        self.state = state


class _Array(_Record):
    """`numpy.ndarray`; state is (version, shape, dtype, fortran order, bytes)."""


class _SparseColumns(_Record):
    """`scipy.sparse.csc_matrix`; state is a dictionary with _shape (or shape), indptr, indices, data."""


class _Chumpy(_Record):
    """Any chumpy object: `Ch` keeps its array in x; `Select` picks the flat indices idxs of another object a."""


class _DType(_Record):
    """`numpy.dtype`: its code, such as f8, and (version, byte order, ...) as state."""

    code = ""

    def __init__(self, code: Any = "", *flags: Any):
        self.code = str(code)

    def numpy(self) -> np.dtype | None:
        """The numeric type, or None for text, objects and records."""
        if not (self.code[:1] in _NUMERIC_KINDS and self.code[1:].isdigit()):
            return None
        big_endian = isinstance(self.state, tuple) and len(self.state) > 1 and self.state[1] == ">"
        return np.dtype((">" if big_endian else "<") + self.code)


class _Latin1(_Record):
    """`_codecs.encode(text, "latin1")`: how Python 3 writes bytes in old pickle protocols."""

    def __new__(cls, text: Any = "", encoding: Any = "latin1") -> Any:
        if encoding != "latin1":
            raise InputError(f"the pickle asks for the codec {encoding!r}, which no FLAME file needs; nothing was executed")
        return str(text).encode("latin1")


class _Reconstructed(_Record):
    """`copy_reg._reconstructor(cls, object, None)`: an empty object of one of the classes above."""

    def __new__(cls, kind: Any = None, *arguments: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, _Record)):
            raise InputError(f"the pickle reconstructs a {kind!r}, which no FLAME file needs; nothing was executed")
        return kind()


_ALLOWED: dict[str, type] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _DType,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _Record,
    "numpy._core.multiarray.scalar": _Record,
    "scipy.sparse.csc.csc_matrix": _SparseColumns,
    "scipy.sparse._csc.csc_matrix": _SparseColumns,
    "_codecs.encode": _Latin1,
    "copy_reg._reconstructor": _Reconstructed,
    "copyreg._reconstructor": _Reconstructed,
    "__builtin__.object": object,
    "builtins.object": object,
    # A chumpy object's state holds a set of the terms that changed.
    "__builtin__.set": _Record,
    "builtins.set": _Record,
}


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        if f"{module}.{name}" not in _ALLOWED:
            raise InputError(
                f"the pickle asks for {module}.{name}, which no FLAME file needs; nothing was executed, get the file from its publisher"
            )
        return _ALLOWED[f"{module}.{name}"]


def _resolve(value: Any, depth: int = 0) -> np.ndarray | None:
    """The array that a record stands for, or None when it stands for something else."""
    if depth > 8:
        raise InputError("the pickle nests chumpy objects too deeply for a FLAME file; get the file from its publisher")
    if isinstance(value, _Array):
        return _dense(value.state)
    if isinstance(value, _SparseColumns) and isinstance(value.state, dict):
        return _from_sparse(value.state)
    if isinstance(value, _Chumpy) and isinstance(value.state, dict):
        if "x" in value.state:
            return _resolve(value.state["x"], depth + 1)
        picked, indices = _resolve(value.state.get("a"), depth + 1), _resolve(value.state.get("idxs"), depth + 1)
        if picked is not None and indices is not None:
            selected = picked.ravel()[indices]
            return selected.reshape(value.state.get("preferred_shape", selected.shape))
    return None


def _dense(state: Any) -> np.ndarray | None:
    if not isinstance(state, tuple) or len(state) < 4:
        raise InputError("the pickle holds an array without content; download the file again")
    shape, kind, fortran, raw = state[-4:]
    dtype = kind.numpy() if isinstance(kind, _DType) else None
    if dtype is None:
        return None
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _from_sparse(state: dict[str, Any]) -> np.ndarray | None:
    shape = state.get("_shape", state.get("shape"))
    starts, rows, data = (_resolve(state.get(name)) for name in ("indptr", "indices", "data"))
    if not isinstance(shape, tuple) or len(shape) != 2 or starts is None or rows is None or data is None:
        return None
    if shape[0] * shape[1] > _MAX_ELEMENTS:
        raise InputError(f"the pickle holds a sparse matrix of shape {shape}, too large for a FLAME file; download it again")
    dense = np.zeros(shape, data.dtype)
    dense[rows, np.repeat(np.arange(shape[1]), np.diff(starts))] = data
    return dense
