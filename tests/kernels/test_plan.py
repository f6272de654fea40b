"""Packing of the weight: laws that do not repeat its construction."""

import pytest
import torch

from gaugenet.kernels._plan import make_plan
from gaugenet.kernels.transport_conv import TransportBlock

OUT = (TransportBlock(1, 0, 2, 5), TransportBlock(0, 1, 1, 3), TransportBlock(2, 1, 2, 16), TransportBlock(1, 1, 2, 12))
IN = (TransportBlock(0, 0, 1, 9), TransportBlock(1, 0, 2, 4))


@pytest.mark.parametrize("has_post", [False, True])
@pytest.mark.parametrize("has_post_flip", [False, True])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_pack_and_unpack_are_transposes(has_post, has_post_flip, lanes):
    """<pack W, P> = <W, unpack P>, for any P, whatever the strides; of a sum, which is taken on the way."""
    plan = make_plan(IN, OUT, 3, has_post, has_post_flip, lanes)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, plan.c_out, plan.c_in, generator=generator, dtype=torch.float64)
    packed = torch.randn(2, plan.size, generator=generator, dtype=torch.float64)
    for transposed in (False, True):
        left = (plan.pack(weight) * packed).sum()
        given = weight.mT if transposed else weight
        right = (given * plan.unpack(packed.clone(), transposed)).sum()
        assert abs(float(left - right)) < 1e-11
        weight = weight.mT.contiguous().mT  # the same numbers, other strides


def test_a_weight_costs_what_it_must():
    """One product for everything without a post-rotation; three real ones per complex one with it; four with flips."""
    blocks = (TransportBlock(0, 0, 1, 16), TransportBlock(1, 0, 2, 16), TransportBlock(2, 0, 2, 16))
    inner = 3 * 80
    assert make_plan(blocks, blocks, 3, False, False, 16).cost == inner * 80
    assert make_plan(blocks, blocks, 3, True, False, 16).cost == inner * 16 * (1 + 3 + 3)
    assert make_plan(blocks, blocks, 3, True, True, 16).cost == inner * 16 * (1 + 4 + 4)


def test_every_column_of_the_result_is_written_once():
    for has_post in (False, True):
        for has_post_flip in (False, True):
            plan = make_plan(IN, OUT, 2, has_post, has_post_flip, 8)
            written = [c for out, width, *_ in plan.scatter_table.tolist() for c in range(out, out + width)]
            assert sorted(written) == list(range(plan.c_out))
