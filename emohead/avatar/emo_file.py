"""The `.emo` file: a stored zip of manifest, Gaussians, consent record and thumbnail. Reading one runs nothing and checks everything."""

import hashlib
import io
import json
import os
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from emohead.assets import find
from emohead.avatar.corrections import N_FEATURES, Corrections
from emohead.avatar.gaussian_avatar import GaussianAvatar
from emohead.errors import InputError, VerificationError
from emohead.types import Camera, HeadIdentity

SCHEMA = (1, 1)
"""(major, minor). Readers refuse a newer major and warn about a newer minor."""
GAUSSIANS, CONSENT, THUMBNAIL, MANIFEST = "gaussians.safetensors", "consent.json", "thumbnail.webp", "manifest.json"
CALIBRATION = "calibration.safetensors"
MAX_MEMBER_BYTES = {GAUSSIANS: 512 << 20, CONSENT: 1 << 20, THUMBNAIL: 4 << 20, MANIFEST: 1 << 20, CALIBRATION: 4 << 20}
HALF_PRECISION = ("barycentric", "offsets", "quats", "log_scales", "opacity_logits", "sh", "means", "colors", "opacities")
"""Tensors stored as float16: their error is far below a pixel and below one grey level."""


@dataclass(frozen=True)
class EmoRecord:
    """What an `.emo` file says besides the Gaussians."""

    licence: str
    """SPDX name or sentence."""
    consent: dict[str, Any]
    """Consent record: at least `who`, `scope` and `date`."""
    topology: str
    """sha256 of the head model's triangle list that the avatar is bound to."""
    thumbnail: bytes = b""
    """A small WebP picture, or nothing."""
    calibration: Float[Tensor, "I O"] | None = None
    """What the fit taught the tracker about this person (`recon.calibration`), or nothing."""


def topology_digest(triangles: torch.Tensor) -> str:
    """sha256 of a triangle list as little-endian int32."""
    return hashlib.sha256(triangles.to("cpu", torch.int32).contiguous().numpy().astype("<i4").tobytes()).hexdigest()


def encode_thumbnail(rgb: torch.Tensor, *, size: int = 256) -> bytes:
    """A `[H W 3]` picture (0..1) as a WebP of at most `size` pixels."""
    image = Image.fromarray((rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
    image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def write_emo(path: str | Path, avatar: GaussianAvatar, record: EmoRecord) -> None:
    """Write `avatar` to `path`; the file appears under its name only when it is whole.

    Raises:
        InputError: the consent record lacks who, scope or date.
    """
    missing = [key for key in ("who", "scope", "date") if not record.consent.get(key)]
    if missing:
        raise InputError(f"consent record lacks {', '.join(missing)}; give who is shown, for what use, and when they agreed")
    members = {
        GAUSSIANS: save_safetensors(_to_tensors(avatar)),
        CONSENT: json.dumps(record.consent, indent=1, sort_keys=True).encode(),
    }
    if record.thumbnail:
        members[THUMBNAIL] = record.thumbnail
    if record.calibration is not None:
        members[CALIBRATION] = save_safetensors({"weights": record.calibration.detach().cpu().contiguous()})
    manifest = {
        "format": "emohead-avatar",
        "schema": list(SCHEMA),
        "name": avatar.name,
        "head": avatar.head,
        "topology_sha256": record.topology,
        "gaussians": avatar.n_gaussians,
        "latents": avatar.corrections.low.shape[0],
        "camera": {"width": avatar.camera.width, "height": avatar.camera.height},
        "licence": record.licence,
        "members": {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in members.items()},
    }
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for name, data in {MANIFEST: json.dumps(manifest, indent=1).encode(), **members}.items():
                # A fixed date keeps rebuilt files identical byte for byte.
                archive.writestr(zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0)), data)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def load_avatar(name_or_path: str | Path) -> GaussianAvatar:
    """The avatar in an `.emo` file, or a shipped one by name (`demo`)."""
    return read_emo(resolve_avatar(name_or_path))[0]


def resolve_avatar(name_or_path: str | Path) -> Path:
    """The path of an `.emo` file, from a path or from the name of a shipped avatar."""
    path = Path(name_or_path)
    # A folder of the same name does not hide a shipped avatar.
    return find(f"{path}.emo") if path.suffix == "" and not path.is_file() else path


def read_emo(path: str | Path) -> tuple[GaussianAvatar, EmoRecord]:
    """Read and check an `.emo` file.

    Raises:
        InputError: not an `.emo` file, cut short, or made by a newer major version.
        VerificationError: a member is not what the manifest says it is.
    """
    path = Path(path)
    manifest, members = _read_members(path)
    _check_schema(path, manifest)
    for name, entry in manifest["members"].items():
        if hashlib.sha256(members[name]).hexdigest() != entry["sha256"]:
            raise VerificationError(f"{path}: {name} does not match its checksum; the file is damaged or was changed, get it again")
    try:
        tensors = load_safetensors(members[GAUSSIANS])
        consent = json.loads(members[CONSENT])
        calibration = load_safetensors(members[CALIBRATION])["weights"] if CALIBRATION in members else None
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged avatar file ({type(error).__name__}); get it again") from None
    avatar = _from_tensors(path, manifest, tensors)
    if calibration is not None and (calibration.ndim != 2 or not torch.isfinite(calibration).all()):
        raise InputError(f"{path}: its calibration is not a finite table; the file is not a valid avatar")
    topology, thumbnail = str(manifest["topology_sha256"]), members.get(THUMBNAIL, b"")
    return avatar, EmoRecord(str(manifest["licence"]), consent, topology, thumbnail, calibration)


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The manifest of an `.emo` file, without reading its tensors."""
    return _read_members(Path(path), only_manifest=True)[0]


def _read_members(path: Path, *, only_manifest: bool = False) -> tuple[dict[str, Any], dict[str, bytes]]:
    if not path.is_file():
        raise InputError(f"{path}: no such avatar file; give the path of an .emo file or the name demo")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            unknown = sorted(set(infos) - set(MAX_MEMBER_BYTES))
            if unknown or len(archive.infolist()) > len(MAX_MEMBER_BYTES):
                raise InputError(f"{path}: unexpected member {unknown[:1]!s}; this is not an avatar file of EmoHead")
            for name, info in infos.items():
                if info.file_size > MAX_MEMBER_BYTES[name] or info.compress_type != zipfile.ZIP_STORED:
                    raise InputError(f"{path}: member {name} is too large or compressed; this is not an avatar file of EmoHead")
            manifest = json.loads(archive.read(MANIFEST))
            wanted = [] if only_manifest else [name for name in infos if name != MANIFEST]
            members = {name: archive.read(name) for name in wanted}
    except zipfile.BadZipFile as error:
        # zipfile notices a changed byte through its own CRC; a file that was cut has no directory at all.
        if "CRC" in str(error):
            raise VerificationError(f"{path}: {error}; the file is damaged or was changed, get it again") from None
        raise InputError(f"{path}: not a whole .emo file ({error}); get it again") from None
    except (KeyError, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a whole .emo file ({type(error).__name__}); get it again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != "emohead-avatar" or not isinstance(manifest.get("members"), dict):
        raise InputError(f"{path}: its manifest is not that of an EmoHead avatar")
    if not only_manifest and (set(manifest["members"]) != set(members) or not {GAUSSIANS, CONSENT} <= set(members)):
        raise VerificationError(f"{path}: members {sorted(members)} are not those of its manifest; get the file again")
    return manifest, members


def _check_schema(path: Path, manifest: dict[str, Any]) -> None:
    major, minor = (int(number) for number in manifest["schema"])
    if major > SCHEMA[0]:
        raise InputError(f"{path}: made by a newer EmoHead (schema {major}.{minor}, this reads {SCHEMA[0]}.x); update EmoHead")
    if major == SCHEMA[0] and minor > SCHEMA[1]:
        warnings.warn(f"{path}: schema {major}.{minor} is newer than {SCHEMA[0]}.{SCHEMA[1]}; unknown parts are ignored", stacklevel=3)


def _to_tensors(avatar: GaussianAvatar) -> dict[str, torch.Tensor]:
    corrections = avatar.corrections
    tensors = {
        "shape": avatar.identity.shape,
        "vertex_offsets": avatar.identity.offsets,
        "world_to_camera": avatar.camera.world_to_camera,
        "intrinsics": avatar.camera.intrinsics,
        "background": avatar.background,
        "triangle": avatar.triangle.to(torch.int32),
        "rest_size": avatar.rest_size,
        **{name: getattr(avatar, name) for name in ("barycentric", "offsets", "quats", "log_scales", "opacity_logits", "sh")},
        **{name: getattr(corrections, name) for name in ("feature_mean", "projection", "low", "high", "means", "colors", "opacities")},
    }
    return {name: _stored(name, tensor) for name, tensor in tensors.items()}


def _stored(name: str, tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.half() if name in HALF_PRECISION else tensor).contiguous()


def _from_tensors(path: Path, manifest: dict[str, Any], stored: dict[str, torch.Tensor]) -> GaussianAvatar:
    count, latents = int(manifest["gaussians"]), int(manifest["latents"])
    wanted = {
        "world_to_camera": (1, 4, 4), "intrinsics": (1, 3, 3), "background": (3,), "triangle": (count,), "rest_size": (count,),
        "barycentric": (count, 3), "offsets": (count, 3), "quats": (count, 4), "log_scales": (count, 3), "opacity_logits": (count,),
        "feature_mean": (N_FEATURES,), "projection": (N_FEATURES, latents), "low": (latents,), "high": (latents,),
        "means": (latents, count, 3), "colors": (latents, count, 3), "opacities": (latents, count),
    }  # fmt: skip
    for name, shape in wanted.items():
        given = tuple(stored[name].shape) if name in stored else "nothing"
        if given != shape:
            raise InputError(f"{path}: {name} must be {list(shape)}, got {given}; the file is not a valid avatar")
    if stored.get("sh") is None or stored["sh"].ndim != 3 or stored["sh"].shape[0] != count or stored["sh"].shape[1:] not in _SH_SHAPES:
        raise InputError(f"{path}: sh must be [{count}, 1|4|9|16, 3]; the file is not a valid avatar")
    tensors = {name: tensor if name == "triangle" else tensor.float() for name, tensor in stored.items()}
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken or count == 0 or int(tensors["triangle"].min()) < 0:
        raise InputError(f"{path}: values that are not finite or out of range in {broken or 'triangle'}; the file is not a valid avatar")
    size = manifest["camera"]
    names = ("triangle", "barycentric", "rest_size", "offsets", "quats", "log_scales", "opacity_logits", "sh")
    correction_names = ("feature_mean", "projection", "low", "high", "means", "colors", "opacities")
    return GaussianAvatar(
        name=str(manifest["name"]),
        head=str(manifest["head"]),
        identity=HeadIdentity(tensors["shape"], tensors["vertex_offsets"]),
        camera=Camera(tensors["world_to_camera"], tensors["intrinsics"], int(size["width"]), int(size["height"])),
        background=tensors["background"],
        corrections=Corrections(*(tensors[name] for name in correction_names)),
        **{name: tensors[name].long() if name == "triangle" else tensors[name] for name in names},
    )


_SH_SHAPES = tuple(torch.Size((bases, 3)) for bases in (1, 4, 9, 16))
