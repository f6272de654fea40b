"""The networks of the spherical MNIST example: parameters, the 60 rotations, rotations of SO(3), data, the runner."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from icosahedral_action import rotated_pixels

import gaugenet as gn
from gaugenet.nn.value_basis import from_values, to_values

FOLDER = Path(__file__).parents[2] / "examples" / "spherical_mnist"


@pytest.fixture(autouse=True)
def example(monkeypatch):
    """The files of the example, which import each other by their names; those of another example may be loaded."""
    for name in ("data", "mesh_model", "model", "run", "averaged"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)


def perturbed(network):
    """In float64, evaluating, no bias or running mean zero."""
    network = network.double().eval()
    g = torch.Generator().manual_seed(1)
    for p in (*network.parameters(), *(n.running_mean for n in network.norms)):
        p.data.add_(torch.randn(p.shape, generator=g, dtype=p.dtype), alpha=0.1)
    return network


def twenty_digits(path):
    """A file of MNIST with 20 training images of one grey, and 10 to test."""
    pixels, labels = np.full((20, 28, 28), 200, np.uint8), np.zeros(20, np.uint8)
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels[:10], y_test=labels[:10])


def smooth(n=3, seed=0):
    """n polynomials of degree 4 on the sphere, as a function of points [P, 3] → [P, n, 1]."""
    g = torch.Generator().manual_seed(seed)
    ways = torch.nn.functional.normalize(torch.randn(n, 4, 3, generator=g, dtype=torch.float64), dim=-1)
    powers = torch.arange(1, 5)
    return lambda p: ((ways @ p.T) ** powers[:, None]).sum(1).T[..., None]


@pytest.mark.parametrize(
    ("resolution", "kind"),
    [(3, ""), (4, ""), (5, ""), (3, "-wide"), (4, "-wide"), (3, "-large"), (4, "-large"), (5, "-large")],
)
def test_the_plain_network_has_about_as_many_parameters(resolution, kind):
    networks = [sys.modules["model"].make_network(name + kind, resolution, 0) for name in ("ico", "plain")]
    ico, plain = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert 0.98 < plain / ico < 1.1


def test_parameters_at_resolution_3():
    model = sys.modules["model"]
    found = [sum(p.numel() for p in model.make_network(m, 3, 0).parameters()) for m in model.MODELS]
    assert found == [32_312, 34_751, 37_482, 38_216, 41_192, 38_216, 179_602, 185_969]


def test_a_resolution_that_a_network_does_not_have_is_named():
    with pytest.raises(ValueError, match="expected resolution 3, 4 for ico-wide, got 5"):
        sys.modules["model"].make_network("ico-wide", 5, 0)
    for resolution in (3, 4, 5):
        for name in sys.modules["model"].MODELS:
            if resolution not in sys.modules["model"].resolutions(name):
                continue
            sys.modules["model"].make_network(name, resolution, 0)


def test_wide_networks_see_the_mean_around_a_pixel():
    network = sys.modules["model"].make_network("ico-wide", 3, 0).double()
    # the mean of seven neighbours of a linear function, which is that of the middle but for the sphere's curvature
    x = network.directions[:, 2, None, None] + 2.0
    seen = network.average(x, network.finer)[:, 0, 0]
    middle = sys.modules["model"].make_network("ico", 3, 0).directions[:, 2] + 2.0
    kept = torch.from_numpy(np.setdiff1d(np.arange(640), network.atlas.cones))
    assert (seen - middle)[kept].abs().max() < 0.01
    assert (seen - middle)[kept].abs().max() > 1e-4


def sixty(network, n_checked):
    """Over all rotations of the icosahedron, relative: of the logits; and over some, of the last field under them."""
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    group = gn.icosahedral_rotations()
    x = gn.project_image(image.expand(60, -1, -1), network.directions, group).T.contiguous()[..., None]
    with torch.no_grad():
        logits, (field, atlas) = network(x), network.features(x)
    error = float((logits - logits[:1]).abs().max() / logits[:1].abs().max())
    if field.shape[2] != 6 * network.copies:
        return error, 0.0
    kind, field_error = gn.FieldType.parse(f"C6: {network.copies}xregular"), 0.0
    for n in torch.linspace(1, 59, n_checked).long().tolist():
        kept, pixel, angle = rotated_pixels(atlas, group[n])
        part = from_values(kind, field[kept, 0][..., None])[..., 0]
        moved = to_values(kind, kind.transform(part, angle, torch.ones(len(angle)))[..., None])[..., 0]
        field_error = max(field_error, float((field[pixel, n] - moved).abs().max() / field[kept].abs().max()))
    return error, field_error


@pytest.mark.parametrize("name", ["ico", "ico-wide", "ico-filled", "ico-large"])
def test_all_sixty_rotations_of_the_icosahedron(name, monkeypatch):
    model = sys.modules["model"]
    monkeypatch.setattr(model, "WIDTHS", {3: (2, 3, 3, 4, 3)})
    monkeypatch.setattr(model, "WIDE", {3: (2, 3, 3, 4, 3)})
    monkeypatch.setattr(model, "LARGE", {3: (2, 2, 3, 3, 4, 4, 3)})
    network = perturbed(model.make_network(name, 3, 0))
    assert max(sixty(network, 59)) < 1e-12
    network.atlas = network.atlas.without_transitions()
    logits, field = sixty(network, 2)
    assert logits > 1e-3
    assert field > 1e-2


def test_the_plain_network_has_none_of_them():
    assert sixty(perturbed(sys.modules["model"].make_network("plain", 3, 0)), 1)[0] > 1e-3


def test_statistics_of_a_batch_do_not_depend_on_the_rotation():
    network = perturbed(sys.modules["model"].make_network("ico", 3, 0)).train()
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    logits = [
        network(gn.project_image(images, network.directions, r).T.contiguous()[..., None])
        for r in gn.icosahedral_rotations()[[0, 17]]
    ]
    assert (logits[0] - logits[1]).abs().max() < 1e-10 * logits[0].abs().max()


def test_on_the_icosphere_the_error_under_rotations_falls_with_resolution(monkeypatch):
    mesh_model = sys.modules["mesh_model"]
    monkeypatch.setattr(mesh_model, "HIDDEN", ("3x0 + 2x1 + 1x2", "3x0 + 2x1"))
    monkeypatch.setattr(mesh_model, "LAST", "4x0 + 2x1")
    rotations, signal, errors = gn.random_rotations(3, torch.Generator().manual_seed(0)), smooth(), []
    for resolution in (2, 3):
        monkeypatch.setattr(mesh_model, "COARSER", {resolution: 1})
        network = perturbed(mesh_model.MeshNetwork(resolution))
        network.hierarchy = network.hierarchy.to(dtype=torch.float64)
        with torch.no_grad():
            logits = torch.stack([network(signal(network.directions @ r)) for r in rotations])
        spread = (logits - logits.mean(0)).square().mean()
        errors.append(float((spread / (logits.mean(0) - logits.mean((0, 1))).square().mean()).sqrt()))
    assert errors[1] < 0.7 * errors[0]
    assert errors[1] < 0.2


def test_digits_are_turned_once_and_evenly():
    data = sys.modules["data"]
    digits = data.Digits(torch.rand(4, 28, 28), torch.arange(4), None)
    assert data.turned(digits, "N", 0).rotation is None
    for turn in "IR":
        one, again, other = (data.turned(digits, turn, seed).rotation for seed in (0, 0, 1))
        assert (one == again).all()
        assert (one != other).any()
    group = gn.icosahedral_rotations().float().view(60, 9)
    assert torch.cdist(data.turned(digits, "I", 0).rotation.view(-1, 9), group).min(1).values.max() < 1e-3
    x, label = next(data.turned(digits, "R", 0).batches(torch.tensor([2, 0]), torch.eye(3).double()))
    expected = gn.project_image(digits.images, torch.eye(3), data.turned(digits, "R", 0).rotation)
    assert torch.allclose(x[..., 0].T, expected[[2, 0]])
    assert label.tolist() == [2, 0]
    # not turned, the middle of the image is at the north pole
    upright = next(digits.batches(torch.tensor([1]), torch.eye(3).double()))[0]
    assert torch.allclose(upright[2, 0, 0], digits.images[1, 13:15, 13:15].mean())


def test_the_mean_over_rotations_is_closer_to_invariant_and_goes_on_from_one(monkeypatch):
    """Of a network that is invariant under the icosahedron's rotations alone; with one rotation it is the network."""
    model, data, averaged = sys.modules["model"], sys.modules["data"], sys.modules["averaged"]
    monkeypatch.setattr(model, "WIDTHS", {3: (2, 3, 3, 4, 3)})
    network = perturbed(model.make_network("ico", 3, 0)).float()
    images = torch.rand(20, 28, 28, generator=torch.Generator().manual_seed(0))
    digits = data.turned(data.Digits(images, torch.arange(20) % 10, None), "R", 0)
    x = next(digits.batches(torch.arange(20), network.directions))[0]
    with torch.no_grad():
        wrong = (network(x).argmax(1) != digits.label).float().mean()
    found = list(averaged.errors(network, digits, 3))
    assert len(found) == 3
    assert found[0] == pytest.approx(100 * float(wrong))
    spread = []
    for k in (1, 16):
        said = torch.stack(
            [list(averaged.mean_over_rotations(network, data.turned(digits, "R", s), k))[-1] for s in range(3)]
        )
        spread.append(float((said - said.mean(0)).square().mean()))
    assert spread[1] < 0.3 * spread[0]


def test_runner_resumes_and_prints_the_table(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    n = 60
    pixels, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[:10], y_test=labels[:10])
    model, data, runner = sys.modules["model"], sys.modules["data"], sys.modules["run"]
    monkeypatch.setattr(model, "WIDTHS", {3: (1, 2, 2)})
    monkeypatch.setattr(model, "POOLED", {3: (0, 1)})
    for module in (data, runner):
        monkeypatch.setattr(module, "BATCH", 10)
    monkeypatch.setattr(runner, "SAVE_EVERY", 4)

    def call(out, *more):
        command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path / out), "--epochs", "2"]
        monkeypatch.setattr(sys, "argv", [*command, "--settings", "R/R,R/N", *more])
        runner.main()
        return capsys.readouterr().out

    table = call("whole")
    result = json.loads((tmp_path / "whole" / "ico-3-R-0.json").read_text())
    assert sorted(result["test_error_percent"]) == ["I", "N", "R"]
    # 6 steps in an epoch: 4 and 2
    assert len(result["train_loss"]) == 4
    assert f"| ico | 3 | {result['parameters']:,} | R | 60 × 2 | " in table
    assert "done before" in call("whole")
    assert call("whole", "--table").count("\n") == 3
    with pytest.raises(SystemExit):
        call("whole", "--batch", "20")
    assert "ico-3-R-0.json is of a run with batch = 10 and now batch is 20" in capsys.readouterr().err

    # on from there, with other orders and rotations
    table = call("whole", "--after", str(tmp_path / "whole" / "ico-3-R-0.json"), "--rate", "1e-3")
    assert f"| ico | 3 | {result['parameters']:,} | R | 60 × (2 + 2) | " in table
    on = json.loads((tmp_path / "whole" / "ico-3-R-0-after-2.json").read_text())
    assert (on["epochs"], on["epochs_before"], on["rate"]) == (2, 2, 1e-3)
    assert on["train_loss"][0] < result["train_loss"][0]

    for wrong in (
        ["--after", "nowhere.json"],
        ["--after", str(tmp_path / "whole" / "ico-3-R-0.json"), "--models", "mesh"],
    ):
        with pytest.raises(SystemExit):
            call("whole", *wrong)
    printed = capsys.readouterr().err
    assert "--after nowhere.json: there is no such file" in printed
    assert "is of a run with model = 'ico' and now model is 'mesh'" in printed

    save, saved = runner.save_state, []

    def interrupted(path, network, optimizer, step, *rest):
        save(path, network, optimizer, step, *rest)
        saved.append(step)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "save_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call("halves")
    call("halves")
    assert saved == [4, 6, 10, 12]
    resumed = json.loads((tmp_path / "halves" / "ico-3-R-0.json").read_text())
    assert resumed["train_loss"] == result["train_loss"]
    assert resumed["test_error_percent"] == result["test_error_percent"]


def test_batches_and_precision_are_options(tmp_path, monkeypatch, capsys):
    twenty_digits(tmp_path / "mnist.npz")
    monkeypatch.setattr(sys.modules["model"], "WIDE", {3: (1, 1, 2)})
    monkeypatch.setattr(sys.modules["run"], "SAVE_EVERY", 2)
    command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path), "--epochs", "1"]
    more = ["--models", "ico-wide", "--settings", "N/N", "--batch", "4", "--precision", "bfloat16"]
    monkeypatch.setattr(sys, "argv", [*command, *more])
    sys.modules["run"].main()
    result = json.loads((tmp_path / "ico-wide-3-N-0.json").read_text())
    # 5 steps: 2, 2 and 1
    assert len(result["train_loss"]) == 3
    assert (result["batch"], result["precision"], result["turned"]) == (4, "bfloat16", "once")


def test_digits_turned_anew_have_other_rotations_in_every_epoch(tmp_path, monkeypatch, capsys):
    twenty_digits(tmp_path / "mnist.npz")
    run, rotations = sys.modules["run"], []
    monkeypatch.setattr(sys.modules["model"], "WIDTHS", {3: (1, 1, 2)})
    monkeypatch.setattr(run, "train_steps", lambda n, o, digits, *rest: rotations.append(digits.rotation) or 0.0)
    command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path), "--settings", "R/R"]
    for words in ([], ["--turn-anew"]):
        monkeypatch.setattr(sys, "argv", [*command, "--epochs", "2", *words])
        run.main()
    once, again, first, second = rotations
    assert once is again
    assert (first - second).abs().amax() > 0.1
    assert json.loads((tmp_path / "ico-3-R-anew-0.json").read_text())["turned"] == "anew in every epoch"


def test_a_deformed_digit_is_the_image_of_a_linear_map():
    data = sys.modules["data"]
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    # linear, so that interpolation is exact: image(A p) = s · A p
    slope, maps = torch.tensor([0.02, -0.01]), torch.tensor([[[0.5, 0.2], [-0.1, 0.6]], [[0.7, 0.0], [0.3, 0.4]]])
    image = slope[0] * x + slope[1] * y
    found = data.read_at(image.expand(2, -1, -1), maps)
    expected = torch.einsum("i,nij,jrc->nrc", slope, maps, torch.stack([x, y]))
    assert torch.allclose(found, expected, atol=1e-6)
    # and what lies beyond the image is 0
    assert data.read_at(torch.ones(1, 28, 28), 3 * torch.eye(2)[None])[0, 0, 0] == 0
    digits = data.Digits(torch.rand(4, 28, 28), torch.arange(4), None)
    one, again, other = (data.deformed(digits, 0.1, seed).deformation for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()
    assert 0.05 < float((one - torch.eye(2)).std()) < 0.2
    plain, changed = (
        next(d.batches(torch.arange(4), torch.eye(3)))[0] for d in (digits, data.deformed(digits, 0.1, 0))
    )
    assert plain.shape == changed.shape
    expected = gn.project_image(data.read_at(digits.images, one), torch.eye(3))
    assert torch.allclose(changed[..., 0].T, expected)


def test_training_digits_can_be_deformed_and_test_digits_are_not(tmp_path, monkeypatch, capsys):
    twenty_digits(tmp_path / "mnist.npz")
    run, maps = sys.modules["run"], []
    monkeypatch.setattr(sys.modules["model"], "WIDTHS", {3: (1, 1, 2)})
    monkeypatch.setattr(run, "train_steps", lambda n, o, digits, *rest: maps.append(digits.deformation) or 0.0)
    monkeypatch.setattr(run, "test_error", lambda n, digits: maps.append(digits.deformation) or 0.0)
    command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path), "--settings", "N/N"]
    monkeypatch.setattr(sys, "argv", [*command, "--epochs", "2", "--deform", "0.1"])
    run.main()
    first, second, *tested = maps
    assert (first - second).abs().amax() > 0.1
    assert tested == [None, None, None]
    assert json.loads((tmp_path / "ico-3-N-deformed-0.1-0.json").read_text())["deformed"] == 0.1
    assert "| N, deformed 0.1 |" in capsys.readouterr().out


def test_the_mesh_runs_too(tmp_path, monkeypatch, capsys):
    twenty_digits(tmp_path / "mnist.npz")
    for module in (sys.modules["data"], sys.modules["run"]):
        monkeypatch.setattr(module, "BATCH", 10)
    command = ["run.py", "--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path), "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--models", "mesh", "--settings", "N/N"])
    sys.modules["run"].main()
    assert "| mesh | 3 | 37,482 | N | 20 × 1 | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "cnn"], "unknown model 'cnn'"),
        (["--settings", "N"], "unknown setting 'N'"),
        (["--settings", "N/X"], "unknown setting 'N/X'"),
        (["--deform", "-1"], "--deform -1.0: expected 0 or more"),
        ([], "give MNIST by --data"),
        (["--data", "nothing.npz"], "no file nothing.npz"),
    ],
)
def test_mistakes_are_named(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "--out", str(tmp_path), *arguments])
    with pytest.raises(SystemExit):
        sys.modules["run"].main()
    assert message in capsys.readouterr().err
