"""Does a reconstruction that is killed go on to the same result? Kills it at random moments, resumes, compares with an uninterrupted run.

    python benchmarks/resume.py --video ../shared/data/videos/single_face.mp4 --steps 200 --kills 5

Each kill is a SIGKILL at a moment drawn evenly from the uninterrupted run's time. Compared are every tensor of the avatar and the scores.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from emohead.avatar import read_emo


def main() -> None:
    """Run, kill, resume, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.emo"
        started = time.monotonic()
        subprocess.run(_command(arguments, whole), check=True, capture_output=True)
        seconds = time.monotonic() - started
        print(f"uninterrupted: {seconds:.0f} s, {_scores(whole)}\n")
        print("| killed after s | had made | same tensors | same scores |\n|--:|---|---|---|")
        for number in range(arguments.kills):
            stopped, after = Path(folder) / f"stopped{number}.emo", moments.uniform(0.05, 0.98) * seconds
            made = _killed(_command(arguments, stopped), stopped, after)
            subprocess.run([*_command(arguments, stopped), "--resume"], check=True, capture_output=True)
            print(f"| {after:.1f} | {made} | {_same(whole, stopped)} | {_scores(whole) == _scores(stopped)} |", flush=True)


def _command(arguments: argparse.Namespace, out: Path) -> list[str]:
    options = ["--consent-self", "nobody", "--steps", str(arguments.steps), "--checkpoint-seconds", "2"]
    return [sys.executable, "-m", "emohead.cli", "reconstruct", str(arguments.video), "-o", str(out), *options]


def _killed(command: list[str], out: Path, after: float) -> str:
    """Run a command, kill it after some seconds; what its work folder held then."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    work = out.with_name(out.name + ".work")
    made = sorted(path.stem for path in work.iterdir()) if work.is_dir() else []
    return ", ".join(name for name in made if not name.startswith(".")) or "nothing"


def _same(left: Path, right: Path) -> bool:
    """Whether two avatars are equal to the bit."""
    (first, one), (second, other) = read_emo(left), read_emo(right)
    names = ("triangle", "barycentric", "offsets", "quats", "log_scales", "opacity_logits", "sh")
    pairs = [(getattr(first, name), getattr(second, name)) for name in names]
    pairs += [(getattr(first.corrections, name), getattr(second.corrections, name)) for name in ("means", "colors", "opacities")]
    pairs += [(first.identity.offsets, second.identity.offsets), (one.calibration, other.calibration)]
    return all(torch.equal(a, b) for a, b in pairs)


def _scores(out: Path) -> dict[str, float]:
    figures = json.loads(out.with_name(out.name + ".json").read_text())
    return {key: value for key, value in figures.items() if key.startswith("held_out_")}


if __name__ == "__main__":
    main()
