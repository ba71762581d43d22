"""CLIP's text encoder as a front end: a real one of `transformers`, tiny and untrained, written to disk as published ones are."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from controllers.clip_text import ClipFrontEnd
from controllers.front_ends import load_front_end
from controllers.meaning import load_meaning, read_meaning, save_meaning
from controllers.meaning_training import train_meaning, training_config
from controllers.understanding import load_understanding
from emohead import assets
from emohead.errors import InputError, ResourceError

transformers = pytest.importorskip("transformers", reason="transformers is not installed (pip install 'emohead[clip]')")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    symbols = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({symbol: index for index, symbol in enumerate(symbols)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    settings = transformers.CLIPTextConfig(
        vocab_size=len(symbols), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=len(symbols) - 2, eos_token_id=len(symbols) - 1, pad_token_id=len(symbols) - 1,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.CLIPTextModel(settings).save_pretrained(folder)
    return folder


def test_rows_of_a_text_do_not_depend_on_its_company(model: Path):
    front_end = ClipFrontEnd(str(model))
    assert front_end.width == 16 and front_end([]).values.shape == (0, 1, 16)
    together, alone = front_end(["SAD", "grinning from ear to ear"]), front_end(["sad"])
    assert together.there.sum(1).tolist() == [5, 22], "beginning, letters, end"
    assert torch.allclose(together.values[0, :5], alone.values[0], atol=1e-5) and not together.values[0, 5:].any()
    weakened = front_end.weakened(alone.values)
    assert 0.0 < float((weakened - alone.values).abs().mean()) < 0.3 * float(alone.values.std())


def test_a_long_text_is_cut(model: Path):
    assert ClipFrontEnd(str(model))(["word " * 100]).values.shape[1] == 77


def test_a_network_on_clip_is_trained_kept_and_used(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("accelerate")
    plain = training_config("clip")
    training = replace(plain.training, steps=1, warmup=1)
    trained = train_meaning(tmp_path / "run", config=replace(plain, source=str(model), width=16, batch=8, training=training))
    save_meaning(trained, tmp_path / "text_to_au_clip.safetensors")
    read = read_meaning(tmp_path / "text_to_au_clip.safetensors")
    assert read.front_end == "clip" and read.source == str(model)
    one, same = (replace(network, neighbours=None)(["grins"])[0] for network in (trained, read))
    assert (one.shown - same.shown).abs().max() < 1e-3 and read.neighbours is not None
    other = shutil.copytree(model, tmp_path / "other")
    torch.manual_seed(1)
    transformers.CLIPTextModel(transformers.CLIPTextConfig.from_pretrained(model)).save_pretrained(other)
    save_meaning(replace(trained, source=str(other)), tmp_path / "moved.safetensors")
    load_front_end.cache_clear()
    shutil.copytree(model, other, dirs_exist_ok=True)
    with pytest.raises(InputError, match="trained on another model"):
        read_meaning(tmp_path / "moved.safetensors")
    monkeypatch.setattr(assets, "search_path", lambda: [tmp_path, assets.PACKAGE_ASSETS])
    load_meaning.cache_clear()
    load_understanding.cache_clear()
    try:
        assert load_understanding("clip").meaning is not None
    finally:
        load_meaning.cache_clear()
        load_understanding.cache_clear()


def test_what_is_not_clip_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="cannot be read as CLIP"):
        ClipFrontEnd(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="'bert', not CLIP"):
        ClipFrontEnd(str(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ResourceError, match=r"emohead\[clip\]"):
        ClipFrontEnd(str(model))
