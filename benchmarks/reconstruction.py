"""From video to avatar in so many minutes: every clip is reconstructed and evaluated, one row per clip and time.

    EMOHEAD_ASSETS=../shared/data/tracker python benchmarks/reconstruction.py --minutes 1 3 10 --only wojtek --json recon.json
        --work FOLDER

Clips are people whose pictures are for measuring only: the avatars go into the work folder and nowhere else. A reconstruction takes
a number of steps, never a time, so that it can be repeated: minutes become steps by `--step-seconds` and `--setup-seconds` of this
machine, and the table says the minutes it really took. The JSON is written after each row; rows that are in it are not made again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from emohead.output import write_text

CLIPS = {
    "mei": "captures/mei/mei.mp4",
    "wojtek": "videos/wojtek.mp4",
    "expressive_d3": "videos/expressive_d3.mp4",
    "talking_with_audio": "videos/talking_with_audio.mp4",
    "pexels_portrait": "videos/pexels_portrait.mp4",
}
COLUMNS = {
    "steps": "steps",
    "minutes": "minutes",
    "peak_rss_gb": "peak memory GB",
    "reprojection_px": "reprojection px",
    "track_jitter_ratio": "track jitter",
    "held_out_full_psnr_db": "held-out full dB",
    "held_out_full_ssim": "SSIM",
    "held_out_face_psnr_db": "held-out face dB",
    "held_out_face_ssim": "face SSIM",
    "photometric_full_psnr_db": "full dB, peeking",
    "photometric_face_psnr_db": "face dB, peeking",
    "oracle_full_psnr_db": "oracle full dB",
    "oracle_face_psnr_db": "oracle face dB",
    "gap_full_psnr_db": "gap full dB",
    "gap_face_psnr_db": "gap face dB",
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True, help="folder for avatars and sheets")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 3.0, 10.0])
    parser.add_argument("--only", nargs="+", choices=list(CLIPS), default=list(CLIPS))
    parser.add_argument("--step-seconds", type=float, default=0.075)
    parser.add_argument("--setup-seconds", type=float, default=45.0)
    parser.add_argument("--driver", choices=("landmarks", "photometric"), default="landmarks")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    if arguments.json and arguments.json.is_file():
        rows = json.loads(arguments.json.read_text())
    done = {(row["clip"], row["asked_minutes"]) for row in rows}
    for clip in arguments.only:
        for minutes in arguments.minutes:
            if (clip, minutes) in done:
                continue
            steps = max(50, round((60 * minutes - arguments.setup_seconds) / arguments.step_seconds))
            row = _measure(arguments.data / CLIPS[clip], f"{clip}_{minutes:g}", steps, arguments.work, arguments.driver)
            rows.append({"clip": clip, "asked_minutes": minutes, "steps": steps} | row)
            if arguments.json:
                write_text(arguments.json, json.dumps(rows, indent=1) + "\n")
            print(_table(rows), flush=True)


def _measure(video: Path, name: str, steps: int, work: Path, driver: str) -> dict[str, Any]:
    """Reconstruct and evaluate with the commands a user has, each in a process of its own so that its memory can be told."""
    avatar, figures, sheets = work / f"{name}.emo", work / f"{name}.json", work / f"{name}_sheets"
    avatar.unlink(missing_ok=True)
    begin = time.perf_counter()
    peak = _emohead("reconstruct", str(video), "-o", str(avatar), "--steps", str(steps), "--consent-self", "measuring only")
    minutes = (time.perf_counter() - begin) / 60
    _emohead("evaluate", "recon", str(avatar), str(video), "--driver", driver, "--sheets", str(sheets), "--json", str(figures))
    return {"minutes": round(minutes, 2), "peak_rss_gb": round(peak, 2)} | json.loads(figures.read_text())


def _emohead(*arguments: str) -> float:
    """Run a command; its peak memory in GB."""
    process = subprocess.Popen([sys.executable, "-m", "emohead.cli", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"emohead {' '.join(arguments)} ended with exit code {process.returncode}")
    return usage.ru_maxrss * 1024 / 1e9  # Linux counts kibibytes


def _table(rows: list[dict[str, Any]]) -> str:
    shown = {key: name for key, name in COLUMNS.items() if any(row.get(key) is not None for row in rows)}
    lines = [f"| clip | {' | '.join(shown.values())} |", "|---|" + "--:|" * len(shown)]
    for row in rows:
        cells = ["" if row.get(key) is None else f"{row[key]:g}" for key in shown]
        lines.append(f"| {row['clip']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
