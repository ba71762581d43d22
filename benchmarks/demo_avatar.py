"""How good the shipped demo avatar is: on held-out frames of its capture, driven by landmarks alone, and seen by other cameras.

    python benchmarks/demo_avatar.py --capture ../shared/data/captures/mei --json demo_avatar.json --sheets FOLDER

The same as `emohead evaluate recon demo CAPTURE --novel CAPTURE`, and a sheet of expressions and poses that nobody filmed.
"""

import argparse
from pathlib import Path

import torch

from emohead.avatar import resolve_avatar
from emohead.channels import RIG_INDEX
from emohead.commands.evaluate import EvaluateRecon
from emohead.types import HeadMotion
from recon.contact_sheet import Picture, to_bytes, write_sheet
from recon.subject import Subject

EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.3},
    {"jawOpen": 0.8},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5},
    {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5, "jawOpen": 0.15},
    {"mouthFrownLeft": 0.8, "mouthFrownRight": 0.8, "browInnerUp": 0.8},
    {"mouthFunnel": 0.8, "jawOpen": 0.2},
    {"mouthPucker": 0.9},
    {"browDownLeft": 0.9, "browDownRight": 0.9, "noseSneerLeft": 0.6, "noseSneerRight": 0.6},
    {"browInnerUp": 0.9, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9, "eyeWideLeft": 0.8, "eyeWideRight": 0.8, "jawOpen": 0.4},
    {"mouthLowerDownLeft": 0.8, "mouthLowerDownRight": 0.8, "mouthStretchLeft": 0.7, "mouthStretchRight": 0.7},
    {"tongueOut": 0.9, "jawOpen": 0.4},
    {"eyeBlinkLeft": 1.0},
    {"jawOpen": 0.4, "mouthClose": 0.4},
)
"""Motions made by hand: what the rule engine and the sliders ask for."""
HEAD_POSES = ((0.0, 0.4, 0.0), (0.0, -0.4, 0.0), (0.25, 0.0, 0.0), (-0.25, 0.0, 0.0), (0.0, 0.0, 0.25), (0.1, 0.6, 0.0))
"""Pitch, yaw, roll; radians."""
GAZES = ((0.3, 0.0), (-0.3, 0.2))
"""Yaw, pitch; radians."""


def main() -> None:
    """Measure, print a table, write JSON and contact sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, required=True)
    parser.add_argument("--avatar", default="demo")
    parser.add_argument("--gaze", choices=("pictures", "landmarks"), default="landmarks", help="as the avatar was made")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    arguments = parser.parse_args()
    measured = EvaluateRecon(
        avatar=arguments.avatar,
        video=arguments.capture,
        novel=arguments.capture,
        gaze=arguments.gaze,
        sheets=arguments.sheets,
        json=arguments.json,
        device="cpu",
    ).run()
    print(measured.text)
    print(f"{resolve_avatar(arguments.avatar).stat().st_size / 1e6:.2f} MB")
    if arguments.sheets:
        _expressions(Subject.load(arguments.avatar, device="cpu"), arguments.sheets)


def _expressions(subject: Subject, sheets: Path) -> None:
    pictures = [_drawn(subject, expression=expression) for expression in EXPRESSIONS]
    write_sheet([pictures[row : row + 8] for row in range(0, len(pictures), 8)], sheets / "expressions.png", shrink=2)
    turned = [_drawn(subject, pose=pose) for pose in HEAD_POSES]
    write_sheet([[*turned, *(_drawn(subject, gaze=gaze) for gaze in GAZES)]], sheets / "poses.png", shrink=2)


def _drawn(
    subject: Subject,
    *,
    expression: dict[str, float] | None = None,
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0),
) -> Picture:
    motion = HeadMotion.neutral(1, 25.0)
    for name, value in (expression or {}).items():
        motion.rig[0, RIG_INDEX[name]] = value
    motion.head_rotation[0] = torch.tensor(pose)
    motion.gaze[0] = torch.tensor(gaze)
    return to_bytes(subject.draw(motion))


if __name__ == "__main__":
    main()
