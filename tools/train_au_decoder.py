"""Make emohead/assets/au_decoder.safetensors from synthetic heads, in minutes on one core:

    EMOHEAD_ASSETS=../shared/data/tracker python tools/train_au_decoder.py --heads ../shared/data/heads/makehuman_heads.npz

MakeHuman identities, and blends of them, do action units before random cameras; MediaPipe's landmarker looks at the pictures (kept under
--work as landmarks and scores), and a few small networks learn the action units from what it says. The last 50 identities train nothing:
what the networks make of them is stored as the confidence of each channel. No clip is used. About eleven minutes of one core.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import torch
from au_decoder_pictures import (
    Heads,
    likely_amounts,
    load_heads,
    person,
    picture,
    posed,
    random_amounts,
    random_look,
    random_person,
    random_shot,
    random_view,
    to_channels,
)
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from emohead import assets
from emohead.channels import AU_INDEX, AU_NAMES, RIG_INDEX, other_side
from emohead.head.generic import load_generic
from emohead.output import whole_file
from emohead.types import HeadMotion
from recon.au_decoder import ASSET_NAME, EYE_CORNERS, INPUT_LIMIT, VERSION, AUDecoder, differences, mirrored
from recon.landmarks import detect_landmarks
from recon.types import FaceLandmarks

N_NEUTRAL, N_EXPRESSIVE = 4, 22
N_VALIDATION = 50
LEAST_DEVIATION = 0.03
"""A score that varies less on synthetic heads (noseSneer hardly does) counts for less, since it may vary more on people."""
N_BLENDS, N_TALKERS = 150, 300
"""People between two identities of the data: with random expressions, and with those that people show."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training run."""

    components: int = 80
    """Principal components of the landmark differences."""
    hidden: int = 256
    """Units of each of the two hidden layers."""
    networks: int = 3
    """How many are trained, from different initial weights; their mean counts."""
    epochs: int = 14
    """Passes over the training pictures, each also mirrored."""
    batch: int = 256
    """Pictures a step."""
    learning_rate: float = 2e-3
    """Peak, AdamW with a one-cycle schedule."""
    weight_decay: float = 0.05
    """AdamW's."""
    jitter: float = 0.15
    """Noise added to the inputs, in their standard deviations."""
    dropout: float = 0.2
    """Of hidden units."""
    seed: int = 0
    """Of the initial weights and the order of pictures; the pictures themselves have the seed of their person."""


@dataclass(frozen=True)
class Pictures:
    """What the landmarker saw."""

    landmarks: FaceLandmarks
    au: Tensor
    """[n 46] true intensities."""
    person: Tensor
    """[n] who."""
    neutral: Tensor
    """[n] pictures taken for the neutral face."""


@dataclass(frozen=True)
class Examples:
    """Inputs and targets of the network."""

    change: Tensor
    """[n 956] landmark differences."""
    others: Tensor
    """[n Q] score differences and pose."""
    au: Tensor
    """[n D]."""


def main() -> None:
    """Take the pictures, train, write the asset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=Path, required=True, help="makehuman_heads.npz")
    parser.add_argument("--work", type=Path, default=Path("build/au_decoder"), help="keeps what the landmarker saw")
    parser.add_argument("-o", "--output", type=Path, default=assets.PACKAGE_ASSETS / ASSET_NAME)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    heads = load_heads(arguments.heads)
    pictures = load_pictures(heads, arguments.work / "pictures.npz")
    decoder = train(pictures, heads, TrainConfig())
    save(decoder, arguments.output)


def load_pictures(heads: Heads, path: Path) -> Pictures:
    """The pictures' landmarks, taken now unless they are kept."""
    if not path.exists():
        truth: list[np.ndarray] = []
        landmarks = detect_landmarks(take_pictures(heads, range(len(heads.neutral) + N_BLENDS + N_TALKERS), truth))
        with whole_file(path) as partial:
            np.savez(partial, points=landmarks.points.numpy(), scores=landmarks.scores.numpy(), au=np.array(truth, np.float32))
    with np.load(path, allow_pickle=False) as data:
        points, scores, au = (torch.from_numpy(data[name]) for name in ("points", "scores", "au"))
    each = N_NEUTRAL + N_EXPRESSIVE
    index = torch.arange(len(au))
    return Pictures(FaceLandmarks(points, scores), au, index // each, index % each < N_NEUTRAL)


def take_pictures(heads: Heads, people: range, truth: list[np.ndarray]) -> Iterator[Tensor]:
    """Everybody's pictures: some neutral ones, hardly turned, then expressive ones; appends the action units to `truth`.

    The data's identities come first, then blends of those that may train. The training identities are seen from a new distance in every
    picture, which teaches that distance means nothing; the others by a camera that stands still, as in a clip.
    """
    n_identities = len(heads.neutral)
    for number in people:
        rng = np.random.default_rng(1000 + number)
        someone = person(heads, number) if number < n_identities else random_person(heads, n_identities - N_VALIDATION, rng)
        look = random_look(heads, someone, rng)
        likely = number >= n_identities + N_BLENDS
        view = random_view(rng) if number >= n_identities - N_VALIDATION else None
        for index in range(N_NEUTRAL + N_EXPRESSIVE):
            expressive = index >= N_NEUTRAL
            shot = random_shot(rng, turn=1.0 if expressive else 0.5, view=view)
            amounts = (likely_amounts if likely else random_amounts)(heads, rng) * expressive
            truth.append(to_channels(heads, amounts))
            yield torch.from_numpy(picture(heads, posed(heads, someone, amounts, shot), look, shot, rng))


def train(pictures: Pictures, heads: Heads, config: TrainConfig) -> AUDecoder:
    """The decoder, with its confidence from the validation identities."""
    face, order = mean_face()
    channels = tuple(AU_NAMES[index] for index in sorted({c for c in heads.channels if c >= 0}))
    n_people, n_identities = int(pictures.person.max()) + 1, len(heads.neutral)
    validating = range(n_identities - N_VALIDATION, n_identities)
    training = examples(pictures, [number for number in range(n_people) if number not in validating], face, channels)
    validation = examples(pictures, list(validating), face, channels)
    torch.manual_seed(config.seed)
    _, singular, right = torch.svd_lowrank(training.change, q=config.components + 40, niter=4)
    components = right[:, : config.components] / singular[: config.components] * len(training.change) ** 0.5
    straight = torch.cat([training.change @ components, training.others], 1)
    mirror_change, mirror_others = mirrored(training.change, training.others, order)
    inputs = torch.cat([straight, torch.cat([mirror_change @ components, mirror_others], 1)])
    targets = torch.cat([training.au, training.au[:, [channels.index(other_side(name)) for name in channels]]])
    mean, deviation = inputs.mean(0), inputs.std(0)
    scale = 1 / deviation.clamp_min(LEAST_DEVIATION)
    nets = [fit(((inputs - mean) * scale).clamp(-INPUT_LIMIT, INPUT_LIMIT), targets, config) for _ in range(config.networks)]
    linear = [[layer for layer in net if isinstance(layer, nn.Linear)] for net in nets]
    weights = tuple(torch.stack([layer.weight.detach() for layer in same]) for same in zip(*linear, strict=True))
    biases = tuple(torch.stack([layer.bias.detach() for layer in same]) for same in zip(*linear, strict=True))
    decoder = AUDecoder(face, order, components, mean, scale, weights, biases, torch.zeros(len(channels)), channels)
    return replace(decoder, confidence=confidence(decoder, validation))


def confidence(decoder: AUDecoder, validation: Examples) -> Tensor:
    """Correlation [D] with the truth, sides alike."""
    found = decoder(validation.change, validation.others)
    found, true = found - found.mean(0), validation.au - validation.au.mean(0)
    each = (found * true).sum(0) / (found.norm(dim=0) * true.norm(dim=0)).clamp_min(1e-12)
    each = (each + each[[decoder.channels.index(other_side(name)) for name in decoder.channels]]) / 2
    listed = ", ".join(f"{name} {value:.2f}" for name, value in zip(decoder.channels, each.tolist(), strict=True))
    print(f"correlation with the truth on identities not trained on: median {float(each.median()):.3f}; {listed}")
    return each.clamp(0.0, 1.0)


def mean_face() -> tuple[Tensor, Tensor]:
    """The generic head's landmarks [478 3], outer eye corners 1 apart, and the mirror image of each [478].

    Mirror images are matched with the mouth open and the eyes half shut too, since lips touch at rest.
    """
    head = load_generic()
    motion = HeadMotion.neutral(2, 25.0)
    motion.rig[1, [RIG_INDEX[name] for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")]] = 0.5
    points = head.landmarks(head(head.identity(), motion).vertices, "mediapipe478")
    points = points / (points[0, EYE_CORNERS[0]] - points[0, EYE_CORNERS[1]]).norm()
    flip = torch.tensor([-1.0, 1.0, 1.0])
    distance = torch.cdist(points * flip, points).sum(0)
    order = torch.from_numpy(linear_sum_assignment(distance + distance.T)[1])
    if not bool((order[order] == torch.arange(len(order))).all()):
        raise ValueError("the landmarks of the generic head have no mirror images; rebuild it")
    return (points[0] + (points[0] * flip)[order]) / 2, order


def examples(pictures: Pictures, people: list[int], face: Tensor, channels: tuple[str, ...]) -> Examples:
    """Inputs and targets of the expressive pictures of some people."""
    parts = []
    for number in people:
        chosen = (pictures.person == number) & pictures.landmarks.found
        neutral = pictures.neutral[chosen]
        if int(neutral.sum()) < 2:
            continue
        seen = FaceLandmarks(pictures.landmarks.points[chosen], pictures.landmarks.scores[chosen])
        change, others = differences(face, seen, neutral.nonzero()[:, 0])
        parts.append((change[~neutral], others[~neutral], pictures.au[chosen][~neutral]))
    change, others, au = (torch.cat(values) for values in zip(*parts, strict=True))
    return Examples(change, others, au[:, [AU_INDEX[name] for name in channels]])


def fit(inputs: Tensor, targets: Tensor, config: TrainConfig) -> nn.Sequential:
    """A network by least squares."""
    sizes = [inputs.shape[1], config.hidden, config.hidden]
    hidden = [(nn.Linear(*pair), nn.SiLU(), nn.Dropout(config.dropout)) for pair in pairwise(sizes)]
    net = nn.Sequential(*chain.from_iterable(hidden), nn.Linear(config.hidden, targets.shape[1]))
    per_epoch = len(inputs) // config.batch
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.epochs * per_epoch, pct_start=0.1)
    for _ in range(config.epochs):
        for rows in torch.randperm(len(inputs))[: per_epoch * config.batch].view(-1, config.batch):
            given = inputs[rows] + config.jitter * torch.randn(len(rows), inputs.shape[1])
            loss = (net(given) - targets[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net


def save(decoder: AUDecoder, path: Path) -> None:
    """Write the asset: half precision, but for what scales inputs."""
    layers = range(len(decoder.weights))
    tensors = {name: getattr(decoder, name) for name in ("mean_face", "mirror", "components", "input_mean", "input_scale", "confidence")}
    tensors |= {f"weight{layer}": decoder.weights[layer].half() for layer in layers}
    tensors |= {f"bias{layer}": decoder.biases[layer] for layer in layers}
    tensors["components"], tensors["mirror"] = decoder.components.half(), decoder.mirror.to(torch.int16)
    metadata = {"version": VERSION, "layers": len(layers), "channels": decoder.channels}
    with whole_file(path) as partial:
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata={"au_decoder": json.dumps(metadata)})


if __name__ == "__main__":
    main()
