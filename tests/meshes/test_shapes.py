"""Named surfaces against the geometry that they claim, checked by integration in space and by their own meshes."""

from itertools import pairwise

import numpy as np
import pytest

from gaugenet.meshes.closed_forms import TorusForm, tangent_frames, wrapped
from gaugenet.meshes.shapes import SURFACES, named_surface
from gaugenet.meshes.topology import boundary_vertices

DEVELOPED = [
    ("flat_patch", {"jitter": 0.2, "length": 2.0}),
    ("cylinder", {"developed": True, "jitter": 0.2, "n": 20}),
    ("cone", {"developed": True, "jitter": 0.2, "n": 8}),
    ("cone", {"developed": True, "jitter": 0.2, "n": 8, "sin_half_angle": 0.9}),
    ("flat_torus", {"jitter": 0.2, "n": 9, "m": 7, "width": 0.5}),
    ("mobius_strip", {"developed": True, "jitter": 0.2}),
    ("klein_bottle", {"developed": True, "jitter": 0.2, "n": 12, "m": 7}),
]
ROUND = [
    ("cylinder", {"jitter": 0.2}),
    ("cone", {"jitter": 0.2}),
    ("sphere", {"sampling": "random"}),
    ("torus", {"jitter": 0.2}),
]
ALL = [*DEVELOPED, *ROUND, ("projective_plane", {})]


def compose(a, b):
    """(angle, flip) of a · b for elements R(angle) diag(1, flip)."""
    return wrapped(a[0] + a[1] * b[0]), a[1] * b[1]


def pairs_within_reach(shape, n=400, seed=0):
    """Random pairs (p, q) with a unique shortest geodesic, and nearer than a third of the injectivity radius."""
    rng = np.random.default_rng(seed)
    p, q = rng.integers(0, shape.mesh.n_vertices, (2, 200 * n))
    if isinstance(shape.closed_form, TorusForm):
        near = np.linalg.norm(shape.mesh.vertices[p] - shape.mesh.vertices[q], axis=1) < 0.4
        p, q = p[near][:n], q[near][:n]
    r = shape.log_and_transport(p, q).r
    reach = np.minimum(shape.closed_form.injectivity_radius[p], shape.closed_form.injectivity_radius[q])
    good = np.flatnonzero((p != q) & (r < 0.9 * reach))[:n]
    assert len(good) > 20
    return p[good], q[good]


@pytest.mark.parametrize(("name", "options"), DEVELOPED)
def test_developed_edges_are_geodesics_of_the_closed_form(name, options):
    shape = named_surface(name, **options)
    faces = shape.mesh.faces
    r = shape.log_and_transport(faces.ravel(), np.roll(faces, -1, axis=1).ravel()).r
    np.testing.assert_allclose(shape.mesh.edge_lengths.ravel(), r, rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), DEVELOPED)
def test_developed_corner_angles_are_differences_of_theta(name, options):
    shape = named_surface(name, **options)
    faces, lengths = shape.mesh.faces, shape.mesh.edge_lengths
    theta_next = shape.log_and_transport(faces[:, 0], faces[:, 1]).theta
    theta_last = shape.log_and_transport(faces[:, 0], faces[:, 2]).theta
    a, opposite, b = lengths.T
    corner = np.arccos((a**2 + b**2 - opposite**2) / (2 * a * b))
    # angles at the apex of a cone are scaled to the full circle
    scale = np.where((name == "cone") & (faces[:, 0] == 0), options.get("sin_half_angle", 0.5), 1.0)
    turned = scale * wrapped(theta_last - theta_next)
    np.testing.assert_allclose(np.abs(turned), corner, atol=1e-9)
    if not shape.mesh.twin_flipped.any():
        assert (turned > 0).all()


@pytest.mark.parametrize(
    ("name", "options", "area"),
    [
        ("flat_patch", {"jitter": 0.2, "length": 2.0}, 2.0),
        ("cylinder", {"developed": True, "jitter": 0.2, "radius": 0.5}, 2 * np.pi),
        ("flat_torus", {"jitter": 0.2, "width": 3.0}, 3.0),
        ("mobius_strip", {"developed": True, "jitter": 0.2}, 2 * np.pi),
        ("klein_bottle", {"developed": True, "jitter": 0.2}, 4 * np.pi),
    ],
)
def test_developed_faces_tile_the_rectangle(name, options, area):
    a, b, c = named_surface(name, **options).mesh.edge_lengths.T
    s = (a + b + c) / 2
    assert np.sqrt(s * (s - a) * (s - b) * (s - c)).sum() == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize(("name", "options"), ALL)
def test_back_and_forth(name, options):
    """The geodesic from q to p is that from p to q reversed: equal length, inverse transport, and the
    transporter carries the direction that leads away from p at q to the direction of q at p."""
    shape = named_surface(name, **options)
    p, q = pairs_within_reach(shape)
    there, back = shape.log_and_transport(p, q), shape.log_and_transport(q, p)
    np.testing.assert_allclose(there.r, back.r, rtol=1e-10)
    angle, flip = compose((there.phi, there.flip), (back.phi, back.flip))
    np.testing.assert_allclose(wrapped(angle), 0, atol=1e-9)
    assert (flip == 1).all()
    if name == "cone":  # at the apex the direction of a vector is scaled, and no geodesic runs through it
        away = (p != 0) & (q != 0)
        there, back = (type(m)(*(x[away] for x in m)) for m in (there, back))
    np.testing.assert_allclose(wrapped(there.phi + there.flip * (back.theta + np.pi) - there.theta), 0, atol=1e-9)


@pytest.mark.parametrize(("name", "options"), ROUND)
def test_frames_in_space_agree_with_theta(name, options):
    """To the next vertices, the chord seen in the frame points along theta up to the turning of the surface."""
    shape = named_surface(name, **options)
    eye = np.einsum("vij,vkj->vik", shape.frame, shape.frame)
    np.testing.assert_allclose(eye, np.broadcast_to(np.eye(3), eye.shape), atol=1e-12)
    p, q = shape.mesh.faces[:, 0], shape.mesh.faces[:, 1]
    keep = (p != 0) | (name != "cone")
    p, q = p[keep], q[keep]
    chord = shape.mesh.vertices[q] - shape.mesh.vertices[p]
    x, y = (np.einsum("ni,ni->n", shape.frame[p, k], chord) for k in (0, 1))
    exact = shape.log_and_transport(p, q)
    error = np.abs(wrapped(np.arctan2(y, x) - exact.theta))
    assert np.median(error) < 0.02
    assert (np.linalg.norm(chord, axis=1) <= exact.r * (1 + 1e-12)).all()


@pytest.mark.parametrize(("name", "options"), ROUND)
def test_meshes_face_outwards_like_their_frames(name, options):
    shape = named_surface(name, **options)
    a, b, c = np.moveaxis(shape.mesh.vertices[shape.mesh.faces], 1, 0)
    along = np.einsum("fi,fi->f", np.cross(b - a, c - a), shape.frame[shape.mesh.faces[:, 1], 2])
    assert (along > 0).all()


def carried_along(points, normals, vector):
    """A tangent vector moved along curves [steps, n, 3] by the rotations that turn each normal to the next."""
    for here, there in pairwise(normals):
        axis = np.cross(here, there)
        c = np.einsum("ni,ni->n", here, there)[:, None]
        vector = c * vector + np.cross(axis, vector) + axis * np.einsum("ni,ni->n", axis, vector)[:, None] / (1 + c)
    return vector


@pytest.mark.parametrize(
    ("name", "options"), [("sphere", {}), ("torus", {"jitter": 0.2}), ("cylinder", {}), ("cone", {})]
)
def test_closed_forms_against_curves_in_space(name, options):
    """The geodesic, drawn in space from the closed form's r and theta, ends at the source, has no
    acceleration along the surface, and carries the frame of q to that of p as phi says."""
    shape = named_surface(name, **options)
    p, q = pairs_within_reach(shape, 60)
    exact = shape.log_and_transport(p, q)
    steps = np.linspace(0, 1, 801)
    form = shape.closed_form
    if name == "sphere":
        base, x, y = shape.mesh.vertices[p], shape.frame[p, 0], shape.frame[p, 1]
        direction = np.cos(exact.theta)[:, None] * x + np.sin(exact.theta)[:, None] * y
        s = steps[:, None, None] * exact.r[:, None]
        points = np.cos(s) * base + np.sin(s) * direction
        normals = points
    elif name == "torus":
        uv = [form.geodesic(form.uv[p], exact.theta, t * exact.r)[:2] for t in steps[::8]]
        u, v = np.array(uv).transpose(1, 0, 2)
        steps = steps[::8]
        normals = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], 2)
        points = np.stack([np.cos(u), np.sin(u), 0 * u], 2) * form.major + form.minor * normals
    elif name == "cylinder":
        d = exact.r[:, None] * np.stack([np.cos(exact.theta), np.sin(exact.theta)], 1)
        u, v = np.moveaxis(form.uv[p] + steps[:, None, None] * d, 2, 0)
        normals = np.stack([np.cos(u), np.sin(u), 0 * u], 2)
        points = normals + v[..., None] * [0, 0, 1]
    else:
        p, q, exact = (a[(p != 0) & (q != 0)] for a in (p, q, np.stack([exact.r, exact.theta, exact.phi], 1)))
        exact = type(shape.log_and_transport([1], [2]))(*exact.T, np.ones(len(p)))
        x = form.slant[p] + steps[:, None] * exact.r * np.cos(exact.theta)
        y = steps[:, None] * exact.r * np.sin(exact.theta)
        slant, w = np.hypot(x, y), form.azimuth[p] + np.arctan2(y, x) / form.sin_half_angle
        s, c = form.sin_half_angle, np.sqrt(1 - form.sin_half_angle**2)
        points = slant[..., None] * np.stack([s * np.cos(w), s * np.sin(w), -c + 0 * w], 2)
        normals = np.stack([c * np.cos(w), c * np.sin(w), s + 0 * w], 2)
    np.testing.assert_allclose(points[-1], shape.mesh.vertices[q], atol=1e-9)
    h = (steps[1] * exact.r)[:, None]
    speed = np.linalg.norm(np.diff(points, axis=0), axis=2) / h[:, 0]
    np.testing.assert_allclose(speed, 1, atol=1e-3)
    bend = (points[2:] - 2 * points[1:-1] + points[:-2]) / h**2
    sideways = bend - np.einsum("sni,sni->sn", bend, normals[1:-1])[..., None] * normals[1:-1]
    assert np.abs(sideways).max() < 0.01 * np.abs(bend).max()
    moved = carried_along(points[::-1], normals[::-1], shape.frame[q, 0])
    angle = np.arctan2(*(np.einsum("ni,ni->n", shape.frame[p, k], moved) for k in (1, 0)))
    np.testing.assert_allclose(wrapped(angle - exact.phi), 0, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [("mobius_strip", {"n": 12, "m": 4}), ("klein_bottle", {"n": 12, "m": 6}), ("flat_torus", {"n": 12, "m": 6})],
)
def test_transport_round_the_long_way(name, options):
    """Twelve steps along v = 0: a reflection that keeps ∂u on the one-sided surfaces, nothing on the torus."""
    if name != "flat_torus":
        options = {**options, "developed": True}
    shape = named_surface(name, **options)
    core = np.flatnonzero(np.abs(shape.closed_form.uv[:, 1]) < 1e-9)
    core = core[np.argsort(shape.closed_form.uv[core, 0])]
    assert len(core) == 12
    step = shape.log_and_transport(core, np.roll(core, -1))
    np.testing.assert_allclose(step.theta, 0, atol=1e-12)
    assert np.prod(step.flip) == (1 if name == "flat_torus" else -1)
    np.testing.assert_array_equal(step.phi, 0)


def test_transport_round_the_projective_plane():
    """Along a great circle from a point to its antipode: a reflection that keeps the tangent of the circle."""
    shape = named_surface("projective_plane", subdivisions=3)
    points = shape.closed_form.frame[:, 2]
    circle = np.flatnonzero(np.abs(points[:, 0]) < 1e-12)
    circle = circle[np.argsort(np.arctan2(points[circle, 2], points[circle, 1]) % np.pi)]
    step = shape.log_and_transport(circle, np.roll(circle, -1))
    assert step.r.sum() == pytest.approx(np.pi)
    whole = (0.0, 1)
    for phi, flip in zip(step.phi, step.flip):
        whole = compose(whole, (phi, int(flip)))
    assert whole[1] == -1
    # coefficients of the tangent at the start: direction theta is kept by R(angle) diag(1, -1) if angle = 2
    # theta
    assert wrapped(whole[0] - 2 * step.theta[0]) == pytest.approx(0, abs=1e-9)


def test_transport_round_the_apex_of_a_cone():
    """A loop round the apex turns vectors by its angle defect, 2π (1 − sin a)."""
    for s in (0.5, 0.8):
        shape = named_surface("cone", n=6, sin_half_angle=s, developed=True)
        rim = np.flatnonzero(boundary_vertices(shape.mesh))
        rim = rim[np.argsort(shape.closed_form.azimuth[rim] % (2 * np.pi))]
        step = shape.log_and_transport(rim, np.roll(rim, -1))
        assert wrapped(step.phi.sum() - 2 * np.pi * s) == pytest.approx(0, abs=1e-9)
        apex = shape.log_and_transport(np.zeros(len(rim), int), rim)
        np.testing.assert_allclose(apex.r, 1)
        np.testing.assert_allclose(wrapped(apex.theta - shape.closed_form.azimuth[rim]), 0, atol=1e-12)


def test_flat_shortest_images_are_the_shortest():
    """Against all paths through a ring of copies, enumerated without the closed form's own list."""
    shape = named_surface("klein_bottle", developed=True, n=10, m=6, length=1.0, width=0.8, jitter=0.2)
    uv = shape.closed_form.uv
    rng = np.random.default_rng(0)
    p, q = rng.integers(0, len(uv), (2, 300))
    best = np.full(300, np.inf)
    for turns in range(-4, 5):
        for lift in range(-4, 5):
            image = np.stack([uv[q, 0] + turns * 1.0, (-1) ** turns * uv[q, 1] + lift * 0.8], 1)
            best = np.minimum(best, np.linalg.norm(image - uv[p], axis=1))
    np.testing.assert_allclose(shape.log_and_transport(p, q).r, best, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "radius"),
    [
        ("flat_torus", {"width": 0.6}, 0.3),
        ("cylinder", {"radius": 2.0}, 2 * np.pi),
        ("mobius_strip", {"developed": True, "m": 2}, np.pi),
        ("sphere", {}, np.pi),
        ("projective_plane", {}, np.pi / 2),
        ("torus", {"minor": 0.3}, 0.3 * np.pi),
        ("flat_patch", {}, np.inf),
    ],
)
def test_injectivity_radius(name, options, radius):
    assert named_surface(name, **options).closed_form.injectivity_radius.min() == pytest.approx(radius)


def test_torus_geodesics_keep_clairauts_constant():
    form = TorusForm(np.zeros((1, 2)), 1.0, 0.4)
    rng = np.random.default_rng(0)
    start, theta = rng.uniform(-3, 3, (50, 2)), rng.uniform(-3, 3, 50)
    u, v, psi = form.geodesic(start, theta, np.full(50, 0.5))
    constant = (1 + 0.4 * np.cos(start[:, 1])) * np.cos(theta)
    np.testing.assert_allclose((1 + 0.4 * np.cos(v)) * np.cos(psi), constant, atol=1e-9)
    assert np.isfinite(u).all()


def test_icosahedron_has_twelve_cone_points():
    mesh = named_surface("icosahedron", subdivisions=2).mesh
    np.testing.assert_allclose(mesh.edge_lengths, mesh.edge_lengths[0, 0], rtol=1e-12)
    degree = np.bincount(mesh.faces.ravel())
    assert sorted(set(degree)) == [5, 6]
    assert (degree == 5).sum() == 12


def test_tangent_frames_are_right_handed():
    normal = np.concatenate([np.eye(3), -np.eye(3), np.random.default_rng(0).normal(size=(20, 3))])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    frame = tangent_frames(normal)
    np.testing.assert_allclose(np.cross(frame[:, 0], frame[:, 1]), normal, atol=1e-12)


@pytest.mark.parametrize("name", SURFACES)
def test_seeds(name):
    if name in ("icosahedron", "projective_plane"):
        one, other = named_surface(name), named_surface(name)
        np.testing.assert_array_equal(one.mesh.edge_lengths, other.mesh.edge_lengths)
        return
    options = {"sampling": "random"} if name == "sphere" else {"jitter": 0.2}
    one, same, other = (named_surface(name, seed=s, **options).mesh for s in (1, 1, 2))
    np.testing.assert_array_equal(one.edge_lengths, same.edge_lengths)
    assert one.edge_lengths.shape != other.edge_lengths.shape or (one.edge_lengths != other.edge_lengths).any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dodecahedron", {}, "no surface 'dodecahedron': expected one of flat_patch, cylinder, cone, sphere"),
        ("torus", {"developed": True}, "torus has no option developed: expected n, m, major"),
        ("torus", {"jitter": 0.3}, "0 <= jitter < 0.25"),
        ("torus", {"n": 3}, "at least 4 × 4 cells, got 3 × 24"),
        ("torus", {"minor": 1.0}, "0 < minor < major"),
        ("cone", {"sin_half_angle": 1.0}, "0 < sin_half_angle < 1"),
        ("cone", {"n": 0}, "n >= 1"),
        ("sphere", {"sampling": "uv"}, "got 'uv'"),
        ("sphere", {"subdivisions": 9}, "0 to 8 subdivisions, got 9"),
    ],
)
def test_refusals(name, options, message):
    with pytest.raises(ValueError, match="expected") as caught:
        named_surface(name, **options)
    assert message in str(caught.value)


def test_no_closed_form_is_said():
    with pytest.raises(ValueError, match="icosahedron: no closed form is known"):
        named_surface("icosahedron").log_and_transport([0], [1])
    shape = named_surface("torus", major=1.0, minor=0.9)
    far = np.arange(shape.mesh.n_vertices)
    with pytest.raises(ValueError, match="within the injectivity radius"):
        shape.log_and_transport(np.zeros_like(far), far)
