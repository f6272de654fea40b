"""Checkpoints: what is written comes back to the bit; what is not whole is refused in one line."""

import dataclasses
import json
import struct

import pytest
import torch
from torch import nn

from gaugenet import checkpoint as module
from gaugenet.checkpoint import Checkpoint, ResumeState, restore_weights
from gaugenet.config import Config, ModelConfig
from gaugenet.validations import Validations


def small_model():
    return nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 2))


def example(weights):
    return Checkpoint(
        weights=weights,
        config=Config(model=ModelConfig(group="D4")),
        class_names=("left", "right"),
        label_values=(1, 7),
        label_kind="face",
        n_features=3,
        epoch=5,
    )


def test_a_checkpoint_comes_back_to_the_bit(tmp_path):
    written = example({"a": torch.randn(3, 2), "b.c": torch.arange(4), "empty": torch.empty(0, 3)})
    written.save(tmp_path / "deep" / "model.safetensors")
    read = Checkpoint.load(tmp_path / "deep" / "model.safetensors")
    assert {k: v.tolist() for k, v in read.weights.items()} == {k: v.tolist() for k, v in written.weights.items()}
    for name in (
        "config",
        "class_names",
        "label_values",
        "label_kind",
        "n_features",
        "epoch",
    ):
        assert getattr(read, name) == getattr(written, name), name


def test_a_state_comes_back_to_the_bit(tmp_path):
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        model(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()
    best = {name: weight + 1 for name, weight in model.state_dict().items()}
    state = ResumeState(
        model.state_dict(),
        optimizer.state_dict(),
        2,
        Config(),
        done=3,
        totals=(0.1, 5.0, 7.0),
        validations=Validations(0.75, 1, 2, 4),
        best=best,
        processes=3,
        data={"classes": "0f", "train/ann": "a1"},
        seconds=1.5,
        epoch_seconds=0.5,
    )
    state.save(tmp_path / "resume.safetensors")
    read = ResumeState.load(tmp_path / "resume.safetensors")
    for f in dataclasses.fields(state):
        if f.name not in ("weights", "optimizer", "best"):
            assert getattr(read, f.name) == getattr(state, f.name), f.name
    assert read.best.keys() == best.keys()
    assert all(torch.equal(read.best[name], best[name]) for name in best)
    fresh = small_model()
    restore_weights(fresh, read.weights)
    other = torch.optim.AdamW(fresh.parameters(), lr=0.5)
    other.load_state_dict(read.optimizer)
    x = torch.randn(5, 3)
    for m, o in ((model, optimizer), (fresh, other)):
        o.zero_grad()
        m(x).square().mean().backward()
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters()))


def test_writing_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    example({"a": torch.ones(3)}).save(path)
    before = path.read_bytes()

    def crash(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(module.os, "fsync", crash)
    with pytest.raises(OSError, match="no space"):
        example({"a": torch.zeros(3)}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def corrupt(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[:-3])
    elif how == "cut to nothing":
        path.write_bytes(b"")
    elif how == "a flipped bit":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "text":
        path.write_text("v 0 0 0\n" * 100)
    else:
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        meta = json.loads(header["__metadata__"]["gaugenet"])
        if how == "another version":
            meta["version"] = 99
        elif how == "a missing key":
            del meta["class_names"]
        if how == "another program":
            header["__metadata__"] = {"format": "pt"}
        else:
            header["__metadata__"]["gaugenet"] = json.dumps(meta)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("truncated", "truncated"),
        ("cut to nothing", "truncated"),
        ("text", "truncated or no safetensors file"),
        ("a flipped bit", "altered"),
        ("another version", "version 99"),
        ("a missing key", "lacks class_names"),
        ("another program", "was not written by gaugenet"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, how, expected):
    path = tmp_path / "model.safetensors"
    example({"a": torch.ones(3)}).save(path)
    corrupt(path, how)
    with pytest.raises(ValueError, match=expected) as error:
        Checkpoint.load(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_the_two_files_are_not_mistaken_for_each_other(tmp_path):
    example({"a": torch.ones(3)}).save(tmp_path / "x")
    with pytest.raises(ValueError, match="holds a 'model' state, expected 'resume'"):
        ResumeState.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Checkpoint.load(tmp_path / "y")


def test_weights_of_another_model_are_refused():
    weights = small_model().state_dict()
    without = {k: v for k, v in weights.items() if k != "0.bias"}
    with pytest.raises(ValueError, match=r"'0.bias' are missing"):
        restore_weights(small_model(), without)
    with pytest.raises(ValueError, match="no weights 'more'"):
        restore_weights(small_model(), weights | {"more": torch.ones(1)})
    with pytest.raises(ValueError, match=r"has shape \[5\], the model expects \[4\]"):
        restore_weights(small_model(), weights | {"0.bias": torch.ones(5)})
