"""Numbers per copy of an irrep."""

import torch

from gaugenet.field_type import FieldType
from gaugenet.nn.copies import copy_dims, invariant_copies, n_copies, squared_norms, to_columns

FIELD = FieldType.parse("O(2): 2x0 + 1x0- + 2x1")


def test_norms_of_copies_and_back():
    x = torch.tensor([[1.0, 2, 3, 4, 5, 6, 7]])
    assert n_copies(FIELD) == 5
    assert squared_norms(FIELD, x).tolist() == [[1, 4, 9, 16 + 36, 25 + 49]]
    assert to_columns(FIELD, torch.arange(5.0)).tolist() == [0, 1, 2, 3, 4, 3, 4]
    assert invariant_copies(FIELD).tolist() == [True, True, False, False, False]
    assert copy_dims(FIELD).tolist() == [1, 1, 1, 2, 2]
