"""Losses that a fit may add to colour and coverage: a likeness of networks (LPIPS), steady action units, and a critic of small crops.

Each is one class with the methods of `LossTerm`. A fit makes them with `loss_terms`, adds what they say to its loss, calls `update` after
every step and keeps their `state` in its checkpoint. Whatever is random in them follows from the seed and the step's number alone, so a
fit that was stopped goes on to the same result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from emohead.errors import InputError
from emohead.head.base import HeadModel
from emohead.metrics.perceptual import weights_file, why_not
from emohead.types import HeadIdentity, HeadMotion
from recon.au_decoder import EYE_CORNERS, flatten, load_au_decoder
from recon.landmark_head import landmark_points

Box = tuple[slice, slice]
"""Rows and columns."""
_ADAM = ("exp_avg", "exp_avg_sq", "step")
_CRITIC_RATE = 2e-4
"""Adam's step size of the critic (Isola et al. 2017, section 3.3)."""
_POSE_INPUTS = 5
"""Of the AU decoder: none of them tells anything of a mesh without pose."""
_SMALL = 1e-3
"""Displacement of a landmark for a derivative, in distances of the eye corners."""
_SMALLEST = {"alex": 64, "vgg": 32}
"""Least side of a picture, pixels, that a network of LPIPS can see."""


@dataclass(frozen=True)
class ExtraLosses:
    """How much each further loss counts; 0 is off."""

    perceptual: float = 0.0
    """Weight of LPIPS on the face; needs weights that do not come with EmoHead."""
    network: str = "alex"
    """LPIPS's network, alex or vgg."""
    perceptual_if_available: bool = False
    """Do without LPIPS where its weights are missing, with a note, instead of an error."""
    au_consistency: float = 0.0
    """Weight of the change of action units by the learned calibration; 0.05 lets a third of it pass."""
    adversarial: float = 0.0
    """Weight of the critic; at 0.005 it pulls about as hard on a crop as colour does."""
    adversarial_from: float = 0.5
    """Share of the steps after which the critic begins."""
    r1: float = 0.0
    """Weight of the critic's gradient penalty, 0 for none."""

    def check(self) -> None:
        """Find out before a long run what cannot be fitted.

        Raises:
            InputError: a negative weight, or LPIPS is asked for and something of it is missing.
        """
        for name in ("perceptual", "au_consistency", "adversarial", "r1"):
            weight = getattr(self, name)
            if not 0 <= weight < float("inf"):
                raise InputError(f"loss weight {name} is {weight:g}; give 0 (off) or more")
        if self.perceptual > 0 and not self.perceptual_if_available:
            _require(self.network)


@dataclass(frozen=True)
class Moment:
    """What a loss term may look at in one training step."""

    step: int
    """Steps done before."""
    share: float
    """The same as a share of all steps, 0..1."""
    picture: int
    """Which picture is drawn."""
    drawn: Float[Tensor, "H W 3"]
    """The drawn picture, differentiable."""
    target: Float[Tensor, "H W 3"]
    """What it should be, 0..1."""
    motion: HeadMotion
    """The motion that was drawn: calibrated, one frame; it has a gradient only in steps that train the calibration."""
    face: Box | None
    """The face in `drawn`, None if there is none."""


@runtime_checkable
class LossTerm(Protocol):
    """One further loss."""

    name: str
    """Its part of the names in a checkpoint."""

    def __call__(self, moment: Moment) -> Float[Tensor, ""]:
        """The weighted loss, differentiable; 0 where it has nothing to say."""
        ...

    def update(self) -> None:
        """Train what the term itself trains, on what the last call showed."""
        ...

    def state(self) -> dict[str, Tensor]:
        """A copy of everything that changes while training."""
        ...

    def resume(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        ...


class _Fixed:
    """A term that trains nothing."""

    def update(self) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def resume(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""


class PerceptualTerm(_Fixed):
    """LPIPS of the face (Zhang et al. 2018, equation 1), differentiable; the network is fixed and never downloaded."""

    name = "perceptual"

    def __init__(self, weight: float, *, network: str = "alex"):
        """Load the network.

        Raises:
            InputError: another network, or packages or weights are missing.
        """
        _require(network)
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self.weight, self.least = weight, _SMALLEST[network]
        self.network = LearnedPerceptualImagePatchSimilarity(net_type=network).net.eval().requires_grad_(False)  # type: ignore[arg-type]

    def __call__(self, moment: Moment) -> Tensor:
        """`weight` times the distance of the two faces."""
        height, width = moment.drawn.shape[:2]
        if moment.face is None or min(height, width) < self.least:
            return moment.drawn.new_zeros(())
        box = tuple(_at_least(side, self.least, size) for side, size in zip(moment.face, (height, width), strict=True))
        first, second = (image[box].permute(2, 0, 1)[None].clamp(0, 1) * 2 - 1 for image in (moment.drawn, moment.target))
        return self.weight * self.network(first, second).mean()


class AUConsistencyTerm(_Fixed):
    """The calibration must not change what is expressed: action units of the calibrated mesh stay those of the tracked mesh."""

    name = "au_consistency"

    def __init__(self, weight: float, head: HeadModel, identity: HeadIdentity, tracked: HeadMotion):
        """Read the action units of the `tracked` motion of every picture.

        Raises:
            InputError: the head model's landmarks are not known, or the decoder is absent.
        """
        self.weight, self.read = weight, MeshReader(head, identity)
        with torch.no_grad():
            # One frame at a time, as in the fit: rounding is the same, and no change is exactly 0.
            self.expected = torch.cat([self.read(rig) for rig in tracked.rig.split(1)])

    def __call__(self, moment: Moment) -> Tensor:
        """`weight` times the mean absolute change over the decoded channels."""
        if not moment.motion.rig.requires_grad:
            return moment.drawn.new_zeros(())
        return self.weight * (self.read(moment.motion.rig)[0] - self.expected[moment.picture]).abs().mean()


class AdversarialTerm:
    """A critic of patches (Isola et al. 2017, section 3.2.2) that learns to tell drawn crops from real ones, with the hinge loss.

    Its layers are held to a slope of 1 (Miyato et al. 2018). It sees one random crop in the face at a time.
    """

    name = "adversarial"

    def __init__(self, weight: float, *, start: float = 0.5, r1: float = 0.0, side: int = 128, seed: int = 0):
        """A fresh critic; `side` is the crop's, pixels, at most the picture's."""
        self.weight, self.start, self.r1, self.side, self.seed = weight, start, r1, side, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.critic = _critic().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=_CRITIC_RATE, betas=(0.5, 0.999))
        self._seen: tuple[Tensor, Tensor] | None = None

    def __call__(self, moment: Moment) -> Tensor:
        """`weight` times how sure the critic is that a crop of `drawn` is drawn."""
        if moment.face is None or moment.share < self.start:
            return moment.drawn.new_zeros(())
        crop = self._crop(moment)
        drawn, real = (image[crop].permute(2, 0, 1)[None] * 2 - 1 for image in (moment.drawn, moment.target))
        self._seen = drawn.detach(), real.detach()
        # In evaluation mode the spectral norms stay what the critic's own step left.
        return -self.weight * self.critic.eval()(drawn).mean()

    def update(self) -> None:
        """One step of the critic on the last crops."""
        if self._seen is None:
            return
        drawn, real = self._seen
        self._seen = None
        self.critic.train().requires_grad_(True)
        real.requires_grad_(self.r1 > 0)
        says_drawn, says_real = self.critic(torch.cat([drawn, real])).chunk(2)
        loss = functional.relu(1 + says_drawn).mean() + functional.relu(1 - says_real).mean()
        if self.r1 > 0:  # Mescheder et al. 2018, equation 9
            (slope,) = torch.autograd.grad(says_real.sum(), real, create_graph=True)
            loss = loss + 0.5 * self.r1 * slope.square().sum()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.critic.requires_grad_(False)

    def state(self) -> dict[str, Tensor]:
        """A copy of the critic and its optimiser."""
        kept = {f"critic.{name}": tensor.detach().clone() for name, tensor in self.critic.state_dict().items()}
        for number, tensor in enumerate(self.critic.parameters()):
            for key in _ADAM:
                if key in self.optimizer.state[tensor]:
                    kept[f"adam.{number}.{key}"] = self.optimizer.state[tensor][key].clone()
        return kept

    def resume(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        self.critic.load_state_dict({name.removeprefix("critic."): tensor for name, tensor in state.items() if name.startswith("critic.")})
        for number, tensor in enumerate(self.critic.parameters()):
            self.optimizer.state[tensor] = {key: state[f"adam.{number}.{key}"].clone() for key in _ADAM if f"adam.{number}.{key}" in state}

    def _crop(self, moment: Moment) -> Box:
        """A square whose middle is a random place of the face, inside the picture."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + moment.step)
        assert moment.face is not None
        sides = []
        for face, size in zip(moment.face, moment.drawn.shape[:2], strict=True):
            side = min(self.side, size)
            middle = face.start + float(torch.rand((), generator=generator)) * (face.stop - face.start)
            start = min(max(0, round(middle - side / 2)), size - side)
            sides.append(slice(start, start + side))
        return sides[0], sides[1]


def loss_terms(
    settings: ExtraLosses,
    head: HeadModel,
    identity: HeadIdentity,
    tracked: HeadMotion,
    *,
    seed: int = 0,
) -> list[LossTerm]:
    """The terms whose weight is not 0.

    Args:
        settings: weights.
        head: what the clip was tracked with.
        identity: of the tracked person.
        tracked: the motion of every picture before calibration.
        seed: of the critic.

    Raises:
        InputError: a negative weight, or what a term needs is missing.
    """
    settings.check()
    terms: list[LossTerm] = []
    if settings.perceptual > 0 and perceptual_note(settings) is None:
        terms.append(PerceptualTerm(settings.perceptual, network=settings.network))
    if settings.au_consistency > 0:
        terms.append(AUConsistencyTerm(settings.au_consistency, head, identity, tracked))
    if settings.adversarial > 0:
        terms.append(AdversarialTerm(settings.adversarial, start=settings.adversarial_from, r1=settings.r1, seed=seed))
    return terms


def perceptual_note(settings: ExtraLosses) -> str | None:
    """What the user should know when a wanted LPIPS is left out because something is missing; else None."""
    missing = why_not(settings.network) if settings.perceptual > 0 and settings.perceptual_if_available else None
    return f"fitted without LPIPS: {_how_to_get(settings.network, missing)}" if missing else None


def states(terms: Sequence[LossTerm]) -> dict[str, Tensor]:
    """What all terms keep, for a checkpoint: names begin with `term.`."""
    return {f"term.{term.name}.{name}": tensor for term in terms for name, tensor in term.state().items()}


def resume_terms(terms: Sequence[LossTerm], saved: dict[str, Tensor]) -> None:
    """Give every term its part of a checkpoint and take those entries out of it."""
    for term in terms:
        prefix = f"term.{term.name}."
        term.resume({name.removeprefix(prefix): saved.pop(name) for name in list(saved) if name.startswith(prefix)})


def face_box(regions: Sequence[Box], height: int, width: int) -> Box | None:
    """The face around its eye and mouth boxes, a quarter of their size wider on every side; None without boxes."""
    if not regions:
        return None
    sides = []
    for axis, size in enumerate((height, width)):
        start, stop = min(box[axis].start for box in regions), max(box[axis].stop for box in regions)
        pad = (stop - start) // 4
        sides.append(slice(max(0, start - pad), min(size, stop + pad)))
    return (sides[0], sides[1]) if all(side.start < side.stop for side in sides) else None


class MeshReader:
    """Action units of a mesh as the AU decoder reads them off a filmed clip's landmarks, differentiable in the rig.

    The mesh is seen from the front with its neutral face known, and the rig takes the place of the landmarker's scores. What `flatten`
    would take for pose (an opening jaw looks partly like a nod) is taken out by its derivative at the neutral face: unlike its singular
    value decompositions, that has a gradient.
    """

    def __init__(self, head: HeadModel, identity: HeadIdentity):
        """A reader of one person's mesh.

        Raises:
            InputError: the head model's landmarks are not known, or the decoder is absent or damaged.
        """
        self.identity, self.points, self.decoder = identity, landmark_points(head), load_au_decoder()
        with torch.no_grad():
            face = self.points(identity, HeadMotion.neutral(1, 25.0))[0]
            self.size = (face[EYE_CORNERS[0], :2] - face[EYE_CORNERS[1], :2]).norm()
            self.face = face / self.size
            self.without_pose = _without_pose(self.face.double()).float()

    def __call__(self, rig: Float[Tensor, "T R"]) -> Float[Tensor, "T D"]:
        """Intensities 0..1 of the decoder's channels."""
        still = HeadMotion.neutral(len(rig), 25.0)
        change = (self.points(self.identity, replace(still, rig=rig)) / self.size - self.face)[..., :2].flatten(1)
        return self.decoder(change @ self.without_pose, torch.cat([rig, rig.new_zeros(len(rig), _POSE_INPUTS)], 1))


def _without_pose(face: Float[Tensor, "478 3"]) -> Float[Tensor, "956 956"]:
    """From small displacements of the landmarks of `face` to what `flatten` leaves of them, by central differences."""
    steps = _SMALL * torch.eye(face.shape[0] * 2, dtype=face.dtype).unflatten(1, (-1, 2))
    flip = torch.tensor([1.0, -1.0]).to(face)  # pictures have y down
    there, back = (flatten((face[:, :2] + sign * steps) * flip, face).points.flatten(1) for sign in (1, -1))
    return (there - back) / (2 * _SMALL)


def _critic() -> nn.Sequential:
    """Three halvings and a score per patch of 46 pixels; 0.17 million weights."""
    widths, layers = (3, 32, 64, 128), []
    for before, after in pairwise(widths):
        layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 4, padding=1)))


def _at_least(side: slice, least: int, size: int) -> slice:
    """`side`, or `least` pixels around its middle, inside 0..`size`."""
    start = min(max(0, (side.start + side.stop - least) // 2), size - least)
    return side if side.stop - side.start >= least else slice(start, start + least)


def _require(network: str) -> None:
    missing = why_not(network)
    if missing:
        raise InputError(f"perceptual loss: {_how_to_get(network, missing)}, or leave it out")


def _how_to_get(network: str, missing: str) -> str:
    return f"LPIPS ({network}) lacks {missing}; install torchmetrics and torchvision, and put torchvision's {weights_file(network)} there"
