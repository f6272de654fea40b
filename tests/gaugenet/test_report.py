"""The report of a mesh: topology known from theory, problems that a person must hear of."""

import numpy as np
import pytest

from gaugenet.meshes.fans import corner_angles
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.report import inspect_mesh


def grid(nx, ny, close_x=False, twist=False):
    """Faces of a strip of nx × ny squares, closed in x (with a twist) where wanted; vertices [V, 3] at random."""
    columns = nx if close_x else nx + 1

    def vertex(i, j):
        if close_x and i == nx:
            return ny - j if twist else j
        return i * (ny + 1) + j

    faces = []
    for i in range(nx):
        for j in range(ny):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [[a, b, c], [a, c, d]]
    rng = np.random.default_rng(0)
    return rng.standard_normal((columns * (ny + 1), 3)), np.array(faces)


TETRAHEDRON = (
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)


@pytest.mark.parametrize(
    ("surface", "euler", "loops", "group"),
    [
        (TETRAHEDRON, 2, 0, "SO(2)"),
        (grid(4, 3), 1, 1, "SO(2)"),
        (grid(6, 2, close_x=True), 0, 2, "SO(2)"),
        (grid(6, 2, close_x=True, twist=True), 0, 1, "O(2)"),
    ],
    ids=["sphere", "disk", "annulus", "Möbius strip"],
)
def test_topology_and_gauss_bonnet(surface, euler, loops, group):
    report = inspect_mesh(mesh_from_arrays(*surface))
    assert (report.euler, len(report.loops), report.structure_group) == (euler, loops, group)
    assert report.n_vertices - report.n_edges + report.n_faces == euler
    assert report.gauss_bonnet_error < 1e-9
    assert any("one-sided" in problem for problem, _ in report.problems) == (group == "O(2)")


def test_a_flat_patch_is_flat_and_a_bent_one_is_not():
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0), indexing="ij")
    _, faces = grid(4, 3)
    flat = np.stack([x.ravel(), y.ravel(), np.zeros(20)], 1)
    assert inspect_mesh(mesh_from_arrays(flat, faces)).flat
    flat[:, 2] = flat[:, 0] * flat[:, 1]
    assert not inspect_mesh(mesh_from_arrays(flat, faces)).flat


def test_edges_are_counted_once():
    report = inspect_mesh(mesh_from_arrays(*TETRAHEDRON))
    # three edges of length 1 and three of length √2
    assert report.edge_median == pytest.approx((1 + np.sqrt(2)) / 2)
    assert (report.edge_min, report.edge_max) == (pytest.approx(1), pytest.approx(np.sqrt(2)))
    assert report.smallest_angle == pytest.approx(45)


def test_angles_of_needles_sum_to_half_a_turn():
    thin = np.array([[1.0, 1.0, 1e-9], [3.0, 4.0, 5.0], [1.0, 1 - 1e-12, 1e-9]])
    angles = corner_angles(thin)
    assert angles.sum(1) == pytest.approx(np.pi, abs=1e-12)
    assert sorted(angles[1]) == pytest.approx(sorted([np.pi / 2, np.arccos(4 / 5), np.arccos(3 / 5)]))


def test_each_problem_comes_with_a_remedy():
    vertices, faces = TETRAHEDRON
    two = np.concatenate([vertices, vertices + 9, [[5.0, 5, 5]]])
    report = inspect_mesh(mesh_from_arrays(two, np.concatenate([faces, faces + 4, faces[:1]])))
    text = " | ".join(problem for problem, _ in report.problems)
    assert "2 separate components" in text
    assert "isolated" in text
    assert all(fix for _, fix in report.problems)
