import dataclasses
import logging
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from gaugenet.meshes import cache as cache_module
from gaugenet.meshes import shapes
from gaugenet.meshes.cache import GeometryCache, default_folder, geometry_key
from gaugenet.meshes.geometry_file import save_geometry
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
    with monkeypatch.context() as m:
        m.setattr(cache_module, "code_version", lambda module: "another")
        cache.get(MESH)
    assert cache.hits == 0
    # names and thread counts do not matter
    cache.get(dataclasses.replace(MESH, name="another"), threads=1)
    # nor does it whether a default is written out
    cache.get(MESH, Nearest(24), mode="smooth", dtype=torch.float32, handedness=None)
    assert cache.hits == 2


def test_every_parameter_of_the_computation_is_part_of_the_key(monkeypatch):
    def compute(mesh, neighborhood=None, *, mode="smooth", invented=1, threads=None):
        raise AssertionError

    compute.__module__ = compute_geometry.__module__
    monkeypatch.setattr(cache_module, "compute_geometry", compute)
    keys = [geometry_key(MESH, Nearest(8), **p) for p in ({}, {"invented": 1}, {"invented": 2}, {"threads": 3})]
    assert keys[0] == keys[1] == keys[3] != keys[2]
    with pytest.raises(TypeError, match="unknown"):
        geometry_key(MESH, Nearest(8), unknown=1)
    with pytest.raises(TypeError, match="no place in the name"):
        geometry_key(MESH, Nearest(8), invented=object())


def flip_last(content):
    return content[:-7] + bytes([content[-7] ^ 4]) + content[-6:]


def flip_header(content):
    at = content.index(b'"theta"') + 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def flip_length(content):
    return content[:2] + bytes([content[2] ^ 128]) + content[3:]


def other_tensor(content):
    from safetensors.torch import save

    return save({"x": torch.zeros(3)})


def stored(mesh, neighborhood, **parameters):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        geometry = compute_geometry(mesh, neighborhood, **parameters)
        save_geometry(geometry, path, geometry_key(mesh, neighborhood, **parameters))
        return path.read_bytes()


DAMAGE = {
    "byte of the body": flip_last,
    "byte of the header": flip_header,
    "length of the header": flip_length,
    "cut in the body": lambda content: content[:-300],
    "cut in the header": lambda content: content[:50],
    "longer": lambda content: content + b"more",
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "another file": other_tensor,
    "another mesh": lambda content: stored(shapes.flat_torus(8, 8).mesh, Nearest(8)),
    "same shapes, other parameters": lambda content: stored(MESH, Nearest(8), mode="polyhedral"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entries_are_reported_and_computed_anew(tmp_path, caplog, damage):
    cache = GeometryCache(tmp_path)
    good = cache.get(MESH, Nearest(8))
    (entry,) = tmp_path.iterdir()
    content = entry.read_bytes()
    entry.write_bytes(DAMAGE[damage](content))
    assert entry.read_bytes() != content
    with caplog.at_level(logging.WARNING):
        same(cache.get(MESH, Nearest(8)), good)
    assert (cache.hits, cache.misses) == (0, 2)
    assert len(cache.notices) == 1
    assert entry.name in cache.notices[0]
    assert cache.notices[0] in caplog.text
    same(cache.get(MESH, Nearest(8)), good)
    assert cache.hits == 1
    assert entry.read_bytes() == content


def test_a_folder_in_the_place_of_an_entry_costs_notices_only(tmp_path):
    cache = GeometryCache(tmp_path)
    good = cache.get(MESH, Nearest(8))
    (entry,) = tmp_path.iterdir()
    entry.unlink()
    (entry / "deep").mkdir(parents=True)
    same(cache.get(MESH, Nearest(8)), good)
    assert len(cache.notices) == 2
    assert "cannot be used" in cache.notices[0]
    assert "could not be kept" in cache.notices[1]
    assert [p.name for p in tmp_path.iterdir()] == [entry.name]


@contextmanager
def powerless():
    """As somebody whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions as on Unix")
def test_what_may_not_be_read_or_written_costs_notices_only():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        cache = GeometryCache(folder)
        good = cache.get(MESH, Nearest(8))
        (entry,) = folder.iterdir()
        for file_mode, folder_mode, said in (
            (0o000, 0o755, ["cannot be used", "could not be kept"]),
            (0o644, 0o000, ["cannot be used", "could not be kept"]),
            (0o644, 0o755, []),
        ):
            entry.chmod(file_mode)
            folder.chmod(folder_mode)
            cache.notices.clear()
            with powerless():
                same(cache.get(MESH, Nearest(8)), good)
            assert len(cache.notices) == len(said)
            assert all(part in notice for part, notice in zip(said, cache.notices))
        folder.chmod(0o777)
        entry.chmod(0o000)
        with powerless():  # unreadable, but it may be replaced
            same(cache.get(MESH, Nearest(8)), good)
            same(cache.get(MESH, Nearest(8)), good)


def test_folder_that_cannot_be_written_costs_a_notice_only(tmp_path):
    (tmp_path / "file").write_text("")
    cache = GeometryCache(tmp_path / "file" / "folder")
    same(cache.get(MESH, Nearest(8)), compute_geometry(MESH, Nearest(8)))
    assert "could not be kept" in cache.notices[0]


def _get_often(folder):
    cache = GeometryCache(folder)
    total = 0.0
    for _ in range(15):
        total += float(cache.get(MESH, Nearest(3)).r.sum())
        for entry in Path(folder).glob("*.safetensors"):
            entry.unlink(missing_ok=True)  # so that all compute, write and read the same entry at once
    cache.get(MESH, Nearest(3))
    return total, cache.notices


def test_processes_may_write_the_same_entry_at_once(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(_get_often, [tmp_path] * 2))
    assert all(r == (results[0][0], []) for r in results)
    assert len(list(tmp_path.iterdir())) == 1
    cache = GeometryCache(tmp_path)
    same(cache.get(MESH, Nearest(3)), compute_geometry(MESH, Nearest(3)))
    assert (cache.hits, cache.notices) == (1, [])


def test_default_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("GAUGENET_CACHE", "/somewhere/else")
    assert GeometryCache().folder == Path("/somewhere/else")
    monkeypatch.delenv("GAUGENET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_folder() == Path("/cache/gaugenet")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "gaugenet"
