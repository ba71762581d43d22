"""The one table of an evaluation, for reading: pictures first, then motion, then what could not be measured."""

from recon.scores import Figures

ROWS = {
    "held_out": "held-out frames, driven by landmarks",
    "photometric": "some of them, motion refined on their own pixels (peeks at the test frame)",
    "oracle": "oracle: nearest training frame, copied",
    "train": "training frames",
    "clip": "all frames, driven by landmarks",
    "novel": "novel views, as they are",
    "novel_scaled": "novel views, one global scale",
}
COLUMNS = {
    "full_psnr_db": ("full PSNR dB", ".2f"),
    "full_ssim": ("full SSIM", ".3f"),
    "face_psnr_db": ("face PSNR dB", ".2f"),
    "face_ssim": ("face SSIM", ".3f"),
    "lpips_alex": ("LPIPS alex", ".3f"),
    "lpips_vgg": ("LPIPS vgg", ".3f"),
}
MOTION = {
    "gap_full_psnr_db": "train minus held-out, full frame, dB",
    "gap_face_psnr_db": "train minus held-out, face, dB",
    "photometric_gain_full_psnr_db": "what peeking brings on the same frames, full frame, dB",
    "photometric_gain_face_psnr_db": "what peeking brings on the same frames, face, dB",
    "reprojection_px": "tracker: landmarks' reprojection error, px",
    "track_jitter_ratio": "tracker: jitter against the landmarks'",
    "lmd_px": "LMD: mouth landmarks, px",
    "lmd_eye_distance": "LMD as a share of the eyes' distance",
    "akd_px": "AKD: all landmarks, px",
    "aed": "AED: rig coefficients read from both",
    "apd_deg": "APD: head angles read from both, degrees",
    "jitter_ratio": "jitter, drawn against filmed",
    "mouth_opening_r": "mouth opening, r",
    "smile_width_r": "smile width, r",
    "brow_height_r": "brow height, r",
    "novel_scale": "global scale of the novel views",
    "cross_mouth_opening_r": "cross-reenactment: mouth opening, r",
    "cross_smile_width_r": "cross-reenactment: smile width, r",
    "cross_brow_height_r": "cross-reenactment: brow height, r",
    "cross_head_pitch_r": "cross-reenactment: head pitch, r",
    "cross_head_yaw_r": "cross-reenactment: head yaw, r",
    "draw_fps": "frames drawn per second",
    "gaussians": "Gaussians",
}
"""Landmarks are MediaPipe's; AED and APD are read by our own tracker: they compare within this project only."""


def table(figures: Figures) -> str:
    """Figures of `recon.evaluation` (and novel views, cross-reenactment) as two markdown tables; only what was measured."""
    columns = {key: column for key, column in COLUMNS.items() if any(figures.get(f"{row}_{key}") is not None for row in ROWS)}
    lines = [
        "| pictures | frames | " + " | ".join(name for name, _ in columns.values()) + " |",
        "|---|--:|" + "--:|" * len(columns),
    ]
    for row, name in ROWS.items():
        if f"{row}_frames" in figures:
            cells = [_cell(figures.get(f"{row}_{key}"), form) for key, (_, form) in columns.items()]
            lines.append(f"| {name} | {figures[f'{row}_frames']} | {' | '.join(cells)} |")
    lines += ["", "| motion | |", "|---|--:|"]
    lines += [f"| {name} | {_cell(figures[key], 'g')} |" for key, name in MOTION.items() if key in figures]
    return "\n".join(lines)


def _cell(value: float | int | str | None, form: str) -> str:
    return "not available" if value is None else format(value, form)
