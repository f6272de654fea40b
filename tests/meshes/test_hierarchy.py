"""The value: gauges of the levels, unions, conversions, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy import Hierarchy, batch_hierarchies
from gaugenet.meshes.neighborhoods import Nearest


def build(mesh, dtype=torch.float64, **options):
    return build_hierarchy(mesh, Nearest(6), dtype=dtype, **options)


KLEIN = build(shapes.klein_bottle(24, 9, jitter=0.2, developed=True).mesh)
SPHERE = build(shapes.sphere(subdivisions=2).mesh)


def matrices(angle, flip):
    """R(angle) diag(1, flip) as [..., 2, 2]."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s * flip], -1), torch.stack([s, c * flip], -1)], -2)


def random_gauges(hierarchy, seed=0):
    g = torch.Generator().manual_seed(seed)
    sizes = [level.n_vertices for level in hierarchy.levels]
    angle = [7 * torch.rand(n, generator=g, dtype=torch.float64) for n in sizes]
    return angle, [2 * torch.randint(0, 2, (n,), generator=g) - 1 for n in sizes]


def blocks(hierarchy):
    """(geometry, level of the targets, level of the sources)"""
    for i, g in enumerate(hierarchy.levels):
        yield g, i, i
    for i in range(hierarchy.n_levels - 1):
        yield hierarchy.pool[i], i + 1, i
        yield hierarchy.unpool[i], i, i + 1


def test_every_level_has_a_gauge_of_its_own():
    angle, flip = random_gauges(KLEIN)
    moved = KLEIN.transform(angle, flip)
    h = [matrices(a, s.double()) for a, s in zip(angle, flip)]
    for (old, i, j), (new, *_) in zip(blocks(KLEIN), blocks(moved)):
        p, q = old.target, old.source.long()
        expected = h[i][p] @ matrices(old.phi, old.flip.double()) @ h[j][q].mT
        torch.testing.assert_close(matrices(new.phi, new.flip.double()), expected, atol=1e-12, rtol=0)
        log = torch.stack([old.theta.cos(), old.theta.sin()], -1) * old.r[:, None]
        turned = torch.stack([new.theta.cos(), new.theta.sin()], -1) * new.r[:, None]
        torch.testing.assert_close(turned, (h[i][p] @ log[..., None])[..., 0], atol=1e-12, rtol=0)
    # the twin: the gauges of two levels exchanged
    g, i, j = next(b for b in blocks(KLEIN) if b[1] != b[2])
    wrong = g.transform(angle[i], flip[i], angle[j].flip(0), flip[j])
    assert (
        matrices(wrong.phi, wrong.flip.double()) - matrices(moved.pool[0].phi, moved.pool[0].flip)
    ).abs().max() > 0.1


def test_down_and_up_again_keeps_the_signs_of_loops_of_a_klein_bottle():
    """p → q → p along two nearby edges encloses nothing: identity in every gauge, on a surface with one side."""
    assert KLEIN.has_flips
    moved = KLEIN.transform(*random_gauges(KLEIN))
    for hierarchy in (KLEIN, moved):
        for pool, unpool in zip(hierarchy.pool, hierarchy.unpool):
            down = {
                (int(p), int(q)): m for p, q, m in zip(pool.target, pool.source, matrices(pool.phi, pool.flip.double()))
            }
            up = matrices(unpool.phi, unpool.flip.double())
            short = unpool.r < 0.5
            found = 0
            for fine, coarse, m in zip(unpool.target[short], unpool.source[short], up[short]):
                back = down.get((int(coarse), int(fine)))
                if back is not None:
                    torch.testing.assert_close(m @ back, torch.eye(2, dtype=torch.float64), atol=1e-12, rtol=0)
                    found += 1
            assert found > 100 / (1 if pool.n_sources > 100 else 10)


def test_union_keeps_every_part():
    parts = [SPHERE, KLEIN, SPHERE]
    union = batch_hierarchies(parts)
    assert union.levels[0].n_meshes == 3
    for (g, i, j), *each in zip(blocks(union), *map(blocks, parts)):
        edge = 0
        for m, (part, *_) in enumerate(each):
            row = slice(edge, edge + part.n_edges)
            assert torch.equal(g.target[row] - union.levels[i].mesh_ptr[m], part.target)
            assert torch.equal(g.source[row] - union.levels[j].mesh_ptr[m], part.source.long())
            assert torch.equal(g.phi[row], part.phi)
            edge = row.stop
    for step in range(2):
        start = union.levels[step + 1].mesh_ptr[:-1]
        assert torch.equal(union.parent[step], torch.cat([p.parent[step] + s for p, s in zip(parts, start)]))
        level = union.levels[step + 1]
        own = torch.arange(level.n_vertices)
        assert torch.equal(union.parent[step][union.kept[step]], own)
        row_ptr, member = union.clusters(step)
        clusters = np.add.reduceat(union.levels[step].area[member].numpy(), row_ptr[:-1].numpy())
        np.testing.assert_allclose(clusters, level.area, rtol=1e-12)
    assert union.structure_group == "O(2)"
    assert batch_hierarchies([KLEIN]) is KLEIN


def test_vertices_are_those_of_the_finest_level():
    coarse = SPHERE.vertices[2]
    assert torch.equal(coarse, SPHERE.kept[0][SPHERE.kept[1]])
    torch.testing.assert_close(SPHERE.levels[2].frame, SPHERE.levels[0].frame[coarse])


def test_conversion_keeps_indices():
    single = SPHERE.to(dtype=torch.float32)
    assert single.dtype == torch.float32
    assert all(g.dtype == torch.float32 for g in single.geometries)
    assert single.parent[0].dtype == single.kept[0].dtype == torch.int64
    assert single.pool[0].source_ptr.dtype == torch.int64
    assert (single.pool[0].r == 0).sum() == (SPHERE.pool[0].r == 0).sum()
    assert repr(single) == "Hierarchy(162 → 40 → 10 vertices, admits SO(2), float32, cpu)"


def test_errors_say_what_was_expected():
    angle, flip = random_gauges(SPHERE)
    with pytest.raises(ValueError, match="each of 3 levels"):
        SPHERE.transform(angle[:2], flip)
    with pytest.raises(ValueError, match=r"expected \[40\]"):
        SPHERE.transform([angle[0], angle[0], angle[2]], flip)
    with pytest.raises(ValueError, match="at least one"):
        batch_hierarchies([])
    with pytest.raises(ValueError, match="same number of levels"):
        batch_hierarchies([SPHERE, build(shapes.sphere(subdivisions=1).mesh, ratios=(4,))])
    with pytest.raises(ValueError, match="share dtype"):
        batch_hierarchies([SPHERE, SPHERE.to(dtype=torch.float32)])
    with pytest.raises(ValueError, match="one pool, unpool, kept and parent fewer"):
        Hierarchy(SPHERE.levels, SPHERE.pool[:1], SPHERE.unpool, SPHERE.kept, SPHERE.parent)
    with pytest.raises(ValueError, match="between levels 0 and 1"):
        dataclasses.replace(SPHERE, pool=SPHERE.unpool)
