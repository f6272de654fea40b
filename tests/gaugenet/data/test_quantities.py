"""Columns of what is predicted, their field type, and numbers of whole surfaces."""

import numpy as np
import pytest
import torch

from gaugenet.data.label_files import DatasetError
from gaugenet.data.quantities import Quantities, SurfaceTargets, read_surface_values
from gaugenet.data.targets import VertexTargets
from gaugenet.equivariance import gauge_transform, random_gauge


def targets(n, normal_part=True):
    rng = np.random.default_rng(0)
    return VertexTargets(rng.normal(size=(n, 2)), rng.normal(size=(n, 2, 3)), ("p", "t"), ("v", "w"), normal_part)


@pytest.mark.parametrize("group", ["SO(2)", "O(2)", "D4", "C2", "reflection"])
@pytest.mark.parametrize("normal_part", [True, False])
def test_columns_turn_as_their_field_type_says_and_stay_the_same_vectors(group, normal_part, random_geometry):
    geometry = random_geometry(group)
    frame = torch.linalg.qr(torch.randn(geometry.n_vertices, 3, 3, dtype=torch.float64))[0]
    frame[:, 2] = torch.linalg.cross(frame[:, 0], frame[:, 1])
    geometry = geometry.replace(frame=frame)
    t = targets(geometry.n_vertices, normal_part)
    quantities = t.quantities
    before = t.coefficients(geometry)
    assert before.shape[1] == quantities.n_columns
    gauge = random_gauge(group, geometry, torch.Generator().manual_seed(1))
    moved = gauge_transform(geometry, group, *gauge)
    after = t.coefficients(moved)
    torch.testing.assert_close(after, quantities.field_type(group).transform(before, *gauge), rtol=1e-12, atol=1e-12)
    assert (after - before).abs().max() > 0.1
    scalars, vectors = quantities.in_space(after, moved)
    expected = torch.from_numpy(t.vectors)
    if not normal_part:
        n = frame[:, None, 2]
        expected = expected - (expected * n).sum(2, keepdim=True) * n
    torch.testing.assert_close(vectors, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(scalars, torch.from_numpy(t.scalars))


def test_the_columns_of_a_quantity_are_those_of_its_vector(random_geometry):
    t = targets(5)
    assert t.quantities.names == ("p", "t", "v", "w")
    assert t.quantities.columns == [[0], [1], [2, 4, 6], [3, 5, 7]]
    assert Quantities((), ("v", "w"), normal_part=False).columns == [[0, 2], [1, 3]]
    assert Quantities.from_plain(t.quantities.as_plain()) == t.quantities
    assert (t.n_known, t.unknown().n_known) == (5, 0)
    with pytest.raises(ValueError, match="nothing to predict"):
        Quantities().field_type("SO(2)")
    with pytest.raises(ValueError, match=r"expected columns \[V, 8\]"):
        t.quantities.in_space(torch.zeros(5, 7), random_geometry("SO(2)"))


def test_numbers_of_surfaces(tmp_path):
    assert read_surface_values(tmp_path) is None
    file = tmp_path / "surface_values.txt"
    file.write_text("# drag of cars\nfile drag lift\na.obj 1.5 -2\n\nb.obj 3 4e1\n")
    found = read_surface_values(tmp_path)
    assert {name: t.values.tolist() for name, t in found.items()} == {"a.obj": [1.5, -2.0], "b.obj": [3.0, 40.0]}
    assert found["a.obj"].quantities == Quantities(("drag", "lift"), per_surface=True)
    assert (found["a.obj"].n_known, found["a.obj"].unknown().n_known) == (1, 0)
    file.write_text("a.obj 1\n")
    assert read_surface_values(tmp_path)["a.obj"].names == ("y",)
    (tmp_path / "my scan.obj").touch()
    file.write_bytes("file age\r\nmy scan.obj 3\r\n".encode("utf-8-sig"))
    found = read_surface_values(tmp_path)
    assert {name: (t.names, t.values.tolist()) for name, t in found.items()} == {"my scan.obj": (("age",), [3.0])}
    for text, problem in (
        ("a.obj 1\nb.obj 1 2\n", "b.obj has 2 numbers where 1"),
        ("a.obj one\n", "a.obj is no list of numbers"),
        ("a.obj nan\n", "finite"),
        ("a.obj 1\na.obj 2\n", "a.obj stands there twice"),
        ("file y\n", "there is no surface in it"),
    ):
        file.write_text(text)
        with pytest.raises(DatasetError, match=problem):
            read_surface_values(tmp_path)


def test_numbers_of_a_surface_are_one_row(random_geometry):
    t = SurfaceTargets(np.array([1.0, 2.0]), ("a", "b"))
    assert t.coefficients(random_geometry("SO(2)")).tolist() == [[1.0, 2.0]]
