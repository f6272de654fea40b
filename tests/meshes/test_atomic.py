from concurrent.futures import ThreadPoolExecutor

import pytest

from gaugenet.meshes.atomic import write_atomically


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
