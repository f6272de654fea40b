"""What torch asks of an operator: derivatives of all orders, shapes without data, compilation, export, autocast."""

import dataclasses
import shutil

import pytest
import torch

from gaugenet.kernels.transport_conv import transport_conv

SMALL = {"mix": "C6 with its sign block", "degrees": (3, 0, 1, 4), "n_source": 3, "n_scalars": 2}


@pytest.fixture(params=["cpu", "reference"])
def implementation(request):
    return request.param


@pytest.fixture
def small(case):
    problem = case(
        "order 0 in two components",
        **{k: v for k, v in SMALL.items() if k != "mix"},
        geometry=("alpha", "flip", "beta", "post_flip"),
    )
    problem.in_blocks = [(3, 1, 1, 1), (1, 0, 2, 1), (0, 0, 1, 2)]
    problem.out_blocks = [(2, 0, 2, 1), (3, 1, 1, 2)]
    problem.edges = dataclasses.replace(
        problem.edges, order=torch.tensor([2, 0, 3, 1]).int(), reverse_order=torch.tensor([1, 2, 0]).int()
    )
    generator = torch.Generator().manual_seed(0)
    problem.x = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    problem.weight = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    problem.grad = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    return problem


def leaf(tensor):
    return tensor.clone().requires_grad_()


def test_gradients_of_first_and_second_order(small, implementation):
    def run(x, weight):
        return transport_conv(x, weight, small.edges, small.in_blocks, small.out_blocks, implementation=implementation)

    inputs = (leaf(small.x), leaf(small.weight))
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


def test_the_gradient_operators_are_differentiable(small, implementation):
    arguments = small.arguments(implementation)
    ops = torch.ops.gaugenet
    x, weight, grad = leaf(small.x), leaf(small.weight), leaf(small.grad)
    assert torch.autograd.gradcheck(lambda x, g: ops.transport_conv_weight_grad(x, g, *arguments), (x, grad))
    assert torch.autograd.gradgradcheck(lambda x, g: ops.transport_conv_weight_grad(x, g, *arguments), (x, grad))
    both = lambda x, w, g: ops.transport_conv_backward(x, w, g, *arguments)  # noqa: E731
    assert torch.autograd.gradcheck(both, (x, weight, grad))
    assert torch.autograd.gradgradcheck(both, (x, weight, grad))


def test_forward_mode_and_batches_of_gradients(small, implementation):
    def run(x, weight):
        return transport_conv(x, weight, small.edges, small.in_blocks, small.out_blocks, implementation=implementation)

    inputs = (leaf(small.x), leaf(small.weight))
    batched = {"check_batched_grad": True, "fast_mode": True}
    assert torch.autograd.gradcheck(run, inputs, check_forward_ad=True, check_batched_forward_grad=True, **batched)
    assert torch.autograd.gradgradcheck(run, inputs, check_fwd_over_rev=True, **batched)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_transforms_of_torch_func(small, error):
    """Gradients, tangents, Jacobians, Hessians and batches, against autograd on the definition."""
    func = torch.func

    def run(x, weight, implementation=None):
        return transport_conv(x, weight, small.edges, small.in_blocks, small.out_blocks, implementation=implementation)

    def cubes(x, weight, implementation=None):
        return run(x, weight, implementation).pow(3).sum()

    x, weight = small.x, small.weight
    for argument in (0, 1):
        one = lambda t, a=argument: cubes(t, weight, "reference") if a == 0 else cubes(x, t, "reference")  # noqa: E731
        given = (x, weight)[argument]
        gradient = torch.autograd.functional.jacobian(one, given)
        assert error(func.grad(cubes, argument)(x, weight), gradient) < 1e-13
        assert error(func.hessian(cubes, argument)(x, weight), torch.autograd.functional.hessian(one, given)) < 1e-13
        tangent = torch.randn(given.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        tangents = (tangent, torch.zeros_like(weight)) if argument == 0 else (torch.zeros_like(x), tangent)
        assert error(func.jvp(cubes, (x, weight), tangents)[1], (gradient * tangent).sum()) < 1e-12
    per_sample = func.vmap(func.grad(cubes, 1), (0, None))(torch.stack([x, 2 * x]), weight)
    assert error(per_sample[1], 8 * per_sample[0]) < 1e-13


@pytest.mark.parametrize("needed", [(True, False), (False, True), (False, False)])
def test_only_what_is_needed_gets_a_gradient(small, implementation, needed):
    """The other paths of the derivative: they agree with both gradients at once."""
    both = small.all(implementation)[1:]
    small.x, small.weight = (t.clone().requires_grad_(n) for t, n in zip((small.x, small.weight), needed))
    out = small.run(implementation)
    assert out.requires_grad == any(needed)
    if out.requires_grad:
        out.backward(small.grad)
    for argument, expected, n in zip((small.x, small.weight), both, needed):
        assert (argument.grad is not None) == n
        if n:
            torch.testing.assert_close(argument.grad, expected, rtol=0, atol=1e-13)


def test_opcheck(small, implementation):
    arguments = small.arguments(implementation)
    x, weight, grad = leaf(small.x), leaf(small.weight), leaf(small.grad)
    torch.library.opcheck(torch.ops.gaugenet.transport_conv, (x, weight, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_weight_grad, (x, grad, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_backward, (x, weight, grad, *arguments))


def test_opcheck_of_strided_arguments(small, implementation):
    """Shapes without data must tell the strides of the results too, whatever those of the arguments."""
    arguments = small.arguments(implementation)
    x, weight, grad = (leaf(t.mT.contiguous().mT) for t in (small.x, small.weight, small.grad))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv, (x, weight, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_weight_grad, (x, grad, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_backward, (x, weight, grad, *arguments))


def gradient_norm(x, weight, edges, in_blocks, out_blocks):
    return torch.sin(transport_conv(x, weight, edges, in_blocks, out_blocks)).sum()


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_without_a_graph_break(small, error, backend):
    if backend == "inductor" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("inductor compiles C++ on a CPU, and there is no compiler here")
    torch._dynamo.reset()
    compiled = torch.compile(gradient_norm, fullgraph=True, backend=backend)
    results = []
    for function in (gradient_norm, compiled):
        x, weight = leaf(small.x), leaf(small.weight)
        loss = function(x, weight, small.edges, small.in_blocks, small.out_blocks)
        results.append((loss.detach(), *torch.autograd.grad(loss, (x, weight))))
    for found, expected in zip(results[1], results[0]):
        assert error(found, expected) < 1e-14


def test_exports(small):
    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(small.weight.clone())

        def forward(self, x):
            return transport_conv(x, self.weight, small.edges, small.in_blocks, small.out_blocks)

    exported = torch.export.export(Layer(), (small.x,))
    assert any("transport_conv" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(small.x), small.run(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(case, implementation, dtype):
    problem = case("SO(2), one vector wide", [4] * 10, dtype=dtype)
    expected = problem.all(implementation)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = problem.all(implementation)
    for a, b in zip(found, expected):
        assert a.dtype == dtype
        assert torch.equal(a, b)


def test_half_precision_features_take_a_float32_weight(case):
    problem = case("SO(2), one vector wide", [4] * 10, dtype=torch.bfloat16)
    expected = problem.run()
    weight = problem.weight.float().requires_grad_()
    problem.weight = weight
    out = problem.run()
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, expected)
    out.float().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
