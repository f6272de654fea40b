"""Extrinsic frames: the tangent frame of each vertex of an embedded surface as three vectors in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gaugenet.meshes.fans import CornerFans

Floats = NDArray[np.float64]


def extrinsic_frames(vertices: Floats, fans: CornerFans) -> Floats:
    """Frames whose angles are, as nearly as one rigid frame can, the angles of the fans.

    n_p = Σ (corner angle) (corner sign) (face normal), normalised;  x_p = Σ_e R_n(-ψ_e) (e projected on the
    plane of n_p), normalised;  y_p = n_p × x_p

    with e the edges at p (one term for each side of each corner), ψ_e their scaled angle in the fan: the
    least-squares fit of the x axis. Vertices whose star is degenerate get some orthonormal frame.

    Args:
        vertices: [V, 3] positions.
        fans: of the same mesh; its handedness is that of the frames.

    Returns:
        [V, 3, 3] rows x, y, n; right-handed.
    """
    n_vertices = fans.n_vertices
    size = max(float(np.ptp(vertices, axis=0).max()) if len(vertices) else 0.0, np.finfo(float).tiny)
    faces = fans.vertex.reshape(-1, 3)
    corner = (vertices / size)[faces]
    normal = _normalized(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]))
    weight = (fans.corner_angle * fans.corner_sign).reshape(-1, 3)
    n = _normalized(_sum_at(fans.vertex, normal[:, None, :] * weight[:, :, None], n_vertices))
    lost = ~n.any(1)
    n[lost] = (0.0, 0.0, 1.0)

    x = np.zeros((n_vertices, 3))
    for step in (1, 2):
        psi = fans.direction + (0.0 if step == 1 else fans.corner_sign * fans.corner_angle)
        psi = (psi * fans.scale[fans.vertex]).reshape(-1, 3)
        edge = np.roll(corner, -step, axis=1) - corner
        n_here = n[faces]
        edge -= (edge * n_here).sum(-1, keepdims=True) * n_here
        back = np.cos(psi)[..., None] * edge - np.sin(psi)[..., None] * np.cross(n_here, edge)
        x += _sum_at(fans.vertex, back, n_vertices)
    x = _normalized(x - (x * n).sum(1, keepdims=True) * n)
    lost = ~x.any(1)
    least = np.eye(3)[np.abs(n[lost]).argmin(1)]
    x[lost] = _normalized(least - (least * n[lost]).sum(1, keepdims=True) * n[lost])
    # once more, because a projection that leaves little of a vector leaves it less than orthogonal
    x = _normalized(x - (x * n).sum(1, keepdims=True) * n)
    return np.stack([x, np.cross(n, x), n], axis=1)


def direction_angles(frames: Floats, direction: Floats) -> Floats:
    """[V] angle of the projection of each vector [V, 3] in its frame [V, 3, 3], radians; 0 where nothing is
    left of it.

    Raises:
        ValueError: `direction` has the wrong shape or is not finite.
    """
    direction = np.asarray(direction, np.float64)
    if direction.shape != (len(frames), 3) or not np.isfinite(direction).all():
        raise ValueError(f"frame_direction must be a finite vector per vertex: expected [{len(frames)}, 3]")
    direction = _normalized(direction)
    along = np.einsum("vij,vj->vi", frames[:, :2], direction)
    vanishing = np.hypot(along[:, 0], along[:, 1]) < 1e-9
    return np.where(vanishing, 0.0, np.arctan2(along[:, 1], along[:, 0]))


def turned(frames: Floats, angle: Floats) -> Floats:
    """Frames whose coefficients are R(angle) times those in the old ones: the x axis turns by -angle."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, n = frames[:, 0], frames[:, 1], frames[:, 2]
    return np.stack([c * x - s * y, s * x + c * y, n], axis=1)


def _normalized(vectors: Floats) -> Floats:
    """Unit vectors, and 0 where the vector vanishes."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(norm > 0, vectors / np.where(norm > 0, norm, 1.0), 0.0)


def _sum_at(vertex: NDArray[np.int64], values: Floats, n_vertices: int) -> Floats:
    values = values.reshape(-1, 3)
    return np.stack([np.bincount(vertex, weights=values[:, i], minlength=n_vertices) for i in range(3)], axis=1)
