"""Where the shared measuring data is; tests that need it skip visibly where it is absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("EMOHEAD_SHARED", Path(__file__).parents[2] / "shared"))


def shared_data(relative: str) -> Path:
    """A path under shared/data, or a visible skip."""
    path = SHARED / "data" / relative
    if not path.exists():
        pytest.skip(f"shared data is absent: {relative} (set EMOHEAD_SHARED)")
    return path
