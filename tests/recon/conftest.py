"""What tests of reconstruction share."""

from collections.abc import Iterator

import pytest
import torch

from emohead.channels import N_RIG, RIG_INDEX
from emohead.head.flame import FlameHead
from emohead.head.flame_file import read_flame
from emohead.head.generic import load_generic
from emohead.head.rig_to_flame import RigToFlame
from tests.head.flame_fixture import flame_arrays, write_pickle


@pytest.fixture(scope="module")
def flame_head(tmp_path_factory) -> Iterator[FlameHead]:
    """A FLAME head whose rig opens the jaw and does nothing else."""
    folder = tmp_path_factory.mktemp("flame")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder))
    data = read_flame(write_pickle(folder / "flame.pkl", flame_arrays()))
    n_vertices, jaw, expression = len(data.template), torch.zeros(N_RIG, 3), torch.zeros(N_RIG, 100)
    jaw[RIG_INDEX["jawOpen"], 0] = 0.25
    nothing = torch.zeros(N_RIG, n_vertices, 3)
    names = load_generic().part_names
    part = torch.zeros(n_vertices, dtype=torch.long)
    eyes = data.weights[:, 3:] > 0.5
    for side, name in enumerate(("eye_left", "eye_right")):
        part[eyes[:, side]] = names.index(name)
    yield FlameHead(data, rig=RigToFlame(expression, jaw, nothing, torch.ones(N_RIG), nothing[:2], names, part))
    patch.undo()
