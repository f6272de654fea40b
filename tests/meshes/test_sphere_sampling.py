"""Signals on the sphere carried between grids, atlases, meshes and points: order, constants, poles and borders."""

import itertools

import numpy as np
import pytest
import torch

from gaugenet.meshes.chart_atlases import flat_torus
from gaugenet.meshes.charts import ChartAtlas
from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths
from gaugenet.meshes.shapes import named_surface
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas
from gaugenet.meshes.sphere_sampling import LatLonGrid, pixel_areas, pixel_directions, resample_sphere

KINDS = {
    "grid": lambda k: LatLonGrid.regular(8 * 2**k, 16 * 2**k),
    "icosahedron": lambda k: icosahedral_atlas(k + 2),
    "cube": lambda k: cube_atlas(6 * 2**k),
    "mesh": lambda k: named_surface("sphere", subdivisions=k + 1).mesh,
}


def harmonic(p):
    """Spherical harmonics of degrees 1, 2 and 3."""
    x, y, z = np.moveaxis(p, -1, 0)
    return z * (5 * z * z - 3) + 3 * x * y * z - (x**3 - 3 * x * y * y) + x * z + 0.5 * x


def evaluated(nodes):
    if isinstance(nodes, LatLonGrid):
        return torch.from_numpy(harmonic(nodes.directions).reshape(nodes.shape))
    return torch.from_numpy(harmonic(nodes.vertices if hasattr(nodes, "vertices") else pixel_directions(nodes)))


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(KINDS, 2)))
def test_harmonics_converge_at_second_order(source, target):
    wanted, errors = KINDS[target](1), []
    for k in (0, 2):
        given = KINDS[source](k)
        carried = resample_sphere(given, wanted)(evaluated(given))
        errors.append(float((carried - evaluated(wanted)).abs().max()))
    order = np.log2(errors[0] / errors[1]) / 2
    assert 1.6 < order < 2.6
    assert errors[1] < 0.06


@pytest.mark.parametrize("source", KINDS)
def test_constants_are_exact_and_nothing_is_extrapolated(source):
    points = np.random.default_rng(0).normal(size=(2000, 3))
    points = np.concatenate([points, np.eye(3), -np.eye(3), pixel_directions(icosahedral_atlas(1))])
    matrix = resample_sphere(KINDS[source](0), points).matrix.to_dense()
    assert matrix.min() >= 0
    assert (matrix.sum(1) - 1).abs().max() < 1e-14


@pytest.mark.parametrize("source", KINDS)
def test_nodes_keep_their_values(source):
    nodes = KINDS[source](0)
    matrix = resample_sphere(nodes, nodes).matrix.to_dense()
    kept = np.setdiff1d(np.arange(len(matrix)), getattr(nodes, "cones", ()))
    assert (matrix[kept] - torch.eye(matrix.shape[1], dtype=matrix.dtype)[kept]).abs().max() < 1e-9


def rough(nodes, seed=0):
    """Values without any relation between neighbours."""
    g = torch.Generator().manual_seed(seed)
    shape = nodes.shape if isinstance(nodes, LatLonGrid) else (resample_sphere(nodes, np.eye(3)).matrix.shape[1],)
    return torch.randn(shape, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("source", KINDS)
def test_continuous_everywhere(source):
    """Two points a step of 1e-6 apart: across the poles, the corners and edges of charts, the date line, anywhere."""
    nodes, rng = KINDS[source](0), np.random.default_rng(0)
    borders = pixel_directions(icosahedral_atlas(1))
    cube = np.array(list(itertools.product((-1.0, 1.0), repeat=3))) / np.sqrt(3)
    edges = rng.uniform(-1, 1, (200, 3))
    edges[:, :2] = rng.choice([-1.0, 1.0], (200, 2))
    edges = rng.permuted(edges, axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    meridian = np.stack([-np.cos(np.linspace(-1.5, 1.5, 50)), np.zeros(50), np.sin(np.linspace(-1.5, 1.5, 50))], 1)
    poles = np.repeat([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], 50, axis=0)
    points = np.concatenate([borders, cube, edges, meridian, poles, rng.normal(size=(300, 3))])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    a, b = (points + 1e-6 * rng.normal(size=points.shape) for _ in range(2))
    x = rough(nodes)
    jump = resample_sphere(nodes, a)(x) - resample_sphere(nodes, b)(x)
    assert jump.abs().max() < 2e-4
    # a pole is where all longitudes meet
    ring = np.linspace(0, 2 * np.pi, 60)
    for z in (1.0, -1.0):
        around = np.stack([1e-8 * np.cos(ring), 1e-8 * np.sin(ring), np.full(60, z)], 1)
        found = resample_sphere(nodes, around)(x)
        assert found.max() - found.min() < 1e-5


def test_poles_with_and_without_a_row():
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    without = LatLonGrid.regular(4, 8)
    x = rough(without)
    assert (resample_sphere(without, points)(x) - x[[0, -1]].mean(1)).abs().max() < 1e-12
    within = LatLonGrid(np.array([-90.0, -20.0, 30.0, 90.0]), np.array([10.0, 100.0, 300.0]))
    x = rough(within)
    assert (resample_sphere(within, points)(x) - x[[-1, 0]].mean(1)).abs().max() < 1e-12


def test_between_uneven_latitudes_and_longitudes_by_hand():
    grid = LatLonGrid(np.array([60.0, 20.0, -50.0]), np.array([-170.0, 0.0, 90.0]))
    x = torch.arange(9, dtype=torch.float64).view(3, 3)

    def at(phi, lam):
        point = LatLonGrid(np.array([phi]), np.array([lam])).directions
        return float(resample_sphere(grid, point)(x)[0])

    assert at(20.0, 45.0) == pytest.approx(4.5)
    assert at(30.0, 0.0) == pytest.approx(0.75 * 4 + 0.25 * 1)
    # from 90° on to 190° there are 100 degrees
    assert at(60.0, 140.0) == pytest.approx(1.0)
    assert at(60.0, -170.0) == pytest.approx(0.0)
    assert at(75.0, 0.0) == pytest.approx(1.0)
    # south of the last row up to the mean of that row, 7
    assert at(-70.0, -170.0) == pytest.approx(6.5)


def test_at_corners_of_the_icosahedron_stands_the_mean_of_five():
    atlas = icosahedral_atlas(2)
    matrix = resample_sphere(atlas, np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])).matrix.to_dense()
    assert ((matrix > 0).sum(1) == 5).all()
    holes = resample_sphere(atlas, atlas).matrix.to_dense()[list(atlas.cones)]
    assert ((holes > 0).sum(1) == 5).all()
    assert (holes[:, list(atlas.cones)] == 0).all()
    poisoned = torch.ones(atlas.n_pixels, dtype=torch.float64)
    poisoned[list(atlas.cones)] = 1e9
    assert (resample_sphere(atlas, LatLonGrid.regular(20, 40))(poisoned) - 1).abs().max() < 1e-12


def test_axes_devices_and_gradients():
    grid, atlas = LatLonGrid.regular(6, 12), icosahedral_atlas(2)
    there, back = resample_sphere(grid, atlas), resample_sphere(atlas, grid)
    x = torch.randn(2, 3, 6, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    pixels = there(x)
    assert pixels.shape == (atlas.n_pixels, 2, 3)
    assert pixels.dtype == torch.float32
    assert torch.allclose(pixels[:, 1, 2], there(x[1, 2]))
    assert back(pixels).shape == (2, 3, 6, 12)
    assert torch.allclose(back(pixels)[1, 2], back(pixels[:, 1, 2]))
    back(pixels).square().sum().backward()
    assert x.grad.abs().min() > 0
    assert repr(there) == "SphereResampling(72 → 160 values)"
    assert repr(grid) == "LatLonGrid(6 × 12)"


def test_pixels_of_an_atlas_without_transitions_lie_where_they_did():
    for atlas in (icosahedral_atlas(2), cube_atlas(3)):
        assert (pixel_directions(atlas.without_transitions()) == pixel_directions(atlas)).all()
        assert np.abs(np.linalg.norm(pixel_directions(atlas), axis=1) - 1).max() < 1e-14


def test_no_signals_are_a_batch_like_others():
    grid, atlas = LatLonGrid.regular(6, 12), icosahedral_atlas(1)
    assert resample_sphere(grid, atlas)(torch.zeros(0, 3, 6, 12)).shape == (40, 0, 3)
    assert resample_sphere(atlas, grid)(torch.zeros(40, 0, 3)).shape == (0, 3, 6, 12)
    assert resample_sphere(atlas, np.eye(3))(torch.zeros(40, 0)).shape == (3, 0)
    assert resample_sphere(grid, np.zeros((0, 3)))(torch.zeros(2, 6, 12)).shape == (0, 2)


def test_mistakes_are_named():
    grid, atlas = LatLonGrid.regular(6, 12), icosahedral_atlas(1)
    with pytest.raises(ValueError, match="latitudes"):
        LatLonGrid(np.array([0.0, 10.0, 5.0]), np.arange(4.0))
    with pytest.raises(ValueError, match="latitudes"):
        LatLonGrid(np.array([0.0, 91.0]), np.arange(4.0))
    with pytest.raises(ValueError, match="latitudes"):
        LatLonGrid(np.array([np.nan]), np.arange(4.0))
    with pytest.raises(ValueError, match="0 without 360"):
        LatLonGrid(np.zeros(1), np.array([np.nan]))
    with pytest.raises(ValueError, match="0 without 360"):
        LatLonGrid(np.zeros(1), np.linspace(0, 360, 5))
    with pytest.raises(ValueError, match="cover the sphere"):
        pixel_directions(flat_torus(3, 3))
    for lattice, charts, rows, columns in (("square", 6, 4, 4), ("hexagonal", 5, 4, 8), ("hexagonal", 5, 6, 12)):
        apart = ChartAtlas("apart", rows, columns, (((), (), (), ()),) * charts, lattice)
        with pytest.raises(ValueError, match="cover the sphere"):
            pixel_directions(apart)
    with pytest.raises(ValueError, match="directions"):
        resample_sphere(grid, np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"expected floating signals \[\.\.\., 6, 12\]"):
        resample_sphere(grid, atlas)(torch.zeros(12, 6))
    with pytest.raises(ValueError, match=r"expected floating signals \[40, \.\.\.\]"):
        resample_sphere(atlas, grid)(torch.zeros(40, dtype=torch.int64))
    with pytest.raises(MeshError, match="no positions"):
        resample_sphere(mesh_from_edge_lengths(np.array([[0, 1, 2]]), np.ones((1, 3))), grid)
    with pytest.raises(MeshError, match="no face"):
        resample_sphere(mesh_from_arrays(np.eye(3), np.array([[0, 1, 2]])), grid)


@pytest.mark.parametrize("make", [icosahedral_atlas, lambda level: cube_atlas(2**level)], ids=["icosahedron", "cube"])
def test_means_by_area_are_integrals_up_to_second_order(make):
    """Of z⁶ and z² (x − y)⁴ in some direction, against their means over the sphere."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    errors, plain = [], []
    for level in (3, 4, 5):
        atlas = make(level)
        x, y, z = (pixel_directions(atlas) @ turn).T
        area = pixel_areas(atlas)
        assert abs(area.sum() - 4 * np.pi) < 1e-12
        assert (area[list(atlas.cones)] == 0).all()
        off = [(area * f).sum() / (4 * np.pi) - mean for f, mean in ((z**6, 1 / 7), (z**2 * (x - y) ** 4, 4 / 35))]
        errors.append(max(map(abs, off)))
        kept = area > 0
        plain.append(abs((z**6)[kept].mean() - 1 / 7))
    assert errors[1] < errors[0] / 2.5
    assert errors[2] < errors[1] / 2.5
    # without them it is another integral
    assert plain[2] > 5 * errors[2]
