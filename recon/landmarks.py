"""Face landmarks of a clip from MediaPipe's FaceLandmarker (an optional asset of the user's), one picture at a time.

IMAGE mode is used on purpose: VIDEO mode smooths, which delays every mouth movement by a frame and flattens short ones.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import UInt8
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
IRISES = tuple(range(468, 478))
"""Named subsets of the 478 points. The oval slides over the skin when the head turns: trust it little."""


def detect_landmarks(images: Iterable[UInt8[Tensor, "H W 3"]]) -> FaceLandmarks:
    """The landmarks and blendshape scores of the most prominent face in each image.

    Raises:
        InputError: the model file is not on the asset path, or no image shows a face.
        ResourceError: the `recon` extra is not installed.
    """
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise ResourceError("face landmarks need the package mediapipe, which is not installed; pip install 'emohead[recon]'") from error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(assets.find(MODEL_FILE))),
        output_face_blendshapes=True,
        running_mode=vision.RunningMode.IMAGE,
        num_faces=1,
    )
    points, scores = [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for image in images:
            height, width = image.shape[:2]
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image.numpy()))
            found = landmarker.detect(picture)
            points.append(_points(found.face_landmarks, width, height))
            scores.append(_scores(found.face_blendshapes))
    landmarks = FaceLandmarks(torch.from_numpy(np.stack(points)), torch.from_numpy(np.stack(scores)))
    if not bool(landmarks.found.any()):
        raise InputError(f"no face was found in any of {len(points)} frames; give a clip that shows one face from the front")
    return landmarks


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


def _points(faces: list, width: int, height: int) -> np.ndarray:
    if not faces:
        return np.full((N_POINTS, 2), np.nan, np.float32)
    return np.array([(point.x * width, point.y * height) for point in faces[0]], np.float32)


def _scores(faces: list) -> np.ndarray:
    if not faces:
        return np.full(N_RIG, np.nan, np.float32)
    scores = np.zeros(N_RIG, np.float32)
    for category in faces[0]:
        if category.category_name in RIG_INDEX:  # the landmarker also has "_neutral", which is no rig channel
            scores[RIG_INDEX[category.category_name]] = category.score
    return scores
