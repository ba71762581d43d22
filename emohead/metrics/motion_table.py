"""The figures of generators of motion as text: a block per kind of measure, a row per generator."""

from collections.abc import Mapping
from dataclasses import dataclass

from emohead.metrics.speech_scores import Scores

Results = dict[str, dict[str, Scores]]
"""Figures by source (`human`, `corpus`, ..) and generator."""


@dataclass(frozen=True)
class Block:
    """One block of the table."""

    sources: tuple[str, ...]
    """Where its figures come from; one block for each that was measured."""
    title: str
    """What is measured; `{source}` is filled in."""
    columns: tuple[tuple[str, str, int], ...]
    """(heading, figure, decimals)."""


BLOCKS: tuple[Block, ...] = (
    Block(
        ("human", "aligned", "emodb"),
        "{source}, {closures:.0f} p b m and {labiodentals:.0f} f v: share of labelled closures that are seen",
        (
            ("p b m", "closure_recall", 3), ("precision", "closure_precision", 3), ("f v", "labiodental_recall", 3),
            ("told: p b m", "told_closure_recall", 3), ("precision", "told_closure_precision", 3), ("f v", "told_labiodental_recall", 3),
            ("told, 7 emotions: p b m", "moods_closure_recall", 3), ("f v", "moods_labiodental_recall", 3),
        ),
    ),
    Block(
        ("grid_timed", "grid_untimed", "films"),
        "{source}, filmed talkers ({clips:.0f}; told: {told_clips:.0f}): correlation with their mouth opening in speech",
        (
            ("r", "r", 3), ("least r", "r_least", 3), ("lag ms", "lag_ms", 0), ("wrong audio", "r_wrong_audio", 3),
            ("told: r", "told_r", 3), ("least r", "told_r_least", 3), ("lag ms", "told_lag_ms", 0),
            ("wrong audio", "told_r_wrong_audio", 3), ("lip-sync R@1", "sync_retrieval", 3), ("film's", "sync_retrieval_film", 3),
            ("film's offset ms", "sync_offset_ms_film", 0),
        ),
    ),
    Block(
        ("corpus", "teacher"),
        "{source}, {clips:.0f} clips: distance from the truth",
        (
            ("LVE mm", "lve_mm", 2), ("centred", "lve_centred_mm", 2), ("MVE mm", "mve_mm", 2), ("FDD mm", "fdd_mm", 3),
            ("MOD mm", "mod_mm", 2), ("opening r", "opening_r", 3), ("lag ms", "lag_ms", 0), ("THEval", "theval_mean_score", 3),
        ),
    ),
    Block(
        ("corpus", "teacher"),
        "{source}: judges ({sync_windows:.0f} windows of speech; Emo-sim beside that with other clips)",
        (
            ("lip-sync R@1", "sync_retrieval", 3), ("truth's", "sync_retrieval_true", 3), ("confidence", "sync_confidence", 3),
            ("truth's", "sync_confidence_true", 3), ("offset ms", "sync_offset_ms", 0), ("Emo-sim", "emotion_similarity", 3),
            ("others'", "emotion_similarity_others", 3), ("emotion named", "emotion_recognised", 3),
        ),
    ),
    Block(
        ("corpus", "teacher"),
        "{source}: liveliness, against the truth's",
        (
            ("mouth std", "mouth_std_ratio", 2), ("upper std", "upper_std_ratio", 2), ("head std", "head_std_ratio", 2),
            ("jitter", "jitter_ratio", 2), ("BA", "beat_alignment", 3), ("truth's", "beat_alignment_true", 3),
            ("blinks/min", "blinks_per_minute", 1), ("truth's", "blinks_per_minute_true", 1),
        ),
    ),
    Block(
        ("prompt",),
        "requested against obtained action units (brows, eyes, nose, cheeks)",
        (
            ("slope least", "slope_least", 2), ("mean", "slope_mean", 2), ("greatest", "slope_greatest", 2),
            ("Spearman least", "spearman_least", 3), ("leakage mean", "leakage_mean", 3), ("greatest", "leakage_greatest", 3),
            ("largest leak", "largest_leak", 3),
        ),
    ),
    Block(
        ("variety",),
        "free speech: how far takes of one recording differ (rig units, degrees) and how much the face moves",
        (
            ("mouth", "diversity_mouth", 3), ("upper", "diversity_upper", 3), ("head deg", "diversity_head", 2),
            ("gaze deg", "diversity_gaze", 2), ("AU-std", "au_std", 3), ("upper AU-std", "au_std_upper", 3),
        ),
    ),
    Block(
        ("manner",),
        "free speech: statistics, stillness of the mouth in silence, seconds per second",
        (
            ("jaw std", "jaw_std", 3), ("pitch deg", "head_pitch_std_deg", 2), ("yaw deg", "head_yaw_std_deg", 2),
            ("roll deg", "head_roll_std_deg", 2), ("blinks/min", "blinks_per_minute", 1), ("mouth jitter", "mouth_jitter", 2),
            ("BA", "beat_alignment", 3), ("silence std", "silence_mouth_std", 4), ("real time", "real_time_factor", 4),
        ),
    ),
)  # fmt: skip
"""Every block; docs/motion-metrics.md says what each column means."""


def table(results: Results) -> str:
    """The blocks whose sources were measured, as Markdown tables; figures that a source does not have are `-`."""
    parts = []
    for block in BLOCKS:
        for source in block.sources:
            if source in results:
                parts.append(_block(block, source, results[source]))
    return "\n\n".join(parts)


def flat(results: Results) -> dict[str, float | None]:
    """All figures under keys `source_generator_figure`; None where a figure is not a number."""
    return {
        f"{source}_{generator.replace(':', '_')}_{name}": value if value == value else None
        for source, rows in results.items()
        for generator, scores in rows.items()
        for name, value in scores.items()
    }


def _block(block: Block, source: str, rows: Mapping[str, Scores]) -> str:
    shown = [column for column in block.columns if any(column[1] in scores for scores in rows.values())]
    cells = [["generator", *(heading for heading, _, _ in shown)]]
    for generator, scores in rows.items():
        cells.append([generator, *(_number(scores.get(figure), decimals) for _, figure, decimals in shown)])
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    lines = [" | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    rule = " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    title = block.title.format(source=source.replace("_", ", "), **next(iter(rows.values())))
    return "\n".join([title, "", *(f"| {line} |" for line in (lines[0], rule, *lines[1:]))])


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None or value != value else f"{value:.{decimals}f}"
