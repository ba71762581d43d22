"""Write the test sentences of `emohead evaluate text` whose meaning is known: benchmarks/text/s1.jsonl to s4.jsonl.

    python benchmarks/text_splits.py

They are drawn by seed from the tables and change with them; a test keeps files and tables together.
"""

import argparse
from pathlib import Path

from controllers.phrases import held_out
from controllers.text_cases import SPLITS, make_cases, write_cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "text")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for split in SPLITS:
        cases = make_cases(split, held_out(), options.seed)
        write_cases(cases, options.out / f"{split}.jsonl")
        print(f"{split}: {len(cases)} sentences")


if __name__ == "__main__":
    main()
