"""Tables of numbers as comma-separated text, read by column name with errors that name the line."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from emohead.errors import InputError
from emohead.output import write_text

MAX_TABLE_BYTES = 256 << 20


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a header and rows; the file appears when it is whole."""
    write_text(path, "".join(",".join(row) + "\n" for row in [columns, *rows]))


def read_rows(path: str | Path) -> list[list[str]]:
    """All rows of a table, the header first, cells stripped.

    Raises:
        InputError: missing, empty, not text, or too large.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise InputError(f"{path}: larger than {MAX_TABLE_BYTES >> 20} MB; cut it into parts")
    try:
        # Spreadsheets put a byte-order mark in front.
        text = file.read_text(encoding="utf-8-sig")
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a text table; export it as CSV in UTF-8") from error
    if len(rows) < 2:
        raise InputError(f"{path}: the table has no rows below its header; export it again")
    if len(rows[0]) < 2 and ";" in rows[0][0]:
        raise InputError(f"{path}: separated by semicolons; export it with commas between columns and points in numbers")
    return rows


def numbers(path: str | Path, rows: list[list[str]], columns: Sequence[str]) -> Float64[np.ndarray, "T D"]:
    """The named columns of `read_rows`, whatever their order; letter case does not matter.

    Raises:
        InputError: a column is missing, a row has another number of cells, or a cell is not a finite number.
    """
    header = [name.lower() for name in rows[0]]
    missing = [name for name in columns if name.lower() not in header]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing ({len(missing)} of {len(columns)} are); is this the right kind of table?")
    places = [header.index(name.lower()) for name in columns]
    values = np.empty((len(rows) - 1, len(columns)))
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} cells under {len(header)} columns; correct the line")
        for index, (place, name) in enumerate(zip(places, columns, strict=True)):
            values[line - 2, index] = _number(path, line, name, row[place])
    return values


def _number(path: str | Path, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"{path}, line {line}: {name} is {cell!r}, not a finite number; correct it")
    return value
