"""Padded rows against the compressed ones."""

import dataclasses

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.kernels.segment_reduce import Segments
from gaugenet.nn.rows import carry, rows_of


def ragged(random_geometry):
    """Rows of 0, 1, 2, ..., and one with every vertex."""
    geometry = random_geometry("O(2)", n=40, degree=12)
    degree = torch.arange(40) % 12
    degree[7] = 480 - int(degree.sum()) + int(degree[7])
    return geometry.replace(row_ptr=torch.nn.functional.pad(degree.cumsum(0), (1, 0)).to(torch.int32))


@pytest.mark.parametrize("per_chunk", [None, 50, 1])
def test_sums_over_rows_are_those_over_edges(per_chunk, random_geometry):
    geometry = ragged(random_geometry)
    rows = rows_of(geometry, per_chunk)
    assert rows_of(geometry, per_chunk) is rows
    x = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = rows.run(lambda chunk: (chunk.weight[:, :, None] * chunk.gather(x)).sum(1))
    terms = geometry.weight[:, None] * x[geometry.source.long()]
    expected = torch.zeros(40, 3, dtype=torch.float64).index_add(0, geometry.target, terms)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert (found[0] == 0).all()  # no neighbours
    padded = sum(chunk.edge.numel() for chunk in rows.chunks)
    assert geometry.n_edges <= padded <= 1.5 * geometry.n_edges
    if per_chunk is not None:
        assert all(chunk.edge.numel() <= per_chunk or len(chunk.target) == 1 for chunk in rows.chunks)


def test_gradients_through_chunks_are_those_of_the_whole(random_geometry):
    geometry = ragged(random_geometry)
    grads = []
    for per_chunk in (480, 30):
        x = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        calls = []

        def product(chunk, calls=calls, x=x):
            calls.append(chunk)
            return (chunk.weight * chunk.gather(x).square().prod(2)).sum(1, keepdim=True)

        out = rows_of(geometry, per_chunk).run(product)
        n = len(calls)
        grads.append(torch.autograd.grad(out.sin().sum(), x)[0])
        # what was made for many chunks was not kept
        assert len(calls) == (n if n == 1 else 2 * n)
        assert per_chunk == 480 or n >= 10
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-12, atol=1e-12)


def test_sources_are_read_alike_where_sums_need_an_order(random_geometry):
    """As on a GPU: the gradient to the sources is a sum over segments."""
    (chunk,) = rows_of(random_geometry()).chunks
    ordered = dataclasses.replace(chunk, by_source=Segments.from_index(chunk.source, 24))
    x = torch.randn(24, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = [part.gather(x) for part in (chunk, ordered)]
    assert torch.equal(*found)
    torch.testing.assert_close(*(torch.autograd.grad(values.sin().sum(), x)[0] for values in found))


def test_carrying_is_the_action_of_the_group():
    field = FieldType.parse("O(2): 2x0 + 1x0- + 2x1 + 1x2")
    generator = torch.Generator().manual_seed(0)
    angle, flip = field.group.sample(30, generator)
    x = torch.randn(30, field.dim, dtype=torch.float64, generator=generator)
    found = carry(field, x.reshape(5, 6, -1), angle.reshape(5, 6), flip.double().reshape(5, 6))
    expected = torch.einsum("nij,nj->ni", field.matrix(angle, flip), x)
    torch.testing.assert_close(found.reshape(30, -1), expected)


def test_errors_say_what_was_expected(random_geometry):
    with pytest.raises(ValueError, match="edges_per_chunk must be at least 1"):
        rows_of(random_geometry(), 0)
    with pytest.raises(ValueError, match="no target of this geometry has a neighbour"):
        rows_of(random_geometry(degree=0))
