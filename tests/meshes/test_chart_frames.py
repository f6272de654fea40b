"""Frames of pixels on the sphere: directions of the lattice, transitions, rotations."""

import numpy as np
import pytest

from gaugenet.meshes.chart_frames import chart_frames
from gaugenet.meshes.sphere_atlases import cube_atlas, cube_points, icosahedral_atlas, icosahedral_points

CASES = [(icosahedral_atlas(3), icosahedral_points(3)), (cube_atlas(8), cube_points(8))]


@pytest.mark.parametrize(("atlas", "points"), CASES, ids=["icosahedron", "cube"])
def test_right_handed_tangent_and_along_the_transitions(atlas, points):
    frames = chart_frames(atlas, points)
    n = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.abs(frames @ frames.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.abs(np.linalg.det(frames) - 1).max() < 1e-12
    assert np.abs(frames[:, 2] - n).max() < 1e-12
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, chart = (g.ravel() for g in grid)
    pull = atlas.pull(chart, i, j + 1)
    here = pull.inside.numpy() & ~np.isin(np.arange(atlas.n_pixels), atlas.cones)
    there = pull.source.numpy()[here]
    frame = frames[here]
    toward = np.einsum("pij,pj->pi", frame[:, :2], n[there] - n[here])
    assert np.abs(np.degrees(np.arctan2(toward[:, 1], toward[:, 0]))).max() < 31
    assert abs(np.degrees(np.median(np.arctan2(toward[:, 1], toward[:, 0])))) < 1e-6
    x = np.einsum("pij,pj->pi", frame[:, :2], frames[there, 0])
    off = np.angle(np.exp(1j * (np.arctan2(x[:, 1], x[:, 0]) - pull.angle.numpy()[here])))
    assert np.degrees(np.abs(off)).max() < 31
    assert np.degrees(np.abs(off)).mean() < 5


def test_a_rotation_of_the_icosahedron_moves_the_frames():
    """By a fifth of a turn about the poles, which takes chart c to chart c + 1."""
    frames = chart_frames(*CASES[0]).reshape(-1, 5, 3, 3)
    cos, sin = np.cos(2 * np.pi / 5), np.sin(2 * np.pi / 5)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    holes = np.zeros(CASES[0][0].n_pixels, bool)
    holes[list(CASES[0][0].cones)] = True
    moved = np.abs(frames @ turn.T - np.roll(frames, -1, 1)).max((1, 2, 3))
    assert moved[~holes.reshape(-1, 5).any(1)].max() < 1e-12
