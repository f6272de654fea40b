"""Odd inputs: each gives the right result, by every implementation that runs here, or one error that says what to do.

As in `test_triton.py` the Triton kernels run in the interpreter, in a process of their own.
"""

import dataclasses
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gaugenet.kernels import _cpu_edgewise
from gaugenet.kernels.transport_conv import ConvEdges, transport_conv

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
INSTALLED = importlib.util.find_spec("triton") is not None
FORMS = ("triton, apart", "triton, fused")
WAYS = {"aggregate first": -(10**9), "edge by edge": 10**9}
IMPLEMENTATIONS = FORMS if INTERPRETED else (*(f"cpu, {way}" for way in WAYS), "reference")

BLOCKS = [(0, 0, 1, 2), (1, 0, 2, 1)]
NAN = float("nan")


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request, monkeypatch):
    name, _, form = request.param.partition(", ")
    monkeypatch.setenv("GAUGENET_TRITON_FORM", form if name == "triton" else "auto")
    if name == "cpu":
        monkeypatch.setattr(_cpu_edgewise, "_PACKING", WAYS[form])
        monkeypatch.setattr(_cpu_edgewise, "_FEW", 10**9)
    return name


def edges(dtype=torch.float32, **changed):
    """Five edges from four sources to three targets, the second without any; angles and a flip."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    given = {"row_ptr": torch.tensor([0, 2, 2, 5]), "source": torch.tensor([1, 0, 1, 3, 0]), "n_source": 4}
    given |= {"scalars": normal(5, 2), "alpha": normal(5), "beta": normal(5), "flip": torch.tensor([1, -1, -1, 1, 1])}
    return ConvEdges.from_csr(**given | changed)


def arguments(dtype=torch.float32, real=None):
    generator = torch.Generator().manual_seed(1)
    x, weight, grad = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((4, 4), (2, 4, 4), (3, 4)))
    return x.to(dtype), weight.to(dtype), grad.to(dtype), edges(real or dtype)


def passes(x, weight, grad, e, implementation):
    """Result and both gradients."""
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    out = transport_conv(x, weight, e, BLOCKS, BLOCKS, implementation=implementation)
    return out.detach(), *torch.autograd.grad(out, (x, weight), grad)


def strided(t):
    return t.mT.contiguous().mT


def every_second(t):
    return torch.stack([t, torch.full_like(t, NAN)], -1)[..., 0]


def inside(t):
    """A view of a larger tensor that holds NaN before and after it."""
    around = torch.full((t.numel() + 200,), NAN, dtype=t.dtype)
    around[100:-100] = t.reshape(-1)
    return around[100:-100].view(t.shape)


def odd_start(t):
    """No number lies where a wide load could begin."""
    return torch.cat([t.new_full((1,), NAN), t.reshape(-1)])[1:].view(t.shape)


def negated(t):
    """A view that torch negates when it is read."""
    return torch.complex(torch.zeros_like(t), -t).conj().imag


LAYOUTS = [strided, every_second, inside, odd_start, negated, torch.nn.Parameter]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
def test_any_layout_of_memory(implementation, layout, error, tolerance):
    x, weight, grad, e = arguments()
    expected = passes(x, weight, grad, e, "reference")
    found = passes(layout(x), layout(weight), layout(grad).detach(), e, implementation)
    for ours, right in zip(found, expected):
        assert error(ours, right) < tolerance["float32"]


def test_expanded_arguments(implementation, error, tolerance):
    """One row stands for all, also in the gradient, as that of a sum does."""
    x, weight, grad, e = arguments()
    x, weight, grad = x[:1].expand(4, 4), weight[:1].expand(2, 4, 4), torch.ones(()).expand(3, 4)
    expected = passes(x.contiguous(), weight.contiguous(), grad.contiguous(), e, "reference")
    for ours, right in zip(passes(x, weight, grad, e, implementation), expected):
        assert error(ours, right) < tolerance["float32"]


def test_geometry_of_any_layout(implementation, error, tolerance):
    """Indices of 64 bits, signs as floating-point numbers, scalars and angles that are not contiguous."""
    x, weight, grad, e = arguments()
    expected = passes(x, weight, grad, e, "reference")
    other = dataclasses.replace(e, **{n: every_second(getattr(e, n)) for n in ("scalars", "pre", "post")})
    for mine in (other, edges(source=e.source.long(), row_ptr=e.row_ptr.long(), flip=e.pre_flip.double())):
        for ours, right in zip(passes(x, weight, grad, mine, implementation), expected):
            assert error(ours, right) < tolerance["float32"]


def test_repeated_edges_count_each(implementation, error, tolerance):
    """Three edges between the same two vertices are one edge with their scalars added."""
    same = {"alpha": None, "beta": None, "flip": None}
    many = edges(row_ptr=torch.tensor([0, 3, 3, 5]), source=torch.tensor([2, 2, 2, 1, 1]), **same)
    scalars = torch.stack([many.scalars[:3].sum(0), many.scalars[3:].sum(0)])
    once = edges(row_ptr=torch.tensor([0, 1, 1, 2]), source=torch.tensor([2, 1]), scalars=scalars, **same)
    x, weight, grad, _ = arguments()
    for ours, right in zip(passes(x, weight, grad, many, implementation), passes(x, weight, grad, once, "reference")):
        assert error(ours, right) < tolerance["float32"]


def empty(n_source, n_target):
    none = torch.zeros(0)
    row_ptr, source = torch.zeros(n_target + 1, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    return edges(
        n_source=n_source, row_ptr=row_ptr, source=source, scalars=torch.zeros(0, 2), alpha=none, beta=none, flip=none
    )


@pytest.mark.parametrize(("n_source", "n_target"), [(0, 0), (4, 0), (0, 3), (4, 3)])
def test_nothing_at_all(implementation, n_source, n_target):
    x, grad = torch.ones(n_source, 4), torch.ones(n_target, 4)
    for ours, shape in zip(
        passes(x, torch.ones(2, 4, 4), grad, empty(n_source, n_target), implementation),
        ((n_target, 4), (n_source, 4), (2, 4, 4)),
    ):
        assert ours.shape == shape
        assert not ours.any()


@pytest.mark.parametrize("width", [0, 1])
def test_blocks_of_no_copies(implementation, width):
    """Beside others, and alone: columns of no width."""
    none = [(0, 0, 1, width), (1, 0, 2, 0), (2, 0, 2, 0)]
    x, weight = torch.ones(4, width), torch.ones(2, width, width)
    out = transport_conv(x, weight, edges(), none, none, implementation=implementation)
    assert out.shape == (3, width)
    assert bool(out.any()) == (width > 0)


def graph(many):
    """Target and source of some edges; one target and one source have none."""
    if not many:
        return [0, 0, 2, 2, 2], [1, 0, 1, 3, 0], 3, 4
    n_target, degree, n_source = (4, 18, 4) if INTERPRETED else (12, 20, 9)
    generator = torch.Generator().manual_seed(2)
    target = [p for p in range(n_target) if p != 2 for _ in range(degree)]
    source = torch.randint(1, n_source, (len(target),), generator=generator)
    return target, [(2 + s) % n_source for s in source.tolist()], n_target, n_source


@pytest.mark.parametrize("value", [NAN, float("inf")])
@pytest.mark.parametrize("many", [False, True], ids=["few edges", "many edges"])
def test_what_is_no_number_stays_with_its_edges(implementation, value, many):
    """A NaN or infinity of one source, target or edge reaches those that an edge joins to it, and no others: not the
    vertices whose numbers lie beside it, and no weight where it has no edge."""
    target, source, n_target, n_source = graph(many)
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    row_ptr = torch.tensor([0, *np.bincount(target, minlength=n_target).cumsum().tolist()])
    geometry = {"alpha": normal(len(source)), "beta": normal(len(source))}
    e = ConvEdges.from_csr(row_ptr, torch.tensor(source), n_source, normal(len(source), 2), **geometry)
    x, weight, grad = normal(n_source, 4), normal(2, 4, 4), normal(n_target, 4)
    joined = list(zip(target, source))
    unused = (set(range(n_source)) - set(source)).pop()
    for vertex in (unused, 0, n_source - 1):
        wrong = x.clone()
        wrong[vertex] = value
        out, to_x, to_weight = passes(wrong, weight, grad, e, implementation)
        reached = {t for t, s in joined if s == vertex}
        assert {p for p in range(n_target) if not out[p].isfinite().all()} == reached
        assert to_x.isfinite().all()
        assert bool(to_weight.isfinite().all()) == (not reached)
    empty_row = (set(range(n_target)) - set(target)).pop()
    for row in (empty_row, 0, n_target - 1):
        wrong = grad.clone()
        wrong[row] = value
        _, to_x, to_weight = passes(x, weight, wrong, e, implementation)
        reached = {s for t, s in joined if t == row}
        assert {s for s in range(n_source) if not to_x[s].isfinite().all()} == reached
        assert bool(to_weight.isfinite().all()) == (not reached)
    for edge in (0, len(source) // 2, len(source) - 1):
        scalars = e.scalars.clone()
        scalars[edge] = value
        out, to_x, _ = passes(x, weight, grad, dataclasses.replace(e, scalars=scalars), implementation)
        assert {p for p in range(n_target) if not out[p].isfinite().all()} == {target[edge]}
        assert {s for s in range(n_source) if not to_x[s].isfinite().all()} == {source[edge]}


@pytest.mark.parametrize("vertex", [2, 0])
def test_each_gradient_alone_of_what_is_no_number(implementation, vertex):
    """As above, with the gradient to the weight asked for alone."""
    x, weight, grad, e = arguments()
    x[vertex], grad[1] = NAN, NAN  # the second target has no edges, and neither has the third source
    weight = weight.requires_grad_()
    out = transport_conv(x, weight, e, BLOCKS, BLOCKS, implementation=implementation)
    (to_weight,) = torch.autograd.grad(out, weight, grad)
    assert bool(to_weight.isfinite().all()) == (vertex == 2)


def test_without_gradients_and_on_meta(implementation):
    x, weight, _, e = arguments()
    expected = transport_conv(x, weight, e, BLOCKS, BLOCKS, implementation=implementation)
    with torch.inference_mode():
        assert torch.equal(transport_conv(x, weight, e, BLOCKS, BLOCKS, implementation=implementation), expected)
    shape = transport_conv(x.to("meta"), weight.to("meta"), e.to("meta"), BLOCKS, BLOCKS, implementation=implementation)
    assert (shape.device.type, shape.shape, shape.dtype) == ("meta", expected.shape, expected.dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtypes(implementation, dtype, error, tolerance):
    real = torch.float32 if dtype.itemsize == 2 else dtype
    x, weight, grad, e = arguments(dtype, real)
    expected = passes(x.double(), weight.double(), grad.double(), e.to(dtype=torch.float64), "reference")
    for ours, right in zip(passes(x, weight, grad, e, implementation), expected):
        assert ours.dtype == dtype
        assert error(ours, right) < tolerance[str(dtype).removeprefix("torch.")]


def quantised(t):
    return torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)


def on_meta(t):
    return t.to("meta")


WRONG_FIELDS = [
    ("x", torch.Tensor.to_sparse, r"x: expected a dense tensor, got one of layout torch.sparse_coo; use .to_dense\(\)"),
    ("x", torch.Tensor.to_sparse_csr, "layout torch.sparse_csr; use .to_dense"),
    ("x", torch.Tensor.to_mkldnn, "layout torch._mkldnn; use .to_dense"),
    ("weight", torch.Tensor.to_sparse, "weight: expected a dense tensor"),
    ("x", quantised, r"x: expected real numbers \(float64.*, got torch.qint8; use .dequantize"),
    ("x", torch.Tensor.cfloat, "got torch.complex64; stack real and imaginary parts"),
    ("x", torch.Tensor.int, r"got torch.int32; use .to\(torch.float32\)"),
    ("x", torch.Tensor.bool, "got torch.bool; use"),
    ("x", lambda t: t.to(torch.float8_e4m3fn), "got torch.float8_e4m3fn; use"),
    ("x", torch.Tensor.numpy, "x: expected a torch tensor, got ndarray; use torch.as_tensor"),
    ("weight", torch.Tensor.tolist, "weight: expected a torch tensor, got list"),
    ("x", torch.Tensor.double, r"must agree in dtype.*got torch.float64, torch.float32 and torch.float32; use .to"),
    ("weight", torch.Tensor.bfloat16, "must agree in dtype"),
    ("x", on_meta, r"one device, got meta, cpu and cpu; use .to\(device\)"),
    ("weight", on_meta, "one device, got cpu, meta and cpu"),
    ("edges", lambda e: e.to("meta"), "one device, got cpu, cpu and meta"),
    ("edges", lambda e: e.to(dtype=torch.float64), "must agree in dtype"),
    ("edges", lambda e: None, "edges: expected ConvEdges, got NoneType; use ConvEdges.from_csr"),
    ("x", lambda t: t[0], r"x: expected \[4, 4\].*got \(4,\)"),
    ("x", lambda t: t[None], r"x: expected \[4, 4\].*got \(1, 4, 4\)"),
    ("x", lambda t: t[:3], r"got \(3, 4\)"),
    ("weight", lambda t: t[:, :, :3], r"weight: expected \[2, 4, 4\].*got \(2, 4, 3\)"),
    ("in_blocks", lambda b: None, "in_blocks: a block is four integers .*got None"),
    ("in_blocks", lambda b: [(0, 0, 1)], r"got \(0, 0, 1\)"),
    ("out_blocks", lambda b: [4], "out_blocks: a block is four integers .*got 4"),
    ("out_blocks", lambda b: [(0.0, 0, 1, 4)], r"got \(0.0, 0, 1, 4\)"),
    ("in_blocks", lambda b: [(0, 0, 1, -4)], r"got \(0, 0, 1, -4\)"),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "change", "says"), WRONG_FIELDS, ids=[f"{n}: {s}"[:40] for n, _, s in WRONG_FIELDS])
def test_wrong_arguments_are_named(implementation, name, change, says):
    x, weight, _, e = arguments()
    given = {"x": x, "weight": weight, "edges": e, "in_blocks": BLOCKS, "out_blocks": BLOCKS}
    given[name] = change(given[name])
    with pytest.raises(ValueError, match=says):
        transport_conv(**given, implementation=implementation)


def test_blocks_may_be_any_integers(implementation):
    x, weight, _, e = arguments()
    blocks = [tuple(np.int64(n) for n in block) for block in BLOCKS]
    expected = transport_conv(x, weight, e, BLOCKS, BLOCKS, implementation=implementation)
    assert torch.equal(transport_conv(x, weight, e, blocks, blocks, implementation=implementation), expected)


META = {"device": "meta"}
WRONG_EDGES = [
    ({"row_ptr": torch.tensor([0, 3, 2, 5])}, "row_ptr must not decrease: sort the edges by target"),
    ({"row_ptr": torch.tensor([1, 2, 2, 5])}, "row_ptr must start at 0"),
    ({"row_ptr": torch.tensor([0, 2, 2, 6])}, "end at the number of edges 5, got 0 and 6"),
    ({"row_ptr": torch.zeros(0).long()}, r"expected row_ptr \[T \+ 1\]"),
    ({"row_ptr": [0, 2, 2, 5]}, "row_ptr: expected a torch tensor, got list; use torch.as_tensor"),
    ({"row_ptr": torch.tensor([0.0, 2, 2, 5])}, "row_ptr holds integers: expected int32 or int64, got torch.float32"),
    ({"row_ptr": torch.tensor([0, 2, 2, 5], **META)}, r"one device, got \['cpu', 'meta'\]; use .to\(device\)"),
    ({"source": torch.tensor([1, 0, 1, 4, 0])}, r"0 .. 3, got 0 .. 4; was n_source meant to be larger\?"),
    ({"source": torch.tensor([1, 0, 1, -1, 0])}, "got -1 .. 1"),
    ({"source": torch.tensor([1, 0, 1, 3, 0]).to(torch.uint8)}, "source holds integers: .*got torch.uint8"),
    ({"source": torch.tensor([1, 0, 1, 3, 0]).to_sparse()}, "source: expected a dense tensor"),
    ({"source": torch.tensor([[1, 0, 1, 3, 0]])}, r"source \[E\], got shapes \(4,\) and \(1, 5\)"),
    ({"n_source": -1}, "n_source: expected the number of sources, an integer of at least 0, got -1"),
    ({"n_source": 4.0}, "n_source: .*got 4.0"),
    ({"n_source": None}, "n_source: .*got None"),
    ({"scalars": torch.ones(5)}, r"scalars: expected float32 or float64 \[E, B\] with E = 5"),
    ({"scalars": torch.ones(5, 2).bfloat16()}, "got torch.bfloat16"),
    ({"scalars": torch.ones(5, 2).cfloat()}, "got torch.complex64"),
    ({"scalars": torch.ones(5, 2, **META)}, "must be on one device"),
    ({"scalars": torch.ones(5, 2).to_sparse()}, "scalars: expected a dense tensor"),
    ({"scalars": np.ones((5, 2))}, "scalars: expected a torch tensor, got ndarray"),
    ({"alpha": torch.ones(5, 1)}, r"alpha: expected one value per edge \[5\], got \(5, 1\)"),
    ({"alpha": torch.ones(5).cfloat()}, "alpha: expected real numbers, got torch.complex64"),
    ({"flip": torch.tensor([1, 0, 1, 1, 1])}, r"flip: must hold \+1 and -1 only"),
    ({"flip": torch.tensor([1, NAN, 1, 1, 1])}, r"flip: must hold \+1 and -1 only"),
    ({"post_flip": torch.ones(5).bool()}, "post_flip: expected real numbers, got torch.bool"),
    ({"order": torch.tensor([0, 2, 2])}, "order: expected a permutation"),
    ({"reverse_order": torch.arange(3)}, r"reverse_order: expected int32 or int64 \[4\]"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG_EDGES, ids=[s[:40] for _, s in WRONG_EDGES])
def test_wrong_edges_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        edges(**wrong)


def test_edges_without_values_are_refused():
    everything = {"row_ptr": torch.zeros(4).long(), "source": torch.zeros(5).long(), "scalars": torch.ones(5, 2)}
    everything |= dict.fromkeys(("alpha", "beta", "flip"), torch.ones(5))
    with pytest.raises(ValueError, match=r"checked by their values, which meta tensors do not have.*\.to\('meta'\)"):
        edges(**{name: value.to("meta") for name, value in everything.items()})


@pytest.mark.skipif(not INSTALLED or INTERPRETED, reason="Triton is not installed, or the tests above run here")
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
