"""A person's visual hull: what several calibrated cameras' mattes leave of a block of voxels, its surface, and the surface's colours.

Space carving after Laurentini, "The visual hull concept for silhouette-based image understanding" (1994): a voxel stays if no camera
that has it in its picture sees the background there.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter, label
from torch import Tensor

from emohead.errors import InputError
from emohead.types import Camera

LEAST_CAMERAS = 4
"""Fewer cameras leave a hull that says little about the head."""
_COARSE = 48
_CHUNK = 1 << 17
_MISTAKEN = 0.1
"""Share of the cameras whose matte may be wrong about a voxel."""
_SEEN_BY = 0.5
"""Share of the cameras that must have a voxel in their picture."""


@dataclass(frozen=True)
class Hull:
    """What the silhouettes leave of space, in the cameras' world and its units."""

    occupied: Bool[Tensor, "X Y Z"]
    """The largest connected piece."""
    corner: Float[Tensor, "3"]
    """Centre of voxel (0, 0, 0)."""
    side: float
    """Edge of a voxel."""

    @property
    def centres(self) -> Float[Tensor, "n 3"]:
        """Centres of the occupied voxels."""
        return self.corner + self.side * torch.nonzero(self.occupied)

    def contains(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
        """Which points lie in an occupied voxel."""
        index = ((points - self.corner) / self.side).round().long()
        size = torch.tensor(self.occupied.shape)
        inside = ((index >= 0) & (index < size)).all(1)
        return inside & self.occupied[tuple(index.clamp(torch.zeros(3, dtype=torch.long), size - 1).unbind(1))]

    def depth(self, camera: Camera) -> Float[Tensor, "H W"]:
        """How far each pixel's ray goes, along the axis of a single camera, before it meets the hull; infinite where it does not."""
        rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
        inverse = torch.linalg.inv(camera.world_to_camera[0])
        pixels = torch.stack([columns + 0.5, rows + 0.5, torch.ones(rows.shape)], -1)
        rays = pixels @ torch.linalg.inv(camera.intrinsics[0]).T @ inverse[:3, :3].T
        middle = self.corner + 0.5 * self.side * (torch.tensor(self.occupied.shape) - 1)
        reach = 0.5 * self.side * float(torch.tensor(self.occupied.shape).float().norm())
        start = float((camera.world_to_camera[0] @ torch.cat([middle, torch.ones(1)]))[2])
        met = torch.full(rows.shape, torch.inf)
        for depth in torch.arange(max(start - reach, self.side), start + reach, 0.5 * self.side).tolist():
            open_rays = torch.nonzero(torch.isinf(met))
            hit = self.contains(inverse[:3, 3] + depth * rays[open_rays[:, 0], open_rays[:, 1]])
            met[open_rays[hit, 0], open_rays[hit, 1]] = depth
        return met


@dataclass(frozen=True)
class HullSurface:
    """Points all over a hull."""

    points: Float[Tensor, "n 3"]
    """Centres of the outermost voxels."""
    normals: Float[Tensor, "n 3"]
    """Unit length, outwards."""
    colors: Float[Tensor, "n 3"]
    """RGB 0..1, the median over the cameras that see the point; NaN where none does."""


def signed_distances(mattes: UInt8[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
    """Distance of every pixel from each matte's outline, pixels, negative inside the person; the picture's edge is no outline."""
    inside = mattes.numpy() >= 128
    fields = [_distance(~one) - _distance(one) for one in inside]
    return torch.from_numpy(np.stack(fields)).float()


def _distance(empty: np.ndarray) -> np.ndarray:
    """How far each chosen pixel's centre is from the border of the chosen area; 0 elsewhere."""
    if empty.all():
        return np.full(empty.shape, float(sum(empty.shape)))
    return np.where(empty, np.asarray(distance_transform_edt(empty)) - 0.5, 0.0)


def carve(mattes: UInt8[Tensor, "C H W"], cameras: Camera, *, resolution: int = 96) -> Hull:
    """Carve space by one matte per camera, coarsely around where the cameras look, then finely around what is left.

    Args:
        mattes: coverage by the person, 0..255.
        cameras: the camera of each matte, all in one world of any unit.
        resolution: voxels along the longest side of the fine block.

    Raises:
        InputError: the silhouettes have no common inside: cameras and mattes do not belong together.
    """
    distances = signed_distances(mattes)
    middle, reach = _where_they_look(mattes, cameras)
    coarse = _carved(distances, cameras, middle - reach, 2 * reach / (_COARSE - 1), (_COARSE, _COARSE, _COARSE))
    low, high = coarse.centres.amin(0) - 1.5 * coarse.side, coarse.centres.amax(0) + 1.5 * coarse.side
    side = float((high - low).max()) / (resolution - 1)
    x, y, z = ((high - low) / side).ceil().long().add(1).tolist()
    return _carved(distances, cameras, low, side, (x, y, z))


def surface(hull: Hull, images: UInt8[Tensor, "C H W 3"], cameras: Camera) -> HullSurface:
    """Outermost voxels of a hull with their normals, and their colours in the pictures that see them.

    Args:
        hull: of the same cameras.
        images: sRGB, one per camera.
        cameras: the camera of each picture.
    """
    solid = hull.occupied.numpy()
    shell = torch.nonzero(torch.from_numpy(solid) & ~torch.from_numpy(np.asarray(binary_erosion(solid), dtype=bool)))
    density = np.asarray(gaussian_filter(np.pad(solid, 4).astype(np.float32), 1.5))
    slopes = torch.stack(torch.gradient(torch.from_numpy(density)), -1)[4:-4, 4:-4, 4:-4]
    points = hull.corner + hull.side * shell
    normals = torch.nn.functional.normalize(-slopes[tuple(shell.unbind(1))].float(), dim=1)
    colors = torch.full((len(cameras.intrinsics), len(points), 3), torch.nan)
    for number, image in enumerate(images):
        camera = one_camera(cameras, number)
        small = camera.resized(max(1, camera.width // 4), max(1, camera.height // 4))
        pixels, depth = project_depth(points, small)
        place = _nearest(pixels[0], small.height, small.width)
        centre = torch.linalg.inv(camera.world_to_camera[0])[:3, 3]
        facing = (normals * torch.nn.functional.normalize(centre - points, dim=1)).sum(1) > 0.2
        inside = ((pixels[0] >= 0) & (pixels[0] < torch.tensor([small.width, small.height]))).all(1)
        seen = facing & inside & (depth[0] < hull.depth(small)[place] + 3 * hull.side)
        full = _nearest(project_depth(points, camera)[0][0], camera.height, camera.width)
        colors[number, seen] = image[full].float()[seen] / 255.0
    return HullSurface(points, normals, colors.nanmedian(0).values)


def up_of(cameras: Camera) -> Float[Tensor, "3"]:
    """Which way is up, as the rig tells it: square to the cameras' own horizontals, on the side where they have theirs."""
    axes = cameras.world_to_camera[:, :3, :3]
    mean_up = torch.nn.functional.normalize(-axes[:, 1].mean(0), dim=0)
    # Cameras side by side have nearly one horizontal; the mean of their own ups then decides.
    spread = axes[:, 0].T @ axes[:, 0] / len(axes) - 0.05 * torch.outer(mean_up, mean_up)
    up = torch.linalg.eigh(spread).eigenvectors[:, 0]
    return up * torch.sign(up @ mean_up)


def project_depth(points: Float[Tensor, "n 3"], cameras: Camera) -> tuple[Float[Tensor, "C n 2"], Float[Tensor, "C n"]]:
    """Pixels of points in every camera's picture, and their distance along its axis."""
    in_camera = points @ cameras.world_to_camera[:, :3, :3].mT + cameras.world_to_camera[:, None, :3, 3]
    depth = in_camera[..., 2]
    focal = cameras.intrinsics.diagonal(dim1=1, dim2=2)[:, None, :2]
    return in_camera[..., :2] / depth.clamp_min(1e-6)[..., None] * focal + cameras.intrinsics[:, None, :2, 2], depth


def one_camera(cameras: Camera, index: int) -> Camera:
    """One of several cameras."""
    part = slice(index, index + 1)
    return replace(cameras, world_to_camera=cameras.world_to_camera[part], intrinsics=cameras.intrinsics[part])


def _where_they_look(mattes: Tensor, cameras: Camera) -> tuple[Tensor, float]:
    """The point nearest to all rays through the middles of the mattes, and half the size of the block around it."""
    eyes, rays, sizes = [], [], []
    for number, matte in enumerate(mattes):
        rows, columns = torch.nonzero(matte >= 128).float().unbind(1)
        middle = torch.stack([columns.mean(), rows.mean(), torch.tensor(0.0)]) + torch.tensor([0.5, 0.5, 1.0])
        inverse = torch.linalg.inv(cameras.world_to_camera[number])
        ray = inverse[:3, :3] @ torch.linalg.inv(cameras.intrinsics[number]) @ middle
        eyes.append(inverse[:3, 3])
        rays.append(torch.nn.functional.normalize(ray, dim=0))
        sizes.append(max(float(rows.max() - rows.min()), float(columns.max() - columns.min())) / float(cameras.intrinsics[number, 0, 0]))
    eye, ray = torch.stack(eyes), torch.stack(rays)
    across = torch.eye(3) - ray[:, :, None] * ray[:, None]
    middle = torch.linalg.lstsq(across.sum(0), torch.einsum("nij,nj->i", across, eye)[:, None]).solution[:, 0]
    return middle, 0.7 * max(size * float((middle - start).norm()) for size, start in zip(sizes, eyes, strict=True))


def _carved(distances: Tensor, cameras: Camera, corner: Tensor, side: float, size: tuple[int, int, int]) -> Hull:
    axes = [torch.arange(count) for count in size]
    index = torch.cartesian_prod(*axes)
    kept = torch.cat([_inside(corner + side * part, distances, cameras, side) for part in index.split(_CHUNK)])
    pieces, count = label(kept.view(size).numpy())  # type: ignore[misc]
    if count == 0:
        raise InputError("the silhouettes of the cameras have no common inside; are transforms.json and the pictures of one capture?")
    largest = 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    return Hull(torch.from_numpy(pieces == largest), corner, side)


def _inside(points: Tensor, distances: Tensor, cameras: Camera, side: float) -> Tensor:
    """Whether voxels may be the person's: by half a voxel and half a pixel more than the mattes say, so that thin parts stay."""
    pixels, depth = project_depth(points, cameras)
    seen = ((pixels >= 0) & (pixels < torch.tensor([cameras.width, cameras.height]))).all(-1) & (depth > 0)
    column, row = pixels.long().unbind(-1)
    camera = torch.arange(len(pixels))[:, None]
    outside = distances[camera, row.clamp(0, cameras.height - 1), column.clamp(0, cameras.width - 1)]
    margin = 0.5 + 0.5 * side * cameras.intrinsics[:, 0, 0, None] / depth.clamp_min(1e-6)
    empty = (seen & (outside > margin)).sum(0)
    count = seen.sum(0)
    return (empty <= (_MISTAKEN * count).floor()) & (count >= max(2.0, _SEEN_BY * len(pixels)))


def _nearest(pixels: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    return pixels[:, 1].long().clamp(0, height - 1), pixels[:, 0].long().clamp(0, width - 1)
