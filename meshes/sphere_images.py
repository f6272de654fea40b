"""Planar images on the unit sphere, and rotations of the sphere.

The image lies in the tangent plane of the north pole, seen from outside: columns along x, rows against y. It is met by
the point (x, y, z) of the sphere at

    stereographic: (x, y) / (1 + z) / tan(α/2),      gnomonic: (x, y) / z / tan(α),

in units of half the longer side of the image: the middle of that side lies at the angle α from the pole. Stereographic
projection keeps angles; the ray starts at the south pole, for gnomonic projection at the centre. Cohen, Geiger, Köhler,
Welling 2018, Spherical CNNs, put MNIST on one hemisphere in this way.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gaugenet.meshes.sphere_atlases import icosahedral_places

Projection = Literal["stereographic", "gnomonic"]
_OUTSIDE = 4.0
"""A place beyond every image, in half sides."""


def project_image(
    images: Tensor,
    directions: Tensor,
    rotation: Tensor | None = None,
    *,
    projection: Projection = "stereographic",
    reach: float = 90.0,
) -> Tensor:
    """Images on the sphere, turned, and read at points of it: f_n(p) = image_n(projection of R_nᵀ p), by bilinear
    interpolation between the middles of pixels, and 0 beyond the image. See `gaugenet.meshes.sphere_images`.

    Args:
        images: [N, rows, columns], or [N, C, rows, columns] of several channels.
        directions: [P, 3] unit vectors, e.g. `pixel_directions` of an atlas or the vertices of an icosphere; floating,
            on the images' device. Of both dtypes the more exact one is computed in.
        rotation: [N, 3, 3] R_n or [3, 3] for all; None: the centre of each image is at the north pole, (0, 0, 1).
        projection: "stereographic" or "gnomonic".
        reach: α in degrees; below 180, and below 90 for gnomonic projection, which shows less than a hemisphere.

    Returns:
        [N, P], or [N, C, P], in the dtype of the images.

    Raises:
        ValueError: a shape, a dtype, the projection or the reach is none of these.
    """
    limit = {"stereographic": 180.0, "gnomonic": 90.0}.get(projection)
    if limit is None:
        raise ValueError(f'expected projection "stereographic" or "gnomonic", got {projection!r}')
    if not 0 < reach < limit:
        raise ValueError(f"expected a reach between 0 and {limit:.0f} degrees for {projection} projection, got {reach}")
    if images.ndim not in (3, 4) or not images.is_floating_point():
        raise ValueError(
            "expected floating images [N, rows, columns] or [N, C, rows, columns], got "
            f"{list(images.shape)} of {images.dtype}"
        )
    if directions.ndim != 2 or directions.shape[1] != 3 or not directions.is_floating_point():
        raise ValueError(f"expected floating directions [P, 3], got {list(directions.shape)} of {directions.dtype}")
    if rotation is not None and rotation.shape not in ((3, 3), (len(images), 3, 3)):
        raise ValueError(f"expected rotation [{len(images)}, 3, 3] or [3, 3], got {list(rotation.shape)}")
    dtype, images = images.dtype, images.to(torch.promote_types(images.dtype, directions.dtype))
    directions = directions.to(images.dtype)
    # rows of p R are (Rᵀ p)ᵀ
    places = directions if rotation is None else directions @ rotation.to(directions)
    depth = places[..., 2:] + 1 if projection == "stereographic" else places[..., 2:]
    half = math.tan(math.radians(reach) / (2 if projection == "stereographic" else 1))
    rows, columns = images.shape[-2:]
    longer = max(rows, columns)
    stretch = directions.new_tensor([longer / columns, -longer / rows])
    flat = torch.where(depth > 1e-9, places[..., :2] / depth.clamp_min(1e-9) / half * stretch, _OUTSIDE)
    flat = flat.clamp(-_OUTSIDE, _OUTSIDE).expand(len(images), -1, -1)
    stack = images if images.ndim == 4 else images[:, None]
    found = torch.nn.functional.grid_sample(stack, flat[:, :, None], align_corners=False)[..., 0]
    return (found if images.ndim == 4 else found[:, 0]).to(dtype)


def random_rotations(n: int, generator: torch.Generator | None = None) -> Tensor:
    """[n, 3, 3] float64 rotations drawn evenly from SO(3), as unit quaternions (Shoemake 1992, Uniform random
    rotations).

    Args:
        n: how many.
        generator: None for torch's global one.
    """
    q = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    w, x, y, z = (q / q.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def icosahedral_rotations() -> Tensor:
    """[60, 3, 3] float64: the rotations that map the icosahedron of `icosahedral_atlas` to itself, the identity first.

    Each is fixed by where it takes one edge with its direction, and there are 60 of those.
    """
    corners = icosahedral_places(1, np.array([0] * 2 + [*range(5)] * 2), *_CORNERS)
    corners = corners / np.linalg.norm(corners, axis=1, keepdims=True)
    near = np.abs(corners @ corners.T - 1 / math.sqrt(5)) < 1e-9
    frames = []
    for a, b in zip(*np.nonzero(near)):
        x = corners[b] - (corners[b] @ corners[a]) * corners[a]
        x = x / np.linalg.norm(x)
        frames.append(np.stack([x, np.cross(corners[a], x), corners[a]], 1))
    return torch.from_numpy(np.stack(frames) @ frames[0].T)


_CORNERS = (np.array([0, 2] + [0] * 10), np.array([0, 4] + [2] * 5 + [4] * 5))
"""Lattice rows and columns at level 1 of N, S, u_c and l_c in chart c (`gaugenet.meshes.sphere_atlases`)."""
