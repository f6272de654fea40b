"""Sums over surfaces."""

import torch

from gaugenet.meshes.geometry import batch_geometries
from gaugenet.nn.surface_sums import surfaces_of


def test_sums_and_their_transpose(random_geometry):
    sizes = [3, 256, 513, 1]
    union = batch_geometries([random_geometry(n=n, seed=n) for n in sizes])
    surfaces = surfaces_of(union)
    assert surfaces_of(union) is surfaces
    x = torch.randint(-9, 9, (sum(sizes), 2)).double()
    expected = torch.stack([part.sum(0) for part in x.split(sizes)])
    assert torch.equal(surfaces.sum(x), expected)
    assert torch.equal(surfaces.spread(expected), torch.cat([e.expand(n, 2) for e, n in zip(expected, sizes)]))
    torch.testing.assert_close(surfaces.sum(surfaces.area[:, None]), torch.ones(4, 1, dtype=torch.float64))
    assert surfaces.count.tolist() == sizes
