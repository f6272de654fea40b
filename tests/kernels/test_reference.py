"""The definition, against explicit matrices; and the laws it obeys."""

import numpy as np
import pytest
import torch

from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock, transport_conv


def matrix(blocks, angle, flip, flip_first):
    """Pre (or Post) of one edge as a dense matrix, from the words of the docstring of `transport_conv`."""
    parts = []
    for order, parity, dim, m in blocks:
        a = order * angle
        if dim == 1:
            small = np.array([[np.cos(a) * (flip if parity else 1)]])
        else:
            rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
            reflection = np.diag([1.0, flip])
            small = rotation @ reflection if flip_first else reflection @ rotation
        parts.append(np.kron(small, np.eye(m)))
    n = sum(len(p) for p in parts)
    out, at = np.zeros((n, n)), 0
    for p in parts:
        out[at : at + len(p), at : at + len(p)] = p
        at += len(p)
    return out


def dense(case):
    """The operator as one matrix [T, C_out, S, C_in], edge by edge, linear in the weight."""
    edges = case.edges
    row_ptr, source = edges.row_ptr.tolist(), edges.source.tolist()
    t, s = edges.n_target, edges.n_source
    out = np.zeros((t, case.weight.shape[1], s, case.weight.shape[2]))
    for p in range(t):
        for e in range(row_ptr[p], row_ptr[p + 1]):
            alpha = 0.0 if edges.pre is None else float(torch.atan2(edges.pre[e, 1], edges.pre[e, 0]))
            beta = 0.0 if edges.post is None else float(torch.atan2(edges.post[e, 1], edges.post[e, 0]))
            flip = 1 if edges.pre_flip is None else int(edges.pre_flip[e])
            post_flip = 1 if edges.post_flip is None else int(edges.post_flip[e])
            mixed = np.einsum("b,boi->oi", edges.scalars[e].numpy(), case.weight.numpy())
            pre = matrix(case.in_blocks, alpha, flip, flip_first=True)
            post = matrix(case.out_blocks, beta, post_flip, flip_first=False)
            out[p, :, source[e], :] += post @ mixed @ pre
    return out


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_it_is_the_documented_matrix(case, mix, geometry, implementation, error, tolerance):
    problem = case(mix, geometry=geometry)
    expected = np.einsum("poqi,qi->po", dense(problem), problem.x.numpy())
    assert error(problem.run(implementation), torch.from_numpy(expected)) < tolerance["float64"]


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_transposition(case, mix, geometry, implementation, tolerance):
    """<g, conv(x)> = <convᵀ g, x>, where convᵀ is the same operator on hand-made reversed edges."""
    problem = case(mix, geometry=geometry)
    edges, order = problem.edges, problem.edges.reverse_edge.long()
    angle = {
        name: None if value is None else torch.atan2(value[:, 1], value[:, 0])[order]
        for name, value in (("pre", edges.pre), ("post", edges.post))
    }
    transposed = ConvEdges.from_csr(
        edges.reverse_row_ptr,
        edges.reverse_target,
        edges.n_target,
        edges.scalars[order],
        alpha=None if angle["post"] is None else -angle["post"],
        flip=None if edges.post_flip is None else edges.post_flip[order],
        beta=None if angle["pre"] is None else -angle["pre"],
        post_flip=None if edges.pre_flip is None else edges.pre_flip[order],
    )
    back = transport_conv(
        problem.grad,
        problem.weight.mT,
        transposed,
        problem.out_blocks,
        problem.in_blocks,
        implementation=implementation,
    )
    left, right = (problem.grad * problem.run(implementation)).sum(), (back * problem.x).sum()
    size = problem.grad.norm() * problem.run(implementation).norm()
    assert abs(float(left - right)) < tolerance["float64"] * float(size)


def aligned(x, angles, weight, gauge, blocks, sign):
    """One edge-aligned SO(2) convolution on a fixed graph, in the gauge turned by `gauge` at every vertex."""
    row_ptr, source, target, theta, phi, radial = angles
    theta = theta + gauge[target]
    phi = phi + gauge[target] - gauge[source]
    edges = ConvEdges.from_csr(row_ptr, source, len(x), radial, alpha=sign * (phi - theta), beta=theta)
    return transport_conv(x, weight, edges, blocks, blocks)


@pytest.mark.parametrize(("sign", "holds"), [(1, True), (-1, False)])
def test_edge_aligned_convolution_is_gauge_equivariant(sign, holds):
    """conv'(h f) = h conv(f) for any rotation h_p at every vertex; the twin with the wrong sign of alpha is not."""
    generator = torch.Generator().manual_seed(1)
    n, degree, blocks = 20, 6, [TransportBlock(0, 0, 1, 3), TransportBlock(1, 0, 2, 4), TransportBlock(2, 0, 2, 2)]
    row_ptr = torch.arange(n + 1) * degree
    source = torch.randint(0, n, (n * degree,), generator=generator)
    target = torch.arange(n).repeat_interleave(degree)
    theta, phi, gauge_noise = 6 * torch.rand(3, n * degree, generator=generator, dtype=torch.float64)
    angles = (row_ptr, source, target, theta, phi, torch.rand(n * degree, 3, generator=generator).double())
    x = torch.randn(n, 15, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 15, 15, generator=generator, dtype=torch.float64)
    gauge = gauge_noise[:n]
    turn = np.stack([matrix(blocks, float(a), 1, True) for a in gauge])
    turn = torch.from_numpy(turn)
    before = aligned(x, angles, weight, torch.zeros(n, dtype=torch.float64), blocks, sign)
    after = aligned(torch.einsum("pij,pj->pi", turn, x), angles, weight, gauge, blocks, sign)
    expected = torch.einsum("pij,pj->pi", turn, before)
    relative = float((after - expected).abs().max() / expected.abs().max())
    assert relative < 1e-12 if holds else relative > 0.1


def test_ten_runs_give_the_same_bits(case):
    """With one and with two threads, enough edges for torch to share them."""
    degrees = np.random.default_rng(0).integers(0, 9, size=3000).tolist()
    problem = case("parities, odd widths", degrees, n_source=2500, dtype=torch.float32)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = problem.all("reference")
        for repeat in range(10):
            torch.set_num_threads(1 + repeat % 2)
            assert all(torch.equal(again, once) for again, once in zip(problem.all("reference"), first))
    finally:
        torch.set_num_threads(threads)
