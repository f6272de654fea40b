"""Layers on charts under the transforms of torch.func: grad, vmap, jvp and what is composed of them."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jvp, stack_module_state, vjp, vmap
from torch.utils.checkpoint import checkpoint

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_atlases import mobius_strip
from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_pooling import ChartMaxPool
from gaugenet.nn.sublattice_pooling import SublatticePool
from gaugenet.nn.value_batch_norm import ValueBatchNorm

STRIP = FieldType.parse("reflection: 1xtrivial + 1xsign + 1xregular")
SPHERE = FieldType.parse("C6: 1xregular + 1x0")
PLAIN = FieldType.parse("trivial: 3x0")


def conv(executor, field=SPHERE, lattice="hexagonal", corners="zero", size=3):
    g = torch.Generator().manual_seed(0)
    layer = ChartConv(field, field, lattice=lattice, executor=executor, corners=corners, size=size, generator=g)
    layer.bias.value.data = torch.randn(layer.bias.value.shape, generator=g)
    return layer


LAYERS = {
    "taps": (lambda: conv("taps"), lambda: icosahedral_atlas(1), SPHERE),
    "corners": (lambda: conv("taps", corners="mean"), lambda: icosahedral_atlas(1), SPHERE),
    "direct": (lambda: conv("direct", STRIP, "square"), lambda: mobius_strip(4, 6), STRIP),
    "fourier": (lambda: conv("fourier", STRIP, "square", size=5), lambda: mobius_strip(6, 6), STRIP),
    "no transpose": (lambda: conv("taps", PLAIN), lambda: icosahedral_atlas(1).without_transitions(), PLAIN),
    "squares": (lambda: ChartMaxPool(STRIP), lambda: mobius_strip(4, 6), STRIP),
    "largest": (lambda: SublatticePool(SPHERE, values=True), lambda: icosahedral_atlas(2), SPHERE),
    "mean": (lambda: SublatticePool(SPHERE, mode="mean"), lambda: icosahedral_atlas(2), SPHERE),
    "norm": (lambda: ValueBatchNorm(SPHERE).eval(), lambda: icosahedral_atlas(1), SPHERE),
}


@pytest.fixture(params=LAYERS)
def case(request):
    """(weights, f(weights, x), features [P, 2, C], three tangents of them) on an atlas that no layer has met."""
    make, surface, field = LAYERS[request.param]
    layer, atlas = make().double(), surface()
    g = torch.Generator().manual_seed(1)
    xs = torch.randn(4, atlas.n_pixels, 2, field.dim, generator=g, dtype=torch.float64)
    weights = {name: p.detach() for name, p in layer.named_parameters()}
    return weights, lambda weights, x: functional_call(layer, weights, (x, atlas)), xs[0], xs[1:]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_gradients_are_those_of_autograd(case):
    weights, f, x, _ = case

    def loss(weights, x):
        return f(weights, x).pow(3).sum()

    by_weights, by_x = grad(loss, (0, 1))(weights, x)
    tracked, leaf = {name: w.clone().requires_grad_() for name, w in weights.items()}, x.clone().requires_grad_()
    # what the atlas remembers was made within the transform, and is good outside of it
    loss(tracked, leaf).backward()
    close(by_x, leaf.grad)
    close(by_weights, {name: w.grad for name, w in tracked.items()})
    # and for every image apart, as for clipped gradients
    xs = torch.stack([x, 2 * x])
    apart = vmap(grad(loss), (None, 0))(weights, xs)
    for k, one in enumerate(xs):
        close({name: w[k] for name, w in apart.items()}, grad(loss)(weights, one))


def test_forward_mode_is_the_transpose_of_reverse_mode(case):
    weights, f, x, (of_x, *_) = case
    g = torch.Generator().manual_seed(2)
    of_weights = {name: torch.randn(w.shape, generator=g, dtype=w.dtype) for name, w in weights.items()}
    ways = [((weights, x), (of_weights, of_x)), ((x,), (of_x,)), ((weights,), (of_weights,))]
    for primal, tangent in ways if weights else ways[1:2]:
        whole = {1: lambda a: f(weights, a) if torch.is_tensor(a) else f(a, x), 2: f}[len(primal)]
        out, pushed = jvp(whole, primal, tangent)
        close(out, f(weights, x))
        cotangent = torch.randn(out.shape, generator=g, dtype=out.dtype)
        pulled = vjp(whole, *primal)[1](cotangent)
        flat = zip(torch.utils._pytree.tree_leaves(pulled), torch.utils._pytree.tree_leaves(tangent), strict=True)
        close((pushed * cotangent).sum(), torch.stack([(a * b).sum() for a, b in flat]).sum())


def test_batches_of_features_and_of_weights(case):
    weights, f, x, xs = case
    close(vmap(f, (None, 0))(weights, xs), torch.stack([f(weights, one) for one in xs]))
    if weights:
        many = {name: torch.stack([w, -w, 2 * w]) for name, w in weights.items()}
        close(vmap(f, (0, None))(many, x), torch.stack([f({n: w[k] for n, w in many.items()}, x) for k in range(3)]))


def test_second_derivatives_in_three_ways(case):
    """By x along one way, Σ x ∂²L/∂x∂x: forward over reverse, reverse over reverse, and autograd twice."""
    weights, f, x, (v, *_) = case

    def loss(x):
        return f(weights, x).pow(3).sum()

    forward = jvp(grad(loss), (x,), (v,))[1]
    reverse = grad(lambda x: (grad(loss)(x) * v).sum())(x)
    leaf = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    (twice,) = torch.autograd.grad((first * v).sum(), leaf)
    close(forward, twice)
    close(reverse, twice)
    assert twice.abs().max() > 1e-3


def test_the_hessian_of_the_weights(case):
    weights, f, x, _ = case
    if not weights:
        pytest.skip("a layer without weights")
    name, w = next(iter(weights.items()))

    def loss(w):
        return f({**weights, name: w}, x).pow(3).sum()

    found = hessian(loss)(w)
    close(found, torch.autograd.functional.hessian(loss, w))
    assert found.abs().max() > 1e-3


@pytest.mark.parametrize("executor", ["taps", "direct"])
def test_an_ensemble_of_layers(executor):
    layers, atlas = [conv(executor).double() for _ in range(3)], icosahedral_atlas(1)
    for k, layer in enumerate(layers):
        layer.coefficients.data.mul_(k + 1)
    x = torch.randn(atlas.n_pixels, 2, SPHERE.dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    state, one = stack_module_state(layers), conv(executor).double()
    found = vmap(lambda state: functional_call(one, state, (x, atlas)))(state)
    close(found, torch.stack([layer(x, atlas) for layer in layers]))
    # what the layer itself keeps is of no batch
    close(one(x, atlas), layers[0](x, atlas))


@pytest.mark.parametrize("case", ["taps", "corners", "no transpose", "squares", "largest", "mean"], indirect=True)
def test_a_checkpointed_gradient(case):
    weights, f, x, _ = case

    def force(x):
        return torch.autograd.grad(f(weights, x).pow(3).sum(), x, create_graph=True)[0].pow(2).sum()

    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    checkpoint(force, found, use_reentrant=False).backward()
    force(expected).backward()
    close(found.grad, expected.grad)
