"""Hierarchies on disk: the same bits come back, and what was altered does not."""

import dataclasses

import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.cache import GeometryCache
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy_file import load_hierarchy, save_hierarchy
from gaugenet.meshes.neighborhoods import Nearest

MESH = shapes.mobius_strip(24, 6).mesh


def same(a, b):
    assert a.n_levels == b.n_levels
    for x, y in zip(a.geometries, b.geometries):
        for field in dataclasses.fields(x):
            left, right = getattr(x, field.name), getattr(y, field.name)
            if isinstance(left, torch.Tensor):
                assert torch.equal(left, right)
                assert left.dtype == right.dtype
            elif field.name != "memo":
                assert left == right
    assert all(map(torch.equal, a.kept + a.parent, b.kept + b.parent))


@pytest.mark.parametrize("ratios", [(4, 3), ()])
def test_the_same_comes_back(tmp_path, ratios):
    hierarchy = build_hierarchy(MESH, Nearest(6), ratios=ratios)
    path = tmp_path / "h.safetensors"
    save_hierarchy(hierarchy, path, "key")
    content = path.read_bytes()
    same(load_hierarchy(path, "key"), hierarchy)
    save_hierarchy(hierarchy, path, "key")
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="another mesh"):
        load_hierarchy(path, "other")
    for at in (len(content) // 2, len(content) - 9):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ValueError, match=r"checksum|safetensors"):
            load_hierarchy(path, "key")


def test_indices_that_lead_out_are_refused(tmp_path):
    hierarchy = build_hierarchy(MESH, Nearest(6))
    parent = hierarchy.parent[0].clone()
    parent[3] = 10**6
    save_hierarchy(dataclasses.replace(hierarchy, parent=(parent, hierarchy.parent[1])), tmp_path / "h")
    with pytest.raises(ValueError, match="beyond"):
        load_hierarchy(tmp_path / "h")


def test_the_cache_keeps_hierarchies_beside_geometries(tmp_path):
    cache = GeometryCache(tmp_path)
    first = cache.get_hierarchy(MESH, Nearest(6))
    cache.get(MESH, Nearest(6))
    assert (cache.hits, cache.misses) == (0, 2)
    same(first, cache.get_hierarchy(MESH, Nearest(6), threads=1))
    assert (cache.hits, cache.misses) == (1, 2)
    for other in ({"ratios": (3,)}, {"method": "random"}, {"seed": 1}, {"pool_neighborhood": Nearest(9)}):
        cache.get_hierarchy(MESH, Nearest(6), **other)
    assert (cache.hits, cache.misses) == (1, 6)
