"""The public function: values and errors."""

import pytest
import torch

from gaugenet.kernels.transport_conv import ConvEdges, TransportBlock, explain, transport_conv


def edges(**kwargs):
    values = {"row_ptr": torch.tensor([0, 2, 3]), "source": torch.tensor([0, 2, 1]), "n_source": 3}
    return ConvEdges.from_csr(**values | {"scalars": torch.ones(3, 1, dtype=torch.float64)} | kwargs)


ONE = [TransportBlock(0, 0, 1, 1)]


def test_a_sum_by_hand():
    """Scalars only: 2·(x_0 + x_2) and 2·x_1."""
    x = torch.tensor([[1.0], [10.0], [100.0]], dtype=torch.float64)
    out = transport_conv(x, torch.full((1, 1, 1), 2.0, dtype=torch.float64), edges(), ONE, ONE)
    assert out.tolist() == [[202.0], [20.0]]


def test_a_quarter_turn_by_hand():
    """R(π/2) carries (1, 0) to (0, 1); the reflection comes before the rotation, and after it behind the weight."""
    x = torch.zeros(1, 2, dtype=torch.float64)
    x[0, 0], x[0, 1] = 3, 1
    vector, identity = [TransportBlock(1, 0, 2, 1)], torch.eye(2, dtype=torch.float64)[None]
    values = {"row_ptr": torch.tensor([0, 1]), "source": torch.tensor([0]), "n_source": 1}
    values["scalars"] = torch.ones(1, 1, dtype=torch.float64)
    quarter, minus = torch.tensor([torch.pi / 2], dtype=torch.float64), torch.tensor([-1])
    for given, expected in (
        ({"alpha": quarter}, [-1.0, 3.0]),
        ({"alpha": quarter, "flip": minus}, [1.0, 3.0]),
        ({"beta": quarter}, [-1.0, 3.0]),
        ({"beta": quarter, "post_flip": minus}, [-1.0, -3.0]),
    ):
        out = transport_conv(x, identity, ConvEdges.from_csr(**values, **given), vector, vector)
        torch.testing.assert_close(out[0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


def test_edges_move_between_dtypes():
    given = edges(alpha=torch.ones(3, dtype=torch.float64), flip=torch.tensor([1, -1, 1]))
    moved = given.to(dtype=torch.float32)
    assert moved.scalars.dtype == moved.pre.dtype == torch.float32
    assert moved.pre_flip.dtype == torch.int8
    assert moved.row_ptr.dtype == torch.int32
    assert moved.n_edges == 3
    assert moved.post is None


def test_explain_is_one_line():
    assert "\n" not in explain(torch.zeros(1))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scalars": torch.ones(2, 1)}, r"scalars: expected float32 or float64 \[E, B\] with E = 3"),
        ({"scalars": torch.ones(3, 1).half()}, "got torch.float16"),
        ({"alpha": torch.ones(2)}, r"alpha: expected one value per edge \[3\], got \(2,\)"),
        ({"flip": torch.tensor([1, 0, 1])}, r"flip: must hold \+1 and -1 only"),
        ({"flip": torch.tensor([True, False, True])}, r"flip: must hold \+1 and -1 only"),
        ({"source": torch.tensor([0, 3, 1])}, "0 .. 2, got 0 .. 3"),
    ],
)
def test_bad_edges(wrong, says):
    with pytest.raises(ValueError, match=says):
        edges(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x": torch.ones(2, 1).double()}, r"x: expected \[3, 1\] .*, got \(2, 1\)"),
        ({"x": torch.ones(3, 2).double()}, r"x: expected \[3, 1\]"),
        ({"weight": torch.ones(2, 1, 1).double()}, r"weight: expected \[1, 1, 1\]"),
        ({"weight": torch.ones(1, 1, 1)}, "must agree in dtype"),
        ({"x": torch.ones(3, 1), "weight": torch.ones(1, 1, 1)}, "must agree in dtype.*torch.float64; use .to"),
        ({"x": torch.ones(3, 1).int(), "weight": torch.ones(1, 1, 1).int()}, "x: expected real numbers"),
        ({"x": torch.ones(3, 1, device="meta").double()}, "on one device"),
        ({"in_blocks": [(0, 0, 3, 1)]}, "in_blocks: a block is"),
        ({"out_blocks": [(0, 2, 1, 1)]}, "out_blocks: a block is"),
        ({"implementation": "fast"}, "no implementation of transport_conv"),
    ],
)
def test_bad_arguments(wrong, says):
    given = {"x": torch.ones(3, 1).double(), "weight": torch.ones(1, 1, 1).double(), "edges": edges()}
    with pytest.raises(ValueError, match=says):
        transport_conv(**given | {"in_blocks": ONE, "out_blocks": ONE} | wrong)


@pytest.mark.parametrize("name", ["scalars", "alpha", "beta"])
def test_geometry_has_no_gradient(name):
    """Rather than a silent zero."""
    given = torch.ones((3, 1) if name == "scalars" else 3, dtype=torch.float64, requires_grad=True)
    learned = edges(**{name: given})
    x, weight = torch.ones(3, 1).double(), torch.ones(1, 1, 1).double()
    with pytest.raises(ValueError, match="requires a gradient, but transport_conv has none"):
        transport_conv(x, weight, learned, ONE, ONE)
    with torch.no_grad():
        transport_conv(x, weight, learned, ONE, ONE)
