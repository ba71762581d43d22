"""What every rasterizer promises: the image and the gradients of `TorchReference` in float64, and sane answers at the edges.

Tolerances: images 1e-5 and gradients 1e-4, relative L2, because float32 keeps about 1e-7 of a value and a pixel of a thousand blended
Gaussians adds up a few hundred of such errors; a cosine over 0.9999 as well, so that large entries cannot hide a wrong direction.
"""

from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import Tensor

from emohead.errors import InputError
from emohead.raster.base import ALPHA_MAX, Rasterizer
from emohead.raster.torch_reference import TorchReference
from emohead.types import Camera, RenderOutput, Splats
from tests.unchecked import as_users_run

BACKGROUND = torch.tensor([0.2, 0.5, 0.8])


@dataclass(frozen=True)
class Case:
    """One scene to compare on."""

    n: int
    size: tuple[int, int]
    """Width, height."""
    seed: int
    dense: bool = False
    """Large, opaque Gaussians that saturate pixels, some clamped at ALPHA_MAX."""
    antialiased: bool = False
    n_bases: int = 1
    focal: float = 1.1
    """Focal length over width; small ones push Gaussians beyond the clamp of the projection's Jacobian."""
    views: int = 1


CASES = {
    "sparse": Case(30, (40, 33), 0),
    "antialiased": Case(200, (64, 64), 1, antialiased=True),
    "saturating": Case(300, (70, 50), 3, dense=True),
    "saturating, antialiased": Case(400, (70, 50), 4, dense=True, antialiased=True),
    "degree 1": Case(60, (48, 24), 5, n_bases=4),
    "degree 3, two views": Case(60, (40, 33), 6, n_bases=16, views=2),
    "wide": Case(120, (64, 40), 7, focal=0.25),
    "wider than a tile": Case(150, (150, 20), 8, antialiased=True),
}


def random_splats(case: Case) -> Splats:
    """Gaussians all over the view, in float32, quaternions of any length."""
    random = torch.Generator().manual_seed(case.seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(case.n, *shape, generator=random)

    opacities = 0.02 + torch.rand(case.n, generator=random) * (0.98 if case.dense else 0.88)
    return Splats(
        normal(3) * torch.tensor([1.0, 0.8, 0.5]),
        normal(4),
        torch.exp(0.6 * normal(3)) * (0.25 if case.dense else 0.1),
        opacities,
        torch.cat([(torch.rand(case.n, 1, 3, generator=random) - 0.4) / 0.28209479, 0.3 * normal(case.n_bases - 1, 3)], 1),
    )


def camera_of(case: Case) -> Camera:
    """Cameras three metres away, turned a little, their principal points off centre."""
    width, height = case.size
    matrices = []
    for view in range(case.views):
        angle = torch.tensor(0.3 - 0.5 * view)
        matrix = torch.eye(4)
        matrix[0, 0], matrix[0, 2], matrix[2, 0], matrix[2, 2] = angle.cos(), angle.sin(), -angle.sin(), angle.cos()
        matrix[:3, 3] = torch.tensor([0.1, -0.05, 3.0])
        matrices.append(matrix)
    focal = case.focal * width
    intrinsics = torch.tensor([[focal, 0, width / 2 + 1.3], [0, 0.95 * focal, height / 2 - 0.7], [0, 0, 1]])
    return Camera(torch.stack(matrices), intrinsics.repeat(case.views, 1, 1), width, height)


def one_gaussian(*, opacity: float = 0.8, depth: float = 2.0, sigma: float = 0.05, rgb: tuple[float, ...] = (0.9, 0.3, 0.1)) -> Splats:
    """A round Gaussian on the optical axis."""
    return Splats(
        torch.tensor([[0.0, 0.0, depth]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.full((1, 3), sigma),
        torch.tensor([opacity]),
        (torch.tensor([[rgb]]) - 0.5) / 0.28209479177387814,
    )


def front_camera(width: int = 33, height: int = 21, focal: float = 60.0) -> Camera:
    """A camera at the origin whose axis meets the middle of the middle pixel (odd sizes)."""
    return Camera(torch.eye(4)[None], torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]), width, height)


def moved(value: Splats | Camera, kind: torch.device | torch.dtype) -> Splats | Camera:
    """Splats or a camera on another device or in another precision."""
    tensors = {field.name: getattr(value, field.name) for field in fields(value)}
    return replace(value, **{name: tensor.to(kind) for name, tensor in tensors.items() if isinstance(tensor, Tensor)})


def as_leaves(splats: Splats) -> Splats:
    """The same splats, each field a leaf that wants a gradient."""
    return Splats(*(getattr(splats, field.name).detach().clone().requires_grad_(True) for field in fields(splats)))


def images(output: RenderOutput) -> list[Tensor]:
    """rgb, alpha, depth, on the CPU in float64."""
    return [image.detach().double().cpu() for image in (output.rgb, output.alpha, output.depth)]


def relative_error(found: Tensor, expected: Tensor) -> float:
    """L2 norm of the difference over that of what is expected."""
    return float((found.detach().double().cpu() - expected.detach()).norm() / expected.norm().clamp_min(1e-12))


def weighted_sum(output: RenderOutput, seed: int = 0) -> Tensor:
    """A loss that looks at every pixel of every image with its own sign."""
    random = torch.Generator().manual_seed(seed)
    drawn = (output.rgb, output.alpha, 0.3 * output.depth)
    return sum((image * torch.randn(image.shape, generator=random).to(image)).sum() for image in drawn)  # type: ignore[return-value]


class RasterizerContract:
    """Subclass it and give `build`; `device` is where it draws."""

    device = torch.device("cpu")

    def build(self) -> Rasterizer:
        """The rasterizer under test; may call pytest.skip."""
        raise NotImplementedError

    @pytest.fixture
    def draw(self):
        rasterizer = self.build()

        def call(splats: Splats, camera: Camera, *, background: Tensor | None = None, antialiased: bool = False) -> RenderOutput:
            backdrop = None if background is None else background.to(self.device)
            return rasterizer(moved(splats, self.device), moved(camera, self.device), background=backdrop, antialiased=antialiased)

        return call

    @pytest.mark.parametrize("name", CASES)
    def test_images_and_gradients_of_the_reference(self, draw, name: str):
        case = CASES[name]
        results = []
        for call, dtype in ((draw, torch.float32), (TorchReference(), torch.float64)):
            splats = as_leaves(moved(random_splats(case), dtype))
            background = BACKGROUND.to(dtype).requires_grad_(True)
            output = call(splats, moved(camera_of(case), dtype), background=background, antialiased=case.antialiased)
            leaves = [*(getattr(splats, field.name) for field in fields(splats)), background]
            gradients = torch.autograd.grad(weighted_sum(output), leaves)
            results.append((images(output), [gradient.double() for gradient in gradients]))
        (drawn, gradients), (expected, expected_gradients) = results
        if case.dense:
            assert float(expected[1].max()) > 0.999, "the case is meant to saturate"
        for label, image, wanted in zip(("rgb", "alpha", "depth"), drawn, expected, strict=True):
            assert image.shape == wanted.shape
            assert relative_error(image, wanted) < 1e-5, label
        for label, gradient, wanted in zip(
            ("means", "quats", "scales", "opacities", "sh", "background"), gradients, expected_gradients, strict=True
        ):
            assert relative_error(gradient, wanted) < 1e-4, label
            assert float(torch.cosine_similarity(gradient.flatten(), wanted.flatten(), 0)) > 0.9999, label

    def test_one_gaussian_by_hand(self, draw):
        output = draw(one_gaussian(), front_camera())
        variance = (60.0 / 2.0 * 0.05) ** 2 + 0.3
        rgb, alpha, depth = images(output)
        for dx, dy in ((0, 0), (1, 0), (0, -1), (2, 2)):
            expected = 0.8 * torch.tensor(-0.5 * (dx * dx + dy * dy) / variance, dtype=torch.float64).exp()
            found = alpha[0, 10 + dy, 16 + dx]
            assert abs(float(found - expected)) < 1e-5
            assert abs(float(depth[0, 10 + dy, 16 + dx] - 2.0 * expected)) < 1e-5
            assert torch.allclose(rgb[0, 10 + dy, 16 + dx], expected * torch.tensor([0.9, 0.3, 0.1], dtype=torch.float64), atol=1e-5)
        assert float(alpha[0, 0, 0]) == 0.0

    def test_opacity_is_clamped(self, draw):
        alpha = images(draw(one_gaussian(opacity=1.0), front_camera()))[1]
        assert abs(float(alpha[0, 10, 16]) - ALPHA_MAX) < 1e-5

    def test_nearer_covers_farther_whatever_the_order(self, draw):
        red, green = one_gaussian(opacity=0.9, rgb=(1, 0, 0)), one_gaussian(opacity=0.9, depth=3.0, rgb=(0, 1, 0))
        both = [(red, green), (green, red)]
        outputs = [
            images(draw(Splats(*(torch.cat([getattr(s, f.name) for s in pair]) for f in fields(red))), front_camera())) for pair in both
        ]
        assert torch.equal(outputs[0][0], outputs[1][0])
        assert outputs[0][0][0, 10, 16, 0] > 0.89 > 0.1 > outputs[0][0][0, 10, 16, 1]

    def test_shuffled_splats_give_the_same_image(self, draw):
        case = CASES["saturating"]
        splats = random_splats(case)
        shuffle = torch.randperm(case.n, generator=torch.Generator().manual_seed(9))
        shuffled = Splats(*(getattr(splats, field.name)[shuffle] for field in fields(splats)))
        for image, other in zip(images(draw(splats, camera_of(case))), images(draw(shuffled, camera_of(case))), strict=True):
            assert torch.allclose(image, other, atol=1e-6)

    def test_scene_and_camera_moved_together(self, draw):
        case = CASES["degree 1"]
        splats, camera = random_splats(case), camera_of(case)
        shift = torch.tensor([0.5, -0.25, 0.125])
        matrix = camera.world_to_camera.clone()
        matrix[0, :3, 3] -= matrix[0, :3, :3] @ shift
        first = images(draw(splats, camera))
        second = images(draw(replace(splats, means=splats.means + shift), replace(camera, world_to_camera=matrix)))
        for image, other in zip(first, second, strict=True):
            # Adding the shift rounds positions to 1e-7 m, which is 1e-5 px here.
            assert relative_error(other, image) < 1e-4

    def test_background_shows_where_nothing_is(self, draw):
        case = CASES["sparse"]
        plain = draw(random_splats(case), camera_of(case))
        over = draw(random_splats(case), camera_of(case), background=BACKGROUND)
        rest = (1 - plain.alpha)[..., None] * BACKGROUND.to(self.device)
        assert torch.allclose(over.rgb, plain.rgb + rest, atol=1e-6)
        assert torch.equal(over.alpha, plain.alpha) and torch.equal(over.depth, plain.depth)

    def test_views_are_independent(self, draw):
        case = CASES["degree 3, two views"]
        camera = camera_of(case)
        together = draw(random_splats(case), camera)
        for view in range(2):
            single = replace(camera, world_to_camera=camera.world_to_camera[view : view + 1], intrinsics=camera.intrinsics[view : view + 1])
            assert torch.equal(draw(random_splats(case), single).rgb[0], together.rgb[view])

    def test_nothing_to_draw(self, draw):
        empty = random_splats(Case(0, (1, 1), 0))
        behind = replace(one_gaussian(), means=torch.tensor([[0.0, 0.0, -2.0]]))
        beside = replace(one_gaussian(), means=torch.tensor([[90.0, 0.0, 2.0]]))
        faint = one_gaussian(opacity=0.003)
        for splats in (empty, behind, beside, faint):
            output = draw(splats, front_camera(), background=BACKGROUND)
            assert torch.equal(output.alpha.cpu(), torch.zeros(1, 21, 33))
            assert torch.allclose(output.rgb.cpu(), BACKGROUND.expand(1, 21, 33, 3))

    def test_gradients_of_what_is_not_drawn_are_zero(self, draw):
        splats = as_leaves(replace(one_gaussian(), means=torch.tensor([[0.0, 0.0, -2.0]])))
        gradients = torch.autograd.grad(weighted_sum(draw(splats, front_camera())), [splats.means, splats.scales, splats.opacities])
        assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in gradients)

    def test_one_pixel(self, draw):
        output = draw(one_gaussian(), front_camera(1, 1))
        assert output.rgb.shape == (1, 1, 1, 3) and abs(float(output.alpha) - 0.8) < 1e-5

    def test_gaussians_larger_than_the_world(self, draw):
        splats = as_leaves(one_gaussian(sigma=1e4))
        output = draw(splats, front_camera())
        assert torch.allclose(output.alpha.cpu(), torch.full((1, 21, 33), 0.8), atol=1e-4)
        gradients = torch.autograd.grad(weighted_sum(output), [splats.means, splats.scales, splats.quats])
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)

    def test_gaussians_close_to_the_camera(self, draw):
        splats = as_leaves(one_gaussian(depth=0.011, sigma=0.02))
        gradients = torch.autograd.grad(weighted_sum(draw(splats, front_camera())), [splats.means, splats.scales, splats.opacities])
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)

    def test_flat_gaussians(self, draw):
        splats = as_leaves(replace(one_gaussian(), scales=torch.tensor([[0.05, 0.0, 0.0]])))
        for antialiased in (False, True):
            output = draw(splats, front_camera(), antialiased=antialiased)
            gradients = torch.autograd.grad(weighted_sum(output), [splats.means, splats.opacities])
            assert all(bool(gradient.isfinite().all()) for gradient in gradients)

    @pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities", "sh"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_finite(self, draw, field: str, value: float):
        splats = random_splats(CASES["sparse"])
        getattr(splats, field).view(-1)[7] = value
        with pytest.raises(InputError, match=field):
            draw(splats, front_camera())

    def test_shapes_it_refuses(self, draw):
        splats = one_gaussian()
        with as_users_run():
            wrong = [
                replace(splats, means=splats.means[None]),
                replace(splats, opacities=torch.ones(2)),
                replace(splats, sh=torch.zeros(1, 5, 3)),
            ]
            for broken in wrong:
                with pytest.raises(InputError):
                    draw(broken, front_camera())
            with pytest.raises(InputError, match="background"):
                draw(splats, front_camera(), background=torch.zeros(4))
            with pytest.raises(InputError, match="0x21"):
                draw(splats, replace(front_camera(), width=0))
            with pytest.raises(InputError, match="intrinsics"):
                draw(splats, replace(front_camera(), intrinsics=torch.eye(3).repeat(2, 1, 1)))
            with pytest.raises(InputError, match="camera has values"):
                draw(splats, replace(front_camera(), world_to_camera=torch.full((1, 4, 4), float("nan"))))
