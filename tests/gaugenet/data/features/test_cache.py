"""Features on disk: found again, told apart, and computed anew where a file is damaged."""

import pytest
import torch
import trimesh

from gaugenet.data.features.cache import FeatureCache, content_key
from gaugenet.data.features.spec import FeatureSpec
from gaugenet.meshes.repair import mesh_from_arrays


@pytest.fixture
def mesh():
    ball = trimesh.creation.icosphere(subdivisions=2)
    return mesh_from_arrays(ball.vertices * [1, 2, 3], ball.faces)


@pytest.fixture
def counted(monkeypatch):
    calls = []
    compute = FeatureSpec.compute
    monkeypatch.setattr(FeatureSpec, "compute", lambda self, mesh: calls.append(str(self)) or compute(self, mesh))
    return calls


def test_computed_once(tmp_path, mesh, counted):
    first = FeatureCache(tmp_path / "new").get(mesh, "hks4+gauss")
    again = FeatureCache(tmp_path / "new").get(mesh, "hks4 + gauss")
    assert torch.equal(first, again)
    assert counted == ["hks4+gauss"]
    FeatureCache(tmp_path / "new").get(mesh, "gauss")
    assert counted == ["hks4+gauss", "gauss"]
    assert all(f.suffix == ".safetensors" for f in (tmp_path / "new").iterdir()), "a temporary file was left"


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-3], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"", lambda b: b"x"]
)
def test_a_damaged_file_is_replaced(tmp_path, mesh, counted, damage):
    cache = FeatureCache(tmp_path)
    first = cache.get(mesh, "gauss")
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert torch.equal(cache.get(mesh, "gauss"), first)
    assert len(counted) == 2
    assert file.read_bytes() == good
    assert (cache.hits, cache.misses, len(cache.notices)) == (0, 2, 1)
    assert file.name in cache.notices[0]


def test_features_of_another_surface_or_a_folder_in_their_place_are_not_taken(tmp_path, mesh, counted):
    cache = FeatureCache(tmp_path)
    first = cache.get(mesh, "gauss")
    (file,) = tmp_path.iterdir()
    other = mesh_from_arrays(mesh.vertices * [1, 1, 2], mesh.faces)
    cache.get(other, "gauss")
    (second,) = set(tmp_path.iterdir()) - {file}
    file.write_bytes(second.read_bytes())
    assert torch.equal(cache.get(mesh, "gauss"), first)
    assert "another surface" in cache.notices[0]
    file.unlink()
    file.mkdir()
    assert torch.equal(cache.get(mesh, "gauss"), first)
    assert len(cache.notices) == 3
    assert len(counted) == 4


def test_a_folder_that_cannot_be_written_costs_a_warning_only(tmp_path, mesh, caplog):
    (tmp_path / "file").write_text("")
    values = FeatureCache(tmp_path / "file" / "folder").get(mesh, "gauss")
    assert torch.equal(values, FeatureSpec.parse("gauss").compute(mesh))
    assert "could not be kept" in caplog.text


def test_key_tells_surfaces_and_specifications_apart(mesh):
    ball = trimesh.creation.icosphere(subdivisions=2)
    others = [
        mesh_from_arrays(ball.vertices * [1, 2, 3.0001], ball.faces),
        mesh_from_arrays(ball.vertices * [1, 2, 3], ball.faces[:, ::-1]),
        mesh_from_arrays(ball.vertices * [1, 2, -3], ball.faces),
    ]
    keys = {content_key(m, "gauss") for m in [mesh, *others]} | {content_key(mesh, "hks4")}
    assert len(keys) == 5
    same = mesh_from_arrays(ball.vertices * [1, 2, 3], ball.faces, name="another name")
    assert content_key(same, "gauss") == content_key(mesh, "gauss")
