"""Tensors in a file: the same content is the same bytes, and no altered byte goes unnoticed."""

import pytest
import torch
from safetensors.torch import load, save

from gaugenet.meshes.tensor_file import load_tensors, save_tensors, tensor_bytes

TENSORS = {
    "a": torch.arange(12, dtype=torch.float64).reshape(3, 4),
    "b": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "turned": torch.arange(6, dtype=torch.int8).reshape(2, 3).T,
}
VALUES = {"key": "k", "order": 6, "text": "Möbius"}


def test_all_comes_back(tmp_path):
    save_tensors(tmp_path / "deep" / "a", TENSORS, VALUES)
    tensors, values = load_tensors(tmp_path / "deep" / "a")
    assert values == VALUES
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[n], t) and tensors[n].dtype == t.dtype for n, t in TENSORS.items())
    # others can read it too
    assert torch.equal(load((tmp_path / "deep" / "a").read_bytes())["a"], TENSORS["a"])


def test_the_same_content_is_the_same_bytes():
    # safetensors draws the order of several entries of metadata anew in every call
    assert len({tensor_bytes(dict(reversed(TENSORS.items())), dict(reversed(VALUES.items()))) for _ in range(20)}) == 1
    assert tensor_bytes(TENSORS, VALUES) != tensor_bytes(TENSORS, {**VALUES, "order": 5})


@pytest.mark.parametrize("bit", [1, 32])
def test_no_altered_byte_goes_unnoticed(tmp_path, bit):
    content = tensor_bytes(TENSORS, VALUES)
    path = tmp_path / "a"
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        try:
            tensors, values = load_tensors(path)
        except ValueError:
            continue
        # white space that fills the header up may be other white space
        assert values == VALUES
        assert all(torch.equal(tensors[n], t) and tensors[n].dtype == t.dtype for n, t in TENSORS.items())
        assert content[at : at + 1] == b" "


def test_no_cut_goes_unnoticed(tmp_path):
    content = tensor_bytes(TENSORS, VALUES)
    for length in range(len(content)):
        (tmp_path / "a").write_bytes(content[:length])
        with pytest.raises(ValueError, match="whole"):
            load_tensors(tmp_path / "a")
    (tmp_path / "a").write_bytes(content + b"x")
    with pytest.raises(ValueError, match="whole"):
        load_tensors(tmp_path / "a")


@pytest.mark.parametrize(
    "metadata", [None, {"gaugenet": "[1]"}, {"gaugenet": '{"sha256": 1, "values": 2}'}, {"x": "y"}]
)
def test_what_others_wrote_is_refused(tmp_path, metadata):
    (tmp_path / "a").write_bytes(save({"a": torch.zeros(2)}, metadata))
    with pytest.raises(ValueError, match="not written by this package"):
        load_tensors(tmp_path / "a")


def test_what_cannot_be_read_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "a")
    with pytest.raises(IsADirectoryError):
        load_tensors(tmp_path)
