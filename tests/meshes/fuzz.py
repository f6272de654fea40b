"""Damaged mesh files, made from a seed, and what must hold of each: a usable surface or one clear error.

    python tests/meshes/fuzz.py --cases 2000 --seed 0

runs each case in a process that is watched: a crash, a case that takes longer than 30 seconds or more than 1 GiB,
any exception but a `MeshError`, a warning, a number that is not finite or a label that is lost is a fault, and the
command ends with 1. A fault is repeated by ``--only CASE``.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import json
import re
import resource
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
from fuzz_cases import case  # noqa: E402  (beside this file, which is a script too)

SECONDS = 30
MEGABYTES = 1024


def outcome(path: Path, merge: bool | None) -> str:
    """ "mesh", or "error: ..." where the file is refused as it should be; anything else is raised."""
    from gaugenet.meshes.io import load_mesh
    from gaugenet.meshes.mesh import MeshError
    from gaugenet.meshes.neighborhoods import Nearest
    from gaugenet.meshes.precompute import compute_geometry

    try:
        mesh = load_mesh(path, merge_vertices=merge)
        check_mesh(mesh)
        geometry = compute_geometry(mesh, Nearest(8), threads=1)
    except MeshError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        text = str(refusal)
        assert text.startswith(f"{path}: "), f"does not name the file: {text}"
        assert refusal.problem, text
        assert refusal.remedy, text
        assert "\n" not in text
        assert len(text) < len(str(path)) + 400, text
        return f"error: {refusal.problem}"
    for name in ("r", "theta", "phi", "weight", "radius", "area"):
        value = getattr(geometry, name)
        assert bool(value.isfinite().all()), f"{name} is not finite"
    if geometry.frame is not None:
        assert bool(geometry.frame.isfinite().all()), "frame is not finite"
    assert bool((geometry.r > 0).all()), "a distance is 0"
    return "mesh"


def check_mesh(mesh: Any) -> None:
    """The laws of a `TriangleMesh` that came from a file, labels included."""
    n, n_file = mesh.n_vertices, len(mesh.vertex_of_file)
    assert mesh.n_faces > 0
    assert np.isfinite(mesh.vertices).all()
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < n
    lengths, twin = mesh.edge_lengths, mesh.twin
    a, b, c = np.sort(lengths, axis=1).T
    assert np.isfinite(lengths).all()
    assert (a > 0).all()
    assert (a - (c - b) > 0).all()
    h = np.flatnonzero(twin >= 0)
    np.testing.assert_array_equal(twin[twin[h]], h)
    np.testing.assert_array_equal(lengths.ravel()[h], lengths.ravel()[twin[h]])
    # a vertex labelled by its own number comes back as itself, or as one at the same place
    assert len(mesh.file_vertex) == n
    assert 0 <= mesh.vertex_of_file.min() <= mesh.vertex_of_file.max() < n
    own = np.arange(n_file)
    back = mesh.to_file_vertices(mesh.vertex_labels_from_file(own))
    np.testing.assert_array_equal(mesh.vertex_of_file[back], mesh.vertex_of_file)
    merged = any("merged" in repair.kind for repair in mesh.report)
    assert merged or (back == own).all(), "a label is lost"
    # faces: those that are kept come back as themselves, duplicates as the kept one, the others as the fill
    labels = np.arange(len(mesh.face_of_file))
    face_back = mesh.to_file_faces(mesh.face_labels_from_file(labels), fill=-1)
    kept = face_back >= 0
    np.testing.assert_array_equal(np.unique(face_back[kept]), np.sort(mesh.file_face))
    np.testing.assert_array_equal(face_back[mesh.file_face], mesh.file_face)
    dropped = any("repeated vertex" in repair.kind for repair in mesh.report)
    assert dropped or kept.all(), "a face is lost in silence"
    for repair in mesh.report:
        assert repair.kind
        assert repair.count > 0


def _work(seed: int, numbers: Iterator[int], folder: Path) -> None:
    """Print one line of JSON per case; a case that hangs ends the process with a traceback."""
    from gaugenet.meshes.neighborhoods import Nearest
    from gaugenet.meshes.precompute import compute_geometry
    from gaugenet.meshes.repair import mesh_from_arrays

    # where nothing is compiled yet that takes longer than a case may
    compute_geometry(mesh_from_arrays(np.eye(3), [[0, 1, 2]]), Nearest(2), threads=1)
    warnings.simplefilter("error")
    out = sys.stdout
    for number in numbers:
        name, content, merge = case(seed, number)
        path = folder / name
        path.write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"start": number, "name": name}), file=out, flush=True)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            found, fault = outcome(path, merge), ""
        except BaseException:
            found, fault = "fault", traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        if grown > MEGABYTES:
            fault += f"\ntook {grown:.0f} MiB"
        if not fault:
            path.unlink()
        print(json.dumps({"done": number, "name": name, "found": found, "fault": fault}), file=out, flush=True)


def run(seed: int, n: int, folder: Path, first: int = 0) -> tuple[collections.Counter[str], dict[str, str]]:
    """All cases, in processes of their own; (how often which outcome, the faults by name)."""
    counts: collections.Counter[str] = collections.Counter()
    faults: dict[str, str] = {}
    at = first
    while at < n:
        command = [sys.executable, __file__, "--seed", str(seed), "--worker", f"{at}:{n}", "--folder", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        output, errors = process.communicate()
        started = at
        for line in output.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                faults[f"{started} printed"] = line
                continue
            started = entry.get("start", started)
            if "done" in entry:
                counts[entry["found"]] += 1
                if entry["fault"]:
                    faults[entry["name"]] = entry["fault"]
                at = entry["done"] + 1
        if process.returncode or errors:
            faults[f"{at} ended with {process.returncode}"] = errors[-3000:]
        if process.returncode:
            at += 1
    return counts, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None, metavar="CASE")
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written; faults stay there")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="gaugenet-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    if options.worker:
        first, last = (int(x) for x in options.worker.split(":"))
        _work(options.seed, iter(range(first, last)), folder)
        return
    if options.only is not None:
        name, content, merge = case(options.seed, options.only)
        (folder / name).write_bytes(content)
        print(folder / name, f"merge_vertices={merge}")
        print(outcome(folder / name, merge))
        return
    counts, faults = run(options.seed, options.cases, folder)
    for name, text in faults.items():
        print(f"--- {name}\n{text}")
    reasons: collections.Counter[str] = collections.Counter()
    for found, count in counts.items():
        reasons[re.sub(r"[0-9.+-]+", "#", found)[:100]] += count
    for found, count in reasons.most_common():
        print(f"{count:6d} {found}")
    meshes = counts["mesh"]
    print(
        f"{sum(counts.values())} cases: {meshes} meshes, {sum(counts.values()) - meshes} errors, {len(faults)} faults"
    )
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
