"""Layers by name."""

import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.by_name import NONLINEARITIES, NORMALIZATIONS, make_nonlinearity, make_normalization


def test_every_name_makes_a_layer(random_geometry):
    field = FieldType.parse("reflection: 2xtrivial")
    x = torch.randn(24, field.dim, dtype=torch.float64)
    for name in NONLINEARITIES:
        assert make_nonlinearity(name, field).double()(x).shape == x.shape
    for name in NORMALIZATIONS:
        arguments = (x, random_geometry("reflection")) if name == "instance" else (x,)
        assert make_normalization(name, field).double()(*arguments).shape == x.shape


def test_unknown_names_are_refused():
    field = FieldType.parse("SO(2): 1x0")
    with pytest.raises(ValueError, match="expected one of gated, norm"):
        make_nonlinearity("relu", field)
    with pytest.raises(ValueError, match="expected one of field, group"):
        make_normalization("layer", field)
