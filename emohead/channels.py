"""Names and order of the two coefficient spaces: 46 FACS action-unit channels and the 52 ARKit rig channels.

The order is part of every file format of the project, so these tuples only ever grow by a schema change.
Left and right are always the subject's own.
"""

_SIDED_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 20, 43)
_CENTRE_AUS = (17, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29)

AU_NAMES: tuple[str, ...] = (
    *(f"AU{number}{side}" for number in _SIDED_AUS for side in "LR"),
    *(f"AU{number}" for number in _CENTRE_AUS),
    "AU30L",
    "AU30R",
    "AU34",
)
"""The AU channels (`A` = 46), FACS numbers with a side suffix where anatomy has sides."""

RIG_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawRight", "jawLeft", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The rig channels (`R` = 52), in the column order of Apple's Live Link Face recordings."""

AU_INDEX: dict[str, int] = {name: index for index, name in enumerate(AU_NAMES)}
RIG_INDEX: dict[str, int] = {name: index for index, name in enumerate(RIG_NAMES)}

N_AU = len(AU_NAMES)
N_RIG = len(RIG_NAMES)


def other_side(name: str) -> str:
    """The channel of the other half of the face, or the same one where it has no sides."""
    for one, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    if name.startswith("AU") and name[-1] in "LR":
        return name[:-1] + {"L": "R", "R": "L"}[name[-1]]
    return name
