"""Action units by value, held over the whole clip: `AU12=0.6`, `AU12L=.4`, `AU4=1`."""

from dataclasses import dataclass

import torch

from controllers.expression import Expression, parse_codes
from emohead.channels import AU_INDEX
from emohead.errors import InputError
from emohead.types import AUTrack


@dataclass(frozen=True)
class SliderController:
    """Holds action units, head and eye positions."""

    settings: tuple[str, ...]
    """Such as `AU12=0.6`, `AU12L=.4`, `AU61=.5`; without a side both sides; a later one overrides an earlier one."""

    def __call__(self, n_frames: int, fps: float) -> AUTrack:
        """The track: every asked channel constant with weight 1."""
        expression = parse_sliders(self.settings)
        track = AUTrack.neutral(n_frames, fps)
        for name, value in expression.au.items():
            track.intensity[:, AU_INDEX[name]] = value
            track.weight[:, AU_INDEX[name]] = 1.0
        for column, (values, offset) in enumerate(((track.gaze, expression.gaze), (track.head_rotation, expression.head))):
            if offset is not None:
                values[:] = torch.tensor(offset)
                track.pose_weight[:, column] = 1.0
        return track


def parse_sliders(settings: tuple[str, ...]) -> Expression:
    """The expression of slider settings.

    Raises:
        InputError: not of the form AU12=0.6, an unknown action unit, or a value that is no number between 0 and 1.
    """
    for setting in settings:
        if setting.count("=") != 1 or len(setting.split()) != 1:
            raise InputError(f"{setting!r} is not an action unit with a value; write for example AU12=0.6")
    return parse_codes(" ".join(settings))
