"""Extrinsic frames: the tangent frame of each vertex of an embedded surface as three vectors in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gaugenet.meshes.frame_fit import summed_axes, summed_normals

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
    size = max(float(np.ptp(vertices, axis=0).max()) if len(vertices) else 0.0, np.finfo(float).tiny)
    points = np.ascontiguousarray(vertices, np.float64) / size
    n = _normalized(summed_normals(points, fans.vertex, fans.corner_angle * fans.corner_sign))
    lost = ~n.any(1)
    n[lost] = (0.0, 0.0, 1.0)

    end = fans.direction + fans.corner_sign * fans.corner_angle
    x = summed_axes(points, n, fans.vertex, fans.direction, end, fans.scale)
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
