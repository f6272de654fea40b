"""Indices of singularities: what they sum to, and what transporters rounded to the group turn by round each face."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.fans import build_fans
from gaugenet.meshes.field_gauge import corner_directions, edge_ends
from gaugenet.meshes.frame_field import check_arms, embedded_positions, face_indices
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.given_fields import direction_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.repair import mesh_from_arrays
from gaugenet.meshes.structure import reduce_structure_group
from gaugenet.meshes.topology import euler_characteristic


def noisy_sphere():
    ball = shapes.sphere(sampling="random", n=300).mesh
    return mesh_from_arrays(ball.vertices * np.random.default_rng(0).normal(1, 0.02, (300, 1)), ball.faces)


SURFACES = {
    "noisy sphere": noisy_sphere(),
    "projective plane": shapes.projective_plane(2).mesh,
    "genus 2": shapes.hyperbolic_surface(3, jitter=0.2).mesh,
    "Klein": shapes.klein_bottle(20, 10).mesh,
}


def turns_round_faces(mesh, reduced):
    """{face: angle}: the composition of the transporters round each face, where its edges are shortest paths."""
    values = zip(*(x.tolist() for x in (reduced.target, reduced.source, reduced.r, reduced.phi, reduced.flip)))
    edge = {(p, q): x for p, q, *x in values}
    found = {}
    for f, (a, b, c) in enumerate(mesh.faces.tolist()):
        steps = [edge.get(pair) for pair in ((b, a), (c, b), (a, c))]
        if all(steps) and np.allclose([step[0] for step in steps], mesh.edge_lengths[f], rtol=1e-9):
            (_, x, s), (_, y, t), (_, z, u) = steps
            assert s * t * u == 1
            found[f] = z + u * (y + t * x)
    return found


@pytest.mark.parametrize("mode", ["smooth", "polyhedral"])
@pytest.mark.parametrize("name", SURFACES)
def test_transporters_in_the_group_turn_by_the_index_round_each_face(name, mode):
    """In a random gauge at every vertex: by 2π k/n, up to the sign that the handedness of a vertex gives."""
    mesh = SURFACES[name]
    rng = np.random.default_rng(1)
    g = compute_geometry(mesh, Nearest(12), mode=mode, dtype=torch.float64)
    angle, sign = rng.uniform(-3, 3, mesh.n_vertices), rng.choice([-1.0, 1], mesh.n_vertices)
    g = g.transform(torch.from_numpy(angle), torch.from_numpy(sign))
    off = 0
    for n in (1, 4):
        field = smoothest_frame_field(mesh, n, geometry=g)
        if mesh.vertices is not None:
            # a rough one has many singularities
            field = direction_field(mesh, rng.standard_normal((mesh.n_vertices, 3)), n, geometry=g)
            assert len(field.singular_faces) > 20
        assert field.face_index.sum() == pytest.approx(euler_characteristic(mesh), abs=1e-9)
        found = turns_round_faces(mesh, reduce_structure_group(g, field, reflections=True).geometry)
        assert len(found) > 0.75 * mesh.n_faces
        for f, turned in found.items():
            expected = 2 * math.pi * field.face_index[f]
            off += min(abs(math.remainder(turned - s * expected, 2 * math.pi)) for s in (1, -1)) > 1e-9
    assert off == 0


def test_that_law_tells_one_transport_from_another():
    """Broken on purpose: the field of one geometry, the transporters of another."""
    mesh = SURFACES["Klein"]
    smooth, polyhedral = (
        compute_geometry(mesh, Nearest(12), mode=m, dtype=torch.float64) for m in ("smooth", "polyhedral")
    )
    field = direction_field(
        mesh, np.random.default_rng(0).standard_normal((mesh.n_vertices, 3)), 4, geometry=polyhedral
    )
    found = turns_round_faces(mesh, reduce_structure_group(smooth, field, reflections=True).geometry)
    off = [abs(math.sin(turned / 2)) - abs(math.sin(math.pi * field.face_index[f])) for f, turned in found.items()]
    assert (np.abs(off) > 1e-9).any()
    # the indices are whole in both
    assert field.face_index.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", SURFACES)
def test_any_angles_have_indices_that_sum_to_the_euler_characteristic(name):
    mesh = SURFACES[name]
    fans, rng = build_fans(mesh), np.random.default_rng(0)
    for n in (1, 2, 3, 6):
        index = face_indices(fans, edge_ends(fans), rng.uniform(-3, 3, mesh.n_vertices), n)
        np.testing.assert_allclose(n * index, np.rint(n * index))
        assert index.sum() == pytest.approx(euler_characteristic(mesh), abs=1e-9)


def test_the_curvature_that_the_indices_see_is_all_of_it():
    """Σ_faces Ω = 2πχ by directions in either mode; Voronoi cells only share it out in another way."""
    mesh = SURFACES["genus 2"]
    fans = build_fans(mesh)
    share = []
    for smooth in (True, False):
        first, second = corner_directions(fans, smooth)
        share.append((fans.corner_sign * (second - first)).reshape(-1, 3).sum(1) - np.pi)
        assert share[-1].sum() == pytest.approx(-4 * np.pi, abs=1e-10)
    assert np.abs(share[0] - share[1]).max() > 1e-3
    # nearer to the areas of the faces, which are what constant curvature is shared out by
    area = shapes_area(mesh)
    error = [np.sqrt(np.mean((s + area) ** 2)) for s in share]
    assert error[0] < 0.5 * error[1]


def shapes_area(mesh):
    """[F] of hyperbolic triangles with these sides (l'Huilier)."""
    a, b, c = mesh.edge_lengths.T
    s = (a + b + c) / 2
    return 4 * np.arctan(np.sqrt(np.tanh(s / 2) * np.tanh((s - a) / 2) * np.tanh((s - b) / 2) * np.tanh((s - c) / 2)))


def test_singular_faces_are_those_with_an_index():
    mesh = SURFACES["noisy sphere"]
    field = smoothest_frame_field(mesh, 2)
    assert (field.face_index[field.singular_faces] != 0).all()
    assert len(field.singular_faces) == np.count_nonzero(field.face_index)
    assert set(np.flatnonzero(field.near_singularity)) == set(mesh.faces[field.singular_faces].ravel())
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.n = 3


def test_what_is_no_field_is_refused():
    with pytest.raises(ValueError, match="at least 1 arm per vertex, got n = 0"):
        check_arms(0)
    with pytest.raises(ValueError, match="the mesh is intrinsic; use smoothest_frame_field"):
        embedded_positions(SURFACES["genus 2"])
