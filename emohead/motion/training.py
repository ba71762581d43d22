"""The training loop of the motion networks: Accelerate (one CPU to many GPUs), an average of the weights, checkpoints to go on from.

Batches are functions of the step, so a run that was stopped draws the same batches when it goes on.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emohead.errors import InputError, ResourceError

Network = TypeVar("Network", bound=nn.Module)
Report = Callable[[int, dict[str, float]], None]
"""Told (step, mean of each term since the last report)."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a run."""

    steps: int = 8000
    """Optimiser steps; the learning rate is planned over them."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    warmup: int = 200
    """Steps until the peak."""
    weight_decay: float = 0.01
    """AdamW's."""
    average: float = 0.999
    """Decay of the running average of the weights, which is what is kept."""
    every: int = 500
    """Steps between checkpoints."""
    report_every: int = 50
    """Steps between lines of the log."""
    precision: str = "no"
    """Accelerate's mixed precision: no, bf16 or fp16."""
    seed: int = 0
    """Of the initial weights and of every batch."""


def train(
    model: Network,
    loss: nn.Module,
    step_loss: Callable[[nn.Module, nn.Module, int], tuple[Tensor, dict[str, Tensor]]],
    config: TrainingConfig,
    work: Path,
    *,
    report: Report | None = None,
) -> Network:
    """Train `model` (and what `loss` holds); returns the model with its averaged weights.

    Args:
        model: to be trained, except what needs no gradient; its average is returned.
        loss: a module of the loss, whose parameters train too and are not averaged.
        step_loss: (model, loss, number) to the loss of batch `number` and its terms; with several processes each takes its own numbers.
        config: settings.
        work: folder of checkpoints and log; a run in it goes on.
        report: told now and then.

    Raises:
        ResourceError: the `train` extra is not installed.
        InputError: `work` holds a run of other sizes.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ResourceError("training needs the package accelerate, which is not installed; pip install 'emohead[train]'") from error
    accelerator = Accelerator(mixed_precision=config.precision)
    work.mkdir(parents=True, exist_ok=True)
    parameters = [parameter for parameter in (*model.parameters(), *loss.parameters()) if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    average = {name: tensor.detach().clone().float() for name, tensor in model.state_dict().items()}
    first = _resume(work, model, loss, optimizer, average)
    _forget_after(work, first)
    trained, loss, optimizer = accelerator.prepare(model, loss, optimizer)
    average = {name: tensor.to(accelerator.device) for name, tensor in average.items()}
    sums: dict[str, float] = {}
    learns = [*loss.parameters()]
    started = time.monotonic()
    for step in range(first, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        draw = step * accelerator.num_processes + accelerator.process_index
        torch.manual_seed(config.seed * 1_000_003 + draw)  # what is dropped out is a function of the step too
        value, terms = step_loss(trained, loss, draw)
        optimizer.zero_grad()
        accelerator.backward(value)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        if learns:
            nn.utils.clip_grad_norm_(learns, 1.0)  # apart: what a loss learns for itself must not slow the model
        optimizer.step()
        _average(average, model, min(config.average, (step + 1) / (step + 10)))
        for name, term in {"loss": value, **terms}.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        if accelerator.is_main_process and (step + 1) % config.report_every == 0:
            means = {name: total / config.report_every for name, total in sums.items()}
            _log(work, step + 1, means | {"s_per_step": (time.monotonic() - started) / (step + 1 - first)})
            if report:
                report(step + 1, means)
            sums = {}
        if accelerator.is_main_process and ((step + 1) % config.every == 0 or step + 1 == config.steps):
            _save(work, step + 1, model, accelerator.unwrap_model(loss), optimizer, average)
    model.load_state_dict(average)
    return model.eval()


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a half cosine down to 2 %."""
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
    return config.learning_rate * min((step + 1) / config.warmup, 1.0) * decay


def averaged_weights(work: Path) -> tuple[int, dict[str, Tensor]]:
    """Step and averaged weights of the latest checkpoint.

    Raises:
        InputError: there is none.
    """
    latest = _latest(work)
    if latest is None:
        raise InputError(f"{work}: no checkpoint there; train first")
    tensors = load_file(latest)
    return int(latest.stem.removeprefix("step")), _part(tensors, "average.")


@torch.no_grad()
def _average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for name, tensor in model.state_dict().items():
        average[name].lerp_(tensor.float(), 1 - decay)


def _latest(work: Path) -> Path | None:
    return max(work.glob("step*.safetensors"), default=None)


def _save(work: Path, step: int, model: nn.Module, loss: nn.Module, optimizer: Any, average: dict[str, Tensor]) -> None:
    """One file per checkpoint, whole or not at all; the two latest are kept."""
    tensors = {f"average.{name}": tensor for name, tensor in average.items()}
    tensors |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"loss.{name}": tensor for name, tensor in loss.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": torch.as_tensor(tensor) for name, tensor in state.items()}
    partial = work / f".step{step:07d}.partial"
    save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, partial)
    partial.replace(work / f"step{step:07d}.safetensors")
    for old in sorted(work.glob("step*.safetensors"))[:-2]:
        old.unlink()


def _resume(work: Path, model: nn.Module, loss: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]) -> int:
    latest = _latest(work)
    if latest is None:
        return 0
    tensors = load_file(latest)
    try:
        model.load_state_dict(_part(tensors, "model."))
        loss.load_state_dict(_part(tensors, "loss."))
    except RuntimeError as error:
        raise InputError(f"{work}: holds a run of a network of other sizes; give another --work folder or remove it") from error
    average.update(_part(tensors, "average."))
    state = optimizer.state_dict()
    adam: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "adam.").items():
        index, field = name.split(".")
        adam.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": adam, "param_groups": state["param_groups"]})
    return int(latest.stem.removeprefix("step"))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def log_lines(work: Path) -> list[dict[str, float]]:
    """The log of a run so far."""
    path = work / "log.jsonl"
    if not path.is_file():
        return []
    return [{name: float(value) for name, value in json.loads(line).items()} for line in path.read_text().splitlines()]


def _forget_after(work: Path, step: int) -> None:
    """Drop the lines of the log that a run will write again."""
    kept = [json.dumps(line) + "\n" for line in log_lines(work) if line["step"] <= step]
    (work / "log.jsonl").write_text("".join(kept))


def _log(work: Path, step: int, means: dict[str, float]) -> None:
    with (work / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, **{name: round(value, 5) for name, value in means.items()}}) + "\n")


def write_settings(work: Path, config: Any) -> None:
    """The resolved settings of a run (a dataclass), beside its checkpoints."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "settings.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
