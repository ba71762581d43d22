"""Every controller keeps to the contract."""

from controllers.base import AnyController
from controllers.keyframes import Curve, KeyframeController, Keyframes
from controllers.labels import LabelController
from controllers.sliders import SliderController
from controllers.text_controller import TextController
from tests.contracts.controller import ControllerContract


class TestLabel(ControllerContract):
    def make(self) -> AnyController:
        return LabelController("fearfully surprised", 0.9, seed=3)


class TestSliders(ControllerContract):
    jumps_at_start = True

    def make(self) -> AnyController:
        return SliderController(("AU12=0.6", "AU4L=1", "AU61=.5"))


class TestText(ControllerContract):
    def make(self) -> AnyController:
        return TextController("calm, then deeply moved, nodding and looking down", seed=1)


class TestTextWithEverything(ControllerContract):
    def make(self) -> AnyController:
        return TextController("first smiles slightly, winks with the left eye, then rolls her eyes; suddenly furious, laughing at the end")


class TestKeyframes(ControllerContract):
    def make(self) -> AnyController:
        smile = Curve("AU12L", (0.0, 0.5, 2.0), (0.0, 0.7, None))
        return KeyframeController(Keyframes((smile, Curve("gaze_yaw", (0.0, 1.0), (0.0, -0.5)))))


class TestCoordinates(ControllerContract):
    def make(self) -> AnyController:
        return LabelController("vad:0.4,0.7,-0.1:0.9:left")
