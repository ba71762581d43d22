"""Build the corpora and train emohead/assets/phone_net.safetensors, from one command that can be stopped and repeated.

    python tools/train_phone_net.py --human ../shared/data/speech/human --work build/phone_net

It needs flite and espeak-ng (festival too, if there) and pocketsphinx. The corpora are made once: synthetic voices with exact phone
times, and the `train` speakers of the human recordings, force-aligned (without the quarter whose alignment leaves loud speech
unexplained). Every tenth human speaker is kept for validation, which chooses nothing but the closure threshold stored with the
weights. The `test` speakers are never opened here; benchmarks/speech.py measures on them.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emohead.data.phone_batches import BatchConfig, PhoneBatch, PhoneBatches
from emohead.data.phone_corpus import PhoneCorpus, well_aligned
from emohead.data.speech_corpora import build_speech_corpora, split_speakers
from emohead.metrics.phones import score_phones
from emohead.motion.phone_net import PhoneNet, PhoneNetConfig, save_phone_net
from emohead.motion.phones import PHONE_INDEX, PHONE_TO_VISEME, VISEMES
from emohead.types import Waveform


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training run."""

    steps: int = 5200
    """Optimiser steps; the learning rate is planned over them."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    warmup: int = 150
    """Steps until the peak."""
    weight_decay: float = 0.03
    """AdamW's."""
    label_smoothing: float = 0.03
    """Of the phone loss."""
    viseme_weight: float = 0.5
    """Weight of the cross entropy over visemes, beside that over phones."""
    closure_weight: float = 1.5
    """Weight of frames labelled p, b or m."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""
    human_share: float = 0.55
    """Share of clips from human recordings."""
    seed: int = 0
    """Of the initial weights and of every batch."""
    every: int = 250
    """Steps between checkpoints and validations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human", type=Path, required=True, help="folder with transcripts.tsv (speechocean762's columns) and recordings")
    parser.add_argument("--work", type=Path, default=Path("build/phone_net"), help="corpora, checkpoints and log")
    parser.add_argument("--out", type=Path, default=Path("emohead/assets/phone_net.safetensors"))
    parser.add_argument("--synthetic", type=int, default=2, help="shards of synthetic speech, 3.2 h and 180 random voices each")
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--width", type=int, default=PhoneNetConfig.width)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export-only", action="store_true", help="write --out from the latest checkpoint and stop")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpora = build_speech_corpora(arguments.human, arguments.work / "corpus", n_synthetic=arguments.synthetic)
    for corpus in corpora:
        print(f"{len(corpus.utterances)} utterances, {corpus.hours:.2f} h", flush=True)
    training, validation = (well_aligned(part) for part in split_speakers(corpora[0]))
    print(f"soundly aligned: {len(training.utterances)} training and {len(validation.utterances)} validation utterances", flush=True)
    config = TrainConfig(steps=arguments.steps, seed=arguments.seed)
    torch.manual_seed(config.seed)
    net = PhoneNetConfig(width=arguments.width, dropout=arguments.dropout).build()
    if not arguments.export_only:
        train(net, [training, *corpora[1:]], validation, config, arguments.work)
    export(net, validation, arguments.work, arguments.out)


def train(net: PhoneNet, corpora: list[PhoneCorpus], validation: PhoneCorpus, config: TrainConfig, work: Path) -> None:
    """Optimise `net`, going on from the latest checkpoint in `work`."""
    shares = [config.human_share, *[(1 - config.human_share) / (len(corpora) - 1)] * (len(corpora) - 1)]
    batches = PhoneBatches(list(zip(corpora, shares, strict=True)), net.front_end, BatchConfig(), seed=config.seed)
    optimizer = torch.optim.AdamW(net.parameters(), config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    average = PhoneNet(net.config)
    average.load_state_dict(net.state_dict())
    first = resume(net, average, optimizer, work)
    (work / "settings.json").write_text(json.dumps({"training": asdict(config), "network": asdict(net.config)}, indent=1))
    started, losses = time.time(), []
    for step in range(first, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        loss = phone_loss(net.train(), batches.batch(step), config)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        update_average(average, net, min(config.average, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            pace = (time.time() - started) / (step + 1 - first)
            print(f"step {step + 1}/{config.steps} loss {np.mean(losses[-50:]):.3f} {pace:.2f} s/step", flush=True)
        if (step + 1) % config.every == 0 or step + 1 == config.steps:
            save_state(net, average, optimizer, step + 1, work)
            report(average, validation, step + 1)


def phone_loss(net: PhoneNet, batch: PhoneBatch, config: TrainConfig) -> Tensor:
    """Cross entropy over phones plus that over visemes, closures weighted."""
    log_odds = net(batch.features).flatten(0, 1)
    labels = batch.labels.flatten()
    known = labels != 255
    log_odds, labels = log_odds[known], labels[known]
    phones = functional.cross_entropy(log_odds, labels, reduction="none", label_smoothing=config.label_smoothing)
    groups = torch.tensor(PHONE_TO_VISEME)
    log_phones = log_odds.log_softmax(-1)
    log_visemes = torch.stack([log_phones[:, groups == index].logsumexp(-1) for index in range(len(VISEMES))], -1)
    visemes = functional.nll_loss(log_visemes, groups[labels], reduction="none")
    closed = torch.isin(labels, torch.tensor([PHONE_INDEX[phone] for phone in VISEMES["PP"]]))
    weight = torch.where(closed, config.closure_weight, 1.0)
    return ((phones + config.viseme_weight * visemes) * weight).sum() / weight.sum()


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a half cosine down to 2 %."""
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
    return config.learning_rate * min((step + 1) / config.warmup, 1.0) * decay


@torch.no_grad()
def update_average(average: PhoneNet, net: PhoneNet, decay: float) -> None:
    """Move the averaged weights towards the current ones."""
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def save_state(net: PhoneNet, average: PhoneNet, optimizer: torch.optim.Optimizer, step: int, work: Path) -> None:
    """Write a checkpoint under its own name, whole or not at all."""
    target = work / f"step{step:06d}.pt"
    state = {"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, target.with_suffix(".part"))
    target.with_suffix(".part").replace(target)


def resume(net: PhoneNet, average: PhoneNet, optimizer: torch.optim.Optimizer, work: Path) -> int:
    """Load the latest checkpoint, if there is one; the step to go on from."""
    checkpoints = sorted(work.glob("step*.pt"))
    if not checkpoints:
        return 0
    state = torch.load(checkpoints[-1], weights_only=True)
    net.load_state_dict(state["net"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    print(f"going on from {checkpoints[-1].name}", flush=True)
    return int(state["step"])


def posteriors_and_labels(net: PhoneNet, corpus: PhoneCorpus, limit: int | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """What `score_phones` takes, for the (first `limit`) utterances of a corpus."""
    return [
        (net.posteriors(Waveform(torch.from_numpy(corpus.samples(u)), 16000)).probabilities.numpy(), corpus.frame_labels(u))
        for u in corpus.utterances[:limit]
    ]


def report(net: PhoneNet, validation: PhoneCorpus, step: int) -> None:
    """Print the validation scores at a few closure thresholds."""
    items = posteriors_and_labels(net, validation, 120)
    for threshold in (0.2, 0.4):
        scores = asdict(score_phones(items, threshold=threshold))
        print(f"validation {step} at {threshold}: " + " ".join(f"{name} {value:.3f}" for name, value in scores.items()), flush=True)


def calibrated_threshold(items: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The closure threshold at which recall and precision are equal: the one whose smaller of the two is largest."""
    scores = {round(float(t), 2): score_phones(items, threshold=float(t)) for t in np.arange(0.10, 0.71, 0.02)}
    return max(scores, key=lambda t: min(scores[t].closure_recall, scores[t].closure_precision))


def export(net: PhoneNet, validation: PhoneCorpus, work: Path, out: Path) -> None:
    """Calibrate the closure threshold of the latest averaged weights and write them as the asset."""
    checkpoints = sorted(work.glob("step*.pt"))
    net.load_state_dict(torch.load(checkpoints[-1], weights_only=True)["average"])
    items = posteriors_and_labels(net, validation)
    threshold = calibrated_threshold(items)
    net.config = replace(net.config, closure_threshold=threshold)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_phone_net(net, str(out))
    print(f"{checkpoints[-1].name} -> {out}: {json.dumps(asdict(score_phones(items, threshold=threshold)))} at {threshold}", flush=True)


if __name__ == "__main__":
    main()
