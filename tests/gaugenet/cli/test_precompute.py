"""``gaugenet precompute``: all meshes of a folder, on several cores, whatever happens meanwhile."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from gaugenet.cli import console, precompute, run
from gaugenet.data import dataset, parallel
from gaugenet.data.articulated import ArticulatedDataset

OPTIONS = ["--set", "data.neighbors=8", "--set", "data.features=hks8+curvature+chirality"]
COUNT = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten creatures, one below another folder."""
    place = tmp_path_factory.mktemp("creatures")
    (place / "deep").mkdir()
    for i, surface in enumerate(ArticulatedDataset(n_train=COUNT, n_vertices=700).meshes("train")):
        np.savez(place / ("deep" if i == 3 else "") / f"c{i}.npz", v=surface.mesh.vertices, f=surface.mesh.faces)
    return place


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """What an undisturbed run of one process writes."""
    cache = tmp_path_factory.mktemp("expected")
    assert run(["precompute", str(folder), *OPTIONS, "--set", f"data.cache={cache}", "--workers", "1"]) == 0
    return contents(cache)


def contents(cache):
    return {str(p.relative_to(cache)): p.read_bytes() for p in cache.rglob("*") if p.is_file()}


def test_helpers_write_the_same_bytes(folder, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    monkeypatch.setattr(parallel, "HELPER_SECONDS", 1e-9)
    helped, own = [], []

    def slow_here(here, *others):
        def wait(*item):
            own.append(item)
            until = time.monotonic() + 60.0  # a helper starts late on a busy machine
            while not helped and len(contents(tmp_path).keys() & expected.keys()) <= 2 * (len(own) - 1):
                if time.monotonic() > until:
                    break
                time.sleep(0.1)
            return here(*item)

        for done in parallel.shared_work(wait, *others):
            helped.extend([done.place] if done.there is not None else [])
            yield done

    monkeypatch.setattr(precompute, "shared_work", slow_here)
    assert len(expected) == 2 * COUNT
    assert run(["precompute", str(folder), *OPTIONS, "--set", f"data.cache={tmp_path}", "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert f"precompute: {COUNT}/{COUNT}" in out
    assert "(0 were in it)" in out
    assert helped
    assert contents(tmp_path) == expected


SLOW = """
import sys, time
import gaugenet.cli.precompute as command
prepare = command._prepare
def slow(*args):
    result = prepare(*args)
    print("written", flush=True)
    time.sleep(0.3)
    return result
command._prepare = slow
from gaugenet.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_a_killed_run_goes_on_where_it_stopped(folder, expected, tmp_path, capsys):
    arguments = ["precompute", str(folder), *OPTIONS, "--set", f"data.cache={tmp_path}", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SLOW, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        written = 0
        while written < 3:
            written += process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    half = contents(tmp_path)
    assert 2 * 3 <= len(half) < 2 * COUNT
    # and one that was killed while it wrote
    (tmp_path / ".x.safetensors.0.part").write_bytes(b"half")
    (tmp_path / "features" / ".y.safetensors.1.part").write_bytes(b"half")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    assert run(arguments) == 0
    assert f"({len([n for n in half if os.sep not in n])} were in it)" in capsys.readouterr().out
    assert contents(tmp_path) == expected
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_a_run_killed_at_any_time_leaves_nothing_wrong(folder, expected, tmp_path):
    arguments = ["precompute", str(folder), *OPTIONS, "--set", f"data.cache={tmp_path}", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "gaugenet", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.glob("*.safetensors")):
            time.sleep(0.002)
        time.sleep(0.05)
        process.kill()
    assert all(expected[name] == content for name, content in contents(tmp_path).items() if ".part" not in name)
    assert run(arguments) == 0
    assert contents(tmp_path) == expected


def test_a_flipped_byte_is_noticed_and_mended(folder, expected, tmp_path, capsys):
    arguments = ["precompute", str(folder), *OPTIONS, "--set", f"data.cache={tmp_path}", "--workers", "1"]
    for name, content in expected.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    damaged = sorted(expected)[1], max(expected)  # one of the geometries, one of the features
    assert damaged[1].startswith("features")
    for name in damaged:
        content = expected[name]
        middle = len(content) // 2
        (tmp_path / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert f"({COUNT - 1} were in it)" in out
    for name in damaged:
        assert re.search(rf"{name.rpartition(os.sep)[2]} cannot be used .*checksum", out)
    assert contents(tmp_path) == expected


def test_bad_meshes_stop_none_of_the_others(folder, expected, tmp_path, capsys):
    place = tmp_path / "meshes"
    shutil.copytree(folder, place)
    (place / "a.ply").write_text("not a mesh\n")
    (place / "deep" / "z.obj").write_text("v 0 0 0\nv 1 0 0\n")
    cache = tmp_path / "cache"
    assert run(["precompute", str(place), *OPTIONS, "--set", f"data.cache={cache}", "--workers", "1"]) == 2
    out, err = capsys.readouterr()
    assert err == (f"gaugenet: error: 2 of {COUNT + 2} meshes were refused (named above); the others are done\n")
    for name in ("a.ply", "z.obj"):
        (line,) = [line for line in out.splitlines() if line.startswith("refused") and name in line]
        assert line.count(name) == 1
    assert contents(cache) == expected


def test_progress_is_told_within_a_large_mesh_of_several(folder, tmp_path, monkeypatch, capsys):
    for name in ("c0.npz", "c1.npz"):
        shutil.copy(folder / name, tmp_path)
    arguments = ["precompute", str(tmp_path), *OPTIONS, "--workers", "1", "--set"]
    assert run([*arguments, f"data.cache={tmp_path / 'quiet'}"]) == 0
    assert "%" not in capsys.readouterr().out
    monkeypatch.setattr(dataset, "LARGE", 600)
    monkeypatch.setattr(console, "_SILENCE", 0.0)
    assert run([*arguments, f"data.cache={tmp_path / 'loud'}"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"precompute: 0/2, c0.npz \d+ %", out)
    assert "precompute: 1/2, c1.npz features" in out
    assert contents(tmp_path / "quiet") == contents(tmp_path / "loud")


def test_a_number_of_workers_below_zero_is_refused(folder, capsys):
    assert run(["precompute", str(folder), "--workers", "-1"]) == 2
    assert "--workers" in capsys.readouterr().err
