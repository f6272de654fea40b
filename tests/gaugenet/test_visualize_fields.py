import numpy as np
import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.frame_fields import smoothest_frame_field
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


def test_arms_and_singularities_are_in_the_picture(tmp_path):
    from gaugenet.meshes.field_export import FIRST_ARM, POSITIVE
    from gaugenet.visualize_fields import draw_field

    mesh = shapes.sphere(subdivisions=2).mesh
    g = compute_geometry(mesh, Nearest(8), dtype=torch.float64)
    draw_field(tmp_path / "field.png", mesh, g, smoothest_frame_field(mesh, 4, geometry=g))
    pixels = np.round(255 * image.imread(tmp_path / "field.png")[:, :, :3])
    for color, least in ((FIRST_ARM, 100), (POSITIVE, 50)):
        assert (np.abs(pixels - color).max(2) < 12).sum() > least
    with pytest.raises(ValueError, match="at least 1"):
        draw_field(tmp_path / "field.png", mesh, g, smoothest_frame_field(mesh, 4, geometry=g), every=0)
