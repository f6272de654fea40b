"""The command line, as a person uses it: what works on tiny settings, and what every kind of bad input ends in."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gaugenet.checkpoint import Checkpoint
from gaugenet.cli import run

SMALL = ["--set", "model.width=4", "--set", "model.blocks=1", "--set", "data.neighbors=10", "--set", "train.threads=1"]
EMBEDDED = [*SMALL, *["--set", "data.train_meshes=3", "--set", "data.test_meshes=2", "--set", "data.vertices=700"]]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """An empty working folder, and a cache that is not the user's."""
    monkeypatch.setenv("GAUGENET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def sphere(n=10, seed=0):
    """A bumpy sphere: vertices [V, 3], faces [F, 3]."""
    rng = np.random.default_rng(seed)
    from scipy.spatial import ConvexHull

    points = rng.standard_normal((12 * n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices.astype(np.int64)
    normal = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    inward = (normal * points[faces[:, 0]]).sum(1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points * (1 + 0.2 * points[:, :1]), faces


def mobius(n=16):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rows = [
        np.stack([(2 + w * np.cos(t / 2)) * np.cos(t), (2 + w * np.cos(t / 2)) * np.sin(t), w * np.sin(t / 2)], 1)
        for w in (-0.4, 0.0, 0.4)
    ]
    faces = []
    for i in range(n):
        for j in range(2):
            k, (lower, upper) = (i + 1) % n, (j, j + 1) if i + 1 < n else (2 - j, 1 - j)
            faces += [[j * n + i, lower * n + k, upper * n + k], [j * n + i, upper * n + k, (j + 1) * n + i]]
    return np.concatenate(rows), np.array(faces)


def write_obj(path, vertices, faces):
    lines = [f"v {x} {y} {z}" for x, y, z in vertices] + [f"f {a} {b} {c}" for a, b, c in np.asarray(faces) + 1]
    path.write_text("\n".join(lines) + "\n")


def write_folder(folder, *, kind="label", surface=sphere, wrong=0):
    """A set of two training meshes and one test mesh, in which the sign of z is the class (labels 3 and 8)."""
    for split, seeds in (("train", (0, 1)), ("test", (2,))):
        (folder / split).mkdir(parents=True)
        for seed in seeds:
            v, f = surface(seed=seed) if surface is sphere else surface()
            z = v[:, 2] if kind == "label" else v[f].mean(1)[:, 2]
            labels = np.where(z > 0, 8, 3)
            np.savez(folder / split / f"s{seed}.npz", v=v, f=f, **{kind: labels[: len(labels) - wrong]})
    return folder


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def refused(arguments, capsys, folder, code=2):
    """Run, and return the one line on stderr; nothing may have been written."""
    before = everything(folder)
    capsys.readouterr()
    assert run([str(a) for a in arguments]) == code
    err = capsys.readouterr().err
    assert err.startswith("gaugenet: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert everything(folder) == before
    return err


# What every kind of bad input ends in


def test_a_missing_file_is_refused(tmp_path, capsys):
    work = tmp_path / "work"
    for arguments in (
        ["inspect", "no.obj"],
        ["precompute", "no"],
        ["train", "no"],
        ["train", "--config", "no"],
        ["train", "--resume", "no"],
        ["predict", "no", "no.obj"],
    ):
        assert "no" in refused(arguments, capsys, work)


def test_files_that_are_no_meshes_are_refused(tmp_path, capsys):
    work = tmp_path / "work"
    (work / "text.ply").write_text("not a mesh\n")
    (work / "cut.stl").write_bytes(b"solid\0" * 20)
    (work / "cloud.obj").write_text("v 0 0 0\nv 1 0 0\n")
    for name in ("text.ply", "cut.stl", "cloud.obj"):
        assert name in refused(["inspect", name], capsys, work)
        assert name in refused(["precompute", name], capsys, work)


def test_vertices_that_are_not_numbers_and_wrong_indices_are_refused(tmp_path, capsys):
    work = tmp_path / "work"
    v, f = sphere()
    bad = v.copy()
    bad[f[0, 0], 1] = np.nan
    np.savez(work / "nan.npz", v=bad, f=f)
    beyond = f.copy()
    beyond[3, 1] = len(v)
    np.savez(work / "beyond.npz", v=v, f=beyond)
    write_obj(work / "beyond.obj", v, beyond)
    assert "nan.npz" in refused(["inspect", "nan.npz"], capsys, work)
    assert str(len(v)) in refused(["inspect", "beyond.npz"], capsys, work)
    assert "beyond.obj" in refused(["inspect", "beyond.obj"], capsys, work)


def test_labels_of_the_wrong_length_are_refused(tmp_path, capsys):
    folder = write_folder(tmp_path / "work" / "set", wrong=2)
    assert "one label per vertex" in refused(["train", folder, *SMALL], capsys, tmp_path / "work")


def test_a_group_that_the_surface_does_not_admit_is_refused(tmp_path, capsys):
    folder = write_folder(tmp_path / "work" / "set", surface=mobius)
    line = refused(["train", folder, *SMALL, "--group", "SO(2)"], capsys, tmp_path / "work")
    assert "s0" in line
    assert "use --group 'O(2)'" in line
    assert run(["train", str(folder), *SMALL, "--group", "O(2)", "--epochs", "1"]) == 0
    # a trained model can only be replaced
    write_folder(tmp_path / "work" / "spheres")
    assert run(["train", "spheres", *SMALL, "--epochs", "1", "--out", "run"]) == 0
    line = refused(["predict", "run", "set/test/s2.npz", "--out", "out"], capsys, tmp_path / "work")
    assert "train a model with --group 'O(2)'" in line
    line = refused(["train", "spheres", *SMALL, "--group", "C4"], capsys, tmp_path / "work")
    assert "use --group 'SO(2)'" in line


def test_a_wrong_configuration_is_refused(tmp_path, capsys):
    work = tmp_path / "work"
    (work / "run.toml").write_text("[train]\nepoch = 3\n")
    line = refused(["train", "--config", "run.toml"], capsys, work)
    assert "run.toml: unknown key 'train.epoch'; did you mean 'train.epochs'?" in line
    assert "'model.group'" in refused(["train", "--set", "model.grup=O(2)"], capsys, work)
    assert "SO(3)" in refused(["train", "--group", "SO(3)"], capsys, work)
    assert "train.epochs must be at least 1, got 0" in refused(["train", "--epochs", "0"], capsys, work)
    assert "nonsense" in refused(["train", "--set", "data.features=nonsense"], capsys, work)
    assert "at least 1" in refused(["train", "--epochs", "-1"], capsys, work)
    assert "train.device" in refused(["train", "--set", "train.device=abacus"], capsys, work)


def test_a_wrong_command_line_is_refused(tmp_path, capsys):
    for arguments in (["trian"], ["train", "--epochs", "many"], ["inspect"], ["predict", "x"], ["train", "--fast"]):
        assert "gaugenet --help" in refused(arguments, capsys, tmp_path / "work")


def test_a_loss_that_is_not_finite_is_refused(tmp_path, capsys):
    wild = ["--set", "train.lr=1e30", "--set", "train.clip=0", "--set", "train.warmup=0"]
    line = refused(["train", *EMBEDDED, *wild, "--out", "run"], capsys, tmp_path / "work")
    assert "no longer finite in epoch" in line
    assert "creature_" in line


def test_damaged_weights_are_refused(tmp_path, capsys):
    work = tmp_path / "work"
    (work / "model.safetensors").write_bytes(b"\0" * 64)
    write_obj(work / "mesh.obj", *sphere())
    assert "no safetensors file" in refused(["predict", "model.safetensors", "mesh.obj"], capsys, work)


def test_a_disk_that_is_full_is_named(tmp_path, capsys, monkeypatch):
    folder = write_folder(tmp_path / "work" / "set")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("GAUGENET_CACHE", "/dev/null/cache")
    monkeypatch.setattr("os.fsync", full)
    assert run(["train", str(folder), *SMALL, "--epochs", "1", "--out", "run"]) == 2
    out, err = capsys.readouterr()
    assert err == "gaugenet: error: run/config.toml: No space left on device; make room there\n"
    # and a cache that cannot be written to is said once, not for every surface
    assert out.count("the geometry was computed but could not be kept in /dev/null/cache") == 1


def test_a_package_that_is_missing_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    for name in ("surf/lh.white", "label/lh.aparc.annot"):
        (tmp_path / "work" / "set" / "ann" / name).parent.mkdir(parents=True)
        (tmp_path / "work" / "set" / "ann" / name).write_bytes(b"\xff\xff\xfe")
    assert "pip install nibabel" in refused(["train", "set"], capsys, tmp_path / "work")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 TB")])
def test_a_lack_of_memory_is_one_line(tmp_path, capsys, monkeypatch, error):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr("gaugenet.cli.train.train", fails)
    folder = write_folder(tmp_path / "work" / "set")
    assert "train.batch_size" in refused(["train", folder, *SMALL], capsys, tmp_path / "work")


def test_debug_shows_where_it_happened(tmp_path):
    with pytest.raises(ValueError, match=r"no.obj"):
        run(["inspect", "no.obj", "--debug"])


# What works


def test_inspect_reports_a_one_sided_surface(capsys, tmp_path):
    write_obj(tmp_path / "strip.obj", *mobius())
    assert run(["inspect", str(tmp_path / "strip.obj")]) == 0
    out = capsys.readouterr().out
    for part in ("48, 112, 64", "1 of 32 vertices", "no (one-sided)", "Gauss–Bonnet: 0", "O(2)", "--group 'O(2)'"):
        assert part in out


def test_train_on_the_embedded_set_and_predict(tmp_path, capsys):
    """The whole way on tiny settings, with the refusals that protect a finished run."""
    work = tmp_path / "work"
    line = ["train", *EMBEDDED, "--out", "a"]
    assert run([*line, "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    for part in ("operator", "parameters", "test ", "new gauge", "equivariance", "a/model.safetensors", ".ply"):
        assert part in out
    log = [json.loads(text) for text in (work / "a" / "log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in log] == [1, 2]
    summary = json.loads((work / "a" / "summary.json").read_text())
    assert summary["gauge"]["changed"] == 0
    assert summary["gauge"]["error"] < 1e-5
    assert (work / "a" / "predictions" / "predictions.png").stat().st_size > 1000
    assert not [name for name in everything(work) if ".tmp" in name]

    assert "finished run" in refused([*line, "--epochs", "2"], capsys, work)
    assert run([*line, "--epochs", "1", "--overwrite"]) == 0
    assert len((work / "a" / "log.jsonl").read_text().splitlines()) == 1
    assert "leave out" in refused(["train", "--resume", "a", "--overwrite"], capsys, work)
    assert "is a file" in refused(["train", *EMBEDDED, "--out", "a/log.jsonl/b"], capsys, work)
    lr = ["train", "--resume", "a", "--set", "train.lr=1"]
    assert "train.lr" in refused(lr, capsys, work)
    assert run(["train", "--resume", "a", "--epochs", "2"]) == 0
    assert len((work / "a" / "log.jsonl").read_text().splitlines()) == 2

    plys = sorted((work / "a" / "predictions").glob("*.ply"))
    assert len(plys) == 2
    capsys.readouterr()
    assert run(["predict", "a", *map(str, plys), "--out", "labels"]) == 0
    assert "body" in capsys.readouterr().out
    for ply in plys:
        labels = np.loadtxt(work / "labels" / f"{ply.stem}.labels.txt", dtype=int)
        import trimesh

        # the picture of the training run and that of predict, of the mesh that it wrote, show the same classes
        before, after = (trimesh.load(p, process=False).visual.vertex_colors for p in (ply, work / "labels" / ply.name))
        assert len(labels) == len(before)
        assert (before == after).all()


def test_runs_are_numbered_and_a_killed_one_goes_on_to_the_same_bits(tmp_path, monkeypatch, capsys):
    from gaugenet.cli.console import TrainProgress

    work = tmp_path / "work"
    folder = write_folder(work / "set")
    line = ["train", "set", *SMALL, "--epochs", "3", "--set", "model.dropout=0.3"]
    assert run(line) == 0
    original = TrainProgress.epoch

    def interrupted(self, record):
        original(self, record)
        if record.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainProgress, "epoch", interrupted)
        capsys.readouterr()
        assert run(line) == 130
        err = capsys.readouterr().err
    assert err == ("gaugenet: error: interrupted after epoch 2; go on with: gaugenet train --resume runs/set-002\n")
    assert not (work / "runs" / "set-002" / "summary.json").exists()
    assert "--resume runs/set-002" in refused([*line, "--out", "runs/set-002"], capsys, work)
    monkeypatch.chdir(tmp_path)  # the folder of the data is found from anywhere
    assert run(["train", "--resume", "work/runs/set-002"]) == 0
    a, b = (Checkpoint.load(work / "runs" / name / "model.safetensors") for name in ("set-001", "set-002"))
    assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
    assert a.label_values == (3, 8)
    assert folder.exists()


@pytest.mark.parametrize("kind", ["label", "face_label"])
def test_predictions_return_to_the_users_own_elements(tmp_path, kind):
    """Split, isolated and doubled vertices, degenerate faces: one label per vertex or triangle of the file."""
    work = tmp_path / "work"
    write_folder(work / "set", kind=kind)
    assert run(["train", "set", *SMALL, "--epochs", "1", "--out", "run"]) == 0
    v, f = sphere(seed=5)
    fin = len(v) + np.arange(2)
    v = np.concatenate([v, [[3.0, 0, 0], [3, 1, 0], [9, 9, 9]]])  # a fin on an edge, and a vertex of no face
    f = np.concatenate([f, [[f[0, 0], f[0, 1], fin[0]], [f[7, 0], fin[0], fin[1]], [4, 4, 5], f[3]]])
    write_obj(work / "dirty.obj", v, f)
    assert run(["predict", "run/model.safetensors", "dirty.obj", "--out", "out"]) == 0
    labels = np.loadtxt(work / "out" / "dirty.labels.txt", dtype=int)
    assert len(labels) == (len(v) if kind == "label" else len(f))
    assert set(labels) <= {3, 8}
    assert (work / "out" / "dirty.ply").exists()


def test_precompute_fills_the_cache_that_training_reads(tmp_path, capsys):
    write_folder(tmp_path / "work" / "set")
    assert run(["precompute", "set", "--set", "data.neighbors=10"]) == 0
    out = capsys.readouterr().out
    for part in ("3 with 360 vertices", "time", "MiB", "NaN          0", str(tmp_path / "cache")):
        assert part in out
    before = everything(tmp_path / "cache")
    assert before
    assert run(["train", "set", *SMALL, "--epochs", "1"]) == 0
    assert everything(tmp_path / "cache") == before


def test_the_printed_configuration_is_read_back(tmp_path, capsys):
    assert run(["config", "--set", "model.group=D4"]) == 0
    (tmp_path / "run.toml").write_text(capsys.readouterr().out)
    assert run(["config", "--config", str(tmp_path / "run.toml")]) == 0
    assert capsys.readouterr().out == (tmp_path / "run.toml").read_text()


def test_help_loads_neither_torch_nor_geometry():
    code = (
        "import sys; from gaugenet.cli import run; code = run(['--help']); "
        "sys.exit(code or not {'torch', 'numba', 'scipy', 'trimesh', 'matplotlib'}.isdisjoint(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("inspect", "precompute", "train", "predict"):
        assert command in done.stdout


def test_the_module_is_the_same_program(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "gaugenet", "inspect", "no.obj"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gaugenet: error: no.obj")
    assert done.stderr.count("\n") == 1


def test_surfaces_whose_names_have_dots_keep_their_pictures_apart(tmp_path, capsys):
    folder = write_folder(tmp_path / "work" / "set")
    content = (folder / "test" / "s2.npz").read_bytes()
    (folder / "test" / "s2.npz").unlink()
    for name in ("scan.1", "scan.2"):
        (folder / "test" / f"{name}.npz").write_bytes(content)
    assert run(["train", str(folder), *SMALL, "--epochs", "1", "--out", "run"]) == 0
    found = sorted(p.name for p in (tmp_path / "work" / "run" / "predictions").glob("*.ply"))
    assert found == ["scan.1.ply", "scan.2.ply"]
