"""`gaugenet profile`: the gate before the figures, what is written, what is compared; and the peer that figures are
ratios to."""

import json
import math
import sys

import pytest
import torch

from gaugenet.cli import run
from gaugenet.kernels import _cpu
from gaugenet.kernels._cards_cases import LAUNCHES
from gaugenet.profiling.edge_first import EdgeFirst
from gaugenet.profiling.gate import PEER, all_passes, gate, relative_error, runs
from gaugenet.profiling.machine import Peaks
from gaugenet.profiling.problem import OperatorProblem, banded_edges
from gaugenet.profiling.report import compare, profile_problem
from gaugenet.profiling.static_cards import static_cards
from gaugenet.profiling.timing import PASSES, Times, peak_memory

TINY = ["profile", "--vertices", "60", "--width", "2", "--frequency", "1", "--neighbors", "6", "--repeats", "2"]
IN = [(0, 0, 1, 3), (1, 0, 2, 4), (0, 1, 1, 2), (2, 0, 2, 1)]
OUT = [(2, 0, 2, 2), (0, 1, 1, 3), (1, 0, 2, 1), (0, 0, 1, 2)]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch, tmp_path):
    monkeypatch.setenv("GAUGENET_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_problem(geometry=("alpha", "flip", "beta", "post_flip"), n_scalars=3, dtype=torch.float64, n=40):
    edges = banded_edges(n, 5, n_scalars, geometry)
    return OperatorProblem.random("small", edges, IN, OUT, dtype)


@pytest.fixture
def broken_cpu(monkeypatch):
    """The CPU kernel with one number in a thousandth wrong."""
    right = _cpu.conv

    def wrong(*args):
        out = right(*args)
        out[0, 0] += 1e-3 * out.abs().max()
        return out

    monkeypatch.setattr(_cpu, "conv", wrong)


def test_profile_prints_and_writes_what_it_found(tmp_path, capsys):
    assert run([*TINY, "--json", str(tmp_path / "a.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.index("grad W") < printed.index("dispatch") < printed.index("registers")
    assert "no GPU" in printed
    assert "…" not in printed
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["format"] == "gaugenet-profile"
    assert written["passed"] is True
    assert written["machine"]["gpu"] is None
    assert written["missing"]
    (problem,) = written["problems"]
    assert (problem["n_target"], problem["c_in"], problem["c_out"], problem["n_scalars"]) == (60, 6, 6, 3)
    assert problem["n_edges"] == 360
    names = {check["implementation"] for check in problem["gate"]}
    assert {"cpu", "reference", PEER} <= names
    assert {(row["pass"], row["implementation"]) for row in problem["passes"]} == {
        (p, n) for p in PASSES for n in names
    }
    for row in problem["passes"]:
        assert 0 < row["p20"] <= row["ms"] <= row["p80"]
        assert math.isclose(row["gb_per_s"], row["bytes"] / row["ms"] / 1e6)
        assert math.isclose(row["tflop_per_s"], row["flops"] / row["ms"] / 1e9)
        assert row["bound"] in ("memory", "compute")
    assert {card["target"] for card in problem["cards"]} >= {"sm_80", "sm_90"}


def test_a_wrong_kernel_fails_and_nothing_is_timed(tmp_path, capsys, broken_cpu):
    assert run([*TINY, "--json", str(tmp_path / "a.json")]) == 1
    printed = capsys.readouterr().out
    assert "FAIL" in printed
    assert "p20" not in printed
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["passed"] is False
    assert written["problems"][0]["passes"] == []
    verdicts = {check["implementation"]: check["passed"] for check in written["problems"][0]["gate"]}
    assert verdicts == {**dict.fromkeys(verdicts, True), "cpu": False}


def test_a_kernel_that_is_wrong_in_one_layer_keeps_the_others_untimed(tmp_path, capsys, monkeypatch):
    from gaugenet.cli import profile

    problems = [small_problem(dtype=torch.float32), small_problem(n=50, dtype=torch.float32)]
    monkeypatch.setattr(profile, "_problems", lambda *_: problems)
    right = _cpu.conv

    def wrong(*args):
        out = right(*args)
        return out * 1.001 if len(out) == 50 else out

    monkeypatch.setattr(_cpu, "conv", wrong)
    assert run([*TINY, "--json", str(tmp_path / "a.json")]) == 1
    assert "forward (" not in capsys.readouterr().out
    written = json.loads((tmp_path / "a.json").read_text())
    assert [(p["passed"], p["passes"]) for p in written["problems"]] == [(True, []), (False, [])]


@pytest.mark.parametrize("step", [0, 1, 2], ids=["forward", "grad x", "grad W"])
def test_the_gate_looks_at_every_pass(step):
    problem = small_problem()
    candidates, _ = runs(problem)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            out = EdgeFirst(problem)(x, weight)
            return out * (1 + 1e-6) if step == 0 else out

        @staticmethod
        def backward(ctx, grad):
            x, weight = (t.detach().requires_grad_() for t in ctx.saved_tensors)
            with torch.enable_grad():
                found = list(torch.autograd.grad(EdgeFirst(problem)(x, weight), (x, weight), grad))
            if step:
                found[step - 1] = found[step - 1] * (1 + 1e-6)
            return tuple(found)

    checks = gate(problem, {**candidates, "wrong": Wrong.apply})
    assert [c.implementation for c in checks if not c.passed] == ["wrong"]


def test_what_raises_or_gives_nan_fails_the_gate():
    problem = small_problem()

    def raises(x, weight):
        raise RuntimeError("out of registers")

    def nan(x, weight):
        return EdgeFirst(problem)(x, weight) * float("nan")

    raised, poisoned = gate(problem, {"raises": raises, "nan": nan})
    assert not raised.passed
    assert "out of registers" in raised.error
    assert not poisoned.passed
    json.dumps(poisoned.to_json(), allow_nan=False)


@pytest.mark.parametrize("n_scalars", [1, 3, 7])
@pytest.mark.parametrize(
    "geometry", [(), ("alpha",), ("alpha", "beta"), ("flip",), ("alpha", "flip", "beta", "post_flip")]
)
def test_the_peer_is_the_operator(geometry, n_scalars):
    problem = small_problem(geometry, n_scalars)
    expected = all_passes(runs(problem)[0]["reference"], problem)
    for found, right in zip(all_passes(EdgeFirst(problem), problem), expected):
        assert relative_error(found, right) < 1e-13


def test_a_sample_of_targets_has_the_gradients_of_the_whole():
    problem = small_problem(n=200)
    part, rows = problem.sampled(100)
    assert 0 < part.edges.n_edges < problem.edges.n_edges
    reference = runs(problem)[0]["reference"]
    out, *_ = all_passes(reference, problem)
    grad = torch.zeros_like(problem.grad)
    grad[rows] = problem.grad[rows]
    x, weight = problem.x.requires_grad_(), problem.weight.requires_grad_()
    to_x, to_weight = torch.autograd.grad(reference(x, weight), (x, weight), grad)
    for found, right in zip(all_passes(runs(part)[0]["reference"], part), (out[rows], to_x, to_weight)):
        assert relative_error(found, right) < 1e-13


def test_figures_are_what_the_roofs_say():
    problem = small_problem(dtype=torch.float32)
    figures = profile_problem(problem, Peaks(1e9, 1e30), repeats=2)
    assert {row["bound"] for row in figures["passes"]} == {"memory"}
    assert all(math.isclose(row["roof_ms"], row["bytes"] / 1e6) for row in figures["passes"])
    assert all(math.isclose(row["percent_of_roof"], row["percent_of_bandwidth"]) for row in figures["passes"])


def test_a_recorded_launch_finds_its_own_card():
    launch = next(one for one in LAUNCHES if one.name == "aligned, M2 B3 C32, fp32")
    edges = banded_edges(50, launch.degree, launch.n_scalars)
    problem = OperatorProblem.random("", edges, launch.in_blocks, launch.out_blocks)
    assert round(problem.degree) == launch.degree
    cards = static_cards(problem)
    assert {(card["launch"], card["exact"]) for card in cards if card["pass"] == "forward"} == {(launch.name, True)}
    transposed = [card for card in cards if card["pass"] == "backward"]
    assert transposed
    assert all("reversed" in card["launch"] for card in transposed)


def test_a_launch_that_is_not_recorded_is_compiled_where_asked(tmp_path, capsys, monkeypatch):
    pytest.importorskip("triton")
    from gaugenet.kernels import cards
    from gaugenet.profiling import static_cards as module

    asked = []
    real = cards.compile_card
    monkeypatch.setattr(module, "TARGETS", ["sm_90"])
    monkeypatch.setattr(cards, "compile_card", lambda *launch: asked.append(launch) or real(*launch))
    assert run([*TINY, "--cards", "exact", "--json", str(tmp_path / "a.json")]) == 0
    found = json.loads((tmp_path / "a.json").read_text())["problems"][0]["cards"]
    assert [(card["pass"], card["target"], card["exact"]) for card in found] == [
        ("forward", "sm_90", True),
        ("backward", "sm_90", True),
    ]
    assert all(card["spills"] == 0 and card["registers"] > 0 for card in found)
    assert [launch.reverse for launch, _ in asked] == [False, True]
    assert asked[1][0].geometry == frozenset(module._TRANSPOSED[name] for name in asked[0][0].geometry)
    assert "~" not in capsys.readouterr().out


def test_times_are_quantiles():
    assert Times.of([5.0, 1.0, 2.0, 3.0, 4.0, 6.0]) == (3.5, 2.0, 5.0)
    assert Times.of([7.0]) == (7.0, 7.0, 7.0)


def test_memory_is_the_most_held_at_a_time():
    def call():
        for _ in range(5):
            torch.ones(2**18)

    held = peak_memory(call, torch.device("cpu"))
    assert held is not None
    assert 2**20 <= held < 2 * 2**20


def test_compare(tmp_path, capsys):
    assert run([*TINY, "--json", str(tmp_path / "old.json")]) == 0
    old = json.loads((tmp_path / "old.json").read_text())
    new = json.loads((tmp_path / "old.json").read_text())
    for row in new["problems"][0]["passes"]:
        row["ms"] /= 2
    new["machine"]["torch"] = "9.9"
    lines, notes = compare(old, new)
    assert len(lines) == len(old["problems"][0]["passes"])
    assert all(math.isclose(line["times_faster"], 2) for line in lines)
    assert notes == [f"torch: {old['machine']['torch']} → 9.9"]
    capsys.readouterr()
    assert run([*TINY, "--compare", str(tmp_path / "old.json")]) == 0
    assert "× faster" in capsys.readouterr().out
    (tmp_path / "bad.json").write_text('{"a": 1}')
    assert run([*TINY, "--compare", str(tmp_path / "bad.json")]) == 2
    assert "expected a report" in capsys.readouterr().err


def test_every_layer_of_a_network_on_a_mesh(tmp_path, capsys):
    from gaugenet.checkpoint import Checkpoint
    from gaugenet.config import Config
    from gaugenet.meshes.io import save_ply
    from gaugenet.meshes.shapes import sphere
    from gaugenet.training import build_model

    config = Config().override(["model.width=2", "model.blocks=2", "data.neighbors=6", "model.group=O(2)"])
    weights = build_model(config, 4, 3).state_dict()
    model = tmp_path / "model.safetensors"
    Checkpoint(weights, config, ("a", "b", "c"), (0, 1, 2), "vertex", 4, 1).save(model)
    mesh = sphere(subdivisions=1).mesh
    save_ply(tmp_path / "ball.ply", mesh.vertices, mesh.faces)
    arguments = ["--mesh", str(tmp_path / "ball.ply"), "--model", str(model), "--json", str(tmp_path / "a.json")]
    assert run(["profile", *arguments, "--repeats", "2"]) == 0
    problems = json.loads((tmp_path / "a.json").read_text())["problems"]
    assert [p["n_target"] for p in problems] == [42, 42]
    assert all(p["name"] in capsys.readouterr().out for p in problems[:1])
    assert len({p["name"] for p in problems}) == 2


def test_trace_and_picture(tmp_path):
    pytest.importorskip("matplotlib")
    trace, picture = tmp_path / "trace", tmp_path / "roof.png"
    assert run([*TINY, "--trace", str(trace), "--roofline", str(picture)]) == 0
    events = json.loads((trace / "cpu.json").read_text())["traceEvents"]
    assert any(event.get("name") == "gaugenet::transport_conv" for event in events)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_proton_says_where_it_cannot_run_and_writes_where_it_can(tmp_path, capsys, monkeypatch):
    from contextlib import nullcontext
    from types import ModuleType

    from gaugenet.profiling import export

    assert run([*TINY, "--proton", str(tmp_path / "deep" / "kernels")]) == 0
    assert "proton       proton records the kernels of a GPU" in capsys.readouterr().out
    assert list(tmp_path.glob("deep*")) == []
    # as on a GPU, with a proton that writes down what it is asked
    problem = small_problem()
    monkeypatch.setattr(type(problem), "device", property(lambda self: torch.device("cuda")))
    monkeypatch.setattr(export, "synchronize", lambda device: None)
    monkeypatch.setattr(export, "runs", lambda problem: ({PEER: EdgeFirst(problem)}, {}))
    calls = []
    proton = ModuleType("triton.profiler")
    proton.start = lambda name, hook: calls.append((name, hook)) or 7
    proton.scope = lambda name: calls.append(name) or nullcontext()
    proton.finalize = calls.append
    for name, module in (("triton", ModuleType("triton")), ("triton.profiler", proton)):
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["triton"].profiler = proton
    written = export.write_proton(tmp_path / "deep" / "kernels.hatchet", problem)
    assert written == tmp_path / "deep" / "kernels.hatchet"
    assert calls == [(str(tmp_path / "deep" / "kernels"), "triton"), *(f"{PEER}: {p}" for p in PASSES), 7]

    def refuses(name, hook):
        raise RuntimeError("0 active drivers")

    proton.start = refuses
    with pytest.raises(RuntimeError, match="does not start here"):
        export.write_proton(tmp_path / "x", problem)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cards", "none"], "recorded or exact"),
        (["--dtype", "int8"], "float32"),
        (["--device", "tpu"], "cuda"),
        (["--width", "0"], "at least 1"),
        (["--mesh", "nowhere.obj"], "nowhere.obj"),
    ],
)
def test_mistakes_are_said_in_one_line(arguments, said, capsys):
    assert run(["profile", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("group", ["trivial", "reflection", "C6", "D4", "O(2)"])
def test_every_group_has_a_surface(group):
    assert run([*TINY, "--group", group]) == 0


def test_kernels_side_needs_no_command_line():
    import subprocess

    code = (
        "import sys; import gaugenet.profiling.report, gaugenet.profiling.layers; "
        "print(*{'trimesh', 'typer', 'rich', 'skimage', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
