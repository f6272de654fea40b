"""Layers by the names that configurations use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from gaugenet.field_type import FieldType
from gaugenet.nn.batch_norm import BatchNorm
from gaugenet.nn.group_norm import GroupNorm
from gaugenet.nn.instance_norm import InstanceNorm
from gaugenet.nn.nonlinearity import GatedNonlinearity, NormNonlinearity
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.regular import RegularNonlinearity
from gaugenet.nn.sign_aware import SignNonlinearity
from gaugenet.nn.tensor_product import TensorProductNonlinearity

NONLINEARITIES = ("gated", "norm", "regular", "sign", "tensor-product")
NORMALIZATIONS = ("field", "group", "instance", "batch", "none")


def make_nonlinearity(
    kind: str,
    field_type: FieldType,
    *,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The non-linearity of that name, from `field_type` to itself.

    Args:
        kind: "gated" (`GatedNonlinearity`), "norm" (`NormNonlinearity`) or "tensor-product"
            (`TensorProductNonlinearity`) for any field type; "regular" (`RegularNonlinearity`) for regular, quotient
            and trivial fields; "sign" (`SignNonlinearity`) for one-dimensional irreps.
        field_type: of input and output.
        n_samples: of "regular", for continuous groups only.
        generator: for the initial weights, where there are any.

    Raises:
        ValueError: the name is not known, or the field type is not one that the non-linearity can act on.
    """
    if kind == "gated":
        return GatedNonlinearity(field_type, generator=generator)
    if kind == "norm":
        return NormNonlinearity(field_type)
    if kind == "regular":
        return RegularNonlinearity(field_type, n_samples=n_samples)
    if kind == "sign":
        return SignNonlinearity(field_type)
    if kind == "tensor-product":
        return TensorProductNonlinearity(field_type, generator=generator)
    raise ValueError(f"unknown non-linearity {kind!r}: expected one of {', '.join(NONLINEARITIES)}")


def make_normalization(kind: str, field_type: FieldType) -> nn.Module:
    """The normalisation of that name.

    Args:
        kind: "field" (`FieldNorm`), "group" (`GroupNorm`), "instance" (`InstanceNorm`, which is called with the
            geometry as well), "batch" (`BatchNorm`), or "none".
        field_type: of input and output.

    Raises:
        ValueError: the name is not known.
    """
    if kind == "none":
        return nn.Identity()
    if kind not in NORMALIZATIONS:
        raise ValueError(f"unknown normalisation {kind!r}: expected one of {', '.join(NORMALIZATIONS)}")
    layers: dict[str, Callable[[FieldType], nn.Module]] = {
        "field": FieldNorm,
        "group": GroupNorm,
        "instance": InstanceNorm,
        "batch": BatchNorm,
    }
    return layers[kind](field_type)
