"""The Triton implementation against the definition in float64, compiled on a GPU or interpreted.

Without a GPU only Triton's interpreter can run it, which must be switched on before Triton is imported and would also
change what inductor sees; so the tests of this file then run in a process of their own (`test_in_the_interpreter`).
The interpreter takes up to a quarter of a second per program: problems are small.
"""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
INSTALLED = importlib.util.find_spec("triton") is not None
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"

needs_triton = pytest.mark.skipif(not INSTALLED, reason="Triton is not installed")
runs = pytest.mark.skipif(
    not INSTALLED or (DEVICE == "cpu" and not INTERPRETED), reason="needs a GPU or TRITON_INTERPRET=1"
)
NAMES = ("result", "gradient to x", "gradient to weight")


@needs_triton
@pytest.mark.skipif(INTERPRETED or DEVICE == "cuda", reason="the tests below run here")
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """All memory that is taken without being written holds NaN first."""
    if INSTALLED and (DEVICE == "cuda" or INTERPRETED):
        from gaugenet.kernels import _triton

        def nan(shape, like):
            return torch.full(shape, float("nan"), dtype=like.dtype, device=like.device)

        monkeypatch.setattr(_triton, "_empty", nan)


def compare(problem, error, bound, exact=None):
    expected = (exact or problem).all("reference")
    for name, found, right in zip(NAMES, problem.to(DEVICE).all("triton"), expected):
        assert (found.dtype, found.shape) == (problem.x.dtype, right.shape)
        assert error(found.cpu(), right) < bound, name


@runs
def test_it_equals_the_reference(case, mix, error, tolerance):
    """Every mix of blocks, with both flips and both angles."""
    compare(case(mix, degrees=(3, 0, 1, 4), n_scalars=2), error, tolerance["float64"])


@runs
def test_every_geometry(case, geometry, error, tolerance):
    compare(case("parities, odd widths", (2, 0, 3), geometry=geometry, n_scalars=2), error, tolerance["float64"])


@runs
@pytest.mark.parametrize(
    ("degrees", "n_scalars"),
    [((0, 1, 0, 0, 70, 0), 1), ((2, 3) * 17, 2), ((1, 0, 2), 17)],
    ids=["one long row", "several programs", "several groups of scalars"],
)
def test_degrees_and_scalars(case, degrees, n_scalars, error, tolerance):
    problem = case("parities, odd widths", degrees, n_source=19, n_scalars=n_scalars, geometry=("alpha", "beta"))
    compare(problem, error, tolerance["float64"])


@runs
@pytest.mark.parametrize(
    ("form", "n_scalars", "degrees"),
    [("apart", 17, (2, 0, 3)), ("apart", 17, (17, 14)), ("fused", 5, (2, 0, 3))],
    ids=["by edge", "by product", "fused"],
)
def test_groups_of_several_scalars(case, error, tolerance, monkeypatch, form, n_scalars, degrees):
    """More scalars than one program or round takes, by the number that it takes and some that are left over."""
    monkeypatch.setenv("GAUGENET_TRITON_FORM", form)
    arguments = {"degrees": degrees, "n_scalars": n_scalars, "geometry": ()}
    problem, exact = case("wide", dtype=torch.float32, **arguments), case("wide", **arguments)
    compare(problem, error, tolerance["float32"], exact)


@runs
def test_several_chunks(case, error, tolerance, monkeypatch):
    """Rows of the last chunk must not see what the one before left, nor a partial gradient be lost."""
    from gaugenet.kernels import _triton_config

    monkeypatch.setattr(_triton_config.AggregateConfig, "rows", lambda self, row_bytes: 3)
    compare(case("parities, odd widths", (2, 0, 3, 1, 4, 0, 2, 1), n_scalars=2), error, tolerance["float64"])


@runs
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_other_dtypes(case, name, error, tolerance):
    """Against float64."""
    arguments = ("SO(2), one vector wide", (5, 0, 12, 1))
    geometry = ("alpha", "beta")
    problem = case(*arguments, geometry=geometry, dtype=getattr(torch, name))
    compare(problem, error, tolerance[name], case(*arguments, geometry=geometry))


@runs
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("mix", "arguments"),
    [
        ("parities, odd widths", {"n_scalars": 2, "n_source": 3}),
        ("SO(2), one vector wide", {"n_scalars": 3, "geometry": ("alpha", "beta"), "n_source": 3}),
        ("parities, odd widths", {"n_scalars": 5, "geometry": ("alpha", "flip")}),
    ],
    ids=["all", "aligned", "harmonic"],
)
def test_many_edges_per_target(case, name, mix, arguments, error, tolerance):
    """The form that multiplies matrices, of few sources in both directions: rows shorter and longer than one block of
    edges, and an empty one."""
    exact = case(mix, (35, 0, 1), **arguments)
    compare(case(mix, (35, 0, 1), dtype=getattr(torch, name), **arguments), error, tolerance[name], exact)


@runs
@pytest.mark.parametrize(("degrees", "n_source"), [((), 3), ((0, 0), 3), ((), 0), ((0, 0, 0), 0)])
def test_no_edges(case, degrees, n_source):
    out, to_x, to_weight = case("parities, odd widths", degrees, n_source=n_source).to(DEVICE).all("triton")
    assert out.shape == (len(degrees), 27)
    assert not any(t.any() for t in (out, to_x, to_weight))


@runs
@pytest.mark.parametrize("empty", ["n_scalars", "in", "out"])
def test_nothing_to_contract(case, empty):
    problem = case(n_scalars=0 if empty == "n_scalars" else 3)
    if empty == "in":
        problem.x, problem.weight, problem.in_blocks = problem.x[:, :0], problem.weight[:, :, :0], []
    if empty == "out":
        problem.grad, problem.weight, problem.out_blocks = problem.grad[:, :0], problem.weight[:, :0], []
    out, to_x, to_weight = problem.to(DEVICE).all("triton")
    assert not any(t.any() for t in (out, to_x, to_weight))
    assert to_weight.shape == problem.weight.shape


@runs
def test_second_derivatives(case):
    """Numerically, on a problem of a few numbers: both flips, a sign block, an order that both sides share."""
    from gaugenet.kernels.transport_conv import transport_conv

    small = case("order 0 in two components", (2, 0, 1), n_source=2, n_scalars=1)
    small.in_blocks, small.out_blocks = [(3, 1, 1, 1), (1, 0, 2, 1)], [(3, 1, 1, 1), (1, 0, 2, 1)]
    generator = torch.Generator().manual_seed(0)
    small.x = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    small.weight = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    small.to(DEVICE)

    def run(x, weight):
        return transport_conv(x, weight, small.edges, small.in_blocks, small.out_blocks, implementation="triton")

    inputs = (small.x.requires_grad_(), small.weight.requires_grad_())
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@runs
def test_second_derivatives_of_many_edges(case, error, tolerance, monkeypatch):
    """The form that multiplies matrices, in both directions, against the definition in float64."""
    monkeypatch.setenv("GAUGENET_TRITON_FORM", "apart")

    def second(dtype, implementation):
        problem = case("order 0 in two components", (14, 12), n_source=2, n_scalars=1, dtype=dtype)
        generator = torch.Generator().manual_seed(0)
        problem.in_blocks, problem.out_blocks = [(0, 1, 1, 1), (1, 0, 2, 1)], [(2, 0, 2, 1)]
        problem.x = torch.randn(2, 3, generator=generator, dtype=torch.float64).to(dtype)
        problem.weight = torch.randn(1, 2, 3, generator=generator, dtype=torch.float64).to(dtype)
        x, weight = problem.to(DEVICE).x.requires_grad_(), problem.weight.requires_grad_()
        (to_x,) = torch.autograd.grad((problem.run(implementation) ** 2).sum(), x, create_graph=True)
        return torch.autograd.grad((to_x**2).sum(), (x, weight))

    for found, right in zip(second(torch.float32, "triton"), second(torch.float64, "reference")):
        assert error(found.cpu(), right.cpu()) < 4 * tolerance["float32"]


@runs
def test_each_gradient_alone(case, error):
    """Asked for alone, neither gradient shares the other's sums."""
    problem = case("parities, odd widths", (2, 0, 3), n_scalars=2).to(DEVICE)
    _, to_x, to_weight = problem.all("reference")
    x, weight = problem.x, problem.weight
    problem.weight = weight.clone().requires_grad_()
    assert error(torch.autograd.grad(problem.run("triton"), problem.weight, problem.grad)[0], to_weight) < 1e-13
    problem.x, problem.weight = x.clone().requires_grad_(), weight
    assert error(torch.autograd.grad(problem.run("triton"), problem.x, problem.grad)[0], to_x) < 1e-13


@runs
def test_a_wrong_kernel_is_noticed(case, error):
    """The comparison above, with one angle of one edge changed for the implementation alone."""
    problem = case("parities, odd widths", (2, 0, 3), n_scalars=2)
    expected = problem.all("reference")
    problem.to(DEVICE).edges.pre[2, 1] *= -1
    for found, right in zip(problem.all("triton"), expected):
        assert error(found.cpu(), right) > 1e-3


@runs
def test_ten_runs_give_the_same_bits(case):
    problem = case("order 0 in two components", (2, 0, 1), n_scalars=1, dtype=torch.float64).to(DEVICE)
    first = problem.all("triton")
    for _ in range(9):
        assert all(torch.equal(again, once) for again, once in zip(problem.all("triton"), first))


@runs
@pytest.mark.parametrize("name", ["float64", "float32"])
def test_opcheck(case, name):
    """Schemas, shapes without data and derivatives, as torch checks an operator; float32 is fused."""
    options = {"dtype": getattr(torch, name), "n_source": 3, "n_scalars": 1, "geometry": ("alpha",)}
    p = case("order 0 in two components", (1, 0, 2), **options).to(DEVICE)
    arguments = p.arguments("triton")
    x, weight, grad = (t.clone().requires_grad_() for t in (p.x, p.weight, p.grad))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv, (x, weight, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_weight_grad, (x, grad, *arguments))
    torch.library.opcheck(torch.ops.gaugenet.transport_conv_backward, (x, weight, grad, *arguments))


@runs
def test_it_compiles_exports_and_bears_autocast(case, error, tolerance):
    """One graph without a break, the same operator when exported, and sums in float32 under autocast."""
    from gaugenet.kernels.transport_conv import transport_conv

    p = case("order 0 in two components", (1, 0, 2), n_source=3, n_scalars=1, dtype=torch.float32).to(DEVICE)

    class Layer(torch.nn.Module):
        def forward(self, x):
            return transport_conv(x, p.weight, p.edges, p.in_blocks, p.out_blocks, implementation="triton")

    expected = p.run("reference")
    compiled = torch.compile(Layer(), fullgraph=True, backend="aot_eager")
    assert error(compiled(p.x), expected) < tolerance["float32"]
    exported = torch.export.export(Layer(), (p.x,))
    assert any("transport_conv" in str(node.target) for node in exported.graph.nodes)
    assert error(exported.module()(p.x), expected) < tolerance["float32"]
    with torch.autocast(p.x.device.type, dtype=torch.bfloat16):
        assert error(Layer()(p.x), expected) < tolerance["bfloat16"]
