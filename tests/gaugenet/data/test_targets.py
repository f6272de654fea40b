"""Targets at vertices: files in each form, and vectors in frames that turn as their type says."""

import numpy as np
import pytest
import torch

from gaugenet.data.dataset import prepare
from gaugenet.data.label_files import DatasetError
from gaugenet.data.regression import RegressionFolder
from gaugenet.data.targets import VertexTargets, read_targets
from gaugenet.equivariance import gauge_transform, random_gauge
from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.5]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


@pytest.fixture(scope="module")
def sphere():
    mesh = shapes.sphere(subdivisions=2).mesh
    return mesh, compute_geometry(mesh, Nearest(8), dtype=torch.float64)


@pytest.fixture(scope="module")
def targets(sphere):
    rng = np.random.default_rng(0)
    n = sphere[0].n_vertices
    return VertexTargets(rng.standard_normal((n, 2)), rng.standard_normal((n, 3, 3)))


@pytest.mark.parametrize("normal_part", [True, False])
def test_vectors_come_back_from_their_coefficients(sphere, targets, normal_part):
    _, g = sphere
    t = VertexTargets(targets.scalars, targets.vectors, normal_part=normal_part)
    c = t.coefficients(g)
    assert c.shape[1] == t.field_type("SO(2)").dim
    assert torch.equal(c[:, :2], torch.from_numpy(t.scalars))
    back = t.vectors_in_space(c, g).numpy()
    if normal_part:
        assert np.allclose(back, t.vectors, atol=1e-12)
    else:
        normal = g.frame[:, 2].numpy()
        flat = t.vectors - (t.vectors * normal[:, None]).sum(2, keepdims=True) * normal[:, None]
        assert np.allclose(back, flat, atol=1e-12)


@pytest.mark.parametrize("group", ["SO(2)", "O(2)", "C6", "D4"])
def test_coefficients_turn_with_the_gauge_as_their_type_says(sphere, targets, group):
    _, g = sphere
    angle, flip = random_gauge(group, g, torch.Generator().manual_seed(1))
    moved = gauge_transform(g, group, angle, flip)
    kind = targets.field_type(group)
    expected = kind.transform(targets.coefficients(g), angle, flip)
    assert torch.allclose(targets.coefficients(moved), expected, atol=1e-12)
    if group in ("O(2)", "D4"):  # with a normal part of the wrong type it would not
        wrong = type(kind).parse(str(kind).replace("0-", "0"))
        assert not torch.allclose(targets.coefficients(moved), wrong.transform(targets.coefficients(g), angle, flip))


def test_types():
    scalars, vectors = np.zeros((4, 2)), np.zeros((4, 1, 3))
    t = VertexTargets(scalars, vectors)
    assert str(t.field_type("SO(2)")) == "SO(2): 2x0 + 1x0 + 1x1"
    assert str(t.field_type("O(2)")) == "O(2): 2x0 + 1x0- + 1x1"
    assert str(VertexTargets(scalars, vectors[:, :0]).field_type("reflection")) == "reflection: 2xtrivial"
    with pytest.raises(ValueError, match="the tangent vectors vector_0 are no irrep of C2"):
        t.field_type("C2")
    with pytest.raises(ValueError, match="expected scalars"):
        VertexTargets(scalars, np.zeros((4, 3)))


def vtp(path, **arrays):
    def array(name, values):
        width = 1 if np.ndim(values) == 1 else np.shape(values)[1]
        text = " ".join(map(str, np.ravel(values).tolist()))
        head = f'<DataArray type="Float64" Name="{name}" NumberOfComponents="{width}" format="ascii">'
        return f"{head}{text}</DataArray>"

    path.write_text(
        '<VTKFile type="PolyData" byte_order="LittleEndian"><PolyData><Piece>'
        f"<Points>{array('Points', VERTICES)}</Points>"
        f"<Polys>{array('connectivity', FACES.ravel())}{array('offsets', [3, 6, 9, 12])}</Polys>"
        f"<PointData>{''.join(array(k, v) for k, v in arrays.items())}</PointData></Piece></PolyData></VTKFile>"
    )


PRESSURE = np.array([1.0, 2.0, 3.0, 4.0])
SHEAR = np.arange(12.0).reshape(4, 3)


def test_each_form_of_file(tmp_path):
    np.savez(tmp_path / "a.npz", v=VERTICES, f=FACES, y=PRESSURE, shear=SHEAR)
    t = read_targets(tmp_path / "a.npz")
    assert (t.scalar_names, t.vector_names, t.scalars[:, 0].tolist()) == (("y",), (), PRESSURE.tolist())
    t = read_targets(tmp_path / "a.npz", vectors=["shear"], scalars=["y"])
    assert np.array_equal(t.vectors[:, 0], SHEAR)
    assert read_targets(tmp_path / "a.npz", scalars=["shear"]).scalar_names == ("shear_0", "shear_1", "shear_2")

    vtp(tmp_path / "b.vtp", pressure=PRESSURE, shear=SHEAR)
    t = read_targets(tmp_path / "b.vtp")
    assert (t.scalar_names, t.vector_names) == (("pressure",), ("shear",))
    assert np.array_equal(t.vectors[:, 0], SHEAR)

    (tmp_path / "c.off").write_text(
        "OFF\n4 4 0\n"
        + "".join(f"{x} {y} {z}\n" for x, y, z in VERTICES)
        + "".join(f"3 {a} {b} {c}\n" for a, b, c in FACES)
    )
    np.save(tmp_path / "c.y.npy", SHEAR)
    assert np.array_equal(read_targets(tmp_path / "c.off").vectors[:, 0], SHEAR)
    (tmp_path / "c.y.npy").unlink()
    np.savetxt(tmp_path / "c.y.txt", PRESSURE)
    assert np.array_equal(read_targets(tmp_path / "c.off").scalars[:, 0], PRESSURE)


def test_refusals(tmp_path):
    np.savez(tmp_path / "a.npz", v=VERTICES, f=FACES, y=PRESSURE[:3], z=[1, np.nan, 2, 3])
    for options, problem in (
        ({}, r"a\.npz: 'y' has the shape \[3\] on 4 vertices; give one row per vertex"),
        ({"scalars": ["z"]}, "some of 'z' is not finite"),
        ({"scalars": ["p"]}, "there is no array 'p'"),
        ({"vectors": ["z"]}, "not finite|a vector has three columns"),
    ):
        with pytest.raises(DatasetError, match=problem):
            read_targets(tmp_path / "a.npz", **options)
    np.savez(tmp_path / "b.npz", v=VERTICES, f=FACES)
    for values, kind in ((PRESSURE * 1j, "complex128"), (np.array(list("abcd")), "<U1")):
        np.save(tmp_path / "b.y.npy", values)
        with pytest.raises(DatasetError, match=f"b.y.npy: 'y' is of type {kind}; store real numbers"):
            read_targets(tmp_path / "b.npz")
        np.savez(tmp_path / "c.npz", v=VERTICES, f=FACES, y=values)
        with pytest.raises(DatasetError, match=f"c.npz: 'y' is of type {kind}; store real numbers"):
            read_targets(tmp_path / "c.npz")


def test_a_folder_becomes_samples(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        vtp(tmp_path / split / "wing.vtp", pressure=PRESSURE, shear=SHEAR)
    dataset = RegressionFolder(tmp_path)
    assert dataset.target_names == ("pressure", "shear")
    (sample,) = prepare(dataset, Nearest(3), features="constant")["test"]
    assert sample.targets.coefficients(sample.geometry).shape == (4, 4)
    vtp(tmp_path / "test" / "wing.vtp", pressure=PRESSURE)
    with pytest.raises(DatasetError, match="it has pressure where others have pressure, shear"):
        list(dataset.meshes("test"))
