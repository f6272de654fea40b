"""Images on the sphere against closed forms of the projections and scipy's interpolation."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from gaugenet.meshes.sphere_atlases import icosahedral_atlas
from gaugenet.meshes.sphere_images import icosahedral_rotations, project_image, random_rotations
from gaugenet.meshes.sphere_sampling import pixel_directions

G = torch.Generator().manual_seed(0)
IMAGES = torch.rand(3, 8, 12, generator=G, dtype=torch.float64)


def polar(radius, azimuth, projection):
    """The unit vector that projection shows at this distance from the centre of the plane (by angles, not by z)."""
    theta = 2 * np.arctan(radius) if projection == "stereographic" else np.arctan(radius)
    return np.stack([np.sin(theta) * np.cos(azimuth), np.sin(theta) * np.sin(azimuth), np.cos(theta)], -1)


@pytest.mark.parametrize(("projection", "reach"), [("stereographic", 90), ("stereographic", 130), ("gnomonic", 50)])
def test_every_place_of_the_image_is_read_where_the_projection_puts_it(projection, reach):
    rng = np.random.default_rng(0)
    # (u, v) in half sides of the longer side: columns to the right, rows down
    u, v = rng.uniform(-1.4, 1.4, (2, 400))
    half = math.tan(math.radians(reach) / (2 if projection == "stereographic" else 1))
    points = torch.from_numpy(polar(np.hypot(u, v) * half, np.arctan2(v, u), projection))
    got = project_image(IMAGES, points, projection=projection, reach=reach)
    places = np.stack([(1 - v * 12 / 8) * 4 - 0.5, (1 + u) * 6 - 0.5])
    for n in range(3):
        # zeros all round, since scipy does not interpolate towards its constant
        padded = np.pad(IMAGES[n].numpy(), 8)
        expected = map_coordinates(padded, places + 8, order=1)
        assert np.abs(got[n].numpy() - expected).max() < 1e-9


def test_the_middle_of_a_side_lies_at_the_reach():
    ramp = torch.linspace(-1, 1, 101, dtype=torch.float64).repeat(101, 1)[None]
    for reach in (30.0, 90.0, 120.0):
        a = math.radians(reach) * 0.99
        point = torch.tensor([[math.sin(a), 0.0, math.cos(a)]], dtype=torch.float64)
        beyond = torch.tensor([[math.sin(a * 1.05), 0.0, math.cos(a * 1.05)]], dtype=torch.float64)
        assert project_image(ramp, point, reach=reach)[0, 0] > 0.9
        assert project_image(ramp, beyond, reach=reach)[0, 0] == 0


def test_nothing_lies_at_the_other_pole():
    south = torch.tensor([[0.0, 0.0, -1.0], [1e-9, 0.0, -1.0], [1.0, 0.0, 0.0], [0.6, 0.0, -0.8]])
    assert (project_image(IMAGES.float(), south, projection="gnomonic", reach=60) == 0).all()
    assert (project_image(IMAGES.float(), south[:2]) == 0).all()


def test_a_rotation_carries_the_image_along():
    points = torch.nn.functional.normalize(torch.randn(50, 3, generator=G, dtype=torch.float64), dim=1)
    rotation = random_rotations(3, G)
    got = project_image(IMAGES, points, rotation)
    for n in range(3):
        # (R f)(R p) = f(p)
        moved = project_image(IMAGES[n : n + 1], points @ rotation[n].T, rotation[n])
        assert (moved - project_image(IMAGES[n : n + 1], points)).abs().max() < 1e-12
        assert (project_image(IMAGES, points, rotation[n])[n] - got[n]).abs().max() < 1e-12
    # and not backwards
    assert (project_image(IMAGES, points, rotation.transpose(1, 2)) - got).abs().max() > 0.1


def test_channels():
    points = torch.nn.functional.normalize(torch.randn(50, 3, generator=G, dtype=torch.float64), dim=1)
    stack = torch.stack([IMAGES, IMAGES.flip(1)], 1)
    got = project_image(stack, points)
    assert got.shape == (3, 2, 50)
    assert (got[:, 0] == project_image(IMAGES, points)).all()
    assert (got[:, 1] == project_image(IMAGES.flip(1), points)).all()


def test_sixty_rotations_are_a_group_that_keeps_the_pixels():
    group = icosahedral_rotations()
    assert (group[0] == torch.eye(3)).all()
    assert (torch.linalg.det(group) - 1).abs().max() < 1e-12
    products = torch.einsum("aij,bjk->abik", group, group).reshape(-1, 9)
    distance = torch.cdist(products, group.reshape(60, 9))
    assert distance.min(1).values.max() < 1e-7
    assert (torch.cdist(group.reshape(60, 9), group.reshape(60, 9)) + torch.eye(60)).min() > 0.5
    atlas = icosahedral_atlas(2)
    points = np.concatenate([pixel_directions(atlas), [[0, 0, 1], [0, 0, -1]]])
    for rotation in group.numpy():
        assert (points @ rotation.T @ points.T).max(1).min() > 1 - 1e-12


def test_random_rotations_are_even():
    rotations = random_rotations(20_000, torch.Generator().manual_seed(1))
    assert (rotations @ rotations.transpose(1, 2) - torch.eye(3)).abs().max() < 1e-12
    assert (torch.linalg.det(rotations) - 1).abs().max() < 1e-12
    assert rotations.mean(0).abs().max() < 0.02
    # E tr² = 1 and E tr = 0 for the Haar measure (characters of frequency 1)
    trace = rotations.diagonal(dim1=1, dim2=2).sum(1)
    assert abs(float(trace.mean())) < 0.03
    assert abs(float(trace.square().mean()) - 1) < 0.05


def test_images_and_directions_of_different_types():
    """The more exact one is computed in: directions in bfloat16 would be off by half a pixel."""
    points = torch.nn.functional.normalize(torch.randn(50, 3, generator=G, dtype=torch.float64), dim=1)
    for dtype in (torch.float32, torch.bfloat16):
        images = IMAGES.to(dtype)
        got = project_image(images, points, random_rotations(3, torch.Generator().manual_seed(0)))
        expected = project_image(images.double(), points, random_rotations(3, torch.Generator().manual_seed(0)))
        assert torch.equal(got, expected.to(dtype))
    assert project_image(IMAGES, points.float()).dtype == torch.float64


def test_mistakes_are_named():
    points = torch.eye(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="projection"):
        project_image(IMAGES, points, projection="mercator")
    with pytest.raises(ValueError, match="between 0 and 90"):
        project_image(IMAGES, points, projection="gnomonic", reach=90)
    with pytest.raises(ValueError, match="floating images"):
        project_image(IMAGES[0], points)
    with pytest.raises(ValueError, match=r"directions \[P, 3\]"):
        project_image(IMAGES, points[:, :2])
    with pytest.raises(ValueError, match="rotation"):
        project_image(IMAGES, points, points[None])
