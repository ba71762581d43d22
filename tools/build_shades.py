"""Write controllers/tables/shades.json: what single words for a state show, where the network that learned from described sentences knows.

    python tools/build_shades.py

A state has one face in tables/emotions.json and many words. For each word but the state's own name the networks are asked for a face; units
of the state that they think unlikely are left out, others that they think likely are added, and intensities are the mean of both.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from controllers.expression import Expression, scaled
from controllers.lexicon import load_lexicon
from controllers.meaning import BothMeanings, load_meaning
from controllers.phrases import lexicon_phrases
from controllers.states import states
from emohead.channels import AU_NAMES, other_side

TABLE = Path(__file__).parent.parent / "controllers/tables/shades.json"
KEPT, ADDED = 0.2, 0.6
"""Probability from which a unit of the state is kept, and from which another is added; chosen on the development set."""
SURE, NOTHING = 0.5, 0.3
"""The networks' opinion counts where their likeliest unit is likelier than the one, and `nothing facial` less likely than the other."""
ABOUT = "Written by tools/build_shades.py. States as single words for them show them, at full intensity; gaze and head are the state's."


def main() -> None:
    """Ask and write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    meaning, bare = BothMeanings(load_meaning("minilm"), load_meaning("small")), load_lexicon().bare_intensity
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for phrase in lexicon_phrases():
        state = states().get(phrase.concept)
        if state is None or phrase.text == phrase.concept or not any(state.expression.au.values()):
            continue
        meant, gain = meaning([phrase.text])[0], bare * phrase.gain
        if meant.sure >= SURE and meant.nothing < NOTHING:
            face = meant.beside(scaled(state.expression, gain), Expression(), kept=KEPT, added=ADDED)
            found[phrase.concept][phrase.text] = codes(scaled(face, 1.0 / gain))
    TABLE.write_text(json.dumps({"about": ABOUT, "states": found}, indent=1) + "\n", encoding="utf-8")
    print(f"{TABLE}: {sum(map(len, found.values()))} words for {len(found)} states")


def codes(face: Expression) -> str:
    """A face as the tables write it: `1=.6 12R=.4`."""
    written = []
    for name in AU_NAMES:
        value, other = face.au.get(name, 0.0), face.au.get(other_side(name), 0.0)
        even = abs(value - other) < 0.005
        if round(value, 2) > 0 and not (even and name.endswith("R")):
            written.append(
                f"{name.removeprefix('AU').rstrip('LR') if even else name.removeprefix('AU')}={round(value, 2):g}".replace("=0.", "=.")
            )
    return " ".join(written)


if __name__ == "__main__":
    main()
