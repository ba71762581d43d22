"""What a sentence means: facial action units over time, and the words that were not understood.

python examples/03_sentence_to_aus.py "starts worried, then a shy smile with the left eyebrow raised"
"""

import tyro

from emohead.channels import AU_NAMES
from emohead.head.action_units import CHANNELS
from emohead.pipeline import Request, plan, understand
from emohead.types import Waveform


def main(
    sentence: tyro.conf.Positional[str] = "starts worried, then a shy smile with the left eyebrow raised", seconds: float = 4.0
) -> None:
    """Print the plan of a sentence, and its course over a clip."""
    import torch

    meaning = understand(sentence, duration=seconds)
    for event in meaning.events:
        print(f"{event.start:4.1f} - {event.end:4.1f} s  {event.text}")
    print("not understood:", ", ".join(meaning.not_understood) or "nothing")

    # The same sentence as a track, sampled ten times a second: what a silent clip of that length would be asked to show.
    track = plan(Waveform(torch.zeros(int(seconds * 16_000)), 16_000), Request(emotion=sentence, fps=10.0)).prompt
    for name, intensity in zip(AU_NAMES, track.intensity.T, strict=True):
        if float(intensity.max()) > 0.05:
            unit = next(channel.unit.name for channel in CHANNELS if channel.name == name)
            print(f"{name:<6}{''.join(' .:-=+*#%@'[min(9, int(value * 10))] for value in intensity)}  {unit}")


if __name__ == "__main__":
    tyro.cli(main)
