"""Imports point one way, and `import emohead` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "emohead": {"recon", "controllers", "demo", "tests"},
    "controllers": {"recon", "demo", "tests"},
    "recon": {"controllers", "demo", "tests"},
    "demo": {"tests"},
}
FRONT_DOORS = {
    Path("emohead/cli.py"),
    Path("emohead/pipeline.py"),
    *(path.relative_to(ROOT) for path in (ROOT / "emohead/commands").glob("*.py")),
}


def _imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_package_imports_only_downward(package: str):
    for path in (ROOT / package).rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path.relative_to(ROOT) in FRONT_DOORS:
            # The front doors may import upward, but only inside functions.
            tree = ast.Module(body=[node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], type_ignores=[])
        upward = [name for name in _imports(tree) if name.split(".")[0] in FORBIDDEN[package]]
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


def test_import_emohead_is_light():
    code = "import sys, emohead; print(sorted({'gradio','gsplat','transformers','diffusers','numba','mediapipe'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    assert loaded == "[]"


def test_understanding_a_sentence_loads_little():
    """Who asks for the action units of a sentence waits for torch, the tables and a small network, not for what draws and speaks."""
    code = "import sys; from emohead.cli import main; main(['au', 'a shy smile, then swallows a lemon']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()[-1]
    heavy = (
        "scipy",
        "numba",
        "av",
        "PIL",
        "emohead.pipeline",
        "emohead.media",
        "emohead.raster",
        "diffusers",
        "transformers",
        "accelerate",
    )
    assert "'torch'" in loaded and not [name for name in heavy if f"'{name}'" in loaded]
