"""Static kernel cards: what the compilers made of every kernel, without a GPU.

python -m gaugenet.kernels.cards            compile, write configs/cards-<Triton version>.json
python -m gaugenet.kernels.cards --check    compile, compare with that file, exit 1 and print what got worse
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from gaugenet.kernels._cards_cases import LAUNCHES, TARGETS, Launch
from gaugenet.kernels._triton_plan import channel_tiles

FOLDER = Path(__file__).parent / "configs"
MORE_REGISTERS = 1.1
"""Registers may grow by this factor, the noise of one compiler version to the next."""
TENSOR = r"(HMMA|IMMA|DMMA|QMMA|HGMMA|QGMMA|UTC\w*MMA)\b"
"""Tensor instructions; HFMA2.MMA is none."""

Card = dict[str, Any]


def compile_launch(launch: Launch, target: str, module: Any = None) -> Any:
    """What Triton makes of one kernel for one target, as it would be launched there.

    Args:
        module: where the kernel is looked up; None: in `gaugenet.kernels`.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from gaugenet.kernels import _triton_fused_kernels, _triton_kernels

    signature, constants, options = launch.arguments(target)
    module = module or (_triton_fused_kernels if launch.fused else _triton_kernels)
    kernel = getattr(module, launch.kernel(target))
    names = list(kernel.arg_names)
    sizes = {"c_in": launch.width, "c_out": launch.plan.c_out, "n_scalars": launch.n_scalars}
    sizes["n_tiles"] = len(channel_tiles(launch.in_blocks, constants["BLOCK_C"]))
    # Triton makes constants of the arguments that are 1
    ones = {name: 1 for name, size in sizes.items() if size == 1 and name in names}
    widths = {"c_in": launch.width, "c_out": launch.plan.c_out, "slice_length": constants["BLOCK_M"]}
    aligned = [n for n in names if signature[n].startswith("*") or widths.get(n, 1) % 16 == 0]
    source = ASTSource(
        fn=kernel,
        signature={name: "constexpr" if name in ones else signature[name] for name in names},
        constexprs=constants | ones,
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    return triton.compile(source, target=GPUTarget(*TARGETS[target]), options=options)


def compile_card(launch: Launch, target: str) -> Card:
    """Registers, spills, shared memory and the instructions that matter, of one kernel on one target."""
    compiled = compile_launch(launch, target)
    _, constants, options = launch.arguments(target)
    warps = options["num_warps"]
    shape = {k.lower(): constants[k] for k in ("BLOCK_M", "BLOCK_C", "BLOCK_B")} | {"warps": warps}
    card: Card = shape | {"shared": compiled.metadata.shared}
    if target.startswith("sm"):
        return card | _nvidia(compiled.asm["cubin"], warps, compiled.metadata.shared, target)
    return card | _amd(compiled.asm["amdgcn"])


def _nvidia(cubin: bytes, warps: int, shared: int, target: str) -> Card:
    import triton

    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _output(tools / "cuobjdump", "--dump-resource-usage", file.name)
        sass = _output(tools / "nvdisasm", "-c", file.name)
    found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", usage)
    if found is None:
        raise ValueError(f"cuobjdump printed no resource usage:\n{usage}")
    registers = int(found[1])
    count = instructions(sass)
    # those that keep account of tensor memory add nothing up
    shared_atomics = 0 if _sum(count, r"UTCATOMSWS\b") else _sum(count, r"ATOMS\b")
    return {
        "registers": registers,
        "occupancy": occupancy(registers, warps, shared, target),
        "spills": _sum(count, r"(STL|LDL)\b"),
        "tensor": _sum(count, TENSOR),
        "fma": _sum(count, r"[FD]FMA\b"),
        "loads": _sum(count, r"LDG(STS)?\b"),
        "loads_128": _sum(count, r"LDG(STS)?\b.*\.128"),
        "stores": _sum(count, r"STG\b"),
        "stores_128": _sum(count, r"STG\b.*\.128"),
        "atomics": shared_atomics + _sum(count, r"(ATOM|ATOMG|RED|REDG)\b"),
        "instructions": sum(count.values()),
    }


def instructions(sass: str) -> collections.Counter[str]:
    """Instructions of nvdisasm's text, with their modifiers, by name."""
    pattern = r"^\s+(?:/\*[0-9a-f]+\*/\s+)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?=[\s;])"
    return collections.Counter(re.findall(pattern, sass, re.MULTILINE))


def _sum(count: collections.Counter[str], pattern: str) -> int:
    return sum(n for name, n in count.items() if re.match(pattern, name))


def _amd(assembly: str) -> Card:
    def number(name: str) -> int:
        found = re.search(rf"\.{name}:\s*(\d+)", assembly)
        return int(found[1]) if found else 0

    def matches(pattern: str) -> int:
        return len(re.findall(pattern, assembly))

    return {
        "registers": number("vgpr_count"),
        "spills": number("vgpr_spill_count") + number("sgpr_spill_count"),
        "tensor": matches(r"\bv_mfma\w+"),
        "fma": matches(r"\bv_(?:pk_)?fma\w*"),
        "loads": matches(r"\b(?:global|buffer)_load_\w+"),
        "loads_128": matches(r"\b(?:global|buffer)_load_dwordx4"),
        "stores": matches(r"\b(?:global|buffer)_store_\w+"),
        "stores_128": matches(r"\b(?:global|buffer)_store_dwordx4"),
        "atomics": matches(r"\b(?:global|buffer|flat|ds)_(?:atomic|add_rtn|add_f32)\w*"),
        "instructions": matches(r"(?m)^\s+[vs]_\w+|^\s+(?:global|buffer|flat|ds)_\w+"),
    }


def _output(*command: object) -> str:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout


def occupancy(registers: int, warps: int, shared: int, target: str) -> float:
    """Share of the warps that a multiprocessor can hold, by registers and shared memory."""
    memory = {"sm_80": 164, "sm_90": 228, "sm_100": 228}[target] * 1024
    per_block = -(-registers * 32 // 256) * 256 * warps
    blocks = min(65536 // max(per_block, 1), memory // (shared + 1024), 64 // warps, 32)
    return round(blocks * warps / 64, 3)


def differences(old: Card, new: Card) -> list[str]:
    """What got worse from one card to the next, in words; empty where nothing did."""
    worse = []
    for name in ("spills", "atomics"):
        if new[name] > old[name]:
            worse.append(f"{name} {old[name]} -> {new[name]}")
    if new["registers"] > MORE_REGISTERS * old["registers"]:
        worse.append(f"registers {old['registers']} -> {new['registers']}")
    for name in ("loads_128", "stores_128", "tensor"):
        if old[name] and not new[name]:
            worse.append(f"{name} {old[name]} -> 0")
    return worse


def compare(old: dict[str, Card], new: dict[str, Card]) -> list[str]:
    """A line per card that got worse, is missing, or is new."""
    lines = [f"{key}: no longer compiled" for key in sorted(old.keys() - new.keys())]
    lines += [f"{key}: has no stored card" for key in sorted(new.keys() - old.keys())]
    for key in sorted(old.keys() & new.keys()):
        lines += [f"{key}: {difference}" for difference in differences(old[key], new[key])]
    return lines


def path(version: str) -> Path:
    """Where the cards of one Triton version are stored, e.g. of ``"3.6.0"`` in cards-3.6.json."""
    return FOLDER / f"cards-{'.'.join(version.split('.')[:2])}.json"


def load(version: str) -> dict[str, Card] | None:
    """The stored cards of one Triton version; None where there are none."""
    file = path(version)
    if not file.is_file():
        return None
    cards: dict[str, Card] = json.loads(file.read_text())["cards"]
    return cards


def compile_all(
    targets: Iterable[str] = TARGETS, launches: Iterable[Launch] = LAUNCHES, jobs: int = 1
) -> dict[str, Card]:
    """Cards by ``"kernel | launch | target"``, compiled by `jobs` processes."""
    import triton

    version = triton.__version__
    cases = [(launch, target) for launch in launches for target in targets if launch.exists(target, version)]
    keys = [f"{launch.kernel(target)} | {launch.name} | {target}" for launch, target in cases]
    if jobs == 1:
        return dict(zip(keys, itertools.starmap(compile_card, cases)))
    # what a fork would inherit of Triton's compiler is not made for two processes
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return dict(zip(keys, pool.map(compile_card, *zip(*cases))))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gaugenet.kernels.cards", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored cards instead of writing them")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one (repeatable)")
    parser.add_argument("--verbose", action="store_true", help="print every card")
    parser.add_argument("--jobs", type=int, default=1, help="processes that compile")
    parser.add_argument("--only", default="", help="only launches whose name contains this")
    options = parser.parse_args(arguments)
    try:
        import triton
    except ImportError as error:
        print(f"kernel cards need Triton, which does not import ({error}): pip install triton", file=sys.stderr)
        return 2
    launches = [launch for launch in LAUNCHES if options.only in launch.name]
    cards = compile_all(options.target or TARGETS, launches, options.jobs)
    if options.verbose:
        print("\n".join(f"{key}: {json.dumps(card)}" for key, card in cards.items()))
    if not options.check:
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(card)}" for key, card in cards.items())
        path(triton.__version__).write_text(f'{{"triton": "{triton.__version__}", "cards": {{\n{lines}\n}}}}\n')
        return 0
    stored = load(triton.__version__)
    if stored is None:
        print(
            f"no stored cards for Triton {triton.__version__}: run without --check and commit the file", file=sys.stderr
        )
        return 1
    partial = options.target is not None or options.only
    worse = compare({k: v for k, v in stored.items() if k in cards or not partial}, cards)
    print("\n".join(worse) or f"{len(cards)} cards: nothing got worse")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
