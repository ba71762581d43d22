"""A plan as a picture: the curves of what it asks for over time, with its events named above them."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from controllers.plan import TextPlan
from emohead.channels import AU_INDEX, AU_NAMES
from emohead.head.action_units import CHANNELS
from emohead.output import whole_file
from emohead.types import AUTrack

MAX_CURVES = 14
"""The strongest that are drawn."""
_WIDTH, _LEFT, _RIGHT, _PANEL, _POSES, _ROW = 1200, 60, 250, 380, 150, 22
_INK, _GRID, _BAND = "#202020", "#dddddd", ("#eef3fb", "#fbf3e8")
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f", "#003f88", "#7f0000",
    "#006400", "#b8860b",
)  # fmt: skip
_POSE_NAMES = ("gaze yaw", "gaze pitch", "head pitch", "head yaw", "head roll")
_POSE_RANGE = 0.6
"""Radians at the edge of the panel of gaze and head."""


def write_plot(path: str | Path, track: AUTrack, plan: TextPlan) -> None:
    """Draw intensities 0..1, and gaze and head in radians where they are asked for, as a PNG.

    Args:
        path: the picture.
        track: what the plan asks for; values are drawn as far as they are asked for (times their weight).
        plan: names the events and the unit of the time axis.
    """
    curves, poses = _curves(track), _poses(track)
    head = 16 + _ROW * max(1, min(len(plan.events), 12))
    height = head + _PANEL + (_POSES if poses else 0) + 50
    picture = Image.new("RGB", (_WIDTH, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=14)
    seconds = max(track.n_frames / track.fps, 1e-6)
    _draw_events(pen, font, plan, seconds, (head, height - 40))
    _draw_panel(pen, font, curves, head, _PANEL - 20, low=0.0)
    if poses:
        _draw_panel(pen, font, poses, head + _PANEL, _POSES - 20, low=-_POSE_RANGE)
    _draw_times(pen, font, seconds if plan.duration is not None else None, height)
    if not curves and not poses:
        pen.text((_LEFT + 20, head + 20), "a neutral face: nothing is asked for", fill=_INK, font=font)
    with whole_file(path) as partial:
        picture.save(partial, "PNG", optimize=True)


def _curves(track: AUTrack) -> list[tuple[str, list[float]]]:
    """The strongest channels by name, both sides as one where they are alike."""
    values = track.intensity * track.weight
    found: list[tuple[float, str, list[float]]] = []
    titles = {channel.name: channel.unit.name for channel in CHANNELS}
    for name in AU_NAMES:
        column = values[:, AU_INDEX[name]]
        other = name[:-1] + "R"
        paired = name.endswith("L") and other in AU_INDEX and bool((column - values[:, AU_INDEX[other]]).abs().max() < 1e-4)
        twin = name.endswith("R") and bool((column - values[:, AU_INDEX[name[:-1] + "L"]]).abs().max() < 1e-4)
        if track.n_frames and column.max() > 0.005 and not twin:
            shown = name[:-1] if paired else name
            found.append((float(column.max()), f"{shown} {titles[name]}", column.tolist()))
    found.sort(key=lambda item: -item[0])
    return [(name, column) for _, name, column in found[:MAX_CURVES]]


def _poses(track: AUTrack) -> list[tuple[str, list[float]]]:
    columns = [*(track.gaze * track.pose_weight[:, :1]).T, *(track.head_rotation * track.pose_weight[:, 1:]).T]
    moved = [
        (name, column.tolist()) for name, column in zip(_POSE_NAMES, columns, strict=True) if len(column) and column.abs().max() > 1e-3
    ]
    return [(f"{name} (rad)", column) for name, column in moved]


def _draw_events(pen: ImageDraw.ImageDraw, font: Font, plan: TextPlan, seconds: float, rows: tuple[int, int]) -> None:
    """A band for each event and its words above it."""
    top, bottom = rows
    scale = seconds if plan.duration is None else 1.0
    for index, event in enumerate(plan.events):
        start, end = (_across(min(max(time * scale / seconds, 0.0), 1.0)) for time in (event.start, event.end))
        if not event.overlay:
            pen.rectangle([start, top, max(start, end - 1), bottom], fill=_BAND[index % 2])
        if index < 12:
            y = 10 + _ROW * index
            pen.line([(start, y + 18), (max(end, start + 2), y + 18)], fill=_INK, width=2)
            words = event.text if len(event.text) <= 90 else f"{event.text[:87]}..."
            width = pen.textlength(words, font=font)
            pen.text((max(4, min(start, _WIDTH - 8 - width)), y), words, fill=_INK, font=font)


def _draw_panel(
    pen: ImageDraw.ImageDraw, font: Font, curves: Sequence[tuple[str, list[float]]], top: int, height: int, *, low: float
) -> None:
    high = 1.0 if low == 0.0 else -low
    for tick in range(5):
        value = low + (high - low) * tick / 4
        y = top + height * (1 - tick / 4)
        pen.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], fill=_GRID)
        pen.text((_LEFT - 44, y - 9), f"{value:.2f}", fill=_INK, font=font)
    for number, (name, values) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        last = max(len(values) - 1, 1)
        line = [(_across(index / last), top + height * (1 - (value - low) / (high - low))) for index, value in enumerate(values)]
        pen.line(line if len(line) > 1 else line * 2, fill=colour, width=2)
        y = top + number * 25
        pen.line([(_WIDTH - _RIGHT + 14, y + 9), (_WIDTH - _RIGHT + 34, y + 9)], fill=colour, width=3)
        pen.text((_WIDTH - _RIGHT + 40, y), name, fill=_INK, font=font)


def _draw_times(pen: ImageDraw.ImageDraw, font: Font, seconds: float | None, height: int) -> None:
    """Marks of the time axis; without a length they are shares of the clip."""
    length = 1.0 if seconds is None else seconds
    step = next((step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300) if length / step <= 10.5), 1800)
    for index in range(int(length / step + 1e-9) + 1):
        x = _across(index * step / length)
        pen.line([(x, height - 40), (x, height - 34)], fill=_INK)
        pen.text((x - 8, height - 32), f"{index * step:g}", fill=_INK, font=font)
    pen.text((_WIDTH - _RIGHT + 40, height - 32), "of the clip" if seconds is None else "seconds", fill=_INK, font=font)


def _across(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
