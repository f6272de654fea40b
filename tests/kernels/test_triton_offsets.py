"""No kernel multiplies in 32 bits what can pass 2³¹: read from Triton's own intermediate code, no GPU needed.

An index that was loaded, or that a program makes of its number, counts rows or edges, of which there are fewer than
2³¹. Times a number of columns it counts numbers, and those may be more.
"""

import importlib.util
import os
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from gaugenet.kernels import cards
from gaugenet.kernels._cards_cases import LAUNCHES

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing"),
]

INDEX, PROGRAM, WIDTH = "a loaded index", "the number of the program", "a number of columns"
INDICES = {"row_ptr", "order_ptr", "source_ptr", "edge_ptr"}
WIDTHS = {"c_in", "c_out", "n_scalars", "packed_size"}

NAMES = (
    "aligned, M1 B2 C16, fp32",
    "aligned with flips, reversed, M2 B3 C32, fp32",
    "aligned, M2 B3 C16, fp32, many edges",
    "aligned with flips, reversed, M2 B3 C32, fp32, many edges",
    "aligned, M2 B3 C5, fp32, conv 1 of 2",
    "aligned, M2 B3 C5, fp32, weight_grad 1 of 2",
)
"""Every kernel, edges in order and through an index."""


def narrow_products(code):
    """Products of 32 bits whose factors count too much, in the words above; what the code's values depend on is
    followed from line to line."""
    found, known, base = [], defaultdict(set), {}
    for name in WIDTHS:
        known[f"%{name}"] = {WIDTH}
    for line in code.splitlines():
        line = re.sub(r"loc\(.*", "", line)
        for inside, outside in re.findall(r"(%[\w.]+) = (%[\w.]+)[,)]", line):  # what a loop carries
            known[inside] |= known[outside]
        match = re.match(r"\s*(%[\w.]+)(?::\d+)? = (.*)", line)
        if match is None:
            continue
        result, rest = match.groups()
        values = re.findall(r"%[\w.]+", rest)
        if "tt.addptr" in rest or "!tt.ptr" in rest:
            base[result] = base.get(values[0], values[0]) if values else ""
        if rest.startswith("tt.load"):
            known[result] = {INDEX} if base.get(values[0], values[0])[1:] in INDICES else set()
        elif rest.startswith("tt.get_program_id"):
            known[result] = {PROGRAM}
        elif rest.startswith("scf.for"):
            variable = re.match(r"scf.for (%[\w.]+) = (%[\w.]+) to (%[\w.]+)", rest)
            known[variable[1]] = known[variable[2]] | known[variable[3]]
            assert not re.search(r"-> \([^)]*\bx?i(32|64)\b", rest), "a loop carries an integer: follow it"
        else:
            factors = [known[value] for value in values]
            known[result] = set().union(*factors)
            if rest.startswith("arith.remsi"):
                known[result] -= {PROGRAM}  # less than its divisor
            if rest.startswith("arith.muli") and "i64" not in rest:
                for one, other in (factors, factors[::-1]):
                    if INDEX in one or (PROGRAM in one and WIDTH in other):
                        found.append(f"{line.strip()}  # {', '.join(sorted(one))}")
    return found


def code_of(name, module=None):
    launch = next(launch for launch in LAUNCHES if launch.name == name)
    return cards.compile_launch(launch, "sm_90", module).asm["ttir"]


@pytest.mark.parametrize("name", NAMES)
def test_offsets_are_wide(name):
    code = code_of(name)
    assert code.count("arith.muli") > 5
    assert narrow_products(code) == []


def test_a_narrow_offset_is_noticed(tmp_path, monkeypatch):
    """The same kernels with every conversion to 64 bits left out."""
    from gaugenet.kernels import _triton_kernels

    source = Path(_triton_kernels.__file__).read_text()
    assert source.count(".to(tl.int64)") >= 5
    file = tmp_path / "narrow_kernels.py"
    file.write_text(source.replace(".to(tl.int64)", ""))
    spec = importlib.util.spec_from_file_location("narrow_kernels", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "narrow_kernels", module)
    spec.loader.exec_module(module)
    # the row of a source, two places each of pre, post and scalars, and the row of the sums
    assert len(narrow_products(code_of(NAMES[0], module))) >= 4
    assert len(narrow_products(code_of(NAMES[2], module))) >= 4
