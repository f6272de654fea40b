"""More than 2³¹ numbers in one tensor: sources, targets, edges and sums beyond it, without the gigabytes.

Memory is mapped and hardly touched (`lazy`), or a few megabytes stand for all of it (`ring`), and while the operator
runs the process may take no more than a little beside that: a copy of such a tensor would be an error. As in
`test_triton.py` the kernels run in Triton's interpreter, in a process of their own.
"""

import contextlib
import ctypes
import dataclasses
import importlib.util
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gaugenet.kernels import _cpu, _cpu_edgewise, _reference
from gaugenet.kernels._reference import EdgeArrays, TransportBlock
from gaugenet.kernels._triton_plan import contraction_plan, packing
from gaugenet.kernels.csr import reverse_csr

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
INSTALLED = importlib.util.find_spec("triton") is not None
LINUX = sys.platform == "linux"
LIMIT = 2**31
NORESERVE, FIXED = 0x4000, 0x10
"""Flags of mmap on Linux."""
RING = 1 << 26
"""Bytes that stand for all of a ring."""

pytestmark = pytest.mark.skipif(not LINUX, reason="memory is mapped as Linux does it")
interpreted = pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
compiled = pytest.mark.skipif(INTERPRETED, reason="once is enough")

FIELD = (TransportBlock(0, 0, 1, 4), TransportBlock(1, 0, 2, 6))
"""16 columns"""


def lazy(*shape, dtype=torch.float32):
    """Zeros that take no memory until they are written."""
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    except (OSError, MemoryError, OverflowError) as error:
        pytest.skip(f"this machine does not map {size / 2**30:.0f} GiB ({error})")
    return torch.frombuffer(memory, dtype=dtype).view(shape)


@contextlib.contextmanager
def ring(*shape, dtype=torch.float32):
    """Memory in which what is written RING bytes later replaces what is there; the end is as it was written."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    size = -(-int(np.prod(shape, dtype=object)) * dtype.itemsize // RING) * RING
    start = libc.mmap(None, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE, -1, 0)
    if start == ctypes.c_void_p(-1).value:
        pytest.skip(f"this machine does not map {size / 2**30:.0f} GiB (errno {ctypes.get_errno()})")
    file = os.memfd_create("ring")
    try:
        os.ftruncate(file, RING)
        for at in range(start, start + size, RING):
            protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | FIXED
            assert libc.mmap(at, RING, protection, flags, file, 0) == at
        whole = torch.frombuffer((ctypes.c_char * size).from_address(start), dtype=dtype)
        yield whole[: int(np.prod(shape, dtype=object))].view(shape)
    finally:
        os.close(file)
        libc.munmap(start, size)


@contextlib.contextmanager
def little_memory(more=1 << 30):
    """No more than so many bytes may be taken."""
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * mmap.PAGESIZE
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def normal(*shape, dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def edge_arrays(source, row_ptr, n_scalars=2, **more):
    """Both angles and a flip."""
    n = len(source)
    turn = normal(2, n, dtype=torch.float64, seed=1)
    pre, post = (torch.stack([t.cos(), t.sin()], 1).float() for t in turn)
    flip = (normal(n, seed=2) > 0).to(torch.int8) * 2 - 1
    given = (normal(n, n_scalars, seed=3), pre, flip, post, None)
    return EdgeArrays(*given, torch.tensor(row_ptr).int(), torch.tensor(source).int(), None, False)._replace(**more)


def assert_near(found, expected):
    """float32 sums of a few numbers; a wrong place gives something else altogether."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture
def way(request, monkeypatch):
    """Which of both ways a CPU takes, whatever would take less time."""
    monkeypatch.setattr(_cpu_edgewise, "_PACKING", 10**9 if request.param == "edge by edge" else -(10**9))


BOTH_WAYS = pytest.mark.parametrize(
    "way", ["edge by edge"] if INTERPRETED else ["aggregate first", "edge by edge"], indirect=True
)

NEAR = [0, 2, 1, 2, 0]
"""Sources of five edges, among three."""


def far_sources(n):
    """Three vertices of n, the last is the last."""
    return torch.tensor([1, n // 2, n - 1])


def implementations():
    if not INTERPRETED:
        return {"reference": _reference, "cpu": _cpu}
    from gaugenet.kernels import _triton

    return dict.fromkeys(("triton", "apart", "fused"), _triton)


@BOTH_WAYS
@pytest.mark.parametrize("name", ["apart", "fused"] if INTERPRETED else ["reference", "cpu"])
def test_sources_beyond_the_limit(name, way, monkeypatch):
    """Result and weight gradient with a source whose numbers begin beyond 2³¹; both forms of the kernels."""
    monkeypatch.setenv("GAUGENET_TRITON_FORM", name if INTERPRETED else "auto")
    n = LIMIT // 16 + 100
    x, at = lazy(n, 16), far_sources(n)
    x[at] = normal(3, 16)
    near = edge_arrays(NEAR, [0, 2, 2, 5])
    far = near._replace(source=at[near.source.long()].int())
    weight, grad = normal(2, 16, 16, seed=4), normal(3, 16, seed=5)
    run = implementations()[name]
    run.conv(x[at], weight, near, FIELD, FIELD)  # what is compiled takes memory
    with little_memory():
        out = run.conv(x, weight, far, FIELD, FIELD)
        to_weight = run.weight_grad(x, grad, far, FIELD, FIELD)
    assert_near(out, _reference.conv(x[at], weight, near, FIELD, FIELD))
    assert_near(to_weight, _reference.weight_grad(x[at], grad, near, FIELD, FIELD))


@compiled
@BOTH_WAYS
@pytest.mark.parametrize("together", [True, False], ids=["both gradients", "each alone"])
def test_gradients_beyond_the_limit_on_a_cpu(monkeypatch, together, way):
    """The gradient to x is written beyond 2³¹ numbers, and x is read there for the gradient to the weight."""
    columns = 1 << 13
    n = LIMIT // columns + 64
    blocks, one = (TransportBlock(1, 0, 2, columns // 2),), (TransportBlock(0, 0, 1, 1),)
    at = far_sources(n)
    near = edge_arrays(NEAR, [0, 2, 2, 5], n_scalars=1)
    far = near._replace(source=at[near.source.long()].int())
    rest = {"scalars": far.scalars, "pre": far.post, "pre_flip": far.post_flip, "post": far.pre}
    row_ptr, target, edge = reverse_csr(far.row_ptr, far.source, n)
    reverse = EdgeArrays(
        **rest, post_flip=far.pre_flip, row_ptr=row_ptr, source=target, edge=edge, conjugate=not far.conjugate
    )
    weight, grad = normal(1, 1, columns, seed=4), normal(3, 1, seed=5)
    x = lazy(n, columns)
    x[at] = normal(3, columns)
    take = _cpu._empty
    with ring(n, columns) as memory:

        def empty(size, dtype):
            return memory.view(-1).numpy() if size == memory.numel() else take(size, dtype)

        monkeypatch.setattr(_cpu, "_empty", empty)
        if together:
            to_x, to_weight = _cpu.backward(x, weight, grad, far, reverse, blocks, one)
        else:
            to_x = _cpu.conv(grad, weight.mT, reverse, one, blocks)
            to_weight = _cpu.weight_grad(x, grad, far, blocks, one)
        assert to_x.data_ptr() == memory.data_ptr()
        last = to_x[n - 2 :].clone()
    nearby = x[at].requires_grad_()
    (expected,) = torch.autograd.grad(_reference.conv(nearby, weight, near, blocks, one), nearby, grad)
    assert_near(last[1], expected[2])
    assert not last[0].any()
    assert_near(to_weight, _reference.weight_grad(x[at], grad, near, blocks, one))


@BOTH_WAYS
@pytest.mark.parametrize("name", ["triton"] if INTERPRETED else ["cpu"])
def test_edges_beyond_the_limit(name, way):
    """Their angles and scalars lie beyond 2³¹ numbers, read in order and through an index. (The definition itself makes
    tensors as long as the edges.)"""
    n = LIMIT // 2 + 9
    near = edge_arrays(NEAR, [0, 2, 2, 5])
    start = n - 5
    scalars, pre, post = (lazy(n, 2) for _ in range(3))
    flip, source = lazy(n, dtype=torch.int8), lazy(n, dtype=torch.int32)
    for whole, part in zip(
        (scalars, pre, post, flip, source), (near.scalars, near.pre, near.post, near.pre_flip, near.source)
    ):
        whole[start:] = part
    far = near._replace(scalars=scalars, pre=pre, pre_flip=flip, post=post, source=source, row_ptr=near.row_ptr + start)
    indexed = far._replace(row_ptr=near.row_ptr, source=near.source, edge=torch.arange(start, n, dtype=torch.int32))
    x, weight = normal(3, 16), normal(2, 16, 16, seed=4)
    run, expected = implementations()[name], _reference.conv(x, weight, near, FIELD, FIELD)
    run.conv(x, weight, near, FIELD, FIELD)
    with little_memory():
        for edges in (far, indexed):
            assert_near(run.conv(x, weight, edges, FIELD, FIELD), expected)


@interpreted
@pytest.mark.parametrize("degree", [1, 30], ids=["by edge", "by product"])
def test_sums_beyond_the_limit(degree):
    """The aggregate kernels alone, on rows of x and of sums far apart: the bits of the same sums side by side."""
    from gaugenet.kernels import _triton
    from gaugenet.kernels._triton_config import aggregate_config

    near = edge_arrays(NEAR, [0, 2, 2, 5])
    plan = contraction_plan(FIELD, FIELD, True, False)
    rows = len(plan.terms) * 2
    wide = dataclasses.replace(plan, c_in=(2**30 // rows // 16 + 1) * 16)
    x, far_x = normal(3, 16), lazy(24, wide.c_in)
    far_x[7::8, :16] = x
    far = near._replace(source=near.source * 8 + 7)
    sums, far_sums = torch.full((3, rows, 16), float("nan")), lazy(3, rows, wide.c_in)
    assert 23 * far_x.stride(0) > LIMIT < 2 * far_sums.stride(0)
    config = aggregate_config("cpu", plan, FIELD, 2, torch.float32, degree)
    assert (config.dot is None) == (degree == 1)
    _triton._aggregate(sums, x, near, FIELD, plan, config, 0, 3)
    with little_memory():
        _triton._aggregate(far_sums, far_x, far, FIELD, wide, config, 0, 3)
    assert torch.equal(far_sums[:, :, :16], sums)


@interpreted
def test_targets_beyond_the_limit():
    """The fused kernels alone, on rows of the result and of its gradient far apart."""
    from gaugenet.kernels import _triton_fused

    edges = edge_arrays(NEAR, [0, 2, 2, 5])
    plan = contraction_plan(FIELD, FIELD, True, False)
    wide = dataclasses.replace(plan, c_out=LIMIT // 2 + 16)
    x, weight, grad = normal(3, 16), normal(2, 16, 16, seed=4), normal(3, 16, seed=5)
    out, far_grad = (lazy(3, wide.c_out) for _ in range(2))
    far_grad[:, :16] = grad
    table = packing(plan, 2, torch.float32, torch.device("cpu"))
    shapes = [_triton_fused.config("cpu", torch.float32, 1, gradient=gradient) for gradient in (False, True)]

    def empty(shape, like):
        return torch.full(shape, float("nan"), dtype=like.dtype)

    with little_memory():
        _triton_fused.conv(x, table.pack(weight), edges, FIELD, wide, shapes[0], out)
        packed = _triton_fused.weight_grad(x, far_grad, edges, FIELD, wide, shapes[1], table, empty)
    assert_near(out[:, :16], _reference.conv(x, weight, edges, FIELD, FIELD))
    expected = _reference.weight_grad(x, grad, edges, FIELD, FIELD)
    assert_near(table.unpack(packed).view_as(expected), expected)


@pytest.mark.skipif(not INSTALLED or INTERPRETED, reason="Triton is not installed, or the tests below run here")
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
