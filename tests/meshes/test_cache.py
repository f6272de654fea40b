import dataclasses
import logging
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from gaugenet.meshes import cache as cache_module
from gaugenet.meshes import shapes
from gaugenet.meshes.cache import GeometryCache, default_folder, load_geometry, save_geometry
from gaugenet.meshes.neighborhoods import Nearest, Radius
from gaugenet.meshes.precompute import compute_geometry

MESH = shapes.mobius_strip(12, 4).mesh


def same(a, b):
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, torch.Tensor):
            assert torch.equal(x, y), field.name
            assert x.dtype == y.dtype, field.name
    assert a.rotation_order == b.rotation_order


def test_second_time_comes_from_the_folder(tmp_path):
    cache = GeometryCache(tmp_path / "deep" / "folder")
    first, second = cache.get(MESH, Nearest(8)), cache.get(MESH, Nearest(8))
    assert (cache.hits, cache.misses, cache.notices) == (1, 1, [])
    same(first, compute_geometry(MESH, Nearest(8)))
    same(first, second)
    assert [p.suffix for p in (tmp_path / "deep" / "folder").iterdir()] == [".safetensors"]


def test_intrinsic_geometry_keeps_its_group_and_lack_of_frames(tmp_path):
    mesh = shapes.flat_torus(8, 8).mesh
    cache = GeometryCache(tmp_path)
    first, second = cache.get(mesh, Nearest(8)), cache.get(mesh, Nearest(8))
    assert second.frame is None
    assert second.rotation_order == first.rotation_order > 0


def test_whatever_matters_makes_another_entry(tmp_path, monkeypatch):
    cache = GeometryCache(tmp_path)
    n = MESH.n_vertices
    moved = MESH.vertices.copy()
    moved[0, 0] = np.nextafter(moved[0, 0], 9)
    longer = MESH.edge_lengths.copy()
    longer[0, 0] = np.nextafter(longer[0, 0], 9)
    requests = [
        (MESH, {}),
        (MESH, {"neighborhood": Nearest(9)}),
        (MESH, {"neighborhood": Radius(0.5)}),
        (MESH, {"neighborhood": Radius(0.5, unit="edge")}),
        (MESH, {"mode": "polyhedral"}),
        (MESH, {"dtype": torch.float64}),
        (MESH, {"handedness": -np.ones(n, int)}),
        (MESH, {"frame_direction": np.ones((n, 3))}),
        (MESH, {"reference": (-np.ones(n, int), np.zeros(n))}),
        (dataclasses.replace(MESH, vertices=moved), {}),
        (dataclasses.replace(MESH, edge_lengths=longer), {}),
        (dataclasses.replace(MESH, n_vertices=n + 1, vertices=np.vstack([MESH.vertices, MESH.vertices[:1]])), {}),
    ]
    for mesh, options in requests:
        cache.get(mesh, **options)
    assert (cache.hits, cache.misses) == (0, len(requests))
    monkeypatch.setattr(cache_module, "CODE_VERSION", -1)
    cache.get(MESH)
    assert cache.hits == 0
    # names and thread counts do not matter
    cache.get(dataclasses.replace(MESH, name="another"), threads=1)
    assert cache.hits == 1


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "other"])
def test_damaged_entries_are_reported_and_computed_anew(tmp_path, caplog, damage):
    cache = GeometryCache(tmp_path)
    good = cache.get(MESH, Nearest(8))
    (entry,) = tmp_path.iterdir()
    content = bytearray(entry.read_bytes())
    if damage == "bit":
        content[-7] ^= 4
    elif damage == "other":
        from safetensors.torch import save

        content = save({"x": torch.zeros(3)})
    entry.write_bytes(content if damage in ("bit", "other") else content[: 0 if damage == "empty" else 500])
    with caplog.at_level(logging.WARNING):
        same(cache.get(MESH, Nearest(8)), good)
    assert (cache.hits, cache.misses) == (0, 2)
    assert len(cache.notices) == 1
    assert cache.notices[0] in caplog.text
    same(cache.get(MESH, Nearest(8)), good)
    assert cache.hits == 1


def test_folder_that_cannot_be_written_costs_a_notice_only(tmp_path):
    (tmp_path / "file").write_text("")
    cache = GeometryCache(tmp_path / "file" / "folder")
    same(cache.get(MESH, Nearest(8)), compute_geometry(MESH, Nearest(8)))
    assert "could not be kept" in cache.notices[0]


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    geometry = compute_geometry(MESH, Nearest(8))

    def fail(*_):
        raise OSError("no space left")

    with monkeypatch.context() as m:
        m.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no space"):
            save_geometry(geometry, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []
    save_geometry(geometry, tmp_path / "a.safetensors")
    same(load_geometry(tmp_path / "a.safetensors"), geometry)


def _get_often(folder):
    cache = GeometryCache(folder)
    total = sum(float(cache.get(MESH, Nearest(k)).r.sum()) for k in (3, 4, 5) for _ in range(5))
    return total, cache.notices


def test_processes_may_share_a_folder(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        (a, notices_a), (b, notices_b) = pool.map(_get_often, [tmp_path, tmp_path])
    assert a == b
    assert notices_a == notices_b == []
    assert len(list(tmp_path.iterdir())) == 3


def test_default_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("GAUGENET_CACHE", "/somewhere/else")
    assert GeometryCache().folder == Path("/somewhere/else")
    monkeypatch.delenv("GAUGENET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_folder() == Path("/cache/gaugenet")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "gaugenet"
