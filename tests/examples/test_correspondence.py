"""The correspondence example: cells of a template, the whole command on small surfaces, random gauges."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gaugenet as gn
from gaugenet.meshes.grids import icosphere

FOLDER = Path(__file__).parents[2] / "examples" / "correspondence"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example():
    """run.py and the files beside it; their names are free again afterwards, other examples have a run.py too."""
    names = ("template", "picture", "run")
    before = {name: sys.modules.pop(name, None) for name in names}
    modules = {name: load(name) for name in names}
    yield modules
    for name in names:
        sys.modules.pop(name)
        if before[name] is not None:
            sys.modules[name] = before[name]


def grid(n):
    """n × n vertices on a unit square, all diagonals the same way."""
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    a = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    return points, np.concatenate([np.stack([a, a + n, a + n + 1], 1), np.stack([a, a + n + 1, a + 1], 1)])


def bumpy(seed, numbers):
    """An ellipsoid with bumps of its own, its vertices in random order, and the number of each."""
    points, faces = icosphere(2)
    random = np.random.default_rng(seed)
    points = points * (1, 1.3, 1.7) * (1 + 0.1 * np.sin(3 * points[:, :1] + random.normal()))
    order = np.arange(len(points)) if numbers else random.permutation(len(points))
    rank = np.argsort(order)
    return {"v": points[order], "f": rank[faces], "template_vertex": order}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    for split, seeds in {"native_topology": [0], "train": [1, 2], "test": [3]}.items():
        (folder / split).mkdir()
        for seed in seeds:
            np.savez(folder / split / f"body_{seed}.npz", **bumpy(seed, split == "native_topology"))
    return folder


def test_distances_and_cells_of_a_square(example):
    points, faces = grid(9)
    # vertex v has the number 80 - v
    mesh = gn.mesh_from_arrays(points, faces)
    template = example["template"].make_template(mesh, 80 - np.arange(81), 6)
    place = torch.from_numpy(points[template.vertex])
    d = (place[template.middle][:, None] - place[None]).abs()
    # along edges: diagonals lead where both coordinates grow, else steps along the axes
    step = place[None] - place[template.middle][:, None]
    along = (step[..., 0] * step[..., 1]) >= 0
    diagonal = math.sqrt(2) * d[..., :2].min(-1).values + (d[..., 0] - d[..., 1]).abs()
    exact = torch.where(along, diagonal, d.sum(-1))
    torch.testing.assert_close(template.distance.double(), exact, rtol=0, atol=1e-6)
    assert torch.equal(template.cell[template.middle], torch.arange(6))
    soft = template.soft_cells(torch.arange(81))
    torch.testing.assert_close(soft.sum(1), torch.ones(81))
    assert torch.equal(soft[template.middle].argmax(1), torch.arange(6))


def test_a_template_needs_every_number_once(example):
    mesh = gn.mesh_from_arrays(*grid(3))
    with pytest.raises(ValueError, match=r"each of 0 \.\. 8 once"):
        example["template"].make_template(mesh, np.zeros(9, np.int64), 2)


def test_the_command(example, folder, tmp_path, monkeypatch):
    out, picture = tmp_path / "result.json", tmp_path / "picture.png"
    words = f"--data {folder} --cells 12 --epochs 2 --width 4 --blocks 1 --cache {tmp_path}"
    words += f" --json {out} --picture {picture}"
    monkeypatch.setattr(sys, "argv", ["run.py", *words.split()])
    example["run"].main()
    result = json.loads(out.read_text())
    assert result["vertices"] == 162
    assert result["predictions_changed_by_random_gauge"] == 0
    assert result["logits_changed_by_random_gauge"] < 1e-5
    assert 0 < result["mean_error_least"] <= result["mean_error"]
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("invariant", [True, False])
def test_errors_are_those_of_the_numbers_and_only_a_broken_head_sees_the_gauge(example, folder, tmp_path, invariant):
    run = example["run"]
    template = example["template"].make_template(
        *example["template"].load_numbered(folder / "native_topology" / "body_0.npz"), 12
    )
    bodies = run.load_bodies(folder / "test", 1, 12, run.GeometryCache(tmp_path))
    network = gn.CorrespondenceNetwork(
        "SO(2)", bodies[0].sample.features.shape[1], 12, width=4, blocks=1, max_frequency=1, equivariant_head=invariant
    )
    scores, (predicted,) = run.evaluate(network, bodies, template, 0)
    assert (scores["logits_changed_by_random_gauge"] < 1e-5) == invariant
    distance = {int(m): row for m, row in zip(template.middle, template.distance, strict=True)}
    errors = [float(distance[int(p)][n]) for p, n in zip(predicted, bodies[0].number, strict=True)]
    assert scores["mean_error"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert scores["within"]["0.2"] == pytest.approx(np.mean(np.array(errors) <= 0.2), abs=1e-6)
