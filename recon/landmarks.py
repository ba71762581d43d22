"""Face landmarks of a clip from MediaPipe's FaceLandmarker (an optional asset of the user's), one picture at a time.

IMAGE mode is used on purpose: VIDEO mode smooths, which delays every mouth movement by a frame and flattens short ones.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from emohead import assets
from emohead.channels import N_RIG, RIG_INDEX
from emohead.errors import InputError, ResourceError
from recon.types import FaceLandmarks

MODEL_FILE = "face_landmarker_v2_with_blendshapes.task"
N_POINTS = 478

LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191, 267, 269, 270, 291, 308, 310, 311,
    312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)  # fmt: skip
EYES = (
    7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246, 249, 263, 362, 373, 374, 380, 381, 382, 384, 385,
    386, 387, 388, 390, 398, 466,
)  # fmt: skip
BROWS = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
OVAL = (
    10, 21, 54, 58, 67, 93, 103, 109, 127, 132, 136, 148, 149, 150, 152, 162, 172, 176, 234, 251, 284, 288, 297, 323, 332, 338, 356,
    361, 365, 377, 378, 379, 389, 397, 400, 454,
)  # fmt: skip
_INNER_LIPS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402))
_SHUT = 0.02
"""Share of the face's height, about 4 mm."""
IRISES = tuple(range(468, 478))
"""Named subsets of the 478 points. The oval slides over the skin when the head turns: trust it little."""


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    points: Float[Tensor, "478 2"]
    """MediaPipe's 478 points in pixels."""
    scores: Float[Tensor, " R"]
    """The landmarker's own estimate 0..1 of the rig channels."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the face's points, pixels."""
        low, high = self.points.amin(0).tolist(), self.points.amax(0).tolist()
        return low[0], low[1], high[0], high[1]


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in one picture. Another tracker is another class with this one method."""

    def __call__(self, image: UInt8[Tensor, "H W 3"]) -> list[Face]:
        """The faces in a picture, in no order."""
        ...


class MediaPipeDetector:
    """MediaPipe's FaceLandmarker, one picture at a time; every thread that calls it gets a network of its own."""

    def __init__(self, *, most: int = 1):
        """Load the network; it finds at most `most` faces.

        Raises:
            InputError: the model file is not on the asset path.
            ResourceError: the `recon` extra is not installed.
        """
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise ResourceError(
                "face landmarks need the package mediapipe, which is not installed; pip install 'emohead[recon]'"
            ) from error
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(assets.find(MODEL_FILE))),
            output_face_blendshapes=True,
            running_mode=vision.RunningMode.IMAGE,
            num_faces=most,
        )
        self._wrap = lambda pixels: mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        self._open = lambda: vision.FaceLandmarker.create_from_options(options)
        self._own = threading.local()
        self._opened = [self._open()]
        self._own.landmarker = self._opened[0]

    def __call__(self, image: UInt8[Tensor, "H W 3"]) -> list[Face]:
        """The faces in a picture."""
        height, width = image.shape[:2]
        if not hasattr(self._own, "landmarker"):
            self._own.landmarker = self._open()
            self._opened.append(self._own.landmarker)
        found = self._own.landmarker.detect(self._wrap(np.ascontiguousarray(image.numpy())))
        pairs = zip(found.face_landmarks, found.face_blendshapes, strict=True)
        return [Face(_points(points, width, height), _scores(scores)) for points, scores in pairs]

    def close(self) -> None:
        """Free the networks; left to the end of the process, MediaPipe complains."""
        for landmarker in self._opened:
            landmarker.close()


def detect_landmarks(images: Iterable[UInt8[Tensor, "H W 3"]], *, detector: FaceDetector | None = None) -> FaceLandmarks:
    """The landmarks and blendshape scores of the most prominent face in each image.

    Raises:
        InputError: the model file is not on the asset path, or no image shows a face.
        ResourceError: the `recon` extra is not installed.
    """
    with opened(detector, most=1) as find:
        faces = [next(iter(find(image)), None) for image in images]
    if not any(faces):
        raise InputError(f"no face was found in any of {len(faces)} frames; give a clip that shows one face from the front")
    return stacked(faces)


_SAME = 0.08
"""Mean distance, in sizes of the face, up to which two answers are about the same face."""
_CROPS = ((0.55, 0.0, 0.0), (0.7, 0.06, -0.04), (0.85, -0.05, 0.05), (0.62, -0.04, -0.06), (0.78, 0.04, 0.06))
"""Margin around the face and shift of its middle, in sizes of the face: the same picture cut out in other ways."""


def steadied(image: UInt8[Tensor, "H W 3"], face: Face, detector: FaceDetector) -> Face:
    """The mean of what a detector says of one face when the picture is cut out around it in a few ways.

    A landmarker samples the face through a window that it finds by itself; where the window falls changes its answer by more than a
    pixel. The mean over several windows is steadier, and unlike smoothing over time it delays nothing.

    Args:
        image: the whole picture.
        face: what the detector found in it.
        detector: the same one.
    """
    (left, top, right, bottom), (height, width) = face.box, image.shape[:2]
    size = max(right - left, bottom - top)
    points, scores = [face.points], [face.scores]
    for margin, across, down in _CROPS:
        middle = (left + right) / 2 + across * size, (top + bottom) / 2 + down * size
        reach = (0.5 + margin) * size
        corner = max(0, round(middle[0] - reach)), max(0, round(middle[1] - reach))
        crop = image[corner[1] : min(height, round(middle[1] + reach)), corner[0] : min(width, round(middle[0] + reach))]
        found = [Face(other.points + torch.tensor(corner), other.scores) for other in detector(crop)]
        nearest = min(found, key=lambda other: float((other.points - face.points).norm(dim=1).mean()), default=None)
        if nearest is not None and float((nearest.points - face.points).norm(dim=1).mean()) < _SAME * size:
            points.append(nearest.points)
            scores.append(nearest.scores)
    return Face(torch.stack(points).mean(0), torch.stack(scores).mean(0))


@contextmanager
def opened(detector: FaceDetector | None, *, most: int) -> Iterator[FaceDetector]:
    """The given detector, or MediaPipe's for as long as it is needed."""
    if detector is not None:
        yield detector
        return
    own = MediaPipeDetector(most=most)
    try:
        yield own
    finally:
        own.close()


def stacked(faces: Sequence[Face | None]) -> FaceLandmarks:
    """One face per frame as one table; frames without a face are NaN."""
    nothing = Face(torch.full((N_POINTS, 2), torch.nan), torch.full((N_RIG,), torch.nan))
    return FaceLandmarks(
        torch.stack([(face or nothing).points for face in faces]), torch.stack([(face or nothing).scores for face in faces])
    )


def crop_box(points: torch.Tensor, width: int, height: int, *, margin: float = 0.12) -> tuple[slice, slice]:
    """Rows and columns of the face: the box of one frame's 468 face points, widened by `margin` of its size on every side."""
    face = points[: IRISES[0]]
    low, high = face.min(0).values, face.max(0).values
    pad = (high - low) * margin
    (left, top), (right, bottom) = (low - pad).tolist(), (high + pad).tolist()
    return slice(max(0, int(top)), min(height, int(bottom))), slice(max(0, int(left)), min(width, int(right)))


def feature_boxes(points: torch.Tensor, width: int, height: int) -> tuple[tuple[slice, slice], ...]:
    """Rows and columns of the eyes (both in one box, with brows) and of the mouth in one frame."""
    scale = float((points[33] - points[263]).norm())
    boxes = []
    for subset, pad in ((EYES + BROWS, 0.12), (LIPS, 0.15)):
        low = (points[list(subset)].min(0).values - pad * scale).tolist()
        high = (points[list(subset)].max(0).values + pad * scale).tolist()
        rows = slice(max(0, int(low[1])) // 2 * 2, min(height, int(high[1]) + 2))
        boxes.append((rows, slice(max(0, int(low[0])) // 2 * 2, min(width, int(high[0]) + 2))))
    return tuple(boxes)


def mouth_is_shut(points: Float[Tensor, "T 478 2"]) -> Bool[Tensor, " T"]:
    """Whether the lips of each face are so near each other that they hide what is behind them; False where there is no face."""
    gap = torch.stack([(points[:, upper] - points[:, lower]).norm(dim=1) for upper, lower in _INNER_LIPS], 1).mean(1)
    return gap < _SHUT * (points[:, 10] - points[:, 152]).norm(dim=1)


def _points(points: list, width: int, height: int) -> Tensor:
    return torch.tensor([(point.x * width, point.y * height) for point in points])


def _scores(categories: list) -> Tensor:
    scores = torch.zeros(N_RIG)
    for category in categories:
        if category.category_name in RIG_INDEX:  # the landmarker also has "_neutral", which is no rig channel
            scores[RIG_INDEX[category.category_name]] = category.score
    return scores
