"""Surfaces glued by half-edges: any number of cells, each in both modes."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.topology import boundary_loops, euler_characteristic, is_orientable

FEW_CELLS = {
    "torus": (lambda n, m: shapes.flat_torus(n, m, jitter=0.2), True, 0),
    "Klein": (lambda n, m: shapes.klein_bottle(n, m, developed=True, jitter=0.2), False, 0),
    "Möbius": (lambda n, m: shapes.mobius_strip(n, m, developed=True, jitter=0.2), False, 1),
    "cylinder": (lambda n, m: shapes.cylinder(n, m, developed=True, jitter=0.2), True, 2),
}


@pytest.mark.parametrize("cells", [(1, 1), (1, 3), (3, 1), (2, 2), (5, 4)], ids=str)
@pytest.mark.parametrize("name", FEW_CELLS)
def test_any_number_of_cells(name, cells):
    make, orientable, rims = FEW_CELLS[name]
    mesh = make(*cells).mesh
    assert mesh.n_faces == 2 * cells[0] * cells[1]
    assert euler_characteristic(mesh) == 0
    assert is_orientable(mesh) == orientable
    assert len(boundary_loops(mesh)) == rims


@pytest.mark.parametrize("name", FEW_CELLS)
def test_gluing_by_half_edges_is_gluing_by_vertices_where_both_can_say_it(name):
    shape = FEW_CELLS[name][0](6, 5)
    from gaugenet.meshes.repair import mesh_from_edge_lengths

    again = mesh_from_edge_lengths(shape.mesh.faces, shape.mesh.edge_lengths)
    np.testing.assert_array_equal(again.twin, shape.mesh.twin)
    np.testing.assert_array_equal(again.twin_flipped, shape.mesh.twin_flipped)


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("name", shapes.SURFACES)
def test_both_modes_on_every_named_surface(name, mode):
    mesh = shapes.named_surface(name).mesh
    g = compute_geometry(mesh, Nearest(12), mode=mode, dtype=torch.float64)
    assert (g.row_ptr.diff() == 12).all()
    for values in (g.r, g.theta, g.phi, g.weight):
        assert torch.isfinite(values).all()
    assert (g.r > 0).all()
    assert g.has_flips == (not is_orientable(mesh))


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize(
    "shape",
    [
        shapes.flat_torus(1, 1),
        shapes.flat_torus(2, 3, jitter=0.2),
        shapes.klein_bottle(2, 2, developed=True, jitter=0.2),
        shapes.mobius_strip(2, 2, developed=True),
        shapes.projective_plane(0),
        shapes.hyperbolic_surface(0),
        shapes.hyperbolic_surface(1, jitter=0.2),
        shapes.icosahedron(0),
    ],
    ids=lambda s: f"{s.mesh.name} of {s.mesh.n_vertices}",
)
def test_both_modes_with_few_vertices(shape, mode):
    """Every other vertex is a neighbour, and no vertex its own, however often one sees it."""
    g = compute_geometry(shape.mesh, Nearest(20), mode=mode, dtype=torch.float64)
    n = shape.mesh.n_vertices
    assert (g.row_ptr.diff() == min(20, n - 1)).all()
    assert (g.target != g.source.long()).all()
    for values in (g.r, g.theta, g.phi, g.weight):
        assert torch.isfinite(values).all()


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize(
    "shape",
    [shapes.flat_torus(3, 3, jitter=0.2), shapes.klein_bottle(3, 3, developed=True, jitter=0.2)],
    ids=["torus", "Klein"],
)
def test_coarse_flat_surfaces_are_as_exact_as_fine_ones(shape, mode, closed_form_errors):
    """Within the injectivity radius, though every vertex is seen several times round the surface."""
    reach = float(shape.closed_form.injectivity_radius.min())
    g = compute_geometry(shape.mesh, Radius(reach), mode=mode, dtype=torch.float64)
    errors = closed_form_errors(g, shape)
    assert errors.flips == 0
    assert max(errors.r.max(), errors.theta.max(), errors.phi.max()) < 1e-12


def test_refusals():
    with pytest.raises(ValueError, match="at least 1 × 1 cells, got 0 × 1"):
        shapes.flat_torus(0, 1)
    with pytest.raises(ValueError, match="at least 4 × 4 cells"):
        shapes.klein_bottle(3, 8)
    with pytest.raises(ValueError, match=r"0 <= jitter < 0\.25"):
        shapes.hyperbolic_surface(2, jitter=0.3)
    with pytest.raises(ValueError, match="0 to 8 subdivisions"):
        shapes.hyperbolic_surface(-1)
