"""FLAME files: what is read, what is refused, and that nothing in a file can run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from emohead.errors import InputError
from emohead.head.flame_file import read_flame, read_landmark_embedding
from tests.head import flame_fixture


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return flame_fixture.flame_arrays()


@pytest.fixture(scope="module")
def pickle_path(arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flame_fixture.write_pickle(tmp_path_factory.mktemp("flame") / "generic_model.pkl", arrays)


def test_python2_pickle_with_chumpy_objects_gives_the_arrays(arrays, pickle_path):
    data = read_flame(pickle_path)
    np.testing.assert_allclose(data.template, arrays["v_template"], atol=1e-7)
    np.testing.assert_allclose(data.shape_directions, arrays["shapedirs"][..., :300], atol=1e-7)
    np.testing.assert_allclose(data.expression_directions, arrays["shapedirs"][..., 300:], atol=1e-7)
    np.testing.assert_allclose(data.pose_directions, arrays["posedirs"], atol=1e-7)
    np.testing.assert_allclose(data.joint_regressor, arrays["J_regressor"], atol=1e-7)
    np.testing.assert_allclose(data.weights, arrays["weights"], atol=1e-7)
    np.testing.assert_array_equal(data.triangles, arrays["f"])


def test_npz_gives_the_same_as_the_pickle(arrays, pickle_path, tmp_path):
    np.savez(tmp_path / "flame.npz", **arrays)
    from_npz, from_pickle = read_flame(tmp_path / "flame.npz"), read_flame(pickle_path)
    assert (from_npz.expression_directions == from_pickle.expression_directions).all()
    assert (from_npz.joint_regressor == from_pickle.joint_regressor).all()
    assert from_npz.sha256 != from_pickle.sha256


def test_python3_pickle_of_plain_arrays_is_read(arrays, tmp_path):
    small = {key: value for key, value in arrays.items() if key != "shapedirs"}
    for protocol in (2, 4):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(small, protocol=protocol))
        with pytest.raises(InputError, match=r"no array 'shapedirs' \(wanted shape \[5023, 3, 400\]\)"):
            read_flame(path)


class _Payload:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path, protocol):
    marker = tmp_path / "ran"
    for payload in (
        _Payload(os.system, f"touch {marker}"),
        _Payload(eval, f"open({str(marker)!r}, 'w')"),
        _Payload(open, str(marker), "w"),
    ):
        path = tmp_path / "evil.pkl"
        path.write_bytes(pickle.dumps({"v_template": payload}, protocol=protocol))
        with pytest.raises(InputError, match="nothing was executed"):
            read_flame(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cposix\nsystem\n(Vtouch MARKER\ntR.",
        b"(Vtouch MARKER\nios\nsystem\n.",
        b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nos\nNNtR(dVx\ncnt\nsystem\nsb.",
        b"c_codecs\nencode\n(V1\nVzlib\ntR.",
        b"ccopy_reg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        b"cchumpy.ch\nCh\n(Nd}V__setstate__\ncnumpy\ndtype\nstb.",
        b"cnumpy.core.multiarray\n_reconstruct\n)R.",
        b"Pa-persistent-id\n.",
    ],
)
def test_crafted_opcodes_are_refused(tmp_path, opcodes):
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pkl"
    path.write_bytes(opcodes.replace(b"MARKER", str(marker).encode()))
    with pytest.raises(InputError):
        read_flame(path)
    assert not marker.exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 10_000, 20_000_000])
def test_truncated_pickle_is_refused(pickle_path, tmp_path, kept):
    path = tmp_path / "cut.pkl"
    path.write_bytes(pickle_path.read_bytes()[:kept])
    with pytest.raises(InputError, match="cut short, damaged or not a pickle"):
        read_flame(path)


def test_damaged_pickles_raise_only_input_errors(arrays, tmp_path):
    small = flame_fixture.python2_pickle(
        {"v_template": flame_fixture.Chumpy(np.arange(6.0)), "J_regressor": flame_fixture.SparseColumns(np.eye(3))}
    )
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.pkl"
    for _ in range(500):
        damaged = bytearray(small)
        damaged[rng.integers(len(small))] = rng.integers(256)
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            read_flame(path)


def test_truncated_or_pickled_npz_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "whole.npz", **{key: arrays[key] for key in ("f", "weights")})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:5000])
    with pytest.raises(InputError, match="cut short"):
        read_flame(tmp_path / "cut.npz")
    np.savez(tmp_path / "objects.npz", v_template=np.array([_Payload(os.system, f"touch {tmp_path / 'ran'}")], dtype=object))
    with pytest.raises(InputError, match="pickled objects"):
        read_flame(tmp_path / "objects.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v_template": np.zeros((6890, 3))}, r"'v_template' must have shape \[5023, 3\], got \[6890, 3\]"),
        ({"shapedirs": np.zeros((5023, 3, 10))}, r"'shapedirs' must have shape \[5023, 3, 400\], got \[5023, 3, 10\]"),
        ({"weights": np.full((5023, 5), 0.5)}, "'weights' must sum to 1"),
        ({"f": np.full((9976, 3), 5023)}, "'f' must index 5023 vertices"),
        ({"posedirs": np.full((5023, 3, 36), np.nan)}, "'posedirs' must hold finite numbers"),
        ({"kintree_table": np.zeros((2, 5), int)}, "'kintree_table' must have the parents"),
        ({"weights": None}, "no array 'weights'"),
    ],
)
def test_wrong_arrays_are_named(arrays, tmp_path, change, message):
    changed = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "flame.npz", **changed)
    with pytest.raises(InputError, match=message):
        read_flame(tmp_path / "flame.npz")


def test_millimetres_are_refused(arrays, tmp_path):
    np.savez(tmp_path / "flame.npz", **{**arrays, "v_template": arrays["v_template"] * 1000})
    with pytest.raises(InputError, match="must be in metres"):
        read_flame(tmp_path / "flame.npz")


def test_absent_file_and_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        read_flame(tmp_path / "nothing.pkl")
    (tmp_path / "flame.obj").write_text("v 0 0 0")
    with pytest.raises(InputError, match=r"\.pkl or \.npz"):
        read_flame(tmp_path / "flame.obj")


def test_landmark_embeddings(tmp_path):
    triangle, barycentric = np.arange(51), np.tile([0.2, 0.3, 0.5], (51, 1))
    np.savez(tmp_path / "a.npz", lmk_face_idx=triangle, lmk_b_coords=barycentric)
    np.savez(tmp_path / "b.npz", full_lmk_faces_idx=np.arange(68)[None], full_lmk_bary_coords=np.tile([0.2, 0.3, 0.5], (1, 68, 1)))
    np.save(tmp_path / "c.npy", np.column_stack([triangle, barycentric]))
    (tmp_path / "d.pkl").write_bytes(flame_fixture.python2_pickle({"lmk_face_idx": triangle, "lmk_b_coords": barycentric}))
    for name, count in (("a.npz", 51), ("b.npz", 68), ("c.npy", 51), ("d.pkl", 51)):
        embedding = read_landmark_embedding(tmp_path / name)
        assert len(embedding.triangle) == count
        np.testing.assert_allclose(embedding.barycentric[7], [0.2, 0.3, 0.5], atol=1e-6)


def test_wrong_landmark_embeddings(tmp_path):
    np.save(tmp_path / "objects.npy", np.array({"full_lmk_faces_idx": 1}, dtype=object))
    with pytest.raises(InputError, match="pickled objects"):
        read_landmark_embedding(tmp_path / "objects.npy")
    np.savez(tmp_path / "few.npz", lmk_face_idx=np.arange(5), lmk_b_coords=np.full((5, 3), 1 / 3))
    with pytest.raises(InputError, match="51 or 68"):
        read_landmark_embedding(tmp_path / "few.npz")
    np.savez(tmp_path / "far.npz", lmk_face_idx=np.arange(51) + 9970, lmk_b_coords=np.full((51, 3), 1 / 3))
    with pytest.raises(InputError, match=r"triangles must be 0\.\.9975"):
        read_landmark_embedding(tmp_path / "far.npz")
    np.savez(tmp_path / "keys.npz", other=np.arange(3))
    with pytest.raises(InputError, match="needs lmk_face_idx"):
        read_landmark_embedding(tmp_path / "keys.npz")
