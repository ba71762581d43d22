"""`emohead assets`: the files that do not ship, and how to get them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from emohead.commands.options import Command, Outcome, to_json

if TYPE_CHECKING:
    from emohead.assets import OptionalFile


@dataclass(frozen=True, kw_only=True)
class Assets(Command):
    """List optional files, say where files are looked for, or download what is missing (from their publishers, checked, once)."""

    action: tyro.conf.Positional[Literal["list", "path", "fetch"]] = "list"
    """list: what there is. path: the folders that are searched, or where the named file is. fetch: download."""
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="NAME")] = None
    """The file; fetch without a name takes every one that is missing."""
    json: bool = False
    """Print the list as JSON."""

    def run(self) -> Outcome:
        """Print what was asked for."""
        from emohead.errors import InputError

        if self.action == "path":
            return self._path()
        if self.action == "fetch":
            return self._fetch()
        if self.name is not None:
            raise InputError(f"emohead assets list {self.name}: the list takes no name; use emohead assets path {self.name}")
        return self._list()

    def _list(self) -> Outcome:
        from emohead.assets import OPTIONAL_FILES

        rows = [_facts(file) for file in OPTIONAL_FILES]
        if self.json:
            return Outcome(to_json({"files": rows}))
        lines = []
        for row in rows:
            lines.append(str(row["name"]))
            lines += [f"  {key:<9}{value}" for key, value in row.items() if key != "name"]
        return Outcome("\n".join(lines))

    def _path(self) -> Outcome:
        from emohead.assets import find, search_path

        return Outcome(str(find(self.name)) if self.name else "\n".join(str(folder) for folder in search_path()))

    def _fetch(self) -> Outcome:
        from emohead.assets import OPTIONAL_FILES, fetch, optional_file

        lines = []
        for file in [optional_file(self.name)] if self.name else OPTIONAL_FILES:
            path, downloaded = fetch(file)
            lines.append(f"downloaded {path} ({file.size} bytes, {file.licence})" if downloaded else f"{path} is there already")
        return Outcome("\n".join(lines))


def _facts(file: "OptionalFile") -> dict[str, object]:
    from emohead.assets import find, is_version
    from emohead.errors import InputError

    try:
        path = find(file.name)
        place = str(path) if is_version(path, file) else f"{path} (another version)"
    except InputError:
        place = f"missing (emohead assets fetch {file.name})"
    return {
        "name": file.name, "for": file.purpose, "licence": file.licence, "size": file.size,
        "sha256": file.sha256, "from": file.url, "found": place,
    }  # fmt: skip
