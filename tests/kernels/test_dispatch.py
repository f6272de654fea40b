import pytest
import torch

from gaugenet.kernels import dispatch


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    dispatch._operator.cache_clear()
    yield
    dispatch._operator.cache_clear()


def test_first_choice():
    chosen, why = dispatch.choose("cpu", torch.float32)
    assert (chosen.name, why) == ("cpu", "first choice")
    assert dispatch.explain(torch.zeros(1)).startswith("operator: cpu (")


def test_forced_by_argument_and_by_variable(monkeypatch):
    assert dispatch.choose("cpu", torch.float32, "reference")[0].name == "reference"
    monkeypatch.setenv(dispatch.VARIABLE, "reference")
    chosen, why = dispatch.choose("cpu", torch.float32)
    assert chosen.name == "reference"
    assert why == "forced by GAUGENET_OPERATOR=reference"
    assert dispatch.choose("cpu", torch.float32, "cpu")[0].name == "cpu"


def test_unknown_name_lists_all():
    with pytest.raises(ValueError, match=r"'fast' is no implementation.* cpu \(can run\), reference \(can run\)"):
        dispatch.choose("cpu", torch.float32, "fast")


def test_impossible_choice_says_why():
    with pytest.raises(ValueError, match=r"'cpu' cannot run here; cpu \(the tensors are on cuda\)"):
        dispatch.choose("cuda", torch.float32, "cpu")
    with pytest.raises(ValueError, match=r"it has no torch\.complex64"):
        dispatch.choose("cpu", torch.complex64, "cpu")


def test_other_device_falls_to_the_reference_and_says_so():
    chosen, why = dispatch.choose("cuda", torch.float32)
    assert chosen.name == "reference"
    assert why == "not cpu: the tensors are on cuda"


def test_no_numba_is_not_silent(monkeypatch):
    monkeypatch.setattr(dispatch, "_numba_problem", lambda: "numba does not import (ImportError: no)")
    assert "not cpu: numba does not import" in dispatch.explain(torch.zeros(1))
    with pytest.warns(RuntimeWarning, match="slow reference: not cpu: numba does not import"):
        dispatch.operator(torch.zeros(1))


def test_switched_off_compiler_is_noticed(monkeypatch):
    import numba

    dispatch._numba_problem.cache_clear()
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert "NUMBA_DISABLE_JIT" in (dispatch._numba_problem() or "")
    dispatch._numba_problem.cache_clear()
