"""Two small networks that judge motion and train nothing: a lip-sync expert and an emotion encoder (tools/train_motion_judges.py).

The expert embeds voice and lips, each 25 times a second, so that what belongs together lies together (SyncNet's idea, Chung & Zisserman
2016, with InfoNCE). It sees distances between lip landmarks as shares of the distance of the eyes, so it judges films and generated
faces alike. The encoder embeds what a face does over a clip; expressions of one emotion lie together.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from emohead import assets
from emohead.channels import RIG_NAMES
from emohead.errors import InputError
from emohead.head.generic import GenericHead
from emohead.metrics.vertices import face_vertices
from emohead.motion.articulation import frame_times, sample
from emohead.motion.features.mel import MelConfig
from emohead.types import HeadMotion, Waveform

ASSET_NAME = "motion_judges.safetensors"
JUDGE_FPS = 25.0
"""Frames per second at which judges look."""
EMOTIONS = ("neutral", "happy", "sad", "surprised", "fearful", "angry", "disgusted", "contempt")
"""What the emotion encoder was taught to tell apart."""
_PAIRS = ((13, 14), (81, 178), (311, 402), (0, 17), (37, 84), (267, 314), (61, 291), (78, 308), (2, 13), (17, 152), (14, 152), (2, 152))
"""MediaPipe landmarks whose distances are looked at: inner and outer lips, corners, nose to lip, lip to chin, nose to chin."""
_EYE_CORNERS = (33, 263)
_LIP_SCALE = 0.05
_RIG_COLUMNS = [index for index, name in enumerate(RIG_NAMES) if not name.startswith("eyeLook")]


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of both judges, stored with the weights."""

    width: int = 56
    """Channels."""
    embedding: int = 48
    """Numbers per embedding."""

    def build(self) -> "MotionJudges":
        """Untrained judges."""
        return MotionJudges(self)


class MotionJudges(nn.Module):
    """The lip-sync expert and the emotion encoder."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        self.mel = MelConfig().build()
        width = config.width
        self.hear = nn.ModuleList([_Block(MelConfig.n_bands, width), _Block(width, width)])
        self.follow = nn.ModuleList([_Block(width, width), _Block(width, width)])
        self.voice_head = nn.Linear(width, config.embedding)
        self.watch = nn.ModuleList([_Block(len(_PAIRS), width, raw=True), _Block(width, width), _Block(width, width)])
        self.lips_head = nn.Linear(width, config.embedding)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        """Natural logarithm of the factor on similarities in training."""
        self.feel = nn.ModuleList([_Block(len(_RIG_COLUMNS) + 3, width, raw=True), _Block(width, width)])
        self.emotion_head = nn.Linear(2 * width, config.embedding)
        self.classes = nn.Linear(config.embedding, len(EMOTIONS), bias=False)

    def embed_mel(self, mel: Float[Tensor, "B F D"]) -> Float[Tensor, "B T E"]:
        """Unit embeddings of a voice, one for every four log-mel frames (25 per second)."""
        hidden = mel.transpose(1, 2)
        for block in self.hear:
            hidden = block(hidden)
        hidden = functional.avg_pool1d(hidden, 4)
        for block in self.follow:
            hidden = block(hidden)
        return functional.normalize(self.voice_head(hidden.transpose(1, 2)), dim=-1)

    def embed_lips(self, lips: Float[Tensor, "B T L"]) -> Float[Tensor, "B T E"]:
        """Unit embeddings of `lip_distances` at 25 per second."""
        hidden = lips.transpose(1, 2)
        for block in self.watch:
            hidden = block(hidden)
        return functional.normalize(self.lips_head(hidden.transpose(1, 2)), dim=-1)

    def embed_face(self, face: Float[Tensor, "B T K"]) -> Float[Tensor, "B E"]:
        """Unit embeddings of whole clips of `face_values`."""
        hidden = face.transpose(1, 2)
        for block in self.feel:
            hidden = block(hidden)
        return functional.normalize(self.emotion_head(torch.cat([hidden.mean(-1), hidden.amax(-1)], -1)), dim=-1)

    def emotion_log_odds(self, embeddings: Float[Tensor, "B E"]) -> Float[Tensor, "B C"]:
        """How much each of `EMOTIONS` is seen, in log odds up to a constant: a scaled cosine with each one's direction."""
        return 12.0 * embeddings @ functional.normalize(self.classes.weight, dim=-1).T

    @torch.no_grad()
    def voice(self, audio: Waveform) -> Float[Tensor, "T E"]:
        """Embeddings of a recording at 25 per second."""
        mel = self.mel(audio)
        return self.embed_mel(functional.pad(mel, (0, 0, 0, max(0, 4 - len(mel))))[None])[0]

    @torch.no_grad()
    def lips(self, distances: Float[Tensor, "T L"]) -> Float[Tensor, "T E"]:
        """Embeddings of lips at 25 per second, from `lip_distances`."""
        return self.embed_lips(distances[None])[0]

    @torch.no_grad()
    def emotion(self, motion: HeadMotion) -> Float[Tensor, " E"]:
        """The embedding of what a face does over a clip."""
        return self.embed_face(face_values(motion)[None])[0]


class _Block(nn.Module):
    """A convolution over time on normalised channels (or raw ones), residual where the width stays."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 5, raw: bool = False):
        super().__init__()
        self.norm = nn.Identity() if raw else nn.LayerNorm(inputs)
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate")

    def forward(self, values: Float[Tensor, "B I T"]) -> Float[Tensor, "B O T"]:
        made = functional.silu(self.convolution(self.norm(values.transpose(1, 2)).transpose(1, 2)))
        return values + made if values.shape == made.shape else made


def lip_distances(points: Float[Tensor, "T 478 c"]) -> Float[Tensor, "T L"]:
    """Distances of lip landmarks (frontal, 2D or 3D) over that of the outer eye corners, less each one's median, about -2..2."""
    seen = points[..., :2]
    eyes = (seen[:, _EYE_CORNERS[0]] - seen[:, _EYE_CORNERS[1]]).norm(dim=-1, keepdim=True)
    first, second = (list(side) for side in zip(*_PAIRS, strict=True))
    distances = (seen[:, first] - seen[:, second]).norm(dim=-1) / eyes.clamp_min(1e-9)
    return (distances - distances.nanmedian(0).values) / _LIP_SCALE


def lips_of_motion(head: GenericHead, motion: HeadMotion) -> Float[Tensor, "T L"]:
    """`lip_distances` of the mean head doing a motion, seen from the front, at 25 per second."""
    return lips_of_mesh(head, face_vertices(head, motion), motion.fps)


def lips_of_mesh(head: GenericHead, vertices: Float[Tensor, "T V 3"], fps: float) -> Float[Tensor, "U L"]:
    """The same of vertices that are there already (`metrics.vertices.face_vertices`) at `fps` per second."""
    distances = lip_distances(head.landmarks(vertices, "mediapipe478"))
    n_frames = max(1, round(len(distances) / fps * JUDGE_FPS))
    return distances if fps == JUDGE_FPS else sample(distances, fps, frame_times(n_frames, JUDGE_FPS))


def face_values(motion: HeadMotion) -> Float[Tensor, "T K"]:
    """What the emotion encoder sees: rig coefficients but eyeLook*, and head angles in tenths of a radian, at 25 per second."""
    values = torch.cat([motion.rig[:, _RIG_COLUMNS], 10.0 * motion.head_rotation], 1)
    n_frames = max(1, round(motion.n_frames / motion.fps * JUDGE_FPS))
    return values if motion.fps == JUDGE_FPS else sample(values, motion.fps, frame_times(n_frames, JUDGE_FPS))


def save_judges(judges: MotionJudges, path: Path) -> None:
    """Write weights (half precision) and sizes as one safetensors file."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in judges.state_dict().items()}
    save_file(tensors, path, metadata={"kind": "emohead.motion_judges", "config": json.dumps(asdict(judges.config))})


def load_judges(path: Path | None = None) -> MotionJudges:
    """The judges from a file, or those that ship; on the CPU, in evaluation mode.

    Raises:
        InputError: no such file, or no judges in it.
    """
    source = path or assets.find(ASSET_NAME)
    try:
        with safe_open(source, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if about.get("kind") != "emohead.motion_judges":
            raise KeyError("kind")
        judges = JudgeConfig(**json.loads(about["config"])).build()
        judges.load_state_dict(tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{source}: not judges of motion ({type(error).__name__}); train them with tools/train_motion_judges.py"
        ) from error
    return judges.eval()
