"""Threads of loops that share their work: every range is done, once, by as many threads as were asked for."""

import os

import numpy as np
import pytest
import torch
from numba import njit

from gaugenet.kernels import _cpu, _team, _threads, _tiles


@njit
def _count(ranges, claimed, done, by):
    me = _tiles.claim(claimed, 0)
    taken = _tiles.claim(claimed, 1)
    while taken < ranges:
        done[taken] += 1
        by[me] += 1
        taken = _tiles.claim(claimed, 1)


@njit(nogil=True)
def _run(parallel, threads, ranges, claimed, done, by):
    _team.team(parallel, threads, _count, (ranges, claimed, done, by))


def counted(threads, ranges=1000):
    claimed, done, by = np.zeros(2, np.int64), np.zeros(ranges, np.int64), np.zeros(threads, np.int64)
    _threads.in_parallel(_run, threads, ranges, claimed, done, by)
    return claimed, done, by


@pytest.fixture(params=["OpenMP", "pool"])
def openmp(request, monkeypatch):
    if request.param == "pool":
        monkeypatch.setattr(_threads, "_openmp", lambda: 0)
    elif not _threads._openmp():
        pytest.skip("torch is not linked to an OpenMP library that offers GOMP_parallel")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_range_is_taken_once(openmp, threads):
    for _ in range(5):
        claimed, done, by = counted(threads)
        assert (done == 1).all()
        assert by.sum() == len(done)
        assert claimed.tolist() == [threads, len(done) + threads]


def test_the_gradients_are_those_of_one_thread(openmp, case, monkeypatch):
    """The operator itself, with so little work that it would take one thread."""
    problem = case("SO(2), one vector wide", [4] * 3000, n_source=2000)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = problem.all("cpu")
        monkeypatch.setattr(_cpu, "_WORTH_A_THREAD", 1)
        torch.set_num_threads(3)
        for found, one in zip(problem.all("cpu"), expected):
            assert torch.equal(found, one)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not():
    counted(2)  # the parent's team exists
    child = os.fork()
    if child == 0:
        _, done, _ = counted(2)
        os._exit(0 if (done == 1).all() else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
