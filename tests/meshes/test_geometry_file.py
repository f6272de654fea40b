"""A geometry in a file: nothing is lost, and nothing is read that would lead a loop astray."""

import dataclasses

import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.geometry_file import load_geometry, save_geometry
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

GEOMETRY = compute_geometry(shapes.mobius_strip(6, 2).mesh, Nearest(3))


def same(a, b):
    for field in dataclasses.fields(a):
        if field.name == "memo":
            continue
        x, y = getattr(a, field.name), getattr(b, field.name)
        assert type(x) is type(y), field.name
        if isinstance(x, torch.Tensor):
            assert x.dtype == y.dtype, field.name
            assert x.shape == y.shape, field.name
            assert torch.equal(x, y), field.name
        else:
            assert x == y, field.name


def test_every_field_comes_back(tmp_path):
    # whatever fields there are: those that are optional are given here too
    n = GEOMETRY.n_vertices
    optional = {
        f.name: torch.arange(n, dtype=torch.int32)
        for f in dataclasses.fields(MeshGeometry)
        if f.default is None and f.name not in ("frame", "source_ptr")
    }
    full = GEOMETRY.replace(source_ptr=torch.tensor([0, n]), rotation_order=3, **optional)
    for geometry in (GEOMETRY, full, GEOMETRY.replace(frame=None), GEOMETRY.to(dtype=torch.float64)):
        save_geometry(geometry, tmp_path / "deep" / "a.safetensors")
        same(load_geometry(tmp_path / "deep" / "a.safetensors"), geometry)


def altered(**changes):
    # past the checks of the value itself
    geometry = GEOMETRY.replace()
    for name, value in changes.items():
        object.__setattr__(geometry, name, value)
    return geometry


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        (altered(source=GEOMETRY.source + 1), "beyond the"),
        (altered(source=-GEOMETRY.source), "beyond the"),
        (altered(row_ptr=GEOMETRY.row_ptr + 1), "does not divide"),
        (altered(row_ptr=GEOMETRY.row_ptr.flip(0)), "does not divide"),
        (altered(mesh_ptr=GEOMETRY.mesh_ptr + 1), "mesh_ptr"),
        (altered(source_ptr=GEOMETRY.mesh_ptr.flip(0)), "beyond the|source_ptr"),
        (altered(visit_order=GEOMETRY.visit_order + 1), "visit_order"),
        (altered(visit_order=torch.zeros_like(GEOMETRY.visit_order)), "visit_order"),
        (altered(theta=GEOMETRY.theta[:-1]), "theta"),
        (altered(weight=GEOMETRY.weight[:, None]), "weight"),
        (altered(area=GEOMETRY.area.double()), "area"),
        (altered(r=None), "lacks r"),
    ],
)
def test_what_would_lead_out_of_the_tensors_is_refused(tmp_path, geometry, said):
    save_geometry(geometry, tmp_path / "a")
    with pytest.raises(ValueError, match=said):
        load_geometry(tmp_path / "a")


def test_a_file_of_another_key_or_version_is_refused(tmp_path):
    from gaugenet.meshes import geometry_file

    save_geometry(GEOMETRY, tmp_path / "a", "one")
    same(load_geometry(tmp_path / "a"), GEOMETRY)
    with pytest.raises(ValueError, match="another mesh"):
        load_geometry(tmp_path / "a", "two")
    fields = geometry_file._FIELDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry_file, "_FIELDS", {n: f for n, f in fields.items() if n != "rotation_order"})
        with pytest.raises(ValueError, match="has rotation_order"):
            load_geometry(tmp_path / "a")


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    with monkeypatch.context() as m:
        m.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no space"):
            save_geometry(GEOMETRY, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []
