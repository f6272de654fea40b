import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry

FIELDS = ("row_ptr", "source", "r", "theta", "phi", "flip", "weight", "radius", "area", "boundary", "mesh_ptr")


def angles_differ(a, b):
    return float(torch.sin((a - b) / 2).abs().max())


def own_half_edges(mesh, seed=0):
    """A random half-edge that starts at each vertex."""
    order = np.random.default_rng(seed).permutation(3 * mesh.n_faces)
    chosen = np.empty(mesh.n_vertices, np.int64)
    chosen[mesh.faces.ravel()[order]] = order
    return chosen


def closed_form_gauge(shape):
    """(reference, handedness) that put a flat quotient in the frame (∂u, ∂v) of its closed form."""
    faces, form = shape.mesh.faces, shape.closed_form
    flat = faces.ravel()
    along, _ = form.developed(flat, np.roll(faces, -1, axis=1).ravel())
    before, _ = form.developed(flat, np.roll(faces, 1, axis=1).ravel())
    winding = np.sign(along[:, 0] * before[:, 1] - along[:, 1] * before[:, 0])
    _, first = np.unique(flat, return_index=True)
    return (first, -np.arctan2(along[first, 1], along[first, 0])), winding[first].astype(np.int64)


@pytest.mark.parametrize(
    ("shape", "group"),
    [
        (shapes.flat_torus(16, 16, jitter=0.2), "trivial"),
        (shapes.cylinder(24, 8, developed=True, jitter=0.2), "trivial"),
        (shapes.mobius_strip(30, 6, developed=True, jitter=0.2), "reflection"),
        (shapes.klein_bottle(30, 12, developed=True, jitter=0.2), "reflection"),
    ],
    ids=["flat torus", "cylinder", "Möbius", "Klein"],
)
def test_flat_surfaces_in_their_own_gauge(shape, group, closed_form_errors):
    reference, handedness = closed_form_gauge(shape)
    options = {"reference": reference, "handedness": handedness, "dtype": torch.float64}
    g = compute_geometry(shape.mesh, Nearest(20), **options)
    assert g.structure_group == group
    assert (g.phi == 0).all()
    errors = closed_form_errors(g, shape, same_gauge=True)
    assert errors.flips == 0
    assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < 1e-12
    # the default gauge, on the same mesh, does not lie in so small a group
    assert compute_geometry(shape.mesh, Nearest(20)).rotation_order == 0


def test_rotation_order_of_a_regular_grid():
    mesh = shapes.flat_torus(8, 8).mesh
    order = compute_geometry(mesh, Nearest(8), dtype=torch.float64)
    # diagonals alternate, so the first edges of the fans point in multiples of 45°
    assert order.rotation_order in (4, 8)
    turns = order.phi * order.rotation_order / (2 * np.pi)
    assert (turns - turns.round()).abs().max() < 1e-14


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize(
    "shape", [shapes.torus(16, 8, jitter=0.2), shapes.mobius_strip(20, 4, jitter=0.2)], ids=["torus", "Möbius"]
)
def test_gauges_asked_for_are_gauge_transformations(shape, mode):
    """Handedness and reference angle drawn anew at every vertex: `MeshGeometry.transform` of the default."""
    mesh, rng = shape.mesh, np.random.default_rng(1)
    hand = rng.choice([-1, 1], mesh.n_vertices)
    reference = (own_half_edges(mesh), rng.uniform(-np.pi, np.pi, mesh.n_vertices))
    default = compute_geometry(mesh, Nearest(16), mode=mode, dtype=torch.float64)
    other = compute_geometry(mesh, Nearest(16), mode=mode, handedness=hand, reference=reference, dtype=torch.float64)
    sign = torch.from_numpy(hand).double()
    first = default.row_ptr[:-1].long()
    angle = other.theta[first] - sign * default.theta[first]
    moved = default.transform(angle, sign)
    assert torch.equal(moved.source, other.source)
    assert torch.equal(moved.flip, other.flip)
    torch.testing.assert_close(moved.r, other.r, rtol=1e-14, atol=0)
    assert angles_differ(moved.theta, other.theta) < 1e-12
    assert angles_differ(moved.phi, other.phi) < 1e-12
    torch.testing.assert_close(moved.frame, other.frame, atol=1e-11, rtol=0)
    # the twin: with one handedness wrong nothing fits
    sign[5] *= -1
    wrong = default.transform(angle, sign)
    assert angles_differ(wrong.theta, other.theta) > 0.1
    assert not torch.equal(wrong.flip, other.flip)


def test_reference_puts_the_x_axis_where_it_says():
    mesh = shapes.flat_patch(10, 10, jitter=0.2).mesh
    halfedge = own_half_edges(mesh)
    angle = np.random.default_rng(2).uniform(-3, 3, mesh.n_vertices)
    g = compute_geometry(mesh, Nearest(12), reference=(halfedge, angle), dtype=torch.float64)
    edge = mesh.vertices[mesh.faces.ravel()[halfedge + np.where(halfedge % 3 < 2, 1, -2)]] - mesh.vertices
    expected = np.arctan2(edge[:, 1], edge[:, 0]) + angle
    normal = np.sign(g.frame[:, 2, 2].numpy())
    x = g.frame[:, 0].numpy()
    measured = np.arctan2(edge[:, 1], edge[:, 0]) + normal * angle
    assert np.abs(np.sin((np.arctan2(x[:, 1], x[:, 0]) - measured) / 2)).max() < 1e-12
    assert (normal == 1).all()
    np.testing.assert_allclose(measured, expected)


def test_frame_direction_is_the_x_axis():
    shape = shapes.torus(20, 10, jitter=0.2)
    field = shape.frame[:, 0] + 0.3 * shape.frame[:, 2]
    field[7] = 0
    g = compute_geometry(shape.mesh, Nearest(8), frame_direction=field, dtype=torch.float64)
    default = compute_geometry(shape.mesh, Nearest(8), dtype=torch.float64)
    ahead = torch.einsum("vij,vj->vi", g.frame, torch.from_numpy(field))
    assert ahead[:, 1].abs().max() < 1e-12
    assert (ahead[torch.arange(200) != 7, 0] > 0).all()
    torch.testing.assert_close(g.frame[7], default.frame[7])


def test_dtype_and_threads():
    mesh = shapes.torus(50, 30, jitter=0.2).mesh
    one, two = (compute_geometry(mesh, Nearest(12), threads=n) for n in (1, 2))
    for name in (*FIELDS, "frame"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    assert one.r.dtype == torch.float32
    double = compute_geometry(mesh, Nearest(12), dtype=torch.float64)
    assert torch.equal(double.r.float(), one.r)
    assert (one.row_ptr.dtype, one.source.dtype, one.flip.dtype) == (torch.int32, torch.int32, torch.int8)
    assert one.mesh_ptr.tolist() == [0, 1500]


def test_progress_is_told():
    told = []
    compute_geometry(shapes.torus(50, 30).mesh, Nearest(4), progress=lambda *now: told.append(now))
    assert told[-1] == (1500, 1500)


def test_single_precision_is_double_precision_rounded_once():
    shape = shapes.torus(50, 30, jitter=0.2)
    for options in ({}, {"frame_direction": shape.frame[:, 0]}):
        single = compute_geometry(shape.mesh, Nearest(12), **options)
        double = compute_geometry(shape.mesh, Nearest(12), dtype=torch.float64, **options)
        for name in ("r", "theta", "phi", "weight", "radius", "area"):
            assert torch.equal(getattr(single, name), getattr(double, name).float()), name


def test_intrinsic_surfaces_have_no_frames():
    mesh = shapes.flat_torus(8, 8).mesh
    assert compute_geometry(mesh).frame is None
    with pytest.raises(ValueError, match="use reference"):
        compute_geometry(mesh, frame_direction=np.ones((64, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "flat"}, '"smooth" or "polyhedral"'),
        ({"dtype": torch.float16}, "float32 or torch.float64"),
        ({"threads": 0}, "at least 1"),
        ({"neighborhood": 24}, r"Radius\(...\) or Nearest"),
        ({"reference": (np.zeros(64, int), np.zeros(63))}, r"shape \[64\]"),
        ({"reference": (np.zeros(64, int), np.zeros(64))}, "must start at its vertex"),
        ({"reference": (np.zeros(64, int), np.zeros(64)), "frame_direction": np.ones((64, 3))}, "not both"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compute_geometry(shapes.flat_torus(8, 8).mesh, **options)


def test_real_surfaces(shared_data):
    """Clean meshes and molecular surfaces with their dirt: finite everywhere, rows of unit weight."""
    files = (
        sorted((shared_data / "meshes_clean").glob("*/*.obj"))
        + sorted((shared_data / "rna_surfaces" / "test").glob("*.*"))[:3]
    )
    if not files:
        pytest.skip("no real meshes in shared/data/meshes_clean and rna_surfaces")
    for path in files:
        mesh = load_mesh(path)
        if mesh.n_vertices > 8_000:
            continue
        g = compute_geometry(mesh, Nearest(16))
        for name in ("r", "theta", "phi", "weight", "radius", "area", "frame"):
            assert torch.isfinite(getattr(g, name)).all(), (path.name, name)
        degree = g.row_ptr.diff()
        total = torch.zeros(g.n_vertices).index_add_(0, g.target, g.weight)
        torch.testing.assert_close(total[degree > 0], torch.ones(int((degree > 0).sum())), msg=path.name)
        assert degree.max() <= 16
        assert (g.r > 0).all()
        assert compute_geometry(mesh, Radius(2.0, unit="edge", max_neighbors=16)).n_edges > 0
