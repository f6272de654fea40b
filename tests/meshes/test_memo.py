"""What is computed once: kept, of a few keys or of all, and nothing where a builder fails."""

from types import SimpleNamespace

import pytest
import torch
from torch.func import grad, vmap

from gaugenet.meshes.memo import remembered


def test_a_value_is_built_once_per_key():
    memo, built = {}, []

    def value(key):
        return remembered(memo, key, lambda: built.append(key) or [key], "a test")

    assert value(1) is value(1)
    assert value(2) == [2]
    assert built == [1, 2]


def test_of_a_few_keys_the_oldest_leaves_first():
    memo = {}
    for key in (1, 2, 1, 3, 4):
        assert remembered(memo, key, lambda key=key: -key, "a test", most=2) == -key
    assert list(memo) == [3, 4]


def test_nothing_is_kept_of_a_builder_that_fails():
    memo = {}
    with pytest.raises(ZeroDivisionError):
        remembered(memo, "key", lambda: 1 // 0, "a test")
    assert memo == {}


def test_what_is_made_in_inference_mode_can_be_trained_with():
    with torch.inference_mode():
        value = remembered({}, "key", lambda: torch.ones(2), "a test")
    weight = torch.ones(2, requires_grad=True)
    (value * weight).sum().backward()
    assert torch.equal(weight.grad, value)


def test_within_a_transform_what_it_works_on_is_followed_and_what_it_does_not_is_kept_as_numbers():
    def total(r, memo):
        of = SimpleNamespace(r=r, other=None)
        return remembered(memo, "key", lambda: of.r * of.r, "a test", of=of).sum()

    x = torch.arange(3.0)
    assert grad(total)(x, {}).tolist() == [0.0, 2.0, 4.0]
    assert vmap(lambda r: total(r, {}))(torch.stack([x, 2 * x])).tolist() == [5.0, 20.0]
    memo = {}
    assert grad(lambda y: y * total(x, memo))(torch.tensor(1.0)) == 5.0
    assert memo["key"].tolist() == [0.0, 1.0, 4.0]
    assert not torch._C._functorch.is_functorch_wrapped_tensor(memo["key"])
