"""Terms, products and packing against the definition on dense sums; tiles cover every column once. No Triton needed."""

import pytest
import torch

from gaugenet.kernels import _reference
from gaugenet.kernels._triton_config import aggregate_config, table
from gaugenet.kernels._triton_plan import alignment, channel_tiles, contraction_plan, packing
from gaugenet.kernels.transport_conv import TransportBlock


def sums_of(problem, plan):
    """A[p, τ, b, :] in plain torch, from the transported sources of the definition."""
    e = problem.edges
    arrays = _reference.EdgeArrays(e.scalars, e.pre, e.pre_flip, e.post, e.post_flip, e.row_ptr, e.source, None, False)
    scalars, transported, target = _reference._transported(problem.x, arrays, problem.in_blocks)
    beta = torch.zeros_like(e.scalars[:, 0]) if e.post is None else torch.atan2(e.post[:, 1], e.post[:, 0])
    flip = torch.ones_like(beta) if e.post_flip is None else e.post_flip.to(beta.dtype)
    values = []
    for code in plan.terms:
        order, kind = divmod(code, 4)
        turned = torch.cos(order * beta) if kind in (0, 3) else torch.sin(order * beta)
        values.append(turned * (flip if kind >= 2 else 1))
    per_edge = torch.stack(values, 1)[:, :, None, None] * scalars[:, None, :, None] * transported[:, None, None, :]
    return torch.zeros(e.n_target, *per_edge.shape[1:], dtype=per_edge.dtype).index_add_(0, target, per_edge)


EXTRA = [TransportBlock(1, 0, 1, 2), TransportBlock(0, 0, 1, 3), TransportBlock(1, 0, 2, 2)]


@pytest.mark.parametrize("extra", [False, True], ids=["mix", "dim 1 and 2 of one order, not side by side"])
def test_products_of_the_sums_are_the_operator(case, mix, geometry, error, tolerance, extra):
    problem = case(mix, geometry=geometry)
    if extra:
        problem.out_blocks = EXTRA
        problem.weight = torch.randn(3, 9, problem.x.shape[1], dtype=torch.float64)
    blocks = tuple(problem.in_blocks), tuple(problem.out_blocks)
    plan = contraction_plan(*blocks, "beta" in geometry, "post_flip" in geometry)
    sums = sums_of(problem, plan)
    table = packing(plan, 3, torch.float64, torch.device("cpu"))
    packed = table.pack(problem.weight)
    out = torch.full((problem.edges.n_target, plan.c_out), float("nan"), dtype=torch.float64)
    for product, offset in zip(plan.products, table.offsets):
        left = sums[:, product.first_term : product.first_term + product.n_terms].flatten(1)
        out[:, product.columns] = left @ packed[offset:][: left.shape[1] * product.width].view(left.shape[1], -1)
    assert error(out, problem.run("reference")) < tolerance["float64"]


def test_unpacking_is_the_transpose_of_packing(mix, case):
    problem = case(mix)
    for flip in (False, True):
        plan = contraction_plan(tuple(problem.in_blocks), tuple(problem.out_blocks), True, flip)
        table = packing(plan, 3, torch.float64, torch.device("cpu"))
        packed = torch.randn(table.sign.shape, dtype=torch.float64)
        left = (table.pack(problem.weight) * packed).sum()
        right = (problem.weight.reshape(-1) * table.unpack(packed)).sum()
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize("block_c", [16, 32])
def test_tiles_cover_every_column_once(mix, case, block_c):
    for blocks in (case(mix).in_blocks, case(mix).out_blocks):
        columns = []
        for *_, a, b, width_a, width_b in channel_tiles(blocks, block_c):
            columns += [*range(a, a + width_a), *range(b, b + width_b)]
        assert sorted(columns) == list(range(sum(block.width for block in blocks)))


def test_alignment():
    tiles = channel_tiles([TransportBlock(0, 0, 1, 12), TransportBlock(1, 0, 2, 8)], 16)
    assert alignment(tiles, 28, 8) == 4
    assert alignment(tiles, 30, 8) == 2
    assert alignment(channel_tiles([TransportBlock(0, 0, 1, 3)], 16), 3, 4) == 1


@pytest.mark.parametrize("arch", ["sm_90", "sm_120", "gfx942", "cpu"])
def test_configurations(arch):
    """Whole scalars per program, within what the table allows, for any architecture."""
    field = (TransportBlock(0, 0, 1, 32), TransportBlock(1, 0, 2, 32), TransportBlock(2, 0, 2, 32))
    plan = contraction_plan(field, field, True, False)
    for n_scalars in (1, 3, 4, 40):
        config = aggregate_config(arch, plan, field, n_scalars, torch.float32, 7)
        assert config.block_b * len(plan.terms) <= table("aggregate")["default"]["most_sums"]
        assert config.warps == (2 if arch == "gfx942" else 4)
        assert config.align == 4
    assert config.rows(1 << 10) == config.chunk_rows
    assert config.rows(1 << 40) == config.block_m


def test_many_edges_take_the_other_form():
    field = (TransportBlock(0, 0, 1, 32), TransportBlock(1, 0, 2, 32))
    plan = contraction_plan(field, field, True, False)
    few, many = (aggregate_config("sm_90", plan, field, 2, torch.float32, degree) for degree in (7, 30))
    assert few.dot is None
    assert many.dot is not None
    assert many.dot.precision == "tf32x3"  # tf32 alone would break equivariance at 1e-6
    assert aggregate_config("sm_90", plan, field, 2, torch.float64, 30).dot is None
    high = contraction_plan(field, tuple(TransportBlock(m, 0, 2, 8) for m in range(9)), True, False)
    assert aggregate_config("sm_90", high, field, 2, torch.float32, 30).dot is None


def test_too_many_sums_are_refused():
    field = tuple(TransportBlock(m, 0, 2, 16) for m in range(1, 40))
    with pytest.raises(ValueError, match="the out blocks need 78; use lower orders or implementation='reference'"):
        aggregate_config("sm_90", contraction_plan(field, field, True, False), field, 2, torch.float32, 7)


def test_a_weight_beyond_32_bits_is_refused():
    """Its packed form too, which has more numbers; before anything of that size is made."""
    for field in ((TransportBlock(0, 0, 1, 1 << 14),), (TransportBlock(1, 0, 2, 6000),)):
        plan = contraction_plan(field, field, True, False)
        with pytest.raises(ValueError, match=r"at most 2\^31 - 1 numbers on a GPU.*8 scalars.* split the layer"):
            packing(plan, 8, torch.float32, torch.device("cpu"))
