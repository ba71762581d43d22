"""Write controllers/tables/odds.json: how far the networks' log odds of each action unit are from the annotators of the development set.

    python tools/calibrate_odds.py

The sentences that train the networks and those of the development set were coded by different annotators, who differ in habits (when a
smile raises the cheeks). Both networks' mean opinion of the development sentences, without grammar, is compared with the annotations; S5 is
not looked at. Prints F1 before and after, the latter by ten-fold cross-validation.
"""

import argparse
import json
from pathlib import Path

import torch

from controllers.calibration import TABLE, fitted_shifts, uncalibrated
from controllers.meaning import BothMeanings, load_meaning
from controllers.text_evaluation import read_annotated
from emohead.channels import AU_NAMES
from emohead.metrics.text_scores import PRESENT, f1_score, mean_of

ROOT = Path(__file__).parent.parent
ABOUT = "Written by tools/calibrate_odds.py. Log odds that are added to the networks' opinion of each action unit."
CUT, N_FOLDS = 0.4, 10


def main() -> None:
    """Compare, fit and write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    data = read_annotated(ROOT / "benchmarks/text/development")
    seen = torch.stack([mean_of(one, two).peak for one, two in zip(data.first, data.second, strict=True)]) > PRESENT
    meant = BothMeanings(load_meaning("minilm"), load_meaning("small"))(list(data.sentences))
    shown = uncalibrated(torch.stack([item.shown for item in meant]))
    unseen = torch.zeros_like(shown)
    for fold in torch.randperm(len(shown), generator=torch.Generator().manual_seed(0)).chunk(N_FOLDS):
        others = torch.ones(len(shown), dtype=torch.bool)
        others[fold] = False
        unseen[fold] = (shown[fold].logit() + _row(fitted_shifts(shown[others], seen[others]))).sigmoid()
    print(f"F1 without grammar: {f1_score(seen, shown > CUT):.3f}, cross-validated with the shifts {f1_score(seen, unseen > CUT):.3f}")
    units = {unit: shift for unit, shift in fitted_shifts(shown, seen).items() if shift}
    path = ROOT / f"controllers/tables/{TABLE}.json"
    path.write_text(json.dumps({"about": ABOUT, "units": units}, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {units}")


def _row(shifts: dict[str, float]) -> torch.Tensor:
    return torch.tensor([shifts[name.rstrip("LR")] for name in AU_NAMES])


if __name__ == "__main__":
    main()
