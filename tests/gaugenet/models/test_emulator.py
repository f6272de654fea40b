"""Emulators: equivariant steps, the extrapolation they start from, and rollouts."""

import pytest
import torch

from gaugenet.equivariance import audit
from gaugenet.field_type import FieldType
from gaugenet.models.backbones import finest
from gaugenet.models.emulator import Emulator

OPTIONS = {"width": 2, "max_frequency": 1, "blocks": 2}


def step(model: Emulator):
    """The emulator as a module of fields [V, history * dim + static]."""
    n = model.history * model.state.dim
    return lambda x, g: model(x[:, :n].unflatten(1, (model.history, -1)), g, x[:, n:] if model.static else None)


@pytest.mark.parametrize(("name", "group"), [("sphere", "SO(2)"), ("klein", "O(2)")])
@pytest.mark.parametrize(("state", "order"), [("1x0", 1), ("1x0 + 1x1", 2), ("2x1", 0)])
def test_steps_are_equivariant(name, group, state, order, hierarchies):
    geometry = finest(hierarchies[name])
    static = f"{group}: 1x0 + 1x1"
    model = Emulator(f"{group}: {state}", history=2, static=static, order=order, **OPTIONS).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    report = audit(step(model), model.in_type, model.state, geometry, trials=2)
    assert report.passed
    assert report.conclusive
    shift = torch.zeros(model.hidden_type.dim, dtype=torch.float64)
    shift[-1] = 0.1
    model.blocks[0].register_forward_hook(lambda module, args, out: out + shift)
    assert audit(step(model), model.in_type, model.state, geometry, trials=2).error > 1e-6


@pytest.mark.parametrize(("group", "state"), [("D4", "1x0 + 1x1"), ("reflection", "1x0 + 1x0-"), ("C4", "1x0")])
def test_finite_groups(group, state, random_geometry):
    model = Emulator(f"{group}: {state}", history=2, **OPTIONS).double()
    assert audit(step(model), model.in_type, model.state, random_geometry(group), trials=2).passed


def test_without_corrections_it_extrapolates(hierarchies):
    """A silent network continues what order 1 calls constant and order 2 calls linear in time."""
    geometry = finest(hierarchies["sphere"])
    frames = torch.randn(162, 2, 1, dtype=torch.float64)
    for order in (0, 1, 2):
        model = Emulator("SO(2): 1x0", order=order, **OPTIONS).double()
        with torch.no_grad():
            model.readout.coefficients.zero_()
            found = model.rollout(frames, geometry, 3)
        rate = frames[:, 1] - frames[:, 0]
        for k in range(3):
            expected = [torch.zeros_like(rate), frames[:, 1], frames[:, 1] + (k + 1) * rate][order]
            torch.testing.assert_close(found[:, k], expected, rtol=0, atol=1e-12)


def test_scales_are_those_of_states_and_corrections():
    time = torch.arange(6, dtype=torch.float64)
    u = (3 + 2 * time + 0.5 * time**2).expand(4, 6)[..., None]
    for order, size in ((0, float(u.square().mean().sqrt())), (2, 1.0)):
        model = Emulator("SO(2): 1x0", order=order, **OPTIONS).set_scales([u])
        assert float(model.state_scale) == pytest.approx(float(u.square().mean().sqrt()))
        assert float(model.correction_scale) == pytest.approx(size)
    assert set(model.state_dict()) >= {"state_scale", "correction_scale"}


def test_rollout_feeds_predictions_back(hierarchies):
    geometry = finest(hierarchies["klein"])
    model = Emulator("O(2): 1x0", history=3, static="O(2): 1x0", **OPTIONS).double()
    frames, static = torch.randn(216, 3, 1, dtype=torch.float64), torch.randn(216, 1, dtype=torch.float64)
    with torch.no_grad():
        first, second = model.rollout(frames, geometry, 2, static).unbind(1)
        torch.testing.assert_close(first, model(frames, geometry, static))
        again = torch.cat([frames[:, 1:], first[:, None]], 1)
        torch.testing.assert_close(second, model(again, geometry, static))


def test_errors_say_what_was_expected(random_geometry):
    geometry = random_geometry()
    model = Emulator("SO(2): 1x0", static="SO(2): 1x0", **OPTIONS).double()
    with pytest.raises(ValueError, match=r"expected frames \[V, 2, 1\], got \[24, 1, 1\]"):
        model(torch.zeros(24, 1, 1, dtype=torch.float64), geometry)
    with pytest.raises(ValueError, match=r"expected static \[V, 1\], got None"):
        model(torch.zeros(24, 2, 1, dtype=torch.float64), geometry)
    with pytest.raises(ValueError, match="order must be 0, 1 or 2"):
        Emulator("SO(2): 1x0", order=3)
    with pytest.raises(ValueError, match="at least the order 2; got 1"):
        Emulator("SO(2): 1x0", order=2, history=1)
    with pytest.raises(ValueError, match="expected static None, got"):
        Emulator("SO(2): 1x0", history=1, **OPTIONS)(torch.zeros(24, 1, 1), geometry, torch.zeros(24, 1))
    with pytest.raises(ValueError, match="width must be at least 1"):
        Emulator(FieldType.parse("SO(2): 1x0"), width=0)
    for option in ("static", "hidden"):
        with pytest.raises(ValueError, match="one structure group"):
            Emulator("SO(2): 1x0", **{option: "O(2): 1x0"})


def test_the_hidden_fields_are_chosen(random_geometry):
    geometry = random_geometry()
    model = Emulator("SO(2): 1x0", history=1, hidden="SO(2): 5x0 + 2x1", blocks=1).double()
    assert str(model.blocks[0].conv.in_type) == str(model.hidden_type) == "SO(2): 5x0 + 2x1"
    assert audit(step(model), model.in_type, model.state, geometry, trials=2).passed
