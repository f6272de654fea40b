"""Cards: what counts as worse, what is stored, and that the stored ones are what Triton makes today."""

import importlib.util
import json
import os

import pytest
import torch

from gaugenet.kernels import cards
from gaugenet.kernels._cards_cases import LAUNCHES, TARGETS, Launch
from gaugenet.kernels._reference import TransportBlock
from gaugenet.kernels._triton_config import table

STORED = sorted(cards.FOLDER.glob("cards-*.json"))
GOOD = {"registers": 100, "spills": 0, "atomics": 0, "loads_128": 2, "stores_128": 30, "tensor": 4}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"registers": 110, "loads_128": 1}, []),
        ({"registers": 111}, ["registers 100 -> 111"]),
        ({"spills": 2}, ["spills 0 -> 2"]),
        ({"loads_128": 0}, ["loads_128 2 -> 0"]),
        ({"tensor": 0, "atomics": 1}, ["atomics 0 -> 1", "tensor 4 -> 0"]),
    ],
)
def test_what_is_worse(change, expected):
    assert cards.differences(GOOD, GOOD | change) == expected


def test_missing_and_new_cards_are_told():
    assert cards.compare({"a": GOOD, "b": GOOD}, {"b": GOOD | {"spills": 1}, "c": GOOD}) == [
        "a: no longer compiled",
        "c: has no stored card",
        "b: spills 0 -> 1",
    ]


def test_instructions_are_read_from_the_disassembly():
    sass = """
        /*0100*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0110*/              @!P0 LDG.E R8, desc[UR4][R6.64] ;
        /*0120*/                   FFMA R9, R4, R8, R9 ;
        /*0130*/              @P1  BRA `(.L_x_1) ;
        /*0140*/                   HFMA2.MMA R1, -RZ, RZ, 0, 0 ;
        /*0150*/                   HMMA.16816.F32 R4, R8, R2, R4 ;
    """
    count = cards.instructions(sass)
    assert count["LDG.E.128"] == count["LDG.E"] == count["FFMA"] == count["BRA"] == 1
    assert cards._sum(count, cards.TENSOR) == 1


@pytest.mark.parametrize(("registers", "expected"), [(64, 0.5), (168, 0.188), (255, 0.125)])
def test_occupancy(registers, expected):
    assert cards.occupancy(registers, 4, 0, "sm_90") == expected


def test_oldest_and_newest_triton_are_stored():
    assert [file.name for file in STORED] == ["cards-3.6.json", "cards-3.9.json"]


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
def test_stored_cards_keep_the_promises(file):
    """Every launch on every target: no spills, no atomics, and wide accesses wherever the columns allow them."""
    stored = json.loads(file.read_text())["cards"]
    version = file.stem.removeprefix("cards-")
    assert set(stored) == {
        f"{launch.kernel(target)} | {launch.name} | {target}"
        for launch in LAUNCHES
        for target in TARGETS
        if launch.exists(target, version)
    }
    # a kernel for which tensor memory does not suffice is compiled to a trap
    assert min(card["instructions"] for card in stored.values()) > 200
    for key, card in stored.items():
        assert card["spills"] == card["atomics"] == 0, key
        if "M2 B3 C32, fp32" in key and "flips" not in key and not key.startswith("fused"):
            assert card["loads_128"] >= 2, key
            assert card["stores_128"] == card["stores"] > 0, key
        if "M2 B3 C12, fp32" in key:  # 60 columns: rows begin where wide accesses can, but no multiple of 16
            assert card["loads_128"] >= 2, key
            assert card["stores_128"] == card["stores"] > 0, key
        if key.startswith(("aggregate_dot", "fused")):
            assert card["tensor"] > 0, key
        if key.startswith("fused | aligned, M2 B3 C32, fp32"):
            assert card["loads_128"] >= 2, key


def test_launches_reach_every_shape():
    for target in TARGETS:
        entries = table("aggregate")
        entry = entries[target if target in entries else "gfx"]
        chosen = set()
        for launch in LAUNCHES:
            if launch.kernel(target) != "aggregate":
                continue
            _, constants, options = launch.arguments(target)
            chosen.add((constants["BLOCK_M"], constants["BLOCK_C"], options["num_warps"]))
        assert chosen == {(s["block_m"], s["block_c"], s["warps"]) for s in entry["shapes"]}


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing")
def test_compiling_today_gives_the_stored_card():
    import triton

    stored = cards.load(triton.__version__)
    if stored is None:
        pytest.skip(f"no cards are stored for Triton {triton.__version__}")
    launch = next(launch for launch in LAUNCHES if launch.name == "aligned, M2 B3 C32, fp32")
    for target in ("sm_90", "gfx942"):
        key = f"{launch.kernel(target)} | {launch.name} | {target}"
        assert cards.differences(stored[key], cards.compile_card(launch, target)) == []


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing")
@pytest.mark.parametrize(("fused", "degree"), [("", 7), ("", 30), ("conv", 7), ("weight_grad", 7)])
def test_kernels_of_one_column_and_one_scalar_compile(fused, degree):
    """Triton makes constants of arguments that are 1, on which it knows less: the interpreter does not notice."""
    one = (TransportBlock(0, 0, 1, 1),)
    geometry = frozenset(("pre", "post"))
    launch = Launch("", torch.float32, one, one, 1, geometry, degree, False, fused=fused, ordered=True)
    compiled = cards.compile_launch(launch, "sm_90")
    for name in ("c_in", "n_scalars", "n_tiles", *(["c_out"] if fused else [])):
        assert f"i32 %{name}" not in compiled.asm["llir"]
        assert f"%{name}: i32" not in compiled.asm["ttir"]


def test_without_triton_the_command_says_so(monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "triton", None)
    assert cards.main(["--check"]) == 2
    assert "kernel cards need Triton" in capsys.readouterr().err
