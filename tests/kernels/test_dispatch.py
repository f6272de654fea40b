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
    with pytest.raises(ValueError, match=r"'fast' is no implementation.* cpu \(can run\), .*reference \(can run\)"):
        dispatch.choose("cpu", torch.float32, "fast")


def test_impossible_choice_says_why():
    with pytest.raises(ValueError, match=r"'cpu' cannot run here; cpu \(the tensors are on cuda\)"):
        dispatch.choose("cuda", torch.float32, "cpu")
    with pytest.raises(ValueError, match=r"it has no torch\.complex64"):
        dispatch.choose("cpu", torch.complex64, "cpu")


def test_without_triton_another_device_falls_to_the_reference_and_says_so(monkeypatch):
    monkeypatch.setattr(dispatch, "_triton_problem", lambda: "Triton does not import (ImportError: no)")
    chosen, why = dispatch.choose("cuda", torch.float32)
    assert chosen.name == "reference"
    assert why == "not cpu: the tensors are on cuda; not triton: Triton does not import (ImportError: no)"


def test_triton_is_for_cuda_and_for_its_interpreter(monkeypatch):
    monkeypatch.setattr(dispatch, "_triton_problem", lambda: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert dispatch.choose("cuda", torch.bfloat16)[0].name == "triton"
    with pytest.raises(ValueError, match=r"triton \(the tensors are on cpu and TRITON_INTERPRET is not 1\)"):
        dispatch.choose("cpu", torch.float32, "triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert dispatch.choose("cpu", torch.float32, "triton")[0].name == "triton"
    assert dispatch.choose("cpu", torch.float32)[0].name == "cpu"


def test_versions_of_triton(monkeypatch):
    import sys
    from types import SimpleNamespace

    for version, expected in (("3.5.1", "Triton 3.5.1 is older than 3.6"), ("3.6.0", None), ("3.10.0+rocm", None)):
        dispatch._triton_problem.cache_clear()
        monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(__version__=version))
        assert dispatch._triton_problem() == expected
    dispatch._triton_problem.cache_clear()


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
