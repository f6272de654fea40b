"""Fields of any type as output: exact, with broken twins; numbers in the unit of what is learned."""

import pytest
import torch

from gaugenet.data.quantities import Quantities
from gaugenet.equivariance import audit
from gaugenet.models.field_regression import FieldRegression, Scaled
from gaugenet.nn.tangent import scalar_type

SMALL = {"width": 2, "max_frequency": 1, "blocks": 1}
QUANTITIES = Quantities(("p", "q"), ("v", "w"))


@pytest.mark.parametrize("group", ["trivial", "reflection", "C6", "D4", "SO(2)", "O(2)"])
def test_scalars_normal_parts_and_vectors_of_every_group(group, random_geometry):
    kind = QUANTITIES.field_type(group)
    options = SMALL | ({"nonlinearity": "norm"} if group == "O(2)" else {})
    model = Scaled(FieldRegression(2, kind, **options), QUANTITIES.n_columns).double()
    model.set_scale(torch.tensor([3.0, -2.0] + 6 * [0.0]), torch.tensor([5.0, 0.1] + 3 * [2.0, 7.0]))
    geometry = random_geometry(group)
    report = audit(model, scalar_type(group, 2), kind, geometry, trials=2)
    assert report.passed, str(report)
    assert report.conclusive or group == "trivial"


def test_a_vector_that_is_moved_or_scaled_by_component_is_noticed(random_geometry):
    kind = QUANTITIES.field_type("SO(2)")
    for column, (offset, scale) in {2: (1.0, 1.0), 4: (0.5, 1.0), 5: (0.0, 3.0)}.items():
        model = Scaled(FieldRegression(2, kind, **SMALL), 8).double()
        offsets, scales = torch.zeros(8), torch.ones(8)
        offsets[column], scales[column] = offset, scale
        model.set_scale(offsets, scales)
        passed = audit(model, scalar_type("SO(2)", 2), kind, random_geometry("SO(2)"), trials=1).passed
        # a normal part is a scalar where there are no reflections
        assert passed == (column == 2)


def test_numbers_come_in_their_unit():
    model = Scaled(torch.nn.Identity(), 2)
    model.set_scale(torch.tensor([10.0, 0.0]), torch.tensor([2.0, 3.0]))
    assert model(torch.ones(1, 2)).tolist() == [[12.0, 3.0]]
    assert {"offset", "scale"} == set(model.state_dict())
    with pytest.raises(ValueError, match="positive scales"):
        model.set_scale(torch.zeros(2), torch.tensor([1.0, 0.0]))


def test_hidden_fields_must_hold_the_irreps_of_the_output():
    with pytest.raises(ValueError, match=r"irreps 2 of the output SO\(2\): 1x2 do not occur .* raise max_frequency"):
        FieldRegression(1, "SO(2): 1x2", **SMALL)
    with pytest.raises(ValueError, match="irreps 1 of the output"):
        FieldRegression(1, "SO(2): 1x1", width=2, max_frequency=0, blocks=1)


def test_checkpointing_gives_the_same_gradients(random_geometry):
    geometry, gradients = random_geometry("SO(2)"), []
    for checkpointing in (False, True):
        model = FieldRegression(2, "SO(2): 1x0 + 1x1", checkpointing=checkpointing, **SMALL).double()
        model(torch.ones(geometry.n_vertices, 2, dtype=torch.float64), geometry).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients))
