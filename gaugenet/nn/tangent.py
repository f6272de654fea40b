"""Field types of tangent vectors and pseudo-scalars, in every structure group."""

from __future__ import annotations

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup


def tangent_type(group: str | StructureGroup, n: int = 1) -> FieldType:
    """n tangent vector fields: n x components, then n y components, in the frame of each vertex.

    The representation is g = R(a) diag(1, s) itself: frequency 1 where that is an irrep, and a sum of two
    one-dimensional irreps for C2 (-1, -1), D2, reflection (1, s) and trivial (1, 1). Columns are laid out
    alike for all.

    Args:
        group: G, or its name.
        n: how many.
    """
    group = StructureGroup.parse(group)
    if group.rotation_order not in (1, 2):
        return FieldType(group, [("1", n)])
    frequency = group.rotation_order - 1
    if not group.has_reflections:
        return FieldType(group, [(f"{frequency}", 2 * n)])
    return FieldType(group, [(f"{frequency}", n), (f"{frequency}-", n)])


def scalar_type(group: str | StructureGroup, n: int = 1) -> FieldType:
    """n scalar fields, which no gauge transformation changes.

    Args:
        group: G, or its name.
        n: how many.
    """
    return FieldType(StructureGroup.parse(group), [("0", n)])


def pseudo_scalar_type(group: str | StructureGroup, n: int = 1) -> FieldType:
    """n fields that a reflection negates, such as the curl of a vector field; scalars where G has no reflections.

    Args:
        group: G, or its name.
        n: how many.
    """
    group = StructureGroup.parse(group)
    return FieldType(group, [("0-" if group.has_reflections else "0", n)])
