"""Train emohead/assets/motion_judges.safetensors: the lip-sync expert and the emotion encoder of `emohead evaluate motion`.

    python tools/train_motion_judges.py --human ../shared/data/speech/human --work build/judges

The voices are those of tools/train_phone_net.py (synthetic ones and the training speakers of the human recordings, aligned; made where they
are missing). The faces are the rule engine's, told the phones, in random styles, each in one of seven emotions or none. Every tenth human
speaker is kept for validation. The judges are used in tables only: no generator of motion is trained with them.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from controllers.labels import LabelController
from emohead.data.motion_corpus import random_style, segments_of
from emohead.data.phone_batches import BatchConfig, PhoneBatches
from emohead.data.phone_corpus import PhoneCorpus, well_aligned
from emohead.data.speech_corpora import build_speech_corpora, split_speakers
from emohead.head.generic import load_generic
from emohead.metrics.judges import EMOTIONS, JUDGE_FPS, JudgeConfig, MotionJudges, face_values, lips_of_motion, save_judges
from emohead.motion.features.mel import MelConfig
from emohead.types import Waveform

SECONDS = 3.0
"""Length of a clip."""
WINDOW = 25
"""Frames of lips and voice that are matched."""
NEAREST_SHIFT = 3
"""Frames: a voice shifted by less is not called wrong."""


@dataclass(frozen=True)
class Clips:
    """What the judges see of a set of clips."""

    mel: Float[Tensor, "n F D"]
    lips: Float[Tensor, "n T L"]
    face: Float[Tensor, "n T K"]
    emotion: Tensor
    """Index into `EMOTIONS`."""
    gain: Tensor
    """How strongly it was asked for; 0 for neutral."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human", type=Path, required=True, help="folder with transcripts.tsv (speechocean762's columns) and recordings")
    parser.add_argument("--work", type=Path, default=Path("build/judges"), help="keeps voices (corpus/) and clips")
    parser.add_argument("--out", type=Path, default=Path("emohead/assets/motion_judges.safetensors"))
    parser.add_argument("--clips", type=int, default=2000, help="training clips of 3 s")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    human, synthetic = build_speech_corpora(arguments.human, arguments.work / "corpus", n_synthetic=1)
    training, validation = (well_aligned(part) for part in split_speakers(human))
    held = act([(validation, 1.0)], 200, 1_000_000 + arguments.seed, arguments.work / "validation.npz")
    clips = act([(training, 0.5), (synthetic, 0.5)], arguments.clips, arguments.seed, arguments.work / "training.npz")
    torch.manual_seed(arguments.seed)
    judges = JudgeConfig().build()
    train(judges, clips, held, arguments.steps, arguments.seed)
    save_judges(judges, arguments.out)
    size = arguments.out.stat().st_size / 1000
    print(f"{arguments.out}: {sum(p.numel() for p in judges.parameters())} parameters, {size:.0f} kB", flush=True)


def act(speech: list[tuple[PhoneCorpus, float]], n_clips: int, seed: int, kept: Path) -> Clips:
    """Clips in random voices, styles and emotions; made once and kept."""
    if not kept.exists():
        head, mel = load_generic(), MelConfig().build()
        batches = PhoneBatches(speech, mel, BatchConfig(n_clips=1, n_frames=round(SECONDS * 100)), seed=seed)
        rows = []
        for number in range(n_clips):
            random = np.random.default_rng((seed, number))
            samples, labels = batches.clip(random)
            audio, emotion = Waveform(torch.from_numpy(samples), 16_000), int(random.integers(len(EMOTIONS)))
            gain = float(random.uniform(0.35, 1.1)) if emotion else 0.0
            n_frames, seed_of_clip = round(SECONDS * JUDGE_FPS), int(random.integers(2**31))
            prompt = LabelController(EMOTIONS[emotion], gain, seed_of_clip)(n_frames, JUDGE_FPS) if emotion else None
            engine = random_style(random).build()
            motion = engine(audio, segments_of(labels), prompt=prompt, fps=JUDGE_FPS, seed=seed_of_clip)
            rows.append((mel(audio), lips_of_motion(head, motion), face_values(motion), torch.tensor(emotion), torch.tensor(gain)))
            if (number + 1) % 100 == 0:
                print(f"{kept.name}: {number + 1} of {n_clips}", flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        mel_rows, lips, face, emotion, gain = (torch.stack([row[column] for row in rows]) for column in range(5))
        half = {name: value.half().numpy() for name, value in (("mel", mel_rows), ("lips", lips), ("face", face))}
        np.savez(kept, mel=half["mel"], lips=half["lips"], face=half["face"], emotion=emotion.numpy(), gain=gain.numpy())
    with np.load(kept, allow_pickle=False) as archive:
        tensors = {name: torch.from_numpy(archive[name]) for name in archive.files}
    return Clips(
        tensors["mel"].float(), tensors["lips"].float(), tensors["face"].float(), tensors["emotion"].long(), tensors["gain"].float()
    )


def train(judges: MotionJudges, clips: Clips, held: Clips, steps: int, seed: int, *, n_batch: int = 48) -> None:
    """Optimise both judges at once; they share no weights."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(judges.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randperm(len(clips.mel), generator=generator)[:n_batch]
        batch = distorted(Clips(*(getattr(clips, name)[chosen] for name in ("mel", "lips", "face", "emotion", "gain"))), generator)
        sync, feeling = sync_loss(judges, batch, generator), emotion_loss(judges, batch)
        optimizer.zero_grad()
        (sync + feeling).backward()
        nn.utils.clip_grad_norm_(judges.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            print(f"step {step + 1}/{steps} sync {sync.item():.3f} emotion {feeling.item():.3f}; {report(judges, held)}", flush=True)


def distorted(clips: Clips, generator: torch.Generator) -> Clips:
    """Other microphones, other faces: tilted and noisy spectra, lips of other size and with trembling, stronger and weaker channels."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    n, n_mel, n_bands = clips.mel.shape
    ramp = torch.linspace(-1, 1, n_bands)
    level = 0.15 * torch.rand(n, 1, 1, generator=generator)
    mel = clips.mel + 0.1 * normal(n, 1, 1) + 0.15 * normal(n, 1, 1) * ramp + level * normal(n, n_mel, n_bands)
    lips = clips.lips * torch.exp(0.3 * normal(n, 1, 1) + 0.25 * normal(n, 1, clips.lips.shape[2]))
    lips = lips + 0.2 * torch.rand(n, 1, 1, generator=generator) * normal(*clips.lips.shape)
    face = clips.face * torch.exp(0.15 * normal(n, 1, clips.face.shape[2])) + 0.01 * normal(*clips.face.shape)
    start = int(torch.randint(0, 26, (1,), generator=generator))
    return replace(clips, mel=mel, lips=lips, face=face[:, start : start + int(torch.randint(35, 50, (1,), generator=generator))])


def sync_loss(judges: MotionJudges, clips: Clips, generator: torch.Generator, *, n_shifts: int = 6) -> Tensor:
    """InfoNCE both ways over one-second windows: lips against their voice, the other clips' voices and their own voice at other times."""
    voices, lips = judges.embed_mel(clips.mel), judges.embed_lips(clips.lips)
    n, n_frames = lips.shape[:2]
    start = n_frames // 2 - WINDOW // 2 + int(torch.randint(-8, 9, (1,), generator=generator))
    window = lips[:, start : start + WINDOW]
    scale = judges.sharpness.exp()
    between = scale * torch.einsum("ate,bte->ab", window, voices[:, start : start + WINDOW]) / WINDOW
    reach = [shift for shift in range(-start, n_frames - WINDOW - start + 1) if abs(shift) >= NEAREST_SHIFT]
    shifts = [reach[index] for index in torch.randperm(len(reach), generator=generator)[:n_shifts].tolist()]
    shifted = [(window * voices[:, start + shift : start + shift + WINDOW]).sum((1, 2)) / WINDOW for shift in shifts]
    log_odds = torch.cat([between, scale * torch.stack(shifted, 1)], 1)
    own = torch.arange(n)
    return functional.cross_entropy(log_odds, own) + functional.cross_entropy(between.T, own)


def emotion_loss(judges: MotionJudges, clips: Clips) -> Tensor:
    """Cross entropy over emotions."""
    return functional.cross_entropy(judges.emotion_log_odds(judges.embed_face(clips.face)), clips.emotion, label_smoothing=0.05)


@torch.no_grad()
def report(judges: MotionJudges, held: Clips) -> str:
    """Validation: the middle second of lips among 32 voices, and the emotion of whole clips, weak ones apart."""
    judges.eval()
    voices, lips = judges.embed_mel(held.mel), judges.embed_lips(held.lips)
    middle = slice(25, 25 + WINDOW)
    similarity = torch.einsum("ate,bte->ab", lips[:, middle], voices[:, middle])
    blocks = [similarity[first : first + 32, first : first + 32] for first in range(0, len(similarity) - 31, 32)]
    right = torch.cat([block.argmax(1) == torch.arange(32) for block in blocks]).float().mean()
    said = judges.emotion_log_odds(judges.embed_face(held.face)).argmax(1) == held.emotion
    weak = (held.gain > 0) & (held.gain < 0.6)
    judges.train()
    return f"validation R@1 of 32 {right:.3f}, emotion {said.float().mean():.3f}, weak {said[weak].float().mean():.3f}"


if __name__ == "__main__":
    main()
