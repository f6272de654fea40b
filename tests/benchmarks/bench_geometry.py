"""Time log maps and transporters of all vertices beside potpourri3d: `python tests/benchmarks/bench_geometry.py`.

    --quick         small meshes, few sources, no mesh of a million vertices
    --only PART     peers, patches, threads, memory, start, million; may be given several times
    --json FILE     all numbers, too

One process with one thread, interleaved runs, medians with the smallest and the largest. The clock of the comparisons
is the process's own time, so that other work on the machine counts less; that of `threads` is the clock on the wall,
and needs a machine with nothing else to do. The peer is potpourri3d's vector heat solver: AffineLocal logarithmic map
and `transport_tangent_vector` per source. What it needs once per mesh is counted once. Where all of its sources
would take long, some random ones stand for all, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy and torch are imported
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from gaugenet.meshes import shapes  # noqa: E402
from gaugenet.meshes.io import load_mesh  # noqa: E402
from gaugenet.meshes.mesh import TriangleMesh  # noqa: E402
from gaugenet.meshes.neighborhoods import Nearest  # noqa: E402
from gaugenet.meshes.precompute import compute_geometry  # noqa: E402
from gaugenet.meshes.repair import mesh_from_arrays  # noqa: E402

K = 31
PATCH = 139
PARTS = ("peers", "patches", "threads", "memory", "start", "million")
MESHES = Path(__file__).parents[3] / "shared" / "data" / "meshes_clean"
REAL = {  # about 3k, 7k, 35k and 130k vertices; file and how often every face is divided by four
    "penguin": ("penguin/penguin.obj", 0),
    "cat": ("cat/cat-low-resolution.obj", 0),
    "hand / 4": ("hand/hand_closed.obj", 1),
    "demosthenes / 16": ("demosthenes/demosthenes-low-res.obj", 2),
}
GENERATED = {"random sphere 3k": 3_000, "random sphere 7k": 7_000, "sphere 35k": 35_000, "sphere 130k": 130_000}


def divided(mesh: TriangleMesh) -> TriangleMesh:
    """Every face into four, at the middles of its edges."""
    f = mesh.faces
    ends = np.sort(np.stack([f, np.roll(f, -1, axis=1)], 2).reshape(-1, 2), axis=1)
    edges, which = np.unique(ends, axis=0, return_inverse=True)
    middle = which.reshape(-1, 3) + mesh.n_vertices
    a, b, c = f.T
    ab, bc, ca = middle.T
    faces = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    points = np.concatenate([mesh.vertices, mesh.vertices[edges].mean(1)])
    return mesh_from_arrays(points, faces, merge_vertices=False)


def meshes() -> dict[str, TriangleMesh]:
    found = {}
    for name, (file, times) in REAL.items():
        if (MESHES / file).exists():
            mesh = load_mesh(MESHES / file)
            for _ in range(times):
                mesh = divided(mesh)
            found[name] = mesh
    if len(found) < len(REAL):
        print("the real meshes are not here: spheres instead")
        return {name: shapes.sphere(sampling="random", n=n).mesh for name, n in GENERATED.items()}
    return found


def one_component(mesh: TriangleMesh) -> bool:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(ends[0])), ends), shape=(mesh.n_vertices,) * 2)
    return bool(connected_components(graph, directed=False)[0] == 1)


def timed(run: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    began = clock()
    run()
    return clock() - began


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def solve(solver: Any, source: int) -> None:
    solver.compute_log_map(source, strategy="AffineLocal")
    solver.transport_tangent_vector(source, [1.0, 0.0])


def peers(quick: bool) -> list[dict[str, Any]]:
    """All vertices, ours beside the peer."""
    import potpourri3d

    print(f"\nall log maps and transporters, k = {K}, one thread, seconds of process time: median (min-max)")
    out = []
    for name, mesh in list(meshes().items())[: 2 if quick else 4]:
        if not one_component(mesh):
            print(f"{name}: several components, the peer cannot")
            continue
        n = mesh.n_vertices
        made: list[Any] = []
        setup = timed(lambda: made.append(potpourri3d.MeshVectorHeatSolver(mesh.vertices, mesh.faces)))  # noqa: B023
        setup += timed(lambda: solve(made[0], 0))  # noqa: B023  the factorizations
        full = n < (4_000 if quick else 9_000)
        order = np.random.default_rng(0).permutation(n)
        rounds = 3 if quick else 5
        parts = np.array_split(order if full else order[: 30 if n > 50_000 else 60], rounds)
        ours, theirs = [], []
        for part in parts:
            ours.append(timed(lambda: compute_geometry(mesh, Nearest(K), threads=1)))  # noqa: B023
            theirs.append(timed(lambda: [solve(made[0], int(p)) for p in part]) / len(part))  # noqa: B023
        each = statistics.median(theirs)
        total = setup + each * n
        row = {
            "mesh": name,
            "vertices": n,
            "ours_s": ours,
            "peer_s": total,
            "peer_each_s": theirs,
            "peer_setup_s": setup,
        }
        row |= {"peer_sources": sum(map(len, parts)), "full": full, "ratio": total / statistics.median(ours)}
        row["cpu_s_per_100k"] = statistics.median(ours) / n * 1e5
        out.append(row)
        said = "all sources" if full else f"{row['peer_sources']} sources, times V"
        print(
            f"{name:18s} {n:8,d} vertices  ours {spread(ours):24s} potpourri3d {total:9.1f} ({said}; "
            f"{each * 1e3:.2f} ms each, set-up {setup:.2f} s)  {row['ratio']:8,.0f}x  "
            f"{row['cpu_s_per_100k']:.2f} s per 100k",
            flush=True,
        )
    return out


def patch_around(mesh: TriangleMesh, neighbors: list[np.ndarray[Any, Any]], source: int) -> tuple[Any, Any]:
    """(points, faces) of the `PATCH` vertices first reached from the source, which is vertex 0 there."""
    seen, at = {source: 0}, [source]
    for v in at:
        for u in neighbors[v]:
            if int(u) not in seen and len(at) < PATCH:
                seen[int(u)] = len(at)
                at.append(int(u))
    local = np.full(mesh.n_vertices, -1)
    local[at] = np.arange(len(at))
    faces = local[mesh.faces]
    return mesh.vertices[at], faces[(faces >= 0).all(1)]


def patches(quick: bool) -> dict[str, Any]:
    """Ours beside the peer on a patch that is cut out around each source; cutting is not counted."""
    import potpourri3d

    mesh = list(meshes().values())[1]
    ends = np.concatenate([mesh.faces, np.roll(mesh.faces, -1, axis=1)]).reshape(2, -1)
    order = np.argsort(ends[0], kind="stable")
    neighbors = np.split(ends[1][order], np.searchsorted(ends[0][order], np.arange(1, mesh.n_vertices)))
    sources = np.random.default_rng(1).permutation(mesh.n_vertices)[: 30 if quick else 100]
    ours, theirs, failed = [], [], 0
    for part in np.array_split(sources, 5):
        ours.append(timed(lambda: compute_geometry(mesh, Nearest(K), threads=1)) / mesh.n_vertices)
        each = []
        for p in part:
            points, faces = patch_around(mesh, neighbors, int(p))
            used, faces = np.unique(faces, return_inverse=True)
            try:
                run = potpourri3d.MeshVectorHeatSolver
                each.append(timed(lambda: solve(run(points[used], faces.reshape(-1, 3)), 0)))  # noqa: B023
            except RuntimeError:
                failed += 1
        theirs.append(statistics.median(each))
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"\npatches of {PATCH} vertices, {len(sources) - failed} sources ({failed} refused by the peer)")
    print(
        f"ours {statistics.median(ours) * 1e6:.1f} µs, potpourri3d {statistics.median(theirs) * 1e6:.0f} µs per source"
    )
    print(f"{ratio:.0f}x", flush=True)
    return {"ours_s": ours, "peer_s": theirs, "failed": failed, "ratio": ratio}


def threads(quick: bool) -> list[dict[str, Any]]:
    """One thread and two, on the wall; a mesh in the order of its file, and shuffled."""
    out = []
    print("\nthreads, seconds on the wall; cpu: process time with two over that with one")
    for n in (35_000,) if quick else (35_000, 130_000):
        mesh = torus(n)
        for label, m in (("in order", mesh), ("shuffled", shuffled(mesh))):
            wall: dict[int, list[float]] = {1: [], 2: []}
            cpu: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(3 if quick else 5):
                for t in (1, 2):
                    began = time.process_time()
                    wall[t].append(timed(lambda: compute_geometry(m, Nearest(K), threads=t), time.perf_counter))  # noqa: B023
                    cpu[t].append(time.process_time() - began)
            ratio = statistics.median(wall[1]) / statistics.median(wall[2])
            more = statistics.median(cpu[2]) / statistics.median(cpu[1])
            out.append({"vertices": m.n_vertices, "order": label, "wall": wall, "cpu": cpu, "ratio": ratio})
            each = statistics.median(cpu[1]) / m.n_vertices * 1e5
            print(
                f"{m.n_vertices:8,d} {label}: one {spread(wall[1])}, two {spread(wall[2])}: {ratio:.2f}x; "
                f"cpu {more:.2f}; {each:.2f} CPU-seconds per 100k",
                flush=True,
            )
    return out


def torus(n: int) -> TriangleMesh:
    m = round((n / 2.5) ** 0.5)
    return shapes.torus(round(2.5 * m), m, jitter=0.2).mesh


def shuffled(mesh: TriangleMesh) -> TriangleMesh:
    rng = np.random.default_rng(0)
    old = rng.permutation(mesh.n_vertices)
    faces = np.argsort(old)[mesh.faces][rng.permutation(mesh.n_faces)]
    return mesh_from_arrays(mesh.vertices[old], faces, merge_vertices=False)


_CHILD = """
import sys, time, resource
import numpy as np, torch
from gaugenet.meshes import shapes
from gaugenet.meshes.mesh import TriangleMesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry

def field(name):
    line = next(x for x in open("/proc/self/status") if x.startswith(name))
    return int(line.split()[1]) * 1024

compute_geometry(shapes.torus(12, 8).mesh, Nearest(4), threads=2)  # loads what is compiled
with np.load(sys.argv[1]) as file:
    mesh = TriangleMesh(**{k: (int(v) if k == "n_vertices" else v) for k, v in file.items()})
before = field("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
began, cpu = time.perf_counter(), time.process_time()
g = compute_geometry(mesh, Nearest(int(sys.argv[2])), threads=int(sys.argv[3]))
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
result = sum(t.numel() * t.element_size() for t in vars(g).values() if isinstance(t, torch.Tensor))
print(field("VmHWM") - before, result, seconds, cpu, field("VmHWM"), g.n_edges)
"""


def in_another_process(mesh: TriangleMesh, n_threads: int) -> dict[str, float]:
    arrays = {n: getattr(mesh, n) for n in ("vertices", "faces", "edge_lengths", "twin", "twin_flipped", "n_vertices")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.npz"
        np.savez(file, **{n: np.asarray(v) for n, v in arrays.items()})
        command = [sys.executable, "-c", _CHILD, str(file), str(K), str(n_threads)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    peak, result, seconds, cpu, whole, edges = map(float, done.stdout.split())
    found = {"peak": peak, "result": result, "ratio": peak / result, "process": whole}
    return found | {"wall_s": seconds, "cpu_s": cpu, "edges": edges}


def memory(quick: bool, sizes: tuple[int, ...] = (35_000, 130_000)) -> list[dict[str, Any]]:
    """Largest resident memory above that of the process with its mesh, over the bytes of the result."""
    out = []
    for n in sizes[:1] if quick else sizes:
        mesh = torus(n)
        for t in (1, 2):
            row = {"vertices": mesh.n_vertices, "threads": t} | in_another_process(mesh, t)
            out.append(row)
            print(
                f"{mesh.n_vertices:9,d} vertices, {t} threads: peak {row['peak'] / 2**20:,.0f} MiB for a result of "
                f"{row['result'] / 2**20:,.0f} MiB: {row['ratio']:.2f}x; process {row['process'] / 2**30:.2f} GiB; "
                f"{row['wall_s']:.1f} s on the wall, {row['cpu_s'] / mesh.n_vertices * 1e5:.2f} CPU-seconds per 100k",
                flush=True,
            )
    return out


def start(quick: bool) -> dict[str, float]:
    """Seconds until a small geometry is there in a fresh process, where everything was compiled before."""
    code = (
        "import time; t = time.perf_counter(); import gaugenet, torch; a = time.perf_counter();"
        "from gaugenet.meshes import shapes; from gaugenet.meshes.precompute import compute_geometry;"
        "compute_geometry(shapes.torus(10, 8).mesh); print(a - t, time.perf_counter() - a)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    runs = []
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        runs.append([float(x) for x in done.stdout.split()])
    imports, first = (statistics.median(x) for x in zip(*runs[1:]))
    print(f"\nfresh process: imports {imports:.2f} s, then the first geometry (80 vertices) after {first:.2f} s")
    return {"import_s": imports, "first_geometry_s": first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = options.only or [p for p in PARTS if not (options.quick and p == "million")]
    compute_geometry(shapes.torus(10, 8).mesh, threads=2)
    found: dict[str, Any] = {"load_average": os.getloadavg(), "cores": os.cpu_count()}
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if "peers" in wanted:
        found["peers"] = peers(options.quick)
    if "patches" in wanted:
        found["patches"] = patches(options.quick)
    if "threads" in wanted:
        found["threads"] = threads(options.quick)
    if "memory" in wanted:
        print("\nmemory")
        found["memory"] = memory(options.quick)
    if "start" in wanted:
        found["start"] = start(options.quick)
    if "million" in wanted:
        print("\na million vertices")
        found["million"] = memory(False, (1_000_000,))
    found["maxrss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
