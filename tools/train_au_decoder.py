"""Make emohead/assets/au_decoder.safetensors from synthetic heads, in minutes on one core:

    EMOHEAD_ASSETS=../shared/data/tracker python tools/train_au_decoder.py --heads ../shared/data/heads/makehuman_heads.npz --work build/au_decoder

400 MakeHuman identities do random action units before random cameras; MediaPipe's landmarker looks at the pictures (kept under --work as
landmarks and scores), and a network learns the action units from what it says. The last 50 identities train nothing; they choose when to
stop. No filmed or rendered clip is used.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from au_decoder_pictures import Heads, load_heads, picture, posed, random_amounts, random_look, random_shot, to_channels
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from emohead import assets
from emohead.channels import AU_INDEX, AU_NAMES, RIG_INDEX
from emohead.head.generic import load_generic
from emohead.output import whole_file
from emohead.types import HeadMotion
from recon.au_decoder import ASSET_NAME, EYE_CORNERS, VERSION, AUDecoder, differences, mirrored
from recon.landmarks import detect_landmarks
from recon.types import FaceLandmarks

N_NEUTRAL, N_EXPRESSIVE = 4, 22
N_VALIDATION = 50


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training run."""

    components: int = 80
    """Principal components of the landmark differences."""
    hidden: int = 192
    """Units of each of the two hidden layers."""
    epochs: int = 60
    """Passes over the training pictures, each also mirrored."""
    batch: int = 256
    """Pictures a step."""
    learning_rate: float = 2e-3
    """Peak, AdamW with a cosine schedule."""
    weight_decay: float = 0.05
    """AdamW's."""
    jitter: float = 0.15
    """Noise added to the inputs, in their standard deviations."""
    dropout: float = 0.1
    """Of hidden units."""
    seed: int = 0
    """Of the initial weights and the order of pictures; the pictures themselves have the seed of their identity."""


@dataclass(frozen=True)
class Pictures:
    """What the landmarker saw."""

    landmarks: FaceLandmarks
    au: Tensor
    """[n 46] true intensities."""
    identity: Tensor
    """[n] number of the identity."""
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
        landmarks = detect_landmarks(take_pictures(heads, truth))
        with whole_file(path) as partial:
            np.savez(partial, points=landmarks.points.numpy(), scores=landmarks.scores.numpy(), au=np.array(truth, np.float32))
    with np.load(path, allow_pickle=False) as data:
        points, scores, au = (torch.from_numpy(data[name]) for name in ("points", "scores", "au"))
    each = N_NEUTRAL + N_EXPRESSIVE
    index = torch.arange(len(au))
    return Pictures(FaceLandmarks(points, scores), au, index // each, index % each < N_NEUTRAL)


def take_pictures(heads: Heads, truth: list[np.ndarray]) -> Iterator[Tensor]:
    """Every identity's pictures: some neutral ones, hardly turned, then expressive ones; appends the action units to `truth`."""
    for identity in range(len(heads.neutral)):
        rng = np.random.default_rng(1000 + identity)
        look = random_look(heads, identity, rng)
        for number in range(N_NEUTRAL + N_EXPRESSIVE):
            expressive = number >= N_NEUTRAL
            shot = random_shot(rng, turn=1.0 if expressive else 0.5)
            amounts = random_amounts(heads, rng) * expressive
            truth.append(to_channels(heads, amounts))
            yield torch.from_numpy(picture(heads, posed(heads, identity, amounts, shot), look, shot, rng))


def train(pictures: Pictures, heads: Heads, config: TrainConfig) -> AUDecoder:
    """The decoder at the epoch that the validation identities like best."""
    torch.manual_seed(config.seed)
    face, order = mean_face()
    channels = tuple(AU_NAMES[index] for index in sorted({c for c in heads.channels if c >= 0}))
    last = len(heads.neutral) - N_VALIDATION
    training, validation = (
        examples(pictures, identities, face, order, channels) for identities in (range(last), range(last, len(heads.neutral)))
    )
    _, singular, right = torch.svd_lowrank(training.change, q=config.components + 10, niter=4)
    components = right[:, : config.components] / singular[: config.components] * len(training.change) ** 0.5
    inputs, checks = (torch.cat([part.change @ components, part.others], 1) for part in (training, validation))
    mean, deviation = inputs.mean(0), inputs.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0)
    net = network(inputs.shape[1], config, len(channels))
    fit(net, ((inputs - mean) * scale, training.au), ((checks - mean) * scale, validation.au), channels, config)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights, biases = (tuple(getattr(layer, name).detach() for layer in linear) for name in ("weight", "bias"))
    return AUDecoder(face, order, components, mean, scale, weights, biases, channels)


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


def examples(pictures: Pictures, identities: range, face: Tensor, order: Tensor, channels: tuple[str, ...]) -> Examples:
    """Inputs and targets of the expressive pictures of some identities, as they are and mirrored."""
    parts = []
    columns = [AU_INDEX[name] for name in channels]
    swapped = [AU_INDEX[name[:-1] + {"L": "R", "R": "L"}[name[-1]]] if name[-1] in "LR" else AU_INDEX[name] for name in channels]
    for identity in identities:
        chosen = (pictures.identity == identity) & pictures.landmarks.found
        seen = FaceLandmarks(pictures.landmarks.points[chosen], pictures.landmarks.scores[chosen])
        neutral = pictures.neutral[chosen]
        for view, names in ((seen, columns), (mirrored(seen, order), swapped)):
            change, others = differences(face, view, neutral.nonzero()[:, 0])
            parts.append(Examples(change[~neutral], others[~neutral], pictures.au[chosen][~neutral][:, names]))
    return Examples(*(torch.cat([getattr(part, name) for part in parts]) for name in ("change", "others", "au")))


def network(n_inputs: int, config: TrainConfig, n_outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(n_inputs, config.hidden), nn.SiLU(), nn.Dropout(config.dropout), nn.Linear(config.hidden, config.hidden), nn.SiLU(),
        nn.Dropout(config.dropout), nn.Linear(config.hidden, n_outputs),
    )  # fmt: skip


def fit(
    net: nn.Sequential, training: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], channels: tuple[str, ...], config: TrainConfig
) -> None:
    """Least squares; the weights of the best epoch stay in `net`."""
    inputs, targets = training
    steps = config.epochs * (len(inputs) // config.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.1)
    best, kept = -1.0, net.state_dict()
    for epoch in range(config.epochs):
        net.train()
        for rows in torch.randperm(len(inputs))[: len(inputs) // config.batch * config.batch].view(-1, config.batch):
            given = inputs[rows] + config.jitter * torch.randn(len(rows), inputs.shape[1])
            loss = (net(given) - targets[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        scores = correlations(net, *validation)
        median = float(scores.median())
        if median > best:
            best, kept = median, {name: value.clone() for name, value in net.state_dict().items()}
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {float(loss):.4f}, validation correlation median {median:.3f} mean {float(scores.mean()):.3f}")  # type: ignore[possibly-undefined]
    net.load_state_dict(kept)
    scores = correlations(net, *validation)
    print(
        f"kept: median {float(scores.median()):.3f}; " + ", ".join(f"{n} {s:.2f}" for n, s in zip(channels, scores.tolist(), strict=True))
    )


def correlations(net: nn.Sequential, inputs: Tensor, targets: Tensor) -> Tensor:
    """Correlation [D] with the truth over pictures."""
    net.eval()
    with torch.no_grad():
        found = net(inputs).clamp(0, 1)
    found, true = found - found.mean(0), targets - targets.mean(0)
    return (found * true).sum(0) / (found.norm(dim=0) * true.norm(dim=0)).clamp_min(1e-12)


def save(decoder: AUDecoder, path: Path) -> None:
    """Write the asset: half precision, but for what scales inputs."""
    layers = range(len(decoder.weights))
    tensors = {name: getattr(decoder, name) for name in ("mean_face", "mirror", "components", "input_mean", "input_scale")}
    tensors |= {f"weight{layer}": decoder.weights[layer].half() for layer in layers}
    tensors |= {f"bias{layer}": decoder.biases[layer] for layer in layers}
    tensors["components"], tensors["mirror"] = decoder.components.half(), decoder.mirror.to(torch.int16)
    metadata = {"version": VERSION, "layers": len(layers), "channels": decoder.channels}
    with whole_file(path) as partial:
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata={"au_decoder": json.dumps(metadata)})


if __name__ == "__main__":
    main()
