import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gaugenet.meshes.atomic import remove_partial_files, write_atomically


def test_content_permissions_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "plain"]


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, step):
    write_atomically(tmp_path / "a", b"old")

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(step, full_disk)
    with pytest.raises(OSError, match="no space"):
        write_atomically(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_threads_may_write_the_same_file(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda content: write_atomically(tmp_path / "a", content), contents))
    assert (tmp_path / "a").read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


WRITER = """
import os, sys, time
from pathlib import Path
from gaugenet.meshes.atomic import write_atomically
os.fsync = lambda file: (print("writing", flush=True), time.sleep(60))
write_atomically(Path(sys.argv[1]), b"new")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_what_a_killed_writer_leaves_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / ".hidden").write_bytes(b"of the user")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "writing\n"
        remove_partial_files(tmp_path)
        assert len(list(tmp_path.iterdir())) == 3
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert len(list(tmp_path.iterdir())) == 3
    remove_partial_files(tmp_path)
    assert sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir()) == [(".hidden", b"of the user"), ("a", b"old")]
    remove_partial_files(tmp_path / "nowhere")


def test_a_file_removed_before_it_was_locked_is_written_again(tmp_path, monkeypatch):
    from gaugenet.meshes import atomic

    lock, times = atomic._lock, []

    def late(file):
        if not times:
            os.unlink(file.name)
        times.append(1)
        lock(file)

    monkeypatch.setattr(atomic, "_lock", late)
    write_atomically(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"new")]
    assert len(times) == 2
