"""Parallel fields of flat surfaces with cone points."""

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.given_fields import parallel_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.structure import reduce_structure_group


def test_c6_on_the_flat_icosahedron_away_from_its_cone_points():
    mesh = shapes.icosahedron(3).mesh
    cone = np.bincount(mesh.faces.ravel()) == 5
    g = compute_geometry(mesh, Nearest(18), mode="polyhedral", dtype=torch.float64)
    rng = np.random.default_rng(0)
    g = g.transform(torch.from_numpy(rng.uniform(-3, 3, g.n_vertices)))
    assert g.structure_group == "SO(2)"
    field = parallel_field(mesh, g, 6, leave_out=cone)
    reduced, found = reduce_structure_group(g, field, mask_singular=True)
    assert reduced.structure_group == "C6"
    assert found.max < 1e-12
    ends = torch.from_numpy(cone)[g.target] | torch.from_numpy(cone)[g.source.long()]
    assert torch.equal(reduced.weight == 0, ends)
    total = torch.zeros(g.n_vertices, dtype=g.dtype).index_add(0, g.target, reduced.weight)
    assert torch.allclose(total[~cone], torch.ones_like(total[~cone]))
    # it is not in C3, the cone points do not fit, and the smooth mode bends the transporters near them
    with pytest.raises(ValueError, match="no parallel field of 3 arms"):
        parallel_field(mesh, g, 3, leave_out=cone)
    with pytest.raises(ValueError, match="leave out the cone points"):
        parallel_field(mesh, g, 6)
    smooth = compute_geometry(mesh, Nearest(18), dtype=torch.float64)
    with pytest.raises(ValueError, match="no parallel field of 6 arms"):
        parallel_field(mesh, smooth, 6, leave_out=cone)


@pytest.mark.parametrize("shape", [shapes.flat_torus(9, 8, jitter=0.2), shapes.klein_bottle(9, 8, developed=True)])
def test_flat_surfaces_need_no_rotation(shape):
    g = compute_geometry(shape.mesh, Nearest(12), dtype=torch.float64)
    two_sided = not g.has_flips
    field = parallel_field(shape.mesh, g, 1 if two_sided else 2)
    reduced, found = reduce_structure_group(g, field, reflections=not two_sided)
    assert found.max < 1e-12
    assert reduced.structure_group == ("trivial" if two_sided else "D2")
