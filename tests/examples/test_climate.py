"""The climate example: its networks turn with the Earth, and a plain one does not."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gaugenet.meshes.chart_frames import chart_frames
from gaugenet.meshes.sphere_images import icosahedral_rotations

FOLDER = Path(__file__).parents[2] / "examples" / "climate"
sys.path.insert(0, str(FOLDER))
import earth  # noqa: E402
import networks  # noqa: E402

sys.path.remove(str(FOLDER))


@pytest.mark.parametrize(("name", "turns"), [("icosahedron", True), ("plain", False)])
def test_all_rotations_of_the_icosahedron(name, turns):
    sphere = networks.Sphere(2)
    sphere.frames = torch.from_numpy(chart_frames(sphere.atlas, sphere.points[:-2]))
    network = networks.make(name, sphere, 0).double()
    g = torch.Generator().manual_seed(0)
    scalars = torch.randn(len(sphere.points), 1, networks.N_SCALARS, generator=g, dtype=torch.float64)
    vector = torch.randn(len(sphere.points), 3, generator=g, dtype=torch.float64)
    points, kept, errors = torch.from_numpy(sphere.points), ~sphere.corners, []
    with torch.no_grad():
        out = network(scalars, vector)
        for turn in icosahedral_rotations():
            # (R f)[p] = R f[R⁻¹ p]
            source = (points @ turn @ points.T).argmax(1)
            there = network(scalars[source], vector[source] @ turn.T)
            errors.append(float((there - out[source])[kept].abs().max() / out[kept].abs().max()))
    assert len(errors) == 60
    assert max(errors) < 1e-12 if turns else max(errors) > 1e-2


def test_insolation_has_its_seasons():
    sun = earth.insolation(np.array([1.0, 0.0, -1.0]))
    assert sun[0, :2].max() < 1e-6
    assert sun[0, 5] > 500
    assert sun[2, 11] > 500
    assert abs(sun[1] - 415).max() < 30
