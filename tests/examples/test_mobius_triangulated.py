"""The triangulated Möbius strip of the example: its vertices, its frames, and features that move with the digit."""

import numpy as np
import pytest
import torch
from example_files import load

import gaugenet as gn

triangulated, data = load("mobius_mnist", "triangulated"), load("mobius_mnist", "data")


def moved(level, steps):
    """Where each vertex goes if the strip moves by so many pixels, and whether it is turned over: by coordinates."""
    place = triangulated.places(level)
    u, v = place[:, 0] + steps, place[:, 1]
    turns = np.floor(u / 28)
    goal = np.stack([u - 28 * turns, np.where(turns % 2 == 1, -v, v)], 1)
    distance = np.abs(goal[:, None] - place[None]).max(2)
    assert distance.min(1).max() < 1e-12
    return torch.from_numpy(distance.argmin(1)), torch.from_numpy(1 - 2 * (turns % 2))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_log_maps_and_transporters_are_those_of_the_flat_strip(level):
    geometry = triangulated.strip_geometry(level, torch.float64)
    place = torch.from_numpy(triangulated.places(level))
    p, q = place[geometry.target], place[geometry.source.long()]
    best = torch.full_like(geometry.r, torch.inf)
    vector, sign = torch.zeros(len(best), 2, dtype=torch.float64), torch.ones(len(best), dtype=torch.float64)
    for turns in (-1, 0, 1):
        there = torch.stack([q[:, 0] + 28 * turns, q[:, 1] * (-1) ** turns], 1) - p
        nearer = there.norm(dim=1) < best
        best = torch.where(nearer, there.norm(dim=1), best)
        vector[nearer], sign[nearer] = there[nearer], (-1.0) ** turns
    assert geometry.rotation_order == 1
    assert geometry.structure_group == "reflection"
    assert (geometry.r - best).abs().max() < 1e-12
    polar = torch.stack([geometry.theta.cos(), geometry.theta.sin()], 1) * geometry.r[:, None]
    assert (polar - vector).abs().max() < 1e-12
    assert (geometry.flip == sign).all()
    assert (geometry.phi == 0).all()


def test_kept_vertices_are_in_the_place_of_the_next_level():
    for level in (0, 1):
        fine, coarse = triangulated.places(level), triangulated.places(level + 1)
        assert abs(fine[triangulated.kept(level)] - coarse).max() < 1e-12


def test_digits_are_interpolated_linearly():
    place, matrix = triangulated.places(0), triangulated.at_vertices()
    assert (matrix.sum(1) - 1).abs().max() < 1e-12
    row = torch.arange(28, dtype=torch.float64)[:, None].expand(28, 28)
    assert np.abs((matrix @ row.flatten()).numpy() - place[:, 1] - 13.5)[place[:, 0] <= 27].max() < 1e-12
    column = torch.arange(28, dtype=torch.float64).expand(28, 28)
    assert np.abs((matrix @ column.flatten()).numpy() - place[:, 0])[place[:, 0] <= 27].max() < 1e-12
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for steps in (1, 13, 28, 41):
        goal, _ = moved(0, steps)
        there = data.move_along(image, torch.tensor([steps]))
        assert (matrix @ there.flatten())[goal].sub(matrix @ image.flatten()).abs().max() < 1e-12


@pytest.fixture(scope="module")
def network():
    net = triangulated.TriangulatedNetwork().double().eval()
    g = torch.Generator().manual_seed(1)
    for p in net.parameters():
        p.data.add_(torch.randn(p.shape, generator=g, dtype=p.dtype), alpha=0.05)
    return net


def isometry_error(network, layer, level, steps):
    """Of the field after convolution `layer` and what follows it, relative."""
    steps = [0, *steps]
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        found = network.features(data.move_along(image.expand(len(steps), -1, -1), torch.tensor(steps)))[layer]
    kind = network.convolutions[layer].out_type
    error = 0.0
    for n, s in enumerate(steps):
        goal, flip = moved(level, s)
        expected = torch.empty_like(found[0])
        expected[goal] = kind.transform(found[0], torch.zeros(len(flip), dtype=torch.float64), flip)
        error = max(error, float((found[n] - expected).abs().max() / found[0].abs().max()))
    return error


def test_features_move_with_the_digit(network):
    """All shifts until the first maximum, even ones until the second, multiples of four through all of it."""
    assert isometry_error(network, 0, 0, [1, 13, 27, 28, 29, 55]) < 1e-12
    assert isometry_error(network, 2, 1, [2, 26, 28, 30, 54]) < 1e-12
    assert isometry_error(network, 5, 2, [4, 24, 28, 52]) < 1e-12


def test_without_the_flips_of_the_seam_they_do_not(network, monkeypatch):
    flat = [g.transform(torch.zeros(g.n_vertices, dtype=torch.float64)) for g in network.one[0]]
    for g in flat:
        g.flip.fill_(1)
    monkeypatch.setattr(network, "one", (flat, network.one[1]))
    monkeypatch.setattr(network, "batches", {})
    assert isometry_error(network, 2, 1, [6, 28, 40]) > 1e-3


def test_logits_in_another_gauge(network, monkeypatch):
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    g = torch.Generator().manual_seed(4)
    with torch.no_grad():
        expected = network(images)
    levels = [gn.batch_geometries([x.to(dtype=torch.float64)] * 2) for x in network.one[0]]
    windows = [gn.batch_geometries([x.to(dtype=torch.float64)] * 2) for x in network.one[1]]
    flips = [torch.randint(2, (x.n_vertices,), generator=g) * 2 - 1 for x in levels]
    still = [torch.zeros(x.n_vertices, dtype=torch.float64) for x in levels]
    levels = [x.transform(a, f) for x, a, f in zip(levels, still, flips)]
    moved = [x.transform(still[k + 1], flips[k + 1], still[k], flips[k]) for k, x in enumerate(windows)]
    monkeypatch.setattr(network, "strips", lambda *_: (levels, moved))
    with torch.no_grad():
        assert (network(images) - expected).abs().max() < 1e-12 * expected.abs().max()
    # maxima that do not know of the new frames
    monkeypatch.setattr(network, "strips", lambda *_: (levels, windows))
    with torch.no_grad():
        assert (network(images) - expected).abs().max() > 1e-3 * expected.abs().max()
