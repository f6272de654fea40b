"""Which triangle of a surface round the origin lies in a direction."""

from __future__ import annotations

import numpy as np

from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.topology import Ints
from gaugenet.meshes.validation import Floats

_INSIDE = -1e-9
"""Smallest barycentric weight, up to rounding."""
_NEAREST = (1, 6)
"""Vertices whose faces are tried, before all faces are."""
_BLOCK = 1 << 20
"""Faces × directions that are tried at once."""


def locate(points: Floats, faces: Ints, directions: Floats, name: str) -> tuple[Ints, Floats]:
    """The face that the ray λ d, λ > 0, meets, and barycentric weights w of where:

        λ d = w_a a + w_b b + w_c c,      w ≥ 0,   Σ w = 1

    by w_a ∝ d · (b × c) and so on. Of several faces that a ray meets, one.

    Args:
        points: [V, 3] vertices of a surface round the origin.
        faces: [F, 3], either orientation.
        directions: [M, 3] d.
        name: of the surface, stands in errors.

    Returns:
        [M] faces and [M, 3] weights of their corners.

    Raises:
        MeshError: a direction meets no face.
    """
    from scipy.spatial import cKDTree

    a, b, c = (points[faces[:, k]] for k in range(3))
    planes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 1)
    volume = np.einsum("fi,fi->f", planes[:, 0], a)
    planes *= np.sign(volume)[:, None, None]
    owner = np.argsort(faces.ravel(), kind="stable")
    ptr = np.concatenate([[0], np.cumsum(np.bincount(faces.ravel(), minlength=len(points)))])
    used = np.flatnonzero(np.diff(ptr))
    length = np.linalg.norm(points[used], axis=1)
    tree = cKDTree(points[used] / np.maximum(length, 1e-300)[:, None])

    best = np.full(len(directions), -np.inf)
    face, weight = np.zeros(len(directions), np.int64), np.zeros((len(directions), 3))

    def attempt(who: Ints, candidate: Ints) -> None:
        w = np.einsum("mki,mi->mk", planes[candidate], directions[who])
        total = w.sum(1)
        w = np.divide(w, total[:, None], out=np.full_like(w, -np.inf), where=total[:, None] > 0)
        better = w.min(1) > best[who]
        who, candidate, w = who[better], candidate[better], w[better]
        best[who], face[who], weight[who] = w.min(1), candidate, w

    for nearest in _NEAREST:
        left = np.flatnonzero(best < _INSIDE)
        if not len(left):
            break
        near = used[tree.query(directions[left], k=min(nearest, len(used)))[1].reshape(len(left), -1)]
        for v in near.T:
            degree = ptr[v + 1] - ptr[v]
            for k in range(int(degree.max())):
                has = np.flatnonzero(degree > k)
                attempt(left[has], owner[ptr[v[has]] + k] // 3)
    left = np.flatnonzero(best < _INSIDE)
    size = max(1, _BLOCK // len(faces))
    for start in range(0, len(left), size):
        m = left[start : start + size]
        for faces_in in np.array_split(np.arange(len(faces)), max(1, len(faces) // _BLOCK)):
            w = np.einsum("fki,mi->mfk", planes[faces_in], directions[m])
            total = w.sum(2, keepdims=True)
            least = np.where(total[..., 0] > 0, w.min(2) / np.where(total > 0, total, 1.0)[..., 0], -np.inf)
            attempt(m, faces_in[least.argmax(1)])
        if best[m].min() < _INSIDE:
            missed = directions[m[best[m].argmin()]].round(3)
            raise MeshError(
                f"no face lies in the direction {missed.tolist()} from the origin",
                "give a closed surface round the origin, e.g. an icosphere",
                name,
            )
    weight = weight.clip(0.0)
    return face, weight / weight.sum(1, keepdims=True)
