"""The course of a training run as a picture."""

from pathlib import Path

from PIL import Image, ImageDraw

_SIZE, _MARGIN = (960, 540), 60
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")


def write_curves(path: Path, lines: list[dict[str, float]]) -> None:
    """Draw every term of the log over the steps, on a logarithmic scale, as a PNG."""
    import math

    if len(lines) < 2:
        return
    names = [name for name in lines[-1] if name not in ("step", "s_per_step")]
    steps = [line["step"] for line in lines]
    values = [math.log10(max(line[name], 1e-5)) for line in lines for name in names]
    low, high = min(values), max(max(values), min(values) + 0.1)
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)

    def place(step: float, value: float) -> tuple[float, float]:
        across = (step - steps[0]) / (steps[-1] - steps[0])
        up = (math.log10(max(value, 1e-5)) - low) / (high - low)
        return _MARGIN + across * (_SIZE[0] - 2 * _MARGIN), _SIZE[1] - _MARGIN - up * (_SIZE[1] - 2 * _MARGIN)

    for tick in range(math.ceil(low), math.floor(high) + 1):
        y = place(steps[0], 10.0**tick)[1]
        pen.line([(_MARGIN, y), (_SIZE[0] - _MARGIN, y)], fill="#dddddd")
        pen.text((8, y - 6), f"1e{tick}", fill="black")
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        pen.line([place(line["step"], line[name]) for line in lines], fill=colour, width=2)
        pen.text((_SIZE[0] - _MARGIN - 90, 10 + 14 * number), name, fill=colour)
    pen.text((_MARGIN, _SIZE[1] - 30), f"step {steps[0]:.0f} to {steps[-1]:.0f}", fill="black")
    picture.save(path)
