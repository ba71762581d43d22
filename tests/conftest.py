"""What tests of several folders share."""

from collections.abc import Iterator

import pytest

from emohead import assets
from emohead.errors import InputError
from tests.shared import shared_data


@pytest.fixture(scope="module")
def networks() -> Iterator[None]:
    """The optional networks that look for faces and cut people out, or a visible skip."""
    pytest.importorskip("mediapipe")
    pytest.importorskip("ai_edge_litert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOHEAD_ASSETS", str(shared_data("tracker")))
        for file in assets.OPTIONAL_FILES:
            try:
                assets.find(file.name)
            except InputError:
                pytest.skip(f"{file.name} is absent (set EMOHEAD_SHARED)")
        yield
