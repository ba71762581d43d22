"""An expression: action units, gaze and head position at one moment, written in FACS codes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from emohead.errors import InputError
from emohead.head.action_units import CHANNELS, channel_names
from emohead.head.au_table import POSE_CODES

_POSES = {code.number: code.offset for code in POSE_CODES}
GAZE_LIMITS, HEAD_LIMITS = (0.6, 0.45), (0.5, 0.6, 0.4)
"""Farthest gaze (yaw, pitch) and head rotation (pitch, yaw, roll) that a controller asks for, radians."""
_REGION = {channel.name: channel.unit.region for channel in CHANNELS}
_UPPER = frozenset({"brow", "eye", "cheek"})
UPPER_CHANNELS = frozenset(name for name, region in _REGION.items() if region in _UPPER)
"""The channels of brows, eyes and cheeks."""
_OTHER = {"L": "R", "R": "L"}
_MAKES = 0.65
"""Share of the strongest unit's intensity from which a unit makes a movement what it is."""


@dataclass(frozen=True)
class Expression:
    """What a face is asked to do at one moment."""

    au: Mapping[str, float] = field(default_factory=dict)
    """Channel of `channels.AU_NAMES` to intensity 0..1; 0 asks the channel to rest, an absent channel is left alone."""
    gaze: tuple[float, float] | None = None
    """Gaze offset (yaw, pitch) in radians, or nothing asked."""
    head: tuple[float, float, float] | None = None
    """Head rotation offset, axis-angle in radians, or nothing asked."""
    share: Mapping[str, float] = field(default_factory=dict)
    """Share 0..1 of people who show the channel in this expression; 1 where absent. Rare channels leave first when it is faint."""


def parse_codes(text: str) -> Expression:
    """An expression from codes such as `12=.6 4L=.4 61=.5` (the prefix AU is optional, no side means both, 51-58 and 61-64 are poses).

    Raises:
        InputError: an unknown code, a value that is missing or outside 0..1.
    """
    expression = Expression()
    for item in text.split():
        code, separator, written = item.partition("=")
        expression = _add_code(expression, code, _value(item, written if separator else ""))
    return expression


def scaled(expression: Expression, gain: float) -> Expression:
    """The expression made stronger or fainter (gain 0..1.3).

    Intensities grow with the gain; a channel that only a share s of people show comes in between gains .35(1-s) and .85(1-s), so that a
    faint expression is the core one. What fades to nothing is no longer asked for; what was asked to rest still is.
    """
    au = {name: min(value * gain * _ramp(expression.share.get(name, 1.0), gain), 1.0) for name, value in expression.au.items()}
    au = {name: value for name, value in au.items() if value > 0.0 or expression.au[name] == 0.0}
    if gain == 0.0:
        return Expression(au)
    gaze = expression.gaze and (expression.gaze[0] * gain, expression.gaze[1] * gain)
    head = expression.head and (expression.head[0] * gain, expression.head[1] * gain, expression.head[2] * gain)
    return replace(expression, au=au, gaze=_limited_gaze(gaze), head=_limited_head(head))


def merged(one: Expression, other: Expression) -> Expression:
    """Both at once: the stronger of each channel, the sum of gaze and head."""
    names = [*one.au, *(name for name in other.au if name not in one.au)]
    au = {name: max(one.au.get(name, 0.0), other.au.get(name, 0.0)) for name in names}
    gaze, head = one.gaze or other.gaze, one.head or other.head
    if one.gaze and other.gaze:
        gaze = (one.gaze[0] + other.gaze[0], one.gaze[1] + other.gaze[1])
    if one.head and other.head:
        head = (one.head[0] + other.head[0], one.head[1] + other.head[1], one.head[2] + other.head[2])
    return Expression(au, _limited_gaze(gaze), _limited_head(head), {**one.share, **other.share})


def mirrored(expression: Expression) -> Expression:
    """The same expression with left and right exchanged."""
    gaze = expression.gaze and (-expression.gaze[0], expression.gaze[1])
    head = expression.head and (expression.head[0], -expression.head[1], -expression.head[2])
    au = {_other_side(name): value for name, value in expression.au.items()}
    return Expression(au, _limited_gaze(gaze), _limited_head(head), {_other_side(name): value for name, value in expression.share.items()})


def on_side(expression: Expression, side: str) -> Expression:
    """The expression on one side only (`L` or `R`): an even one keeps that side, a one-sided one moves there."""
    if is_one_sided(expression) and not any(name.endswith(side) for name in expression.au):
        return mirrored(expression)
    kept = {name: value for name, value in expression.au.items() if name[-1] != _OTHER[side]}
    return replace(expression, au=kept)


def is_one_sided(expression: Expression) -> bool:
    """Whether the expression moves a sided channel on one side alone, as a smirk does."""
    return len({name[-1] for name in expression.au if name[-1] in _OTHER}) == 1


def in_region(expression: Expression, *, upper: bool) -> Expression:
    """The part of the expression in the upper face (brows, eyes, cheeks, and the gaze) or in the lower one."""
    au = {name: value for name, value in expression.au.items() if (name in UPPER_CHANNELS) == upper}
    return replace(expression, au=au, gaze=expression.gaze if upper else None, head=None)


def at_rest(expression: Expression) -> Expression:
    """All channels of the expression asked to rest; gaze and head left alone."""
    return Expression({name: 0.0 for name in expression.au})


def made_of(expression: Expression) -> Expression:
    """The units that make a movement what it is: showing teeth parts the lips, and only by the way lifts their corners."""
    least = _MAKES * max(expression.au.values(), default=0.0)
    return replace(expression, au={name: value for name, value in expression.au.items() if value >= least})


def _add_code(expression: Expression, code: str, value: float) -> Expression:
    number = code.upper().removeprefix("AU")
    if not (number.isdecimal() and int(number) in _POSES):
        return replace(expression, au={**expression.au, **dict.fromkeys(channel_names(code), value)})
    offset = tuple(value * part for part in _POSES[int(number)])
    posed = Expression(gaze=(offset[0], offset[1])) if len(offset) == 2 else Expression(head=(offset[0], offset[1], offset[2]))
    return merged(expression, posed)


def _value(item: str, written: str) -> float:
    try:
        value = float(written)
    except ValueError:
        raise InputError(f"{item!r} is not an action unit with a value; write for example AU12=0.6") from None
    if not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise InputError(f"{item!r}: the intensity must be between 0 and 1, got {written}")
    return value


def _ramp(share: float, gain: float) -> float:
    if share >= 1.0:
        return 1.0
    start, width = 0.35 * (1.0 - share), 0.5 * (1.0 - share)
    s = min(max((gain - start) / width, 0.0), 1.0)
    return s * s * (3.0 - 2.0 * s)


def _other_side(name: str) -> str:
    return name[:-1] + _OTHER[name[-1]] if name[-1] in _OTHER else name


def _limited_gaze(gaze: tuple[float, float] | None) -> tuple[float, float] | None:
    return gaze and (_limit(gaze[0], GAZE_LIMITS[0]), _limit(gaze[1], GAZE_LIMITS[1]))


def _limited_head(head: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    return head and (_limit(head[0], HEAD_LIMITS[0]), _limit(head[1], HEAD_LIMITS[1]), _limit(head[2], HEAD_LIMITS[2]))


def _limit(value: float, bound: float) -> float:
    return min(max(value, -bound), bound) + 0.0  # Adding 0 turns a mirrored -0.0 into 0.0.
