"""Random four-legged creatures as signed distance functions: tapered capsules, smoothly united."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PART_NAMES = (
    "body",
    "neck",
    "head",
    "tail",
    "front_upper_L",
    "front_lower_L",
    "front_upper_R",
    "front_lower_R",
    "hind_upper_L",
    "hind_lower_L",
    "hind_upper_R",
    "hind_lower_R",
)
_BODY, _NECK, _HEAD, _TAIL, _FRONT_LEFT, _FRONT_RIGHT, _HIND_LEFT, _HIND_RIGHT = 0, 1, 2, 3, 4, 6, 8, 10

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Creature:
    """K tapered capsules and their smooth union. x points forward, y left, z up; the torso is about 1 long.

    A capsule's distance is d_k(p) = |p - c| - r(c), where c is the point of its axis next to p and the radius
    r runs linearly from one end to the other; the union's is d(p) = -b log sum_k exp(-d_k(p) / b).
    """

    start: Array
    """[K, 3]"""
    end: Array
    """[K, 3]"""
    start_radius: Array
    """[K]"""
    end_radius: Array
    """[K]"""
    part: NDArray[np.int64]
    """[K] index into `PART_NAMES`"""
    blend: float
    """b, the width over which neighbouring capsules melt together."""

    def distance(self, points: Array) -> Array:
        """d at points [P, 3]; negative inside."""
        return self._unite(self._to_axes(points)[0])[0]

    def distance_and_normal(self, points: Array) -> tuple[Array, Array]:
        """d [P] and the unit outward direction [P, 3] of its level set (radii held fixed along the axes)."""
        each, t, length = self._to_axes(points)
        d, share = self._unite(each)
        share /= length
        normal = points * share.sum(1, keepdims=True) - np.einsum("pk,kc->pc", share, self.start)
        normal -= np.einsum("pk,kc->pc", share * t, self.end - self.start)
        return d, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)

    def nearest_part(self, points: Array) -> NDArray[np.int64]:
        """Index into `PART_NAMES` of the capsule next to each point."""
        return np.asarray(self.part[self._to_axes(points)[0].argmin(1)])

    def _to_axes(self, points: Array) -> tuple[Array, Array, Array]:
        """d_k [P, K], the place t in [0, 1] of the next point of each axis, and the distance from it."""
        axis = self.end - self.start
        length2 = np.maximum((axis**2).sum(1), 1e-12)
        # einsum and not @: these products are thin, and threads of a matrix library cost more than they do
        along = np.einsum("pc,kc->pk", points, axis) - (self.start * axis).sum(1)
        t = np.clip(along / length2, 0.0, 1.0)
        # |p - s - t a|^2 with the squares multiplied out, so that no array of size P x K x 3 is made
        from_start = (
            (points**2).sum(1)[:, None] - 2.0 * np.einsum("pc,kc->pk", points, self.start) + (self.start**2).sum(1)
        )
        length = np.sqrt(np.maximum(from_start - t * (2.0 * along - t * length2), 1e-12))
        return length - self.start_radius - t * (self.end_radius - self.start_radius), t, length

    def _unite(self, each: Array) -> tuple[Array, Array]:
        low = each.min(1)
        share = np.exp((low[:, None] - each) / self.blend)
        total = share.sum(1)
        return low - self.blend * np.log(total), share / total[:, None]


def _rotation(roll: float, pitch: float, yaw: float) -> Array:
    """Turns by roll about x, then pitch (positive turns +x towards +z), then yaw about z; radians."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


class _Builder:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows: list[tuple[Array, Array, float, float, int]] = []

    def draw(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def bone(self, start: Array, vector: Array, radius: float, end_radius: float, part: int) -> Array:
        end = start + vector
        self.rows.append((start, end, radius, end_radius, part))
        return end


def random_creature(rng: np.random.Generator) -> Creature:
    """A creature with random proportions and joint angles. All randomness comes from ``rng``."""
    b = _Builder(rng)
    girth = b.draw(0.17, 0.25)
    hind = b.draw(0.85, 1.15) * girth
    bend = _rotation(b.draw(-0.25, 0.25), b.draw(-0.3, 0.3), b.draw(-0.45, 0.45))
    middle = np.zeros(3)
    shoulder = b.bone(middle, bend @ [b.draw(0.42, 0.52), 0, 0], 0.92 * girth, girth, _BODY)
    hips = b.bone(middle, np.array([-b.draw(0.4, 0.5), 0, 0]), 0.92 * girth, hind, _BODY)
    _add_head(b, shoulder, bend, girth)
    _add_tail(b, hips, hind)
    leg, thick = b.draw(0.55, 0.85), b.draw(0.075, 0.1)
    for side, front_part, hind_part in ((1, _FRONT_LEFT, _HIND_LEFT), (-1, _FRONT_RIGHT, _HIND_RIGHT)):
        _add_leg(b, shoulder, bend, side, girth, leg, thick, front_part, knee=-1)
        _add_leg(b, hips, np.eye(3), side, hind, leg * b.draw(0.95, 1.05), thick * 1.1, hind_part, knee=1)
    start, end, radius, end_radius, part = (np.array(column) for column in zip(*b.rows))
    return Creature(start, end, radius, end_radius, part, blend=b.draw(0.022, 0.035))


def _add_head(b: _Builder, shoulder: Array, chest: Array, girth: float) -> None:
    neck_turn = chest @ _rotation(0, b.draw(0.1, 1.2), b.draw(-0.6, 0.6))
    size = b.draw(0.14, 0.185)
    root = shoulder + chest @ [0.5 * girth, 0, 0.25 * girth]
    nape = b.bone(root, neck_turn @ [b.draw(0.28, 0.5), 0, 0], 0.6 * girth, 0.75 * size, _NECK)
    turn = neck_turn @ _rotation(b.draw(-0.3, 0.3), -b.draw(0.4, 1.3), b.draw(-0.5, 0.5))
    skull = b.bone(nape, turn @ [0.6 * size, 0, 0.35 * size], size, size, _HEAD)
    b.bone(skull, turn @ [b.draw(1.3, 2.1) * size, 0, -0.4 * size], 0.7 * size, b.draw(0.5, 0.6) * size, _HEAD)
    spread, ear = b.draw(0.5, 0.8), b.draw(1.0, 1.9)
    for side in (1, -1):
        up = np.array([-0.3, side * spread, 1.0]) * size
        b.bone(skull + turn @ (0.55 * up), turn @ (0.6 * ear * up), 0.52 * size, 0.48 * size, _HEAD)


def _add_tail(b: _Builder, hips: Array, girth: float) -> None:
    length, thick = b.draw(0.3, 0.75), b.draw(0.07, 0.09)
    turn = _rotation(0, -b.draw(-0.9, 0.9), b.draw(-0.7, 0.7))
    middle = b.bone(hips - [0.7 * girth, 0, -0.3 * girth], turn @ [-0.5 * length, 0, 0], 1.2 * thick, thick, _TAIL)
    turn = turn @ _rotation(0, -b.draw(-0.7, 0.7), b.draw(-0.7, 0.7))
    b.bone(middle, turn @ [-0.5 * length, 0, 0], thick, b.draw(0.8, 1.2) * thick, _TAIL)


def _add_leg(
    b: _Builder,
    joint: Array,
    trunk: Array,
    side: int,
    girth: float,
    length: float,
    thick: float,
    part: int,
    knee: int,
) -> None:
    """Two segments and a paw. ``side`` is +1 on the left; ``knee`` is the sign with which the joint bends."""
    root = joint + trunk @ [0.0, side * 0.62 * girth, -0.35 * girth]
    swing = b.draw(-0.75, 0.75)
    turn = trunk @ _rotation(side * b.draw(0.05, 0.55), 0.0, 0.0) @ _rotation(0.0, swing, 0.0)
    upper = b.draw(0.45, 0.55) * length
    bottom = b.bone(root, turn @ [0, 0, -upper], 1.35 * thick, thick, part)
    turn = turn @ _rotation(side * b.draw(-0.35, 0.1), knee * b.draw(0.1, 1.2) - 0.3 * swing, 0.0)
    ankle = b.bone(bottom, turn @ [0, 0, upper - length], thick, 0.85 * thick, part + 1)
    b.bone(
        ankle,
        turn @ _rotation(0, b.draw(-0.3, 0.5), b.draw(-0.3, 0.3)) @ [1.6 * thick, 0, 0],
        thick,
        thick,
        part + 1,
    )
