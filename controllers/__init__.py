"""What sets an expression: labels, sliders, sentences. Every controller returns an `AUTrack`."""

from controllers.control import ControlResult as ControlResult
from controllers.control import control as control
