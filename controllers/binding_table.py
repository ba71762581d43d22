"""Figures of the emotion space as tables and as flat JSON."""

from collections.abc import Mapping

from controllers.binding_evaluation import Likeness, Score
from controllers.binding_net import MODALITIES


def table(named: Mapping[str, Score], matrix: Mapping[tuple[str, str], Score], likeness: Mapping[str, Mapping[str, Likeness]]) -> str:
    """What is nearest to which label, what finds what, and what comes of references."""
    lines = [f"{'nearest label':<36}{'right':>8}{'recall':>8}{'items':>8}{'among':>8}"]
    lines += [f"  {name:<34}{score.accuracy:8.3f}{score.recall:8.3f}{score.count:8}{score.among:8}" for name, score in named.items()]
    lines += ["", f"{'nearest item, share of its emotion':<36}" + "".join(f"{name:>8}" for name in MODALITIES)]
    for query in MODALITIES:
        lines.append(f"  {query:<34}" + "".join(f"{matrix[query, target].accuracy:8.3f}" for target in MODALITIES))
    for generator, kinds in likeness.items():
        lines += ["", f"{f'made of a reference by {generator}':<36}{'Emo-sim':>8}{'others':>8}{'seen':>8}{'motions':>8}"]
        lines += [f"  {kind:<34}{one.emo_sim:8.3f}{one.others:8.3f}{one.recognised:8.3f}{one.count:8}" for kind, one in kinds.items()]
    return "\n".join(lines)


def flat(
    named: Mapping[str, Score], matrix: Mapping[tuple[str, str], Score], likeness: Mapping[str, Mapping[str, Likeness]]
) -> dict[str, float | int]:
    """Every figure under one key: `voice_accuracy`, `text_to_motion_accuracy`, `rules_voice_emo_sim`."""
    found: dict[str, float | int] = {}
    for name, score in named.items():
        found |= {f"{_key(name)}_accuracy": score.accuracy, f"{_key(name)}_recall": score.recall, f"{_key(name)}_items": score.count}
    for (query, target), score in matrix.items():
        found[f"{query}_to_{target}_accuracy"] = score.accuracy
    for generator, kinds in likeness.items():
        for kind, one in kinds.items():
            name = f"{generator}_{_key(kind)}"
            found |= {f"{name}_emo_sim": one.emo_sim, f"{name}_emo_sim_others": one.others, f"{name}_recognised": one.recognised}
    return found


def _key(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")
