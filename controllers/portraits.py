"""What a plan looks like: an avatar at the apex of each event, side by side."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from controllers.plan import Event, TextPlan
from emohead.channels import AU_INDEX
from emohead.head.action_units import au_to_rig
from emohead.head.gaze import gaze_to_rig
from emohead.output import whole_file
from emohead.rendering import Renderer
from emohead.types import AUTrack, Camera, HeadMotion

SIZE = 256
"""Pixels of one portrait's side."""
MAX_PORTRAITS = 8
FACE_METRES, BELOW_EYES = 0.27, 0.035
"""Side of the square that a portrait shows, and how far its middle lies below the eyes."""
_LINE, _COLUMNS = 16, 34
_EYE_LIMITS = (0.6, 0.45)


def write_portraits(path: str | Path, track: AUTrack, plan: TextPlan, renderer: Renderer) -> None:
    """Draw the avatar at the apex of each event (the first eight) with the event's words below, or at rest where there is none."""
    events = plan.events[:MAX_PORTRAITS] or (Event(0.0, 1.0, text="a neutral face"),)
    frames = [apex(track, plan, event) for event in events]
    pictures = list(renderer.frames(still_motion(track, frames), face_camera(renderer)))
    captions = [_caption(f"{_when(plan, track, frame)}{event.text}") for event, frame in zip(events, frames, strict=True)]
    height = SIZE + 10 + _LINE * max(len(lines) for lines in captions)
    sheet = Image.new("RGB", (SIZE * len(events), height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for index, (lines, picture) in enumerate(zip(captions, pictures, strict=True)):
        sheet.paste(Image.fromarray(picture.numpy()), (SIZE * index, 0))
        for row, line in enumerate(lines):
            pen.text((SIZE * index + 6, SIZE + 4 + row * _LINE), line, fill="#202020", font=font)
    with whole_file(path) as partial:
        sheet.save(partial, "PNG", optimize=True)


def face_camera(renderer: Renderer) -> Camera:
    """The avatar's own view, brought near to its face."""
    camera, head, avatar = renderer.avatar.camera, renderer.head, renderer.avatar
    middle = head.joints(avatar.identity)[3:].mean(0).to(camera.world_to_camera)
    middle = middle - middle.new_tensor([0.0, BELOW_EYES, 0.0])
    seen = camera.world_to_camera[0, :3, :3] @ middle + camera.world_to_camera[0, :3, 3]
    focal, centre = camera.intrinsics[0, :2, :2].diagonal(), camera.intrinsics[0, :2, 2]
    pixel = focal * seen[:2] / seen[2] + centre
    scale = SIZE / (FACE_METRES * float(focal[0] / seen[2]))
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, :2] *= scale
    intrinsics[:, :2, 2] = (centre - pixel) * scale + SIZE / 2
    return replace(camera, intrinsics=intrinsics, width=SIZE, height=SIZE)


def apex(track: AUTrack, plan: TextPlan, event: Event) -> int:
    """The first frame of a track at which an event is all but strongest; the middle of it where it moves nothing."""
    scale = track.n_frames if plan.duration is None else track.fps
    first = min(max(int(event.start * scale), 0), max(track.n_frames - 1, 0))
    if event.onset == 0.0:
        return first  # A moment, as of keyframes.
    last = max(min(max(int(event.end * scale), first + 1), track.n_frames), first + 1)
    if event.gesture is None:
        # While it still comes up, the event before it is seen as well.
        first += round(min(event.onset * track.fps, 0.6 * (last - first)))
    columns = [AU_INDEX[name] for name, value in event.au.items() if value > 0.0]
    moved = (track.intensity * track.weight)[first:last, columns].sum(1)
    if event.gaze is not None or event.gesture is not None:
        moved = moved + (track.gaze[first:last] * track.pose_weight[first:last, :1]).abs().sum(1)
    if event.head is not None or event.gesture is not None:
        moved = moved + (track.head_rotation[first:last] * track.pose_weight[first:last, 1:]).abs().sum(1)
    if event.gesture is not None:
        shown = (track.intensity * track.weight)[first:last]
        moved = moved + (shown - shown[:1]).abs().sum(1)
    return first + int((moved >= 0.97 * moved.max()).nonzero()[0]) if len(moved) and moved.max() > 1e-4 else (first + last) // 2


def still_motion(track: AUTrack, frames: Sequence[int]) -> HeadMotion:
    """Some frames of a track as a motion without speech; eyes of which nothing is asked keep looking ahead while the head turns."""
    chosen = torch.tensor(list(frames), dtype=torch.long).clamp(0, max(track.n_frames - 1, 0))
    intensity = (track.intensity * track.weight)[chosen]
    head = (track.head_rotation * track.pose_weight[:, 1:])[chosen]
    asked = track.pose_weight[chosen, :1]
    direction = (1.0 - asked) * -head[:, [1, 0]] + asked * track.gaze[chosen]
    limits = torch.tensor(_EYE_LIMITS)
    eyes = direction[:, None].repeat(1, 2, 1).clamp(-limits, limits)
    still = torch.zeros_like(head)
    return HeadMotion(track.fps, (au_to_rig(intensity) + gaze_to_rig(eyes)).clamp(0.0, 1.0), head, still, still.clone(), eyes)


def _caption(text: str) -> list[str]:
    """At most three lines."""
    lines = textwrap.wrap(text, _COLUMNS) or [""]
    return lines if len(lines) <= 3 else [*lines[:2], f"{lines[2][: _COLUMNS - 3]}..."]


def _when(plan: TextPlan, track: AUTrack, frame: int) -> str:
    return f"{frame / track.fps:.1f} s: " if plan.duration is not None else ""
