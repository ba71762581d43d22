"""What every motion format promises: what is written comes back, damage is named, and a failed write leaves nothing."""

from pathlib import Path

import pytest
import torch

from emohead.errors import InputError
from emohead.export.base import MotionFormat, motion_format
from emohead.types import AUTrack, HeadMotion


def lively_motion(*, n_frames: int = 60, fps: float = 25.0, seed: int = 0) -> HeadMotion:
    """A random but legal motion."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return 0.1 * torch.randn(n_frames, *shape, generator=random)

    return HeadMotion(fps, torch.rand(n_frames, 52, generator=random), normal(3), normal(3), normal(3), normal(2, 2))


class ExporterContract:
    """Subclass it, give `suffix` and `compare`."""

    suffix: str

    def compare(self, motion: HeadMotion, read: HeadMotion | AUTrack) -> None:
        """Assert that what was read is what was written, as far as the format can hold it."""
        raise NotImplementedError

    @pytest.fixture
    def format(self) -> MotionFormat:
        return motion_format(f"clip{self.suffix}")

    def test_round_trip(self, tmp_path: Path, format: MotionFormat):
        motion = lively_motion()
        path = tmp_path / f"clip{self.suffix}"
        format.write(path, motion)
        read = format.read(path)
        assert read.n_frames == motion.n_frames and abs(read.fps - motion.fps) < 1e-3
        self.compare(motion, read)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_same_motion_same_bytes(self, tmp_path: Path, format: MotionFormat):
        for name in "ab":
            format.write(tmp_path / f"{name}{self.suffix}", lively_motion())
        assert (tmp_path / f"a{self.suffix}").read_bytes() == (tmp_path / f"b{self.suffix}").read_bytes()

    def test_missing_empty_and_foreign_files(self, tmp_path: Path, format: MotionFormat):
        path = tmp_path / f"clip{self.suffix}"
        with pytest.raises(InputError, match="no such file"):
            format.read(path)
        for content in (b"", b"hello", bytes(range(256)) * 20, b"a,b\n1,2\n"):
            path.write_bytes(content)
            with pytest.raises(InputError) as error:
                format.read(path)
            assert str(path) in str(error.value) and "\n" not in str(error.value)

    def test_cut_short(self, tmp_path: Path, format: MotionFormat):
        path = tmp_path / f"clip{self.suffix}"
        format.write(path, lively_motion())
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with pytest.raises(InputError):
            format.read(path)

    def test_a_folder_that_is_missing(self, tmp_path: Path, format: MotionFormat):
        with pytest.raises(InputError, match="does not exist"):
            format.write(tmp_path / "no" / f"clip{self.suffix}", lively_motion())
