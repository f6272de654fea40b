"""The judge itself, on questions whose answers are known by hand."""

import math

import pytest
import torch

from gaugenet.groups import StructureGroup
from gaugenet.steerable.null_space import intertwiner_null_space, kernel_null_space, subspace_distance

SO2, O2, TRIVIAL = (StructureGroup.parse(name) for name in ("SO(2)", "O(2)", "trivial"))


def scalar(angle, flip):
    return torch.ones(1, 1, dtype=torch.float64)


def vector(angle, flip):
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, -flip * sin], [sin, flip * cos]], dtype=torch.float64)


def test_invariant_kernels_between_scalars_are_isotropic():
    found = kernel_null_space(SO2, scalar, scalar, 3)
    isotropic = torch.zeros(1, 7, 1, 1, dtype=torch.float64)
    isotropic[0, 0] = 1
    assert subspace_distance(found, isotropic) < 1e-14


def test_scalars_to_vectors_are_the_radial_and_the_tangential_field():
    radial = torch.zeros(1, 5, 2, 1, dtype=torch.float64)
    radial[0, 1, 0, 0] = radial[0, 2, 1, 0] = 1  # (cos t, sin t)
    tangential = torch.zeros_like(radial)
    tangential[0, 2, 0, 0], tangential[0, 1, 1, 0] = -1, 1  # (-sin t, cos t)
    assert subspace_distance(kernel_null_space(SO2, scalar, vector, 2), torch.cat([radial, tangential])) < 1e-13
    assert subspace_distance(kernel_null_space(O2, scalar, vector, 2), radial) < 1e-13
    assert subspace_distance(kernel_null_space(O2, scalar, vector, 2), tangential) > 0.9


def test_the_trivial_group_constrains_nothing():
    assert len(kernel_null_space(TRIVIAL, vector, scalar, 2)) == 5 * 2


def test_intertwiners_of_vectors():
    assert len(intertwiner_null_space(SO2, vector, vector)) == 2
    assert len(intertwiner_null_space(O2, vector, vector)) == 1
    assert len(intertwiner_null_space(O2, scalar, vector)) == 0


def test_subspace_distance_is_the_sine_of_the_angle():
    first = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    angle = 0.3
    second = torch.tensor([[1.0, 1.0, 0.0], [0.0, math.cos(angle), math.sin(angle)]])
    assert subspace_distance(first[1:], second[1:]) == pytest.approx(math.sin(angle), abs=1e-7)
    assert subspace_distance(first, first @ torch.diag(torch.tensor([3.0, -1.0, 5.0]))) < 1e-7
    assert subspace_distance(first, first[:1]) == 1
    assert subspace_distance(first[:0], first[:0]) == 0
