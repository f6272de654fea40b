"""The implicit creature: a distance that is one, and normals that are its gradient."""

import numpy as np
import pytest

from gaugenet.data.creature import Creature, random_creature


@pytest.fixture
def creature():
    return random_creature(np.random.default_rng(1))


def test_one_capsule_is_a_capsule():
    rod = Creature(
        np.array([[0.0, 0, 0]]), np.array([[2.0, 0, 0]]), np.array([0.5]), np.array([0.25]), np.array([7]), blend=0.01
    )
    points = np.array([[1.0, 1, 0], [-1.0, 0, 0], [3.0, 0, 0], [0.0, 0, 0.5]])
    assert np.allclose(rod.distance(points), [1 - 0.375, 0.5, 0.75, 0.0], atol=1e-12)
    _, normal = rod.distance_and_normal(points)
    assert np.allclose(normal, [[0, 1, 0], [-1, 0, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9)
    assert rod.nearest_part(points).tolist() == [7] * 4


def test_union_lies_below_the_nearest_capsule_by_at_most_b_log_k(creature):
    points = np.random.default_rng(0).normal(size=(500, 3))
    alone = [
        Creature(
            *(getattr(creature, f)[k : k + 1] for f in ("start", "end", "start_radius", "end_radius", "part")), 1.0
        )
        for k in range(len(creature.part))
    ]
    nearest = np.min([one.distance(points) for one in alone], axis=0)
    union = creature.distance(points)
    assert (union <= nearest + 1e-12).all()
    assert (union >= nearest - creature.blend * np.log(len(creature.part)) - 1e-12).all()


def test_normal_is_near_the_numerical_gradient(creature):
    points = np.random.default_rng(0).normal(size=(300, 3)) * 0.6
    step = 1e-6
    gradient = np.stack(
        [(creature.distance(points + step * e) - creature.distance(points - step * e)) / (2 * step) for e in np.eye(3)],
        1,
    )
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    _, normal = creature.distance_and_normal(points)
    # tapering is left out of the normal, which costs a few degrees
    assert np.median((normal * gradient).sum(1)) > 0.99
    assert np.allclose(np.linalg.norm(normal, axis=1), 1)
