"""Statistics of whole surfaces."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.geometry import batch_geometries
from gaugenet.nn.instance_norm import InstanceNorm

FIELD = FieldType.parse("O(2): 2x0 + 1x0- + 2x1")


def test_statistics_are_integrals_over_each_surface(random_geometry):
    parts = [random_geometry("O(2)", n=n, seed=n) for n in (24, 700)]
    union = batch_geometries(parts)
    layer = InstanceNorm(FIELD, eps=0.0).double()
    generator = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(union.n_vertices, FIELD.dim, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        layer.bias.value.normal_()
        out = layer(x, union)
        shifted = out.clone()
        shifted[:, :2] -= layer.bias.value
        for y, g in zip(shifted.split([24, 700]), parts):
            a = (g.area / g.area.sum())[:, None]
            torch.testing.assert_close((a * y)[:, :2].sum(0), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)
            torch.testing.assert_close((a * y[:, :3].square()).sum(0), torch.ones(3, dtype=torch.float64))
            vectors = y[:, 3:].reshape(-1, 2, 2)
            torch.testing.assert_close((a * vectors.square().mean(1)).sum(0), torch.ones(2, dtype=torch.float64))
        # surfaces of a batch do not see each other
        alone = torch.cat([layer(y, g) for y, g in zip(x.split([24, 700]), parts)])
    torch.testing.assert_close(out, alone, rtol=1e-13, atol=1e-13)


def test_wrong_shapes_say_what_was_expected(random_geometry):
    with pytest.raises(ValueError, match=r"expected features \[24, 7\]"):
        InstanceNorm(FIELD)(torch.zeros(23, 7), random_geometry("O(2)"))
