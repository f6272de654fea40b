"""Where autograd functions are applied, and the rule of vmap with one call for each."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch.autograd import forward_ad

from gaugenet.kernels.functions import apply, one_by_one


class Square(torch.autograd.Function):
    calls: ClassVar[list[str]] = []

    @staticmethod
    def forward(x, name):
        Square.calls.append(name)
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        Square.calls.append("context")

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad, None


class Transformed(Square):
    @staticmethod
    def jvp(ctx, of_x, _):
        Square.calls.append("jvp")
        return 2 * ctx.saved_tensors[0] * of_x


def calls(x, within=None):
    Square.calls.clear()
    with within or torch.enable_grad():
        apply(Square, Transformed, x, "forward")
    return list(Square.calls)


def test_what_nobody_differentiates_is_only_computed():
    x = torch.ones(2)
    assert calls(x) == ["forward"]
    assert calls(x.clone().requires_grad_(), torch.no_grad()) == ["forward"]
    assert calls(x.clone().requires_grad_()) == ["forward", "context"]


def test_forward_mode_finds_its_rule():
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(2), torch.full((2,), 3.0))
        assert calls(dual) == ["forward", "context", "jvp"]


@pytest.mark.parametrize("tuples", [False, True])
def test_one_by_one(tuples):
    def function(x, scale, name):
        out = scale * x.sum()
        return (out, x) if tuples else out

    xs = torch.arange(6.0).view(2, 3)
    found, dims = one_by_one(function, SimpleNamespace(batch_size=3), (1, None, None), (xs, 2, "name"))
    if tuples:
        (found, same), dims = found, dims[0]
        assert torch.equal(same, xs.T)
    assert dims == 0
    assert found.tolist() == [6.0, 10.0, 14.0]


def test_vmap_over_nothing_says_so():
    with pytest.raises(ValueError, match="at least one element, got none"):
        one_by_one(torch.sin, SimpleNamespace(batch_size=0), (0,), (torch.ones(0, 2),))
