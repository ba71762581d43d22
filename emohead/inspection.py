"""What a file is: avatars, recordings, videos, motion files and tables, as flat facts with units in the names."""

import math
from pathlib import Path
from typing import Any

import torch

from emohead.avatar import read_emo, read_manifest
from emohead.errors import InputError
from emohead.export.base import motion_format
from emohead.media import PICTURE_SUFFIXES, MediaInfo, probe, read_audio, read_picture
from emohead.motion.phone_net import load_phone_net
from emohead.motion.phones import PHONE_INDEX
from emohead.types import AUTrack, HeadMotion, Waveform

MAX_LISTENING_SECONDS = 600.0
"""Longer recordings are judged by their first ten minutes."""

Facts = dict[str, Any]


def inspect_file(path: str | Path) -> Facts:
    """Facts about a file, ready for JSON.

    Raises:
        InputError: missing, damaged, or of no kind that is known here.
        VerificationError: an avatar that was changed after it was written.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: not a file; give a file" if file.exists() else f"{path}: no such file; check the path")
    size = {"file": str(path), "size_bytes": file.stat().st_size}
    name = file.name.lower()
    if name.endswith(".emo"):
        return {**size, **_avatar_facts(file)}
    if name.endswith((".npz", ".csv")):
        return {**size, **_motion_facts(file)}
    if name.endswith(PICTURE_SUFFIXES):
        height, width = read_picture(file).shape[:2]
        return {**size, "kind": "picture", "width_px": width, "height_px": height}
    return {**size, **_media_facts(file, probe(file))}


def _avatar_facts(path: Path) -> Facts:
    manifest = read_manifest(path)
    avatar, record = read_emo(path)
    consent = {f"consent_{key}": value for key, value in record.consent.items() if isinstance(value, (str, int, float, bool))}
    return {
        "kind": "avatar",
        "name": avatar.name,
        "schema": ".".join(str(number) for number in manifest["schema"]),
        "head": avatar.head,
        "gaussians": avatar.n_gaussians,
        "spherical_harmonics_bases": avatar.sh.shape[1],
        "expression_latents": avatar.corrections.low.shape[0],
        "width_px": avatar.camera.width,
        "height_px": avatar.camera.height,
        "licence": record.licence,
        **consent,
        "thumbnail_bytes": len(record.thumbnail),
    }


def _motion_facts(path: Path) -> Facts:
    chosen = motion_format(path)
    motion = chosen.read(path)
    facts: Facts = {"kind": "motion", "format": chosen.title, "fps_hz": round(motion.fps, 4), "frames": motion.n_frames}
    facts["duration_s"] = round(motion.n_frames / motion.fps, 4)
    if isinstance(motion, AUTrack):
        return {
            **facts,
            "mean_intensity": round(float(motion.intensity.mean()), 4),
            "peak_intensity": round(float(motion.intensity.max()), 4),
        }
    return {**facts, **_moving_facts(motion)}


def _moving_facts(motion: HeadMotion) -> Facts:
    moving = (motion.rig.amax(0) - motion.rig.amin(0)) > 0.02
    return {
        "moving_rig_channels": int(moving.sum()),
        "peak_rig": round(float(motion.rig.max()), 4),
        "head_rotation_std_rad": round(float(motion.head_rotation.std(0, correction=0).norm()), 4),
    }


def _media_facts(path: Path, info: MediaInfo) -> Facts:
    facts: Facts = {
        "kind": "audio" if info.video_codec is None else "video",
        "container": info.container,
        "duration_s": round(info.duration, 4),
    }
    if info.video_codec is not None:
        fps = None if info.fps is None else round(info.fps, 4)
        facts |= {"video_codec": info.video_codec, "width_px": info.width, "height_px": info.height, "fps_hz": fps}
        facts |= {"frames": info.n_frames, "video_duration_s": round(info.video_duration or 0.0, 4)}
        facts["says_generated"] = "AI-generated" in info.metadata.get("comment", "")
    if info.audio_codec is not None:
        facts |= {"audio_codec": info.audio_codec, "sample_rate_hz": info.sample_rate, "channels": info.channels}
        facts |= _sound_facts(read_audio(path))
    return facts


def _sound_facts(audio: Waveform) -> Facts:
    heard = Waveform(audio.samples[: int(MAX_LISTENING_SECONDS * audio.sample_rate)], audio.sample_rate)
    silence = load_phone_net().posteriors(heard).probabilities[:, PHONE_INDEX["pau"]]
    return {
        "audio_duration_s": round(audio.duration, 4),
        "peak_dbfs": _decibels(float(audio.samples.abs().max())),
        "level_dbfs": _decibels(float(audio.samples.square().mean().sqrt())),
        "speech_share": round(float((silence < 0.5).to(torch.float32).mean()), 3),
    }


def _decibels(amplitude: float) -> float:
    return round(20 * math.log10(max(amplitude, 1e-6)), 1)
