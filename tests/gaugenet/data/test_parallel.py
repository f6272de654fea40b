"""Work on all cores: everything comes back once, errors stay with their items, and helpers may die."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gaugenet.data import parallel
from gaugenet.data.parallel import HelperError, shared_work


@pytest.fixture
def eager(monkeypatch):
    """Helpers are started as soon as anything is left."""
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    monkeypatch.setattr(parallel, "HELPER_SECONDS", 1e-9)


def here(item, threads):
    time.sleep(0.05)
    if item == "bad here":
        raise ValueError("refused here")
    return ("here", item, threads)


def there(item, threads):
    if item == 10:
        raise ValueError("refused there")
    if item == 11:
        raise KeyError("ours")
    if item == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return ("there", item, os.getpid() == 0)


def test_little_work_is_done_here():
    done = list(shared_work(here, there, iter(["a", "bad here", "c"]), 3, 4))
    assert [(d.place, d.item, d.here, d.there) for d in done] == [
        (0, "a", ("here", "a", 4), None),
        (1, "bad here", None, None),
        (2, "c", ("here", "c", 4), None),
    ]
    assert str(done[1].error) == "refused here"
    assert list(shared_work(here, there, [], 0, 4)) == []


def slowly_here(item, threads):
    # so slow that helpers do nearly all
    time.sleep(0.05 if item < 2 else 2.5)
    return ("here", item, threads)


def test_much_work_is_shared_and_errors_stay_with_their_items(eager):
    done = {d.place: d for d in shared_work(slowly_here, there, range(24), 24, 2)}
    assert sorted(done) == list(range(24))
    assert all(d.item == i for i, d in done.items())
    assert done[0].here == ("here", 0, 2)
    shared = [i for i, d in done.items() if d.there is not None]
    assert len(shared) >= 10
    for i in range(2, 24):
        d = done[i]
        if d.here is not None:
            assert d.here == ("here", i, 1)  # one thread where all cores work
        elif i == 10:
            assert type(d.error) is ValueError
            assert str(d.error) == "refused there"
        elif i == 11:
            assert isinstance(d.error, HelperError)
            assert "KeyError" in str(d.error)
        elif i == 12:
            # the helper is gone; the others are done by the next one
            assert isinstance(d.error, HelperError)
            assert "ended" in str(d.error)
        else:
            assert d.there == ("there", i, False)
    assert not [t for t in threading.enumerate() if "drive" in t.name]


def test_an_error_of_the_producer_reaches_the_caller(eager):
    def items():
        yield from range(4)
        raise ValueError("this file is no mesh")

    with pytest.raises(ValueError, match="no mesh"):
        list(shared_work(slowly_here, there, items(), 8, 2))


def test_fewer_items_than_announced_end_it(eager):
    assert len(list(shared_work(here, there, range(4), 9, 2))) == 4


HELPED = """
import signal
from gaugenet.data import parallel
from tests_parallel_work import wait
parallel._WORTH, parallel.HELPER_SECONDS = 0.0, 1e-9
if __name__ == "__main__":
    # a shell starts what it runs in the background with interruptions ignored, and so all that comes from it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for done in parallel.shared_work(wait, wait, range(9), 9, 2):
        print(done.here or done.there, flush=True)
"""
WORK = """
import os, time
def wait(item, threads):
    time.sleep(0.01 if item < 2 else 3 if item > 3 else 1)
    return os.getpid()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_helpers_end_with_the_process_that_started_them(tmp_path, how):
    (tmp_path / "main.py").write_text(HELPED)
    (tmp_path / "tests_parallel_work.py").write_text(WORK)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, str(tmp_path / "main.py")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as main:
        pids = set()
        while len(pids) < 2:
            pids.add(int(main.stdout.readline()))
        if how == signal.SIGINT:
            os.killpg(main.pid, how)  # as a terminal does
        else:
            main.send_signal(how)
        main.wait(timeout=20)
        # the interruption is one of the main process only
        assert main.stderr.read().count("Traceback") == (how == signal.SIGINT)
    (helper,) = pids - {main.pid}
    for _ in range(200):
        if not alive(helper):
            break
        time.sleep(0.1)
    assert not alive(helper)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a process that nobody has asked about is not alive
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())
