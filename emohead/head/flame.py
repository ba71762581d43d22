"""The FLAME head (Li et al. 2017, "Learning a model of facial shape and expression from 4D scans") from the user's own file.

Two ways to move it: a `HeadMotion`, as every head model, through the rig conversion of `rig_to_flame`; or raw `FlameParameters`.
The file's frame already has this project's axes and signs. It is shifted by the constant `FlameHead.origin` so that the point midway
between the mean head's eye joints is the world's origin: FLAME's own vertices are these vertices + `origin`, and `translation` is
FLAME's own, added after all rotations. Rotations turn about FLAME's joints, as in FLAME.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from emohead.errors import InputError
from emohead.head import flame_file
from emohead.head.flame_file import FlameData, LandmarkEmbedding
from emohead.head.mirror import mirror_map
from emohead.head.rig_to_flame import RigToFlame, load_rig_to_flame
from emohead.head.skinning import axis_angle_to_rotations, skin
from emohead.types import HeadIdentity, HeadMesh, HeadMotion

EXPRESSION_LIMIT = 3.0
"""Expression coefficients are about in standard deviations; the rig drives them no further than this."""
GLOBAL, NECK, JAW = 0, 1, 2
JOINT_PARTS: tuple[str, ...] = ("torso", "head", "jaw", "eye_left", "eye_right")
"""Parts by dominant joint, where no rig conversion brings the generic head's parts."""


@dataclass(frozen=True)
class FlameParameters:
    """FLAME's own parameters over time."""

    expression: Float[Tensor, "T 100"]
    """Expression coefficients."""
    global_rotation: Float[Tensor, "T 3"]
    """Of the whole mesh about FLAME's root joint, axis-angle in radians."""
    neck: Float[Tensor, "T 3"]
    """Head against torso, axis-angle in radians."""
    jaw: Float[Tensor, "T 3"]
    """Jaw against head, axis-angle in radians; +x opens."""
    eyes: Float[Tensor, "T 2 3"]
    """The subject's left and right eye against the head, axis-angle in radians."""
    translation: Float[Tensor, "T 3"]
    """Metres, added last."""

    def __post_init__(self):
        lengths = {field.name: getattr(self, field.name).shape[0] for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise InputError(f"FlameParameters: all fields need the same number of frames, got {lengths}")

    @classmethod
    def neutral(cls, n_frames: int) -> "FlameParameters":
        """The mean head at rest."""
        zero = torch.zeros(n_frames, 3)
        return cls(torch.zeros(n_frames, 100), zero, zero.clone(), zero.clone(), torch.zeros(n_frames, 2, 3), zero.clone())


class FlameHead:
    """A FLAME head, following `HeadModel`; `V` = 5023, `F` = 9976, `I` = 300, `J` = 5."""

    name: str = "flame"
    n_shape: int = flame_file.N_SHAPE

    def __init__(self, data: FlameData, *, rig: RigToFlame | None = None, landmarks: LandmarkEmbedding | None = None):
        """Build the head from `data`; without `rig` only raw parameters can move it."""
        joints = data.joint_regressor @ data.template
        self.data, self.rig, self.landmark_embedding = data, rig, landmarks
        # The subject's left is +x: the order of the two eye joints in a file is found, not assumed.
        self.eye_joints = (3, 4) if joints[3, 0] > joints[4, 0] else (4, 3)
        self.origin = joints[3:].mean(0)
        self.triangles = data.triangles
        self.neutral = data.template - self.origin
        dominant = torch.tensor([0, 1, 2, *(3 + self.eye_joints.index(joint) for joint in (3, 4))])
        self.part_names = JOINT_PARTS if rig is None else rig.part_names
        self.vertex_part = dominant.to(data.weights.device)[data.weights.argmax(1)] if rig is None else rig.vertex_part
        self.mirror = mirror_map(self.neutral.cpu()).to(data.template.device)
        self._identity_directions = data.shape_directions.flatten(0, 1).T
        self._expression_directions = data.expression_directions.flatten(0, 1).T
        self._pose_directions = data.pose_directions.flatten(0, 1).T
        # Joints are linear in the coefficients; regressing the directions once saves a [5, V] product per frame.
        self._joint_shape = torch.einsum("jv,vci->ijc", data.joint_regressor, data.shape_directions)
        self._joint_expression = torch.einsum("jv,vce->ejc", data.joint_regressor, data.expression_directions)

    def to(self, device: torch.device | str) -> "FlameHead":
        """The same head with its tensors on `device`."""
        values = {field.name: getattr(self.data, field.name) for field in fields(self.data)}
        moved = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return FlameHead(replace(self.data, **moved), rig=self.rig.to(device) if self.rig else None, landmarks=self.landmark_embedding)

    def identity(self) -> HeadIdentity:
        """The mean head: zero shape coefficients, zero offsets."""
        return HeadIdentity(self.neutral.new_zeros(self.n_shape), torch.zeros_like(self.neutral))

    def __call__(self, identity: HeadIdentity, motion: HeadMotion) -> HeadMesh:
        """Vertices of `identity` doing `motion`, in world space; the rig's correctives are applied.

        Raises:
            InputError: the head was built without a rig conversion.
        """
        return self.mesh(identity, self.parameters(motion), correctives=self._converter().corrective_offsets(motion.rig))

    def parameters(self, motion: HeadMotion) -> FlameParameters:
        """The FLAME parameters nearest to `motion` (without the correctives, which FLAME cannot express)."""
        expression, jaw = self._converter().parameters(motion.rig)
        return FlameParameters(
            expression=expression.clamp(-EXPRESSION_LIMIT, EXPRESSION_LIMIT),
            global_rotation=motion.torso_rotation,
            neck=motion.head_rotation,
            jaw=jaw,
            eyes=gaze_to_axis_angle(motion.gaze),
            translation=motion.translation,
        )

    def mesh(self, identity: HeadIdentity, parameters: FlameParameters, *, correctives: Float[Tensor, "T V 3"] | None = None) -> HeadMesh:
        """Vertices of `identity` under raw FLAME parameters; `correctives` (metres) are added before skinning."""
        rest, transforms = self.rest_and_transforms(identity, parameters)
        rest = rest if correctives is None else rest + correctives
        vertices = skin(rest, transforms, self.data.weights)
        return HeadMesh(vertices + parameters.translation[:, None], self.triangles)

    def rest_and_transforms(
        self, identity: HeadIdentity, parameters: FlameParameters
    ) -> tuple[Float[Tensor, "T V 3"], Float[Tensor, "T J 3 4"]]:
        """Unposed vertices (identity, expression, pose correctives) and what each joint does to them (FLAME eq. 2-5)."""
        shaped = self.neutral + identity.offsets + (identity.shape @ self._identity_directions).view(-1, 3)
        axis_angles = torch.stack(
            [parameters.global_rotation, parameters.neck, parameters.jaw, *(parameters.eyes[:, side] for side in self._eye_order())], 1
        )
        rotations = axis_angle_to_rotations(axis_angles)
        pose_feature = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(1)
        moved = parameters.expression @ self._expression_directions + pose_feature @ self._pose_directions
        rest = shaped + moved.view(len(moved), -1, 3)
        joints = self.joints(identity) + torch.einsum("te,ejc->tjc", parameters.expression, self._joint_expression)
        return rest, joint_transforms(rotations, joints)

    def joints(self, identity: HeadIdentity) -> Float[Tensor, "5 3"]:
        """Where the joints of `identity` are at rest: root, neck, jaw and the eyes in the file's order."""
        mean = self.data.joint_regressor @ (self.neutral + identity.offsets)
        return mean + torch.einsum("i,ijc->jc", identity.shape, self._joint_shape)

    def landmarks(self, vertices: Float[Tensor, "T V 3"]) -> Float[Tensor, "T L 3"]:
        """The static landmarks on posed vertices.

        Raises:
            InputError: the head was loaded without a landmark embedding.
        """
        if self.landmark_embedding is None:
            raise InputError("this FLAME head has no landmark embedding; pass landmark_embedding=FILE to load_flame")
        corners = self.triangles[self.landmark_embedding.triangle.to(self.triangles.device)]
        return torch.einsum("tlkc,lk->tlc", vertices[:, corners], self.landmark_embedding.barycentric.to(vertices))

    def _eye_order(self) -> tuple[int, int]:
        """For the file's two eye joints, which side (0 left, 1 right) of `FlameParameters.eyes` each is."""
        return (0, 1) if self.eye_joints == (3, 4) else (1, 0)

    def _converter(self) -> RigToFlame:
        if self.rig is None:
            raise InputError("this FLAME head has no rig conversion; make it with load_flame, or pose it by FlameParameters")
        return self.rig


def load_flame(path: str | Path, *, landmark_embedding: str | Path | None = None) -> FlameHead:
    """The user's FLAME file as a head model; its rig conversion is fitted once (seconds) and cached.

    Raises:
        InputError: one of the files is not what it should be (see `flame_file`).
    """
    data = flame_file.read_flame(path)
    landmarks = None if landmark_embedding is None else flame_file.read_landmark_embedding(landmark_embedding)
    return FlameHead(data, rig=load_rig_to_flame(data, landmarks=landmarks), landmarks=landmarks)


def joint_transforms(rotations: Float[Tensor, "T J 3 3"], joints: Float[Tensor, "T J 3"]) -> Float[Tensor, "T J 3 4"]:
    """What each joint's chain of rotations does to points at rest: `x -> A[:, :3] x + A[:, 3]` (FLAME eq. 2).

    Unlike `skinning.joint_transforms`, the joints differ from frame to frame: FLAME's move with the expression.
    """
    chain: list[tuple[Tensor, Tensor]] = []
    for joint, parent in enumerate(flame_file.PARENTS):
        turn = rotations[:, joint]
        shift = joints[:, joint] - torch.einsum("tij,tj->ti", turn, joints[:, joint])
        if parent >= 0:
            parent_turn, parent_shift = chain[parent]
            shift = torch.einsum("tij,tj->ti", parent_turn, shift) + parent_shift
            turn = parent_turn @ turn
        chain.append((turn, shift))
    return torch.stack([torch.cat([turn, shift[..., None]], -1) for turn, shift in chain], 1)


def gaze_to_axis_angle(gaze: Float[Tensor, "T 2 2"]) -> Float[Tensor, "T 2 3"]:
    """Axis-angle of yaw (about +y) after pitch (about +x), through the quaternion q_yaw * q_pitch."""
    yaw, pitch = (gaze / 2).unbind(-1)
    w = yaw.cos() * pitch.cos()
    xyz = torch.stack([yaw.cos() * pitch.sin(), yaw.sin() * pitch.cos(), -yaw.sin() * pitch.sin()], -1)
    length = (xyz.square().sum(-1) + 1e-16).sqrt()
    return xyz * (2 * torch.atan2(length, w) / length)[..., None]
