"""The action units as data: what each one is, which part of the face it moves, and its weights on the rig.

Names and muscles: FACS (Ekman, Friesen & Hager 2002). Rig weights: the AU table printed in ICT-FaceKit's README (MIT), refined so
that one action unit moves what its muscle moves; the few rules that are not linear are in `action_units`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ActionUnit:
    """One FACS action unit."""

    number: int
    """FACS number."""
    name: str
    """FACS name, lower case."""
    muscle: str
    """The muscle that does it."""
    effect: str
    """What one sees."""
    region: str
    """The facial region that it moves, one of `REGIONS`."""
    rig: tuple[tuple[str, float], ...]
    """Weights on rig channels at full intensity. A name without its side (`browDown`) means the action unit's own side, or both
    sides where the action unit has none."""
    cost: float = 1.0
    """How reluctantly the inverse explains a face by it where two explanations fit alike (lower is preferred)."""


@dataclass(frozen=True)
class PoseCode:
    """A FACS head or eye position code as an offset at full intensity."""

    number: int
    """FACS number."""
    name: str
    """FACS name, lower case."""
    offset: tuple[float, ...]
    """Gaze (yaw, pitch) for codes from 61, head rotation (axis-angle) below; radians, signs as in docs/conventions.md."""


REGIONS: tuple[str, ...] = ("brow", "eye", "nose", "cheek", "upper lip", "mouth", "chin", "jaw", "tongue")
"""Facial regions, from top to bottom."""

ACTION_UNITS: tuple[ActionUnit, ...] = (
    ActionUnit(1, "inner brow raiser", "frontalis, medial part", "inner ends of the brows go up", "brow", (("browInnerUp", 1.0),)),
    ActionUnit(2, "outer brow raiser", "frontalis, lateral part", "outer half of the brow goes up", "brow", (("browOuterUp", 1.0),)),
    ActionUnit(4, "brow lowerer", "corrugator and depressor supercilii", "brows come down and together", "brow", (("browDown", 1.0),)),
    ActionUnit(5, "upper lid raiser", "levator palpebrae superioris", "more white above the iris", "eye", (("eyeWide", 1.0),)),
    ActionUnit(
        6, "cheek raiser", "orbicularis oculi, orbital part", "cheek lifts, crow's feet", "cheek",
        (("cheekSquint", 1.0), ("eyeSquint", 0.35)),
    ),
    ActionUnit(7, "lid tightener", "orbicularis oculi, palpebral part", "lids narrow", "eye", (("eyeSquint", 1.0),)),
    ActionUnit(
        9, "nose wrinkler", "levator labii superioris alaeque nasi", "nose wrinkles, upper lip and brow follow", "nose",
        (("noseSneer", 1.0), ("mouthUpperUp", 0.2), ("browDown", 0.15)),
    ),
    ActionUnit(10, "upper lip raiser", "levator labii superioris", "upper lip squares", "upper lip", (("mouthUpperUp", 1.0),)),
    ActionUnit(
        11, "nasolabial deepener", "zygomaticus minor", "the furrow beside the nose deepens", "upper lip",
        (("mouthUpperUp", 0.35), ("noseSneer", 0.15)),
    ),
    ActionUnit(12, "lip corner puller", "zygomaticus major", "smile", "mouth", (("mouthSmile", 1.0),)),
    ActionUnit(
        13, "sharp lip puller", "levator anguli oris", "corners go up sharply, cheeks puff", "mouth",
        (("mouthSmile", 0.5), ("cheekPuff", 0.15)), cost=0.3,
    ),
    ActionUnit(14, "dimpler", "buccinator", "corner tightens inwards", "mouth", (("mouthDimple", 1.0),)),
    ActionUnit(15, "lip corner depressor", "depressor anguli oris", "corners go down", "mouth", (("mouthFrown", 1.0),)),
    ActionUnit(16, "lower lip depressor", "depressor labii inferioris", "lower teeth show", "mouth", (("mouthLowerDown", 1.0),)),
    ActionUnit(
        17, "chin raiser", "mentalis", "chin boss and lower lip go up", "chin", (("mouthShrugLower", 1.0), ("mouthShrugUpper", 0.3))
    ),
    ActionUnit(18, "lip pucker", "incisivii labii", "kiss", "mouth", (("mouthPucker", 1.0),)),
    ActionUnit(19, "tongue show", "genioglossus", "tongue out", "tongue", (("tongueOut", 1.0),)),
    ActionUnit(20, "lip stretcher", "risorius, platysma", "lips pulled sideways", "mouth", (("mouthStretch", 1.0),)),
    ActionUnit(22, "lip funneler", "orbicularis oris", "lips forward and open, as in 'sh'", "mouth", (("mouthFunnel", 1.0),)),
    ActionUnit(
        23, "lip tightener", "orbicularis oris", "lips narrow and tight", "mouth",
        (("mouthPress", 0.4), ("mouthRollLower", 0.25), ("mouthRollUpper", 0.25)), cost=0.3,
    ),
    ActionUnit(24, "lip pressor", "orbicularis oris", "lips pressed together", "mouth", (("mouthPress", 1.0),)),
    ActionUnit(
        25, "lips part", "depressor labii, or relaxed mentalis", "lips apart", "mouth",
        (("mouthLowerDown", 0.35), ("mouthUpperUp", 0.25)), cost=0.3,
    ),
    # Jaw drop and mouth stretch share one rig channel; `action_units` maps them.
    ActionUnit(26, "jaw drop", "masseter and temporalis relaxed", "jaw falls open", "jaw", ()),
    ActionUnit(27, "mouth stretch", "pterygoids, digastric", "jaw pulled wide open", "jaw", (("mouthStretch", 0.1),)),
    ActionUnit(28, "lip suck", "orbicularis oris", "lips rolled in", "mouth", (("mouthRollLower", 1.0), ("mouthRollUpper", 1.0))),
    ActionUnit(29, "jaw thrust", "pterygoids", "jaw forward", "jaw", (("jawForward", 1.0),)),
    ActionUnit(30, "jaw sideways", "pterygoids", "jaw to one side", "jaw", (("jaw", 1.0),)),
    ActionUnit(34, "cheek puff", "orbicularis oris, buccinator", "cheeks full of air", "cheek", (("cheekPuff", 1.0),)),
    ActionUnit(43, "eye closure", "levator palpebrae relaxed", "eye closes (blink 45 and wink 46 in time)", "eye", (("eyeBlink", 1.0),)),
)  # fmt: skip
"""Every action unit of `channels.AU_NAMES`, once per number."""

POSE_CODES: tuple[PoseCode, ...] = (
    PoseCode(51, "head turn left", (0.0, 0.45, 0.0)),
    PoseCode(52, "head turn right", (0.0, -0.45, 0.0)),
    PoseCode(53, "head up", (-0.35, 0.0, 0.0)),
    PoseCode(54, "head down", (0.35, 0.0, 0.0)),
    PoseCode(55, "head tilt left", (0.0, 0.0, -0.35)),
    PoseCode(56, "head tilt right", (0.0, 0.0, 0.35)),
    # The AU track carries rotations only: forward and back are the small pitch that goes with leaning in and recoiling.
    PoseCode(57, "head forward", (0.10, 0.0, 0.0)),
    PoseCode(58, "head back", (-0.10, 0.0, 0.0)),
    PoseCode(61, "eyes turn left", (0.6, 0.0)),
    PoseCode(62, "eyes turn right", (-0.6, 0.0)),
    PoseCode(63, "eyes up", (0.0, -0.45)),
    PoseCode(64, "eyes down", (0.0, 0.45)),
)
"""Head and eye positions. Full gaze is the range of the rig's eyeLook* channels (0.6 rad yaw, 0.45 rad pitch)."""
