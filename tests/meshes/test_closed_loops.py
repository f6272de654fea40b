"""Transport round closed loops: enclosed curvature, and the sign that a loop's homotopy class has."""

from collections import deque

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.transport import compose, inverse, wrap


class Transport:
    """Composition of the transporters of a geometry along lists of vertices, in a random gauge at every vertex."""

    def __init__(self, mesh, neighborhood, mode="smooth", seed=0):
        g = compute_geometry(mesh, neighborhood, mode=mode, dtype=torch.float64)
        rng = np.random.default_rng(seed)
        self.hand = rng.choice([-1.0, 1.0], mesh.n_vertices)
        angle = torch.from_numpy(rng.uniform(-3, 3, mesh.n_vertices))
        self.geometry = g = g.transform(angle, torch.from_numpy(self.hand))
        values = zip(g.target.tolist(), g.source.tolist(), g.phi.tolist(), g.flip.tolist())
        self.edge = {(p, q): (phi, flip) for p, q, phi, flip in values}
        self.sees = [set() for _ in range(mesh.n_vertices)]
        for p, q in self.edge:
            self.sees[p].add(q)

    def step(self, p, q):
        return self.edge[p, q] if (p, q) in self.edge else inverse(self.edge[q, p])

    def round(self, loop):
        """g_{v0<-vn} … g_{v2<-v1} g_{v1<-v0}: a vector is carried along the loop."""
        whole = (0.0, 1)
        for p, q in zip(loop, [*loop[1:], loop[0]]):
            whole = compose(self.step(q, p), whole)
        return whole

    def angle(self, loop):
        """Of a loop that keeps handedness, in that of the frame where it starts."""
        turned, flip = self.round(loop)
        assert flip == 1
        return float(wrap(turned))

    def deformed(self, loop, moves, rng):
        """The same loop up to homotopy: vertices put in and left out across triangles of mutual neighbours."""
        loop = list(loop)
        for _ in range(moves):
            k = int(rng.integers(len(loop)))
            a, b, before = loop[k], loop[(k + 1) % len(loop)], loop[k - 1]
            common = sorted((self.sees[a] & self.sees[b]) - {a, b})
            if len(loop) > 4 and rng.random() < 0.5:
                if before != b and (before in self.sees[b] or b in self.sees[before]):
                    del loop[k]
            elif common:
                loop.insert(k + 1, common[int(rng.integers(len(common)))])
        return loop

    def through(self, start, stops, rng):
        """A loop from start through the stops, along few edges between them."""
        loop, here = [], start
        for goal in [*stops, start]:
            before, queue = {here: None}, deque([here])
            while queue and goal not in before:
                v = queue.popleft()
                for q in rng.permutation(sorted(self.sees[v])).tolist():
                    if q not in before:
                        before[q] = v
                        queue.append(q)
            path = []
            while goal is not None:
                path.append(goal)
                goal = before[goal]
            loop += path[:0:-1]
            here = path[0]
        return loop


def test_circle_of_latitude_on_the_sphere():
    """Round the circle of latitude 60° vectors turn by the area of the cap, 2π (1 - sin 60°).

    The transporter of a step of three edges is wrong by at most (κ h)² (the published bound, p95), that of one edge by
    a ninth of it, as the area between the two sides of a path is; n of them add up to √n (κ h)² / 9 where their signs
    are those of chance, as on a mesh that knows nothing of the circle. The loop runs through vertices, so that its area
    is that of their polygon.
    """
    shape = shapes.sphere(subdivisions=5)
    points = shape.mesh.vertices
    h = float(np.median(shape.mesh.edge_lengths))
    found = {}
    for mode in ("smooth", "polyhedral"):
        t = Transport(shape.mesh, Nearest(8), mode)
        ring = latitude_loop(points, t, np.radians(60))
        area = polygon_area(points[ring], np.array([0.0, 0, 1]))
        assert area == pytest.approx(2 * np.pi * (1 - np.sin(np.radians(60))), rel=0.05)
        found[mode] = abs(wrap(abs(t.angle(ring)) - area))
    assert found["smooth"] < np.sqrt(len(ring)) * h**2 / 9
    assert found["smooth"] < 1e-4
    assert found["polyhedral"] > 2 * found["smooth"]


def latitude_loop(points, transport, latitude):
    """Vertices of a loop round the pole, each a neighbour of the next, as near to the circle as they can be."""
    turn = np.arctan2(points[:, 1], points[:, 0])
    off = np.abs(np.arcsin(points[:, 2]) - latitude)
    start = int(off.argmin())
    loop, gone = [start], 0.0
    while True:
        here = loop[-1]
        ahead = {q: float(wrap(turn[q] - turn[here])) for q in transport.sees[here]}
        if gone > np.pi and ahead.get(start, 0.0) > 0:
            return loop
        best = min((q for q, a in ahead.items() if a > 1e-3), key=lambda q: off[q] / ahead[q] + off[q])
        gone += ahead[best]
        loop.append(best)


def polygon_area(corners, middle):
    """Of the spherical polygon round a point, as a fan of triangles (Van Oosterom & Strackee 1983)."""
    b, c, up = corners, np.roll(corners, -1, axis=0), middle / np.linalg.norm(middle)
    return float((2 * np.arctan2(np.cross(b, c) @ up, 1 + b @ up + c @ up + (b * c).sum(1))).sum())


def test_loops_round_single_vertices_and_random_ones_on_the_sphere():
    """Holonomy is the enclosed area A: round vertices along their rings, and along triangles of steps up to 3.3 edges.

    What is left is of the fourth order. With directions by Voronoi cells an equilateral triangle of chords s turns by
    its flat area √3/4 s² (`gaugenet.meshes.edge_directions`), where that on the unit sphere is

        3 arccos((1 - s²/2) / (2 - s²/2)) - π = √3/4 s² (1 + 5/24 s² + O(s⁴)),

    so a loop is wrong by at most 5/24 (κ s)² of the area in it, s its longest step, were it made of such triangles; at
    random points that is asked of 95 % of them. A long thin triangle has the share of an equilateral one.
    """
    shape = shapes.sphere(sampling="random", n=750)
    points, h = shape.mesh.vertices, float(np.median(shape.mesh.edge_lengths))
    rings = vertex_rings(shape.mesh)
    chosen = np.random.default_rng(0).choice(shape.mesh.n_vertices, 200, replace=False)

    def wrong(t, loop, middle, bound=0.0):
        area = polygon_area(points[loop], middle)
        side = np.sign(t.geometry.frame[loop[0], 2].numpy() @ points[loop[0]])
        step = np.linalg.norm(points[loop] - points[np.roll(loop, -1)], axis=1).max()
        return abs(wrap(t.angle(loop) - side * area)) / (5 / 24 * step**2 * max(area, bound * step**2))

    t = Transport(shape.mesh, Radius(3.3 * h))
    assert np.quantile([wrong(t, rings[v], points[v]) for v in chosen], 0.95) < 1
    triangles, rng = [], np.random.default_rng(1)
    for a in rng.integers(0, len(points), 300).tolist():
        b, c = rng.choice(sorted(t.sees[a]), 2, replace=False).tolist()
        if c in t.sees[b]:
            triangles.append(wrong(t, [a, b, c], points[[a, b, c]].mean(0), np.sqrt(3) / 4))
    assert len(triangles) > 100
    assert np.quantile(triangles, 0.95) < 1
    # scaled directions, which are of the second order: the twin that must fail
    polyhedral = Transport(shape.mesh, Radius(1.7 * h), "polyhedral")
    whole = [
        v for v in chosen if all(q in polyhedral.sees[p] for p, q in zip(rings[v], np.roll(rings[v], -1).tolist()))
    ]
    assert len(whole) > 50
    assert np.quantile([wrong(polyhedral, rings[v], points[v]) for v in whole], 0.5) > 1


def vertex_rings(mesh):
    """The neighbours of every vertex of a closed oriented mesh, counter-clockwise."""
    after = [{} for _ in range(mesh.n_vertices)]
    for a, b, c in mesh.faces.tolist():
        after[a][b], after[b][c], after[c][a] = c, a, b
    rings = []
    for v in range(mesh.n_vertices):
        ring = [next(iter(after[v]))]
        while after[v][ring[-1]] != ring[0]:
            ring.append(after[v][ring[-1]])
        rings.append(ring)
    return rings


def test_loops_along_edges_of_a_polyhedron_turn_by_the_curvature_in_their_faces():
    """Polyhedral: round a face by Σ α s - π, with its angles α scaled by s = 2π/Θ; round a vertex by the sum."""
    mesh = shapes.torus(24, 12, jitter=0.2).mesh
    t = Transport(mesh, Nearest(20), "polyhedral")
    fans = build_fans(mesh)
    curvature = (fans.corner_angle * fans.scale[fans.vertex]).reshape(-1, 3).sum(1) - np.pi
    short = straight_edges(mesh, t.geometry)
    tested = 0
    for f in range(mesh.n_faces):
        if short[f].all():
            loop = mesh.faces[f].tolist()
            assert wrap(t.angle(loop) - t.hand[loop[0]] * curvature[f]) == pytest.approx(0, abs=1e-12)
            tested += 1
    assert tested > 300
    for v, ring in enumerate(vertex_rings(mesh)):
        around = (mesh.faces == v).any(1)
        if short[around].all():
            enclosed = t.hand[ring[0]] * curvature[around].sum()
            assert wrap(t.angle(ring) - enclosed) == pytest.approx(0, abs=1e-12)


def straight_edges(mesh, geometry):
    """[F, 3] whether each edge is the shortest path between its ends."""
    r = {(p, q): x for p, q, x in zip(geometry.target.tolist(), geometry.source.tolist(), geometry.r.tolist())}
    ends = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], 2).reshape(-1, 2).tolist()
    found = [r.get((p, q), r.get((q, p), np.nan)) for p, q in ends]
    return np.isclose(found, mesh.edge_lengths.ravel(), rtol=1e-9).reshape(-1, 3)


def glide_sign(uv, length, loop):
    """(-1)^(times round along u): what gluing with a flip makes of handedness."""
    step = np.diff(uv[[*loop, loop[0]], 0])
    turns = (step - length * np.rint(step / length)).sum() / length
    assert abs(turns - round(turns)) < 1e-9
    return (-1) ** round(turns)


def antipodal_sign(points, loop):
    """-1 where the loop, followed on the sphere, ends at the opposite of the point where it began."""
    here = points[loop[0]]
    for v in [*loop[1:], loop[0]]:
        here = points[v] * np.sign(points[v] @ here)
    return round(float(here @ points[loop[0]]))


ONE_SIDED = {
    "Möbius": shapes.mobius_strip(30, 6, developed=True, jitter=0.2),
    "Klein": shapes.klein_bottle(30, 12, developed=True, jitter=0.2),
    "projective plane": shapes.projective_plane(3),
}


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("name", ONE_SIDED)
def test_every_class_of_loops_has_its_sign(name, mode):
    """Random loops (of every class: through random stops), products of them, and random deformations of them.

    Random handedness at every vertex: no single flip means anything. On flat surfaces the turn is known too:
    a loop that reverses handedness is the reflection that keeps ∂u, one that does not is the identity.
    """
    shape = ONE_SIDED[name]
    t = Transport(shape.mesh, Nearest(12), mode)
    rng = np.random.default_rng(0)

    def sign(loop):
        if name == "projective plane":
            return antipodal_sign(shape.closed_form.frame[:, 2], loop)
        return glide_sign(shape.closed_form.uv, 2 * np.pi, loop)

    loops = []
    for _ in range(25):
        loop = t.through(0, rng.integers(1, shape.mesh.n_vertices, 3).tolist(), rng)
        assert t.round(loop)[1] == sign(loop)
        moved = t.deformed(loop, 60, rng)
        assert moved != loop
        assert t.round(moved)[1] == sign(loop) == sign(moved)
        loops.append(loop)
    assert {1, -1} == {sign(loop) for loop in loops}
    for a, b in zip(loops, reversed(loops)):
        assert t.round([*a, *b])[1] == sign(a) * sign(b)
    if name != "projective plane":
        whole = [t.round(loop) for loop in loops]
        reflection = next(angle for angle, flip in whole if flip < 0)
        for angle, flip in whole:
            assert abs(wrap(angle - (reflection if flip < 0 else 0.0))) < 1e-10
    # broken on purpose: without the signs of single edges no loop reverses anything
    t.edge = {k: (phi, 1) for k, (phi, _) in t.edge.items()}
    assert all(t.round(loop)[1] == 1 for loop in loops)


def test_immersed_one_sided_surfaces_have_the_signs_of_the_flat_ones():
    for make in (shapes.mobius_strip, shapes.klein_bottle):
        flat, curved = make(30, 12, developed=True), make(30, 12)
        t = Transport(curved.mesh, Nearest(8))
        rng = np.random.default_rng(1)
        found = set()
        for _ in range(20):
            loop = t.through(0, rng.integers(1, curved.mesh.n_vertices, 3).tolist(), rng)
            assert t.round(loop)[1] == glide_sign(flat.closed_form.uv, 2 * np.pi, loop)
            found.add(t.round(loop)[1])
        assert found == {1, -1}


def test_loops_round_the_generators_of_genus_2():
    """Out along one radius of the octagon to its corner, which is one vertex, and back along another.

    All keep handedness, and so do their products. The closed form's transporters along the same steps say how far each
    turns: by multiples of π/2, from the angles between radii at the centre and at the corner.
    """
    shape = shapes.hyperbolic_surface(4)
    h = float(np.median(shape.mesh.edge_lengths))
    t = Transport(shape.mesh, Nearest(8))
    z = shape.closed_form.z
    corner = int(np.abs(z).argmax())
    radii = []
    for k in range(8):
        along = z * np.exp(-0.25j * np.pi * (k + 0.5))
        on = np.flatnonzero((np.abs(along.imag) < 1e-9) & (along.real > 1e-9) & (np.arange(len(z)) != corner))
        radii.append(on[np.argsort(along.real[on])].tolist())
        assert len(radii[k]) == 15
    turns, turned_by = set(), {}
    for j in range(8):
        for k in range(8):
            loop = [0, *radii[j], corner, *reversed(radii[k])]
            turned, flip = t.round(loop)
            assert flip == 1
            assert t.round([*loop, 0, *radii[k], corner, *reversed(radii[j - 3])])[1] == 1
            exact = shape.log_and_transport([*loop[1:], loop[0]], loop).phi.sum()
            assert abs(wrap(4 * exact)) < 1e-9
            assert abs(wrap(turned - t.hand[0] * exact)) < np.sqrt(len(loop)) * h**2 / 9
            turns.add(round(float(wrap(exact)) / (np.pi / 2)) % 4)
            turned_by[tuple(loop)] = exact
    assert len(turns) > 1
    # broken on purpose: one edge that claims to reverse handedness is seen by every loop that runs over it ...
    loop = list(turned_by)[1]
    first = (loop[1], loop[0])
    whole = t.edge.copy()
    t.edge[first] = (whole[first][0], -whole[first][1])
    assert t.round(loop)[1] == -1
    assert sum(t.round(other)[1] == -1 for other in turned_by) == sum(first[0] == other[1] for other in turned_by)
    # ... and without the signs of the random gauge no loop seems to reverse any, but they turn by something else
    t.edge = {pair: (phi, 1) for pair, (phi, _) in whole.items()}
    assert all(t.round(loop)[1] == 1 for loop in turned_by)
    off = [abs(wrap(t.round(loop)[0] - t.hand[0] * exact)) for loop, exact in turned_by.items()]
    assert np.median(off) > 0.1
