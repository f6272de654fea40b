"""Surfaces glued at random from squares, with all turns and flips, cone points and borders: what a person may bring."""

import math

import numpy as np
import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.charts import ChartAtlas, Gluing, Pull
from gaugenet.nn.chart_conv import ChartConv
from gaugenet.nn.chart_transport import chart_transport

FIELD = FieldType.parse("D4: 1x0 + 1x1 + 1xregular")
OUTWARD = np.array([[0, -1], [0, 1], [-1, 0], [1, 0]])
TURNS = [((0, -1), (1, 0)), ((-1, 0), (0, -1)), ((1, 0), (0, -1)), ((0, 1), (1, 0))]


def glued(n, one, other, chart, flipped):
    """Side `one` of a square of n × n pixels to side `other` of `chart`: outwards becomes inwards."""
    along, there = abs(OUTWARD[one][::-1]), abs(OUTWARD[other][::-1])
    matrix = np.outer(-OUTWARD[other], OUTWARD[one]) + np.outer(-there if flipped else there, along)
    middle = (n - 1) / 2 + OUTWARD * n / 2
    offset = middle[other] - matrix @ middle[one]
    return Gluing(chart, tuple(map(tuple, matrix.tolist())), tuple(offset.round().astype(int).tolist()))


def surface(rng, n_charts, n):
    """Every side of every chart to another one; one pair in ten stays a border."""
    ends = [(c, s) for c in range(n_charts) for s in range(4)]
    rng.shuffle(ends)
    sides = [[()] * 4 for _ in range(n_charts)]
    for (c, s), (d, t) in zip(ends[::2], ends[1::2]):
        if rng.random() < 0.9:
            flipped = bool(rng.random() < 0.5)
            sides[c][s], sides[d][t] = (glued(n, s, t, d, flipped),), (glued(n, t, s, c, flipped),)
    return ChartAtlas("glued", n, n, tuple(map(tuple, sides)))


def in_another_gauge(atlas, chart, turn):
    """The same surface with coordinates (i, j) → H (i, j) + o in one chart, and the pull that carries fields there."""
    n, h = atlas.rows, np.array(turn)
    o = np.where(h.sum(1) < 0, n - 1, 0)
    sides = [[()] * 4 for _ in range(atlas.n_charts)]
    for c, of_chart in enumerate(atlas.sides):
        for s, parts in enumerate(of_chart):
            for gluing in parts:
                matrix, offset, side = np.array(gluing.matrix), np.array(gluing.offset), s
                if gluing.chart == chart:
                    matrix, offset = h @ matrix, h @ offset + o
                if c == chart:
                    matrix, offset = matrix @ h.T, offset - matrix @ h.T @ o
                    side = int((h @ OUTWARD[s] == OUTWARD).all(1).argmax())
                pair = tuple(map(tuple, matrix.tolist()))
                sides[c][side] = (Gluing(gluing.chart, pair, tuple(offset.tolist())),)
    i, j, c = (g.ravel() for g in np.meshgrid(range(n), range(n), range(atlas.n_charts), indexing="ij"))
    before = (np.stack([i, j], 1) - o) @ h
    moved = c == chart
    row, column = np.where(moved, before[:, 0], i), np.where(moved, before[:, 1], j)
    # columns are x and rows y
    plane = h[::-1, ::-1]
    angle, flip = math.atan2(plane[1, 0], plane[0, 0]), round(np.linalg.det(plane))
    pull = Pull(
        torch.from_numpy((row * n + column) * atlas.n_charts + c),
        torch.from_numpy(np.where(moved, angle, 0.0)),
        torch.from_numpy(np.where(moved, flip, 1).astype(np.int8)),
        torch.ones(len(c), dtype=torch.bool),
    )
    return ChartAtlas("turned", n, n, tuple(map(tuple, sides))), pull


def case(seed):
    rng, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    atlas = surface(rng, int(rng.integers(1, 5)), int(rng.integers(2, 4)))
    layers = [
        ChartConv(FIELD, FIELD, size=3 + 2 * (seed % 2), executor=executor, generator=g).double()
        for executor in ("taps", "direct", "fourier")
    ]
    layers[0].bias.value.data = torch.randn(layers[0].bias.value.shape, generator=g, dtype=torch.float64)
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    return rng, atlas, layers, torch.randn(atlas.n_pixels, 2, FIELD.dim, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(12))
def test_all_executors_and_the_operator_on_meshes_agree(seed):
    """Forward and both gradients: taps may take the transpose for a correlation, which depends on the surface."""
    _, atlas, layers, x = case(seed)
    found = []
    for layer in layers:
        given = x.clone().requires_grad_()
        out = layer(given, atlas)
        (out.sin().sum()).backward()
        found.append((out.detach(), given.grad, layer.coefficients.grad, layer.bias.value.grad))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-11, atol=1e-11)
    geometry = chart_geometry(atlas, layers[0].size // 2)
    for image in range(2):
        expected = layers[0].on_edges(x[:, image].contiguous(), geometry)
        assert (found[0][0][:, image] - expected).abs().max() <= 1e-12 * expected.abs().max()


def test_another_gauge_in_a_chart():
    broken = 0.0
    for seed in range(12):
        rng, atlas, layers, x = case(seed)
        turned, pull = in_another_gauge(atlas, int(rng.integers(atlas.n_charts)), TURNS[seed % 4])
        move = chart_transport(pull, FIELD, values=False, dtype=x.dtype, device=x.device)
        layer = layers[seed % 3]
        with torch.no_grad():
            out = layer(x, atlas)
            assert (layer(move(x), turned) - move(out)).abs().max() <= 1e-12 * out.abs().max()
            plain = move(layer(x, atlas.without_transitions()))
            broken = max(broken, float((layer(move(x), turned.without_transitions()) - plain).abs().max()))
    assert broken > 0.1


@pytest.mark.parametrize("seed", range(12))
def test_coarser_charts_are_glued_like_fine_ones(seed):
    rng = np.random.default_rng(seed)
    fine = surface(rng, int(rng.integers(1, 5)), 4)
    coarse = fine.coarser(2)
    i, j, c = (g.ravel() for g in np.meshgrid(range(2), range(2), range(fine.n_charts), indexing="ij"))
    for down, along in OUTWARD:
        one, two = coarse.pull(c, i + down, j + along), fine.pull(c, 2 * (i + down), 2 * (j + along))
        place, chart = np.divmod(two.source.numpy(), fine.n_charts)
        window = (place // 4 // 2 * 2 + place % 4 // 2) * fine.n_charts + chart
        inside = two.inside.numpy()
        assert (one.inside.numpy() == inside).all()
        assert (one.source.numpy() == window)[inside].all()
        assert (one.flip == two.flip)[two.inside].all()
        assert (torch.cos(one.angle - two.angle) > 0.9)[two.inside].all()
