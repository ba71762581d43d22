"""The controllers' data: tables in JSON, read once."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read_table(name: str) -> dict[str, Any]:
    """The table `name`.json; each says in its `about` what its columns mean."""
    return json.loads((files("controllers.tables") / f"{name}.json").read_text(encoding="utf-8"))
