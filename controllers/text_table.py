"""Figures of the text benchmark as a table and as flat JSON."""

from collections.abc import Mapping
from dataclasses import asdict, fields

from controllers.text_evaluation import Behaviour
from emohead.metrics.text_scores import AnnotatedScores, TextScores

Scores = Mapping[str, Mapping[str, TextScores]]
_HEADS = {"mae": "MAE", "f1": "F1@.1", "side": "side", "order": "order", "whole": "whole"}


def table(scores: Scores, free: Mapping[str, AnnotatedScores] | None, agreed: TextScores | None, behaviour: Behaviour | None) -> str:
    """One row per split and method, then the free sentences, then the behaviour."""
    lines: list[str] = []
    for split, methods in scores.items():
        n = next(iter(methods.values())).n
        lines += [f"{f'{split.upper()}, {n} sentences':<32}" + "".join(f"{head:>8}" for head in _HEADS.values())]
        lines += [f"  {name:<30}{_figures(figures)}" for name, figures in methods.items()] + [""]
    if free:
        n = next(iter(free.values())).mean.n
        heads = "".join(f"{head:>8}" for head in (*_HEADS.values(), "F1 both", "F1 any"))
        lines += [f"{f'S5, {n} sentences, 2 annotators':<32}{heads}"]
        for name, figures in free.items():
            lines += [f"  {name:<30}{_figures(figures.mean)}{figures.f1_both:8.3f}{figures.f1_any:8.3f}"]
        if agreed:
            lines += [f"  {'second annotator against first':<30}{_figures(agreed)}"]
        lines += [""]
    if behaviour:
        lines += [
            f"ladders of intensity words strictly rising {behaviour.ladders:.1%}",
            f"denials that deny                          {behaviour.denials:.1%}",
            f"left and right exchanged, mirrored exactly {behaviour.mirrored:.1%}",
            f"greatest change by scenery, names, jobs    {behaviour.distraction:.3f}",
        ]
    return "\n".join(lines).rstrip()


def flat(
    scores: Scores, free: Mapping[str, AnnotatedScores] | None, agreed: TextScores | None, behaviour: Behaviour | None
) -> dict[str, float | int | None]:
    """Every figure under one key: `s2_new_keywords_f1`."""
    found: dict[str, float | int | None] = {}
    for split, methods in scores.items():
        for name, figures in methods.items():
            found |= _flat(f"{split}_{name}", figures)
    for name, annotated in (free or {}).items():
        found |= _flat(f"s5_{name}", annotated.mean)
        found |= {_key(f"s5_{name}_f1_both"): annotated.f1_both, _key(f"s5_{name}_f1_any"): annotated.f1_any}
    if agreed:
        found |= _flat("s5_agreement", agreed)
    if behaviour:
        found |= {f"behaviour_{name}": value for name, value in asdict(behaviour).items()}
    return found


def _figures(figures: TextScores) -> str:
    values = (getattr(figures, name) for name in _HEADS)
    return "".join(f"{value:8.3f}" if value == value else f"{'-':>8}" for value in values)


def _flat(prefix: str, figures: TextScores) -> dict[str, float | int | None]:
    values = {field.name: getattr(figures, field.name) for field in fields(figures)}
    return {_key(f"{prefix}_{name}"): value if value == value else None for name, value in values.items()}


def _key(text: str) -> str:
    return text.replace(" ", "_").lower()
