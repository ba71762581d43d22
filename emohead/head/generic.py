"""The head that ships: own topology, 52 rig shapes by side, identity modes, and joints for torso, head, jaw and eyes.

It is built by tools/build_generic_head.py. The jaw turns and slides by its joint; shapes are offsets before skinning.
"""

import json
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emohead import assets
from emohead.channels import N_RIG, RIG_INDEX, RIG_NAMES
from emohead.errors import InputError
from emohead.head import skinning
from emohead.types import HeadIdentity, HeadMesh, HeadMotion

ASSET_NAME = "generic_head.safetensors"
VERSION = 1
TORSO, HEAD, JAW, EYE_LEFT, EYE_RIGHT = range(5)
PARENTS = (-1, TORSO, HEAD, HEAD, HEAD)
EYE_RADIUS, CORNEA = 0.0155, 0.0006
"""Metres: the mean head's eyeballs, and how far their corneas stand out."""
CORNEA_WIDTH = 0.32
"""Radians."""
LID_CLEARANCE, SOCKET_CLEARANCE = 0.0004, 0.0001
"""Metres between eyeball and lid (flat triangles between lid vertices must not cut into the ball), and socket behind the lid."""
Landmarks = Literal["multipie68", "mediapipe478"]

# What a shut eye makes of the lid shapes of its side: nothing, so that lids meet at eyeBlink 1 whatever else is asked.
_YIELD_TO_BLINK = ("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")


@dataclass(frozen=True)
class GenericHeadData:
    """The tensors of the asset; `I` = 80 modes, `M` = 3 midway corrections, `P`/`Q` contacts of lids/lips."""

    neutral: Float[Tensor, "V 3"]
    """The mean head, metres."""
    triangles: Int[Tensor, "F 3"]
    """Vertex indices, counter-clockwise from outside."""
    mirror: Int[Tensor, " V"]
    """The vertex each becomes when x is negated; exact."""
    vertex_part: Int[Tensor, " V"]
    """Index into `part_names`."""
    uv: Float[Tensor, "V 2"]
    """Texture coordinates 0..1."""
    shapes: Float[Tensor, "E V 3"]
    """Offsets at 1 of `shape_names`, metres, before skinning: the 52 rig channels, then halves of the merged ones."""
    midway: Float[Tensor, "M V 3"]
    """Offsets of `midway_names`, scaled by 4 c (1 - c)."""
    modes: Float[Tensor, "I V 3"]
    """Identity modes, metres per standard deviation."""
    joints: Float[Tensor, "5 3"]
    """Torso, head, jaw, left eye, right eye of the mean head, metres."""
    joint_regressor: Float[Tensor, "5 V"]
    """How identity's displacement of the vertices moves the joints."""
    skin_weights: Float[Tensor, "V 5"]
    """Rows sum to 1."""
    jaw: Float[Tensor, " 6"]
    """At 1: pitch of jawOpen (rad), yaw (rad) and x (m) of jawLeft, translation of jawForward (m, 3)."""
    lid_pairs: Int[Tensor, "P 2"]
    """Vertices (upper, lower) of the lids that meet in a blink; first half left."""
    lid_vertices: Int[Tensor, " U"]
    """Vertices of the upper lids; first half left."""
    lid_spread: Float[Tensor, "U P"]
    """How far up each goes per metre that identity has drawn a pair apart."""
    lip_pairs: Int[Tensor, "Q 2"]
    """Vertices (upper, lower) of the lips that meet at rest."""
    lip_vertices: Int[Tensor, " W"]
    """Vertices of the lips: upper, then lower."""
    lip_spread: Float[Tensor, "W Q"]
    """How far up each goes per metre that identity has drawn a pair apart."""
    multipie68_triangle: Int[Tensor, " 68"]
    """Triangle of each Multi-PIE landmark."""
    multipie68_barycentric: Float[Tensor, "68 3"]
    """Weights of its corners."""
    mediapipe478_triangle: Int[Tensor, " 478"]
    """Triangle of each MediaPipe landmark."""
    mediapipe478_barycentric: Float[Tensor, "478 3"]
    """Weights of its corners."""
    part_names: tuple[str, ...]
    """Names of the semantic parts."""
    shape_names: tuple[str, ...]
    """`RIG_NAMES`, then browInnerUp_L, browInnerUp_R, cheekPuff_L, cheekPuff_R."""
    midway_names: tuple[str, ...]
    """Rig channels with a correction halfway."""

    def to(self, device: torch.device | str) -> "GenericHeadData":
        """The same data with its tensors on `device`."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in tensors.items() if isinstance(value, Tensor)})


class GenericHead:
    """The generic head, following `HeadModel`. Rotations turn about its joints; torso_rotation and translation move everything."""

    name = "generic"

    def __init__(self, data: GenericHeadData):
        self.data = data
        self.triangles, self.neutral, self.mirror = data.triangles, data.neutral, data.mirror
        self.part_names, self.vertex_part, self.uv = data.part_names, data.vertex_part, data.uv
        self.n_shape = data.modes.shape[0]
        self._mode_directions = data.modes.flatten(1)
        self._joint_modes = torch.einsum("jv,ivc->ijc", data.joint_regressor, data.modes)
        self._directions = torch.cat([data.shapes[:N_RIG], data.midway]).flatten(1)
        self._eyes = [self._eye(side) for side in ("left", "right")]
        self._midway_channels = [RIG_INDEX[name] for name in data.midway_names]

    def vertices_of(self, *parts: str) -> Int[Tensor, " n"]:
        """Indices of the vertices of the named parts."""
        wanted = torch.tensor([self.part_names.index(part) for part in parts], device=self.vertex_part.device)
        return torch.isin(self.vertex_part, wanted).nonzero()[:, 0]

    def to(self, device: torch.device | str) -> "GenericHead":
        """The same head with its tensors on `device`."""
        return GenericHead(self.data.to(device))

    def identity(self) -> HeadIdentity:
        """The mean head: zero shape coefficients, zero offsets."""
        return HeadIdentity(self.neutral.new_zeros(self.n_shape), torch.zeros_like(self.neutral))

    def __call__(self, identity: HeadIdentity, motion: HeadMotion) -> HeadMesh:
        """Vertices of `identity` doing `motion`, in world space."""
        displacement, joints = self.displacement(identity), self.joints(identity)
        rest = self.neutral + displacement + self._expression(displacement, motion.rig)
        rest = self._lids_over_eyes(rest, displacement, joints[[EYE_LEFT, EYE_RIGHT]], motion.gaze)
        transforms = skinning.joint_transforms(*self.joint_motion(motion), joints, PARENTS)
        return HeadMesh(skinning.skin(rest, transforms, self.data.skin_weights), self.triangles)

    def displacement(self, identity: HeadIdentity) -> Float[Tensor, "V 3"]:
        """How `identity` at rest differs from the mean head, metres; lips that it would part are closed again."""
        moved = (identity.shape @ self._mode_directions).view(-1, 3) + identity.offsets
        upper, lower = self.data.lip_pairs.unbind(1)
        closing = self.data.lip_spread @ (moved[upper, 1] - moved[lower, 1]).clamp_min(0.0)
        return moved.flatten().index_add(0, self.data.lip_vertices * 3 + 1, closing).view(-1, 3)

    def joints(self, identity: HeadIdentity) -> Float[Tensor, "5 3"]:
        """Where the joints of `identity` are at rest, metres: torso, head, jaw, left eye, right eye."""
        moved = torch.einsum("i,ijc->jc", identity.shape, self._joint_modes) + self.data.joint_regressor @ identity.offsets
        return self.data.joints + moved

    def landmarks(self, vertices: Float[Tensor, "T V 3"], which: Landmarks) -> Float[Tensor, "T n 3"]:
        """Face landmarks on posed vertices, in the order of the Multi-PIE 68 markup or MediaPipe's 478."""
        triangle: Tensor = getattr(self.data, f"{which}_triangle")
        barycentric: Tensor = getattr(self.data, f"{which}_barycentric")
        return torch.einsum("tnkc,nk->tnc", vertices[:, self.triangles[triangle]], barycentric)

    def _eye(self, side: str) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices around one eye, how far each keeps from the eyeball, and the eyeball's vertices."""
        lids, socket = self.vertices_of(f"eyelid_{side}"), self.vertices_of(f"socket_{side}")
        clearance = [self.neutral.new_full(lids.shape, LID_CLEARANCE), self.neutral.new_full(socket.shape, SOCKET_CLEARANCE)]
        return torch.cat([lids, socket]), torch.cat(clearance), self.vertices_of(f"eye_{side}")

    def _expression(self, displacement: Float[Tensor, "V 3"], rig: Float[Tensor, "T R"]) -> Float[Tensor, "T V 3"]:
        """What the rig adds to the rest mesh before skinning."""
        directions = torch.cat([self._directions, self.lid_corrections(displacement)])
        return (self.expression_coefficients(rig) @ directions).unflatten(1, (-1, 3))

    def expression_coefficients(self, rig: Float[Tensor, "T R"]) -> Float[Tensor, "T D"]:
        """Amounts of the 52 shapes, of the midway corrections and of the two lid corrections, in this order."""
        rig = _lids_yield_to_blinks(rig)
        blinks = rig[:, [RIG_INDEX["eyeBlinkLeft"], RIG_INDEX["eyeBlinkRight"]]]
        midway = rig[:, self._midway_channels]
        return torch.cat([rig, 4 * midway * (1 - midway), blinks], 1)

    def lid_corrections(self, displacement: Float[Tensor, "V 3"]) -> Float[Tensor, "2 V*3"]:
        """What a left and a right blink need on top for an identity whose eyes are set wider or narrower than the mean head's."""
        upper, lower = self.data.lid_pairs.unbind(1)
        missing = self.data.lid_spread @ (displacement[upper, 1] - displacement[lower, 1])  # [U]
        places, nothing = self.data.lid_vertices * 3 + 1, torch.zeros_like(self.neutral).flatten()
        sides = zip(places.chunk(2), missing.chunk(2), strict=True)
        return torch.stack([nothing.index_add(0, place, value) for place, value in sides])

    def _lids_over_eyes(
        self, rest: Float[Tensor, "T V 3"], displacement: Float[Tensor, "V 3"], centres: Float[Tensor, "2 3"], gaze: Float[Tensor, "T 2 2"]
    ) -> Float[Tensor, "T V 3"]:
        """Lid vertices that would lie inside an eyeball, moved out to its surface; the cornea stands out where the eye looks."""
        forward = skinning.yaw_pitch_to_rotations(gaze)[..., 2]  # [T, 2, 3]
        moved = rest
        for side, (lids, clearance, ball) in enumerate(self._eyes):
            size = (self.neutral + displacement)[ball] - centres[side]
            growth = size.norm(dim=1).mean() / (self.neutral[ball] - self.data.joints[EYE_LEFT + side]).norm(dim=1).mean()
            offset = rest[:, lids] - centres[side]
            radius = offset.norm(dim=-1).clamp_min(1e-6)
            cosine = (offset * forward[:, side, None]).sum(-1) / radius
            surface = growth * (EYE_RADIUS + CORNEA * torch.exp((cosine - 1) / CORNEA_WIDTH**2)) + clearance
            scale = (surface / radius).clamp_min(1.0)
            moved = moved.index_copy(1, lids, centres[side] + offset * scale[..., None])
        return moved

    def joint_motion(self, motion: HeadMotion) -> tuple[Float[Tensor, "T 5 3 3"], Float[Tensor, "T 5 3"]]:
        """Rotation and shift of every joint against its parent."""
        return self._rotations(motion), self._shifts(motion)

    def _rotations(self, motion: HeadMotion) -> Float[Tensor, "T 5 3 3"]:
        opened, side = motion.rig[:, RIG_INDEX["jawOpen"]], self._jaw_side(motion.rig)
        pitch, yaw = self.data.jaw[0], self.data.jaw[1]
        jaw = torch.stack([opened * pitch, side * yaw, torch.zeros_like(side)], -1)
        turns = skinning.axis_angle_to_rotations(torch.stack([motion.torso_rotation, motion.head_rotation, jaw], 1))
        return torch.cat([turns, skinning.yaw_pitch_to_rotations(motion.gaze)], 1)

    def _shifts(self, motion: HeadMotion) -> Float[Tensor, "T 5 3"]:
        forward, side = motion.rig[:, RIG_INDEX["jawForward"]], self._jaw_side(motion.rig)
        sideways = torch.stack([side * self.data.jaw[2], torch.zeros_like(side), torch.zeros_like(side)], -1)
        jaw = forward[:, None] * self.data.jaw[3:] + sideways
        still = torch.zeros_like(jaw)
        return torch.stack([motion.translation, still, jaw, still, still], 1)

    def _jaw_side(self, rig: Float[Tensor, "T R"]) -> Float[Tensor, " T"]:
        return rig[:, RIG_INDEX["jawLeft"]] - rig[:, RIG_INDEX["jawRight"]]


def _lids_yield_to_blinks(rig: Float[Tensor, "T R"]) -> Float[Tensor, "T R"]:
    share = torch.ones_like(rig)
    for side in ("Left", "Right"):
        channels = [RIG_INDEX[f"{name}{side}"] for name in _YIELD_TO_BLINK]
        share[:, channels] = 1 - rig[:, RIG_INDEX[f"eyeBlink{side}"], None]
    return rig * share


def load_generic() -> GenericHead:
    """The generic head that ships with the package, float32 on the CPU (read once, then shared: do not write into its tensors).

    Raises:
        InputError: the asset is absent, damaged or of another version.
    """
    return _read(assets.find(ASSET_NAME))


@lru_cache(maxsize=2)
def _read(path: Path) -> GenericHead:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = json.loads((file.metadata() or {})["generic_head"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        names: dict[str, Any] = {name: tuple(metadata[name]) for name in ("part_names", "shape_names", "midway_names")}
        if metadata["version"] != VERSION or names["shape_names"][:N_RIG] != RIG_NAMES:
            raise InputError(f"{path} is of another version of the generic head; rebuild it with tools/build_generic_head.py")
        content: dict[str, Any] = {name: value.float() if value.is_floating_point() else value.long() for name, value in tensors.items()}
        return GenericHead(GenericHeadData(**content, **names))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{path} is not a generic head asset ({error}); rebuild it with tools/build_generic_head.py") from error
