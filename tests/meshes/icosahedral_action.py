"""What the 60 rotations of the icosahedron do to fields on its atlas; found from points and neighbours alone."""

import numpy as np
import torch

from gaugenet.meshes.sphere_sampling import pixel_directions

HEXAGON = [(0, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1)]
"""Neighbours on the hexagonal lattice, (row, column), at the directions 0°, 60°, … in the frame of a chart."""


def rotated_pixels(atlas, rotation):
    """(kept, image, angle): pixels p that are no holes [n], the pixel R p, and the angle of the transporter from the
    frame at p, carried along by R, to the frame at R p."""
    points = pixel_directions(atlas)
    kept = np.setdiff1d(np.arange(atlas.n_pixels), atlas.cones)
    moved = points[kept] @ rotation.numpy().T
    image = (moved @ points.T).argmax(1)
    assert np.linalg.norm(points[image] - moved, axis=1).max() < 1e-9
    neighbour = atlas.remember("neighbours", lambda: _neighbours(atlas))
    # the first direction in which there is a pixel, and the one in which its image lies
    k = (neighbour[kept] >= 0).argmax(1)
    where = np.full(atlas.n_pixels, -2)
    where[kept] = image
    there = where[neighbour[kept, k]]
    found = neighbour[image] == there[:, None]
    assert found.any(1).all()
    return torch.from_numpy(kept), torch.from_numpy(image), torch.from_numpy((found.argmax(1) - k) % 6 * np.pi / 3)


def _neighbours(atlas):
    """[P, 6] pixels, −1 where there is none."""
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, c = (g.ravel() for g in grid)
    pulls = [atlas.pull(c, i + di, j + dj) for di, dj in HEXAGON]
    return np.stack([np.where(p.inside.numpy(), p.source.numpy(), -1) for p in pulls], 1)
