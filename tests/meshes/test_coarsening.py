"""Levels of a surface: closed forms between them, inverse transporters, areas, clusters, and every kind of surface."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.fans import build_fans, vertex_areas
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.repair import mesh_from_arrays

EXACT = 1e-12
FLAT = {
    "patch": shapes.flat_patch(24, 18, jitter=0.2),
    "cylinder": shapes.cylinder(40, 14, developed=True, jitter=0.2),
    "flat torus": shapes.flat_torus(24, 24, jitter=0.2),
    "Möbius": shapes.mobius_strip(48, 10, developed=True, jitter=0.2),
    "Klein": shapes.klein_bottle(48, 18, developed=True, jitter=0.2),
}


def build(mesh, *args, **options):
    return build_hierarchy(mesh, *args, **{"dtype": torch.float64, **options})


def wrapped(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def pairs(hierarchy):
    """Each geometry with the fine-mesh vertices of its targets and sources, per edge, and its two levels."""
    vertices = [v.numpy() for v in hierarchy.vertices]
    for i, g in enumerate(hierarchy.levels):
        yield g, vertices[i][g.target.numpy()], vertices[i][g.source.numpy()], i, i
    for i, (pool, unpool) in enumerate(zip(hierarchy.pool, hierarchy.unpool)):
        yield pool, vertices[i + 1][pool.target.numpy()], vertices[i][pool.source.numpy()], i + 1, i
        yield unpool, vertices[i][unpool.target.numpy()], vertices[i + 1][unpool.source.numpy()], i, i + 1


def in_closed_gauge(hierarchy, shape):
    """The hierarchy in the frames of the closed form, found from the directions within level 0."""
    g = hierarchy.levels[0]
    p, q = g.target.numpy(), g.source.numpy().astype(int)
    exact, total = shape.log_and_transport(p, q).theta, []
    for sign in (1, -1):
        fit = np.zeros(g.n_vertices, complex)
        np.add.at(fit, p, np.exp(1j * (exact - sign * g.theta.numpy())))
        total.append(fit)
    mirrored = np.abs(total[1]) > np.abs(total[0]) + 1e-9
    angle = torch.from_numpy(np.angle(np.where(mirrored, total[1], total[0])))
    flip = torch.from_numpy(np.where(mirrored, -1, 1))
    v = hierarchy.vertices
    return hierarchy.transform([angle[i] for i in v], [flip[i] for i in v])


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("name", FLAT)
def test_flat_surfaces_are_exact_within_and_between_levels(name, mode):
    shape = FLAT[name]
    built = build(shape.mesh, Nearest(8), ratios=(3.0, 2.5), mode=mode)
    hierarchy = in_closed_gauge(built, shape)
    for g, p, q, *_ in pairs(hierarchy):
        near = (g.r.numpy() < 0.9 * shape.closed_form.injectivity_radius[p]) & (p != q)
        assert near.mean() > 0.3
        exact = shape.log_and_transport(p[near], q[near])
        np.testing.assert_allclose(g.r.numpy()[near], exact.r, rtol=EXACT)
        assert np.abs(wrapped(g.theta.numpy()[near] - exact.theta)).max() < EXACT
        assert np.abs(wrapped(g.phi.numpy()[near] - exact.phi)).max() < EXACT
        assert np.array_equal(g.flip.numpy()[near], exact.flip)
    # the twin: a wrong transporter between levels is seen
    g, p, q, *_ = next(item for item in pairs(built) if item[3] != item[4])
    assert np.abs(wrapped(g.phi.numpy() - shape.log_and_transport(p, q).phi)).max() > 0.1


def test_sphere_between_levels_is_as_exact_as_its_polyhedron():
    """θ, φ and r against great circles; coarse levels are not coarser polyhedra."""
    errors = []
    for subdivisions in (2, 3, 4):
        shape = shapes.sphere(subdivisions=subdivisions)
        hierarchy = in_closed_gauge(build(shape.mesh, Nearest(8), ratios=(4, 4)), shape)
        worst = np.zeros(3)
        for g, p, q, *_ in pairs(hierarchy):
            near = (g.r.numpy() < 0.6) & (p != q)
            if not near.any():
                continue
            exact = shape.log_and_transport(p[near], q[near])
            differences = (
                g.r.numpy()[near] / exact.r - 1,
                wrapped(g.theta.numpy()[near] - exact.theta),
                wrapped(g.phi.numpy()[near] - exact.phi),
            )
            worst = np.maximum(worst, [np.quantile(np.abs(d), 0.95) for d in differences])
        errors.append(worst)
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (errors[-1] < 0.01).all(), errors
    assert (orders[-1] > 1.0).all(), orders


@pytest.mark.parametrize("name", ["sphere", "Klein", "noisy torus"])
@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
def test_transporters_down_and_up_are_inverses(name, mode):
    shape = FLAT.get(name) or {"sphere": shapes.sphere(), "noisy torus": shapes.torus(30, 12, jitter=0.24)}[name]
    hierarchy = build(shape.mesh, mode=mode)
    for pool, unpool in zip(hierarchy.pool, hierarchy.unpool):
        up = {(int(q), int(p)): e for e, (p, q) in enumerate(zip(unpool.target, unpool.source))}
        found = 0
        for e, (p, q) in enumerate(zip(pool.target.tolist(), pool.source.tolist())):
            back = up.get((p, q))
            if back is None or pool.flip[e] != unpool.flip[back]:
                continue
            found += 1
            assert abs(wrapped(float(unpool.phi[back] + pool.flip[e] * pool.phi[e]))) < 1e-13
            assert abs(float(pool.r[e] - unpool.r[back])) < 1e-13
        assert found > unpool.n_edges / 2


@pytest.mark.parametrize("ratios", [(4, 4), (2.0,), (1.5, 3.7), (10,), ()])
def test_numbers_of_vertices(ratios):
    mesh = shapes.sphere().mesh
    hierarchy = build(mesh, ratios=ratios)
    expected = [mesh.n_vertices]
    for ratio in ratios:
        expected.append(round(expected[-1] / ratio))
    assert [level.n_vertices for level in hierarchy.levels] == expected


def three_pieces():
    patch = shapes.flat_patch(9, 8, jitter=0.2).mesh
    vertices = np.concatenate([patch.vertices, patch.vertices + np.array([0, 0, 5]), [[9.0, 9, 9]]])
    return mesh_from_arrays(vertices, np.concatenate([patch.faces, patch.faces + patch.n_vertices]))


SURFACES = {
    "sphere": shapes.sphere().mesh,
    "random sphere": shapes.sphere(sampling="random", n=500).mesh,
    "pieces": three_pieces(),
    "cone": shapes.cone(12, jitter=0.2).mesh,
    "Möbius": shapes.mobius_strip().mesh,
    "Klein": shapes.klein_bottle().mesh,
    "projective plane": shapes.projective_plane().mesh,
    "tetrahedron": mesh_from_arrays(
        np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
        np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]),
    ),
}


@pytest.mark.parametrize("method", ["farthest-point", "adaptive", "random"])
@pytest.mark.parametrize("name", SURFACES)
def test_what_holds_on_every_surface(name, method):
    mesh = SURFACES[name]
    hierarchy = build(mesh, method=method, ratios=(4, 4))
    vertices = [v.numpy() for v in hierarchy.vertices]
    boundary = build_fans(mesh).boundary
    area = vertex_areas(build_fans(mesh))
    for level, g in enumerate(hierarchy.levels):
        assert (np.diff(vertices[level]) > 0).all()
        np.testing.assert_allclose(float(g.area.sum()), area.sum(), rtol=1e-12)
        assert np.array_equal(g.boundary.numpy(), boundary[vertices[level]])
        assert (g.source != g.target).all(), "within a level no vertex is its own neighbour"
    for g, p, q, target_level, source_level in pairs(hierarchy):
        for tensor in (g.r, g.theta, g.phi, g.weight, g.radius):
            assert torch.isfinite(tensor).all()
        own = p == q
        assert np.array_equal(own, g.r.numpy() == 0)
        assert (g.theta.numpy()[own] == 0).all()
        assert (g.phi.numpy()[own] == 0).all()
        assert (g.flip.numpy()[own] == 1).all()
        if target_level != source_level:
            degree = np.diff(g.row_ptr.numpy())
            assert (degree > 0).all()
            total = np.bincount(g.target.numpy(), weights=g.weight.numpy())
            np.testing.assert_allclose(total, 1.0, rtol=1e-12)
            in_both = np.isin(vertices[target_level], vertices[source_level])
            assert own.sum() == in_both.sum(), "a source in the place of its target is its neighbour"
    for step, parent in enumerate(hierarchy.parent):
        own = parent[hierarchy.kept[step]]
        assert torch.equal(own, torch.arange(len(own))), "a vertex that is kept is its own parent"
        row_ptr, member = hierarchy.clusters(step)
        assert (row_ptr.diff() > 0).all()
        assert torch.equal(parent[member], torch.repeat_interleave(torch.arange(len(own)), row_ptr.diff()))


def test_parents_are_the_nearest():
    shape = shapes.flat_patch(20, 16, jitter=0.24)
    hierarchy = build(shape.mesh)
    position = shape.mesh.vertices
    for step, parent in enumerate(hierarchy.parent):
        fine, coarse = (position[hierarchy.vertices[level].numpy()] for level in (step, step + 1))
        distance = np.linalg.norm(fine[:, None] - coarse[None], axis=2)
        np.testing.assert_allclose(distance[np.arange(len(fine)), parent], distance.min(1), atol=1e-12)


def test_a_radius_grows_with_the_levels():
    mesh = shapes.flat_torus(30, 30, jitter=0.2).mesh
    hierarchy = build(
        mesh, Radius(2.6, "edge"), pool_neighborhood=Radius(3.0, "edge"), unpool_neighborhood=Radius(4.0, "edge")
    )
    radii = [float(g.radius[0]) for g in hierarchy.levels]
    np.testing.assert_allclose(radii, radii[0] * np.sqrt([1.0, 4.0, 900 / 56]), rtol=1e-12)
    degrees = [g.n_edges / g.n_vertices for g in hierarchy.levels]
    assert max(degrees) < 1.4 * min(degrees)
    with pytest.raises(ValueError, match=r"no vertex of level 1 near it; use a larger radius"):
        build(mesh, unpool_neighborhood=Radius(0.5, "edge"))


@pytest.mark.parametrize("name", ["sphere", "Klein", "pieces"])
def test_the_gauge_of_the_levels_is_that_of_the_fine_vertices(name):
    """Built with other frames, against the transformation of what was built without (smooth transport)."""
    mesh = SURFACES[name]
    fans, random = build_fans(mesh), np.random.default_rng(0)
    handedness = random.choice([-1, 1], mesh.n_vertices)
    angle = random.uniform(-3, 3, mesh.n_vertices)
    corner = np.full(mesh.n_vertices, -1)
    corner[fans.vertex[::-1]] = np.arange(len(fans.vertex))[::-1]
    reference = (corner, angle)
    plain = build(mesh, Nearest(6))
    built = build(mesh, Nearest(6), handedness=handedness, reference=reference)
    # h = R(turn) diag(1, hand): the axis is at `angle`, in the new handedness, from the chosen half-edge
    used = corner >= 0
    direction = np.zeros(mesh.n_vertices)
    direction[used] = fans.direction[corner[used]] * fans.scale[used]
    turn = np.where(used, -(handedness * direction + angle), 0.0)
    h = [(torch.from_numpy(turn)[v], torch.from_numpy(handedness)[v]) for v in plain.vertices]
    expected = plain.transform([a for a, _ in h], [s for _, s in h])
    for ours, theirs in zip(built.geometries, expected.geometries):
        assert torch.equal(ours.source, theirs.source)
        assert torch.equal(ours.flip, theirs.flip)
        for a, b in ((ours.theta, theirs.theta), (ours.phi, theirs.phi)):
            assert np.abs(wrapped((a - b).numpy())).max() < 1e-12
        if ours.frame is not None:
            torch.testing.assert_close(ours.frame, theirs.frame, atol=1e-10, rtol=0)


def test_a_flat_torus_admits_the_trivial_group_on_every_level():
    """With frames along the edges in one direction of its grid."""
    mesh = shapes.flat_torus(12, 12).mesh
    start = build_fans(mesh)
    along = np.full(mesh.n_vertices, -1)
    # half-edge 3 f of a grid cell runs along u
    grid_edge = np.flatnonzero(np.arange(len(start.vertex)) % 3 == 0)[::2]
    along[start.vertex[grid_edge]] = grid_edge
    hierarchy = build(mesh, Nearest(8), mode="polyhedral", reference=(along, np.zeros(mesh.n_vertices)))
    assert hierarchy.structure_group == "trivial"
    assert all(g.rotation_order == 1 for g in hierarchy.geometries)


def test_the_same_bits_whatever_the_threads_and_rows_counted_once():
    mesh = shapes.torus(60, 24, jitter=0.2).mesh
    calls = []
    one, two = (
        build(mesh, threads=threads, progress=lambda done, all_: calls.append((done, all_)), seed=5)
        for threads in (1, 2)
    )
    for a, b in zip(one.geometries, two.geometries):
        for name in ("row_ptr", "source", "r", "theta", "phi", "flip", "weight", "radius", "area"):
            assert torch.equal(getattr(a, name), getattr(b, name))
    assert all(map(torch.equal, one.parent, two.parent))
    rows = [1440, 360, 90]
    assert calls[-1] == (sum(rows) + 1440 + 360 + 360 + 90,) * 2
    other = build(mesh, seed=6)
    assert not torch.equal(other.kept[0], one.kept[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratios": (4, 1)}, "above 1"),
        ({"ratios": (float("nan"),)}, "above 1"),
        ({"mode": "best"}, '"smooth" or "polyhedral"'),
        ({"dtype": torch.float16}, "float32 or torch.float64"),
        ({"threads": 0}, "threads"),
        ({"method": "best"}, "farthest-point"),
        ({"neighborhood": [Nearest(3), Nearest(4)]}, "each of 3 levels"),
        ({"neighborhood": 16}, "Nearest"),
    ],
)
def test_errors_say_what_was_expected(options, message):
    with pytest.raises(ValueError, match=message):
        build(SURFACES["sphere"], **options)
