"""Arrows in frames: independent of the gauge, and transport as on the plane and the sphere."""

import numpy as np
import pytest
import torch

from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.visualize_vectors import (
    draw_edge_values,
    draw_transport,
    draw_vectors,
    spread_out,
    vectors_in_space,
)

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def sphere():
    mesh = shapes.sphere(subdivisions=2).mesh
    return mesh, compute_geometry(mesh, Nearest(8), dtype=torch.float64)


def test_vectors_in_space_do_not_depend_on_the_gauge(sphere):
    _, g = sphere
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(g.n_vertices, 2, generator=generator, dtype=torch.float64)
    angle = 6.28 * torch.rand(g.n_vertices, generator=generator, dtype=torch.float64)
    flip = 1 - 2 * torch.randint(0, 2, (g.n_vertices,), generator=generator)
    moved = FieldType.parse("O(2): 1x1").transform(c, angle, flip)
    here, there = vectors_in_space(c, g), vectors_in_space(moved, g.transform(angle, flip))
    assert np.allclose(here, there)
    assert not np.allclose(here, vectors_in_space(c, g.transform(angle, flip)))
    with pytest.raises(ValueError, match=r"expected coefficients \[162, 2\]"):
        vectors_in_space(c[:3], g)


def test_the_picture_of_transport_does_not_depend_on_the_gauge(sphere, tmp_path):
    mesh, g = sphere
    generator = torch.Generator().manual_seed(1)
    angle = 6.28 * torch.rand(g.n_vertices, generator=generator, dtype=torch.float64)
    draw_transport(tmp_path / "a.png", mesh, g, 40, angle=0.3)
    draw_transport(tmp_path / "b.png", mesh, g.transform(angle), 40, angle=0.3 + float(angle[40]))
    draw_transport(tmp_path / "c.png", mesh, g.transform(angle), 40, angle=0.3)
    a, b, c = (image.imread(tmp_path / f"{name}.png") for name in "abc")
    assert np.abs(a - b).mean() < 1e-4
    assert np.abs(a - c).mean() > 1e-3


def test_in_the_plane_all_arrows_are_parallel(tmp_path, monkeypatch):
    import gaugenet.visualize_vectors as module

    drawn = []
    monkeypatch.setattr(module, "_arrows", lambda axes, points, vectors, *rest, **more: drawn.append(vectors))
    mesh = shapes.flat_patch(n=8, m=8).mesh
    g = compute_geometry(mesh, Nearest(8), dtype=torch.float64)
    draw_transport(tmp_path / "a.png", mesh, g, 40, angle=0.7)
    moved, own = drawn
    assert len(moved) == 8
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    assert np.allclose(unit, own / np.linalg.norm(own), atol=1e-12)


def test_arrows_and_discs_are_in_the_picture(sphere, tmp_path):
    mesh, g = sphere
    vectors = vectors_in_space(torch.ones(g.n_vertices, 2), g)
    draw_vectors(tmp_path / "v.png", mesh, vectors, "all of them")
    draw_edge_values(tmp_path / "w.png", mesh, g, 5, g.weight - 0.1)
    p = np.round(255 * image.imread(tmp_path / "v.png")[:, :, :3])
    assert (np.abs(p - [20, 70, 159]).max(2) < 12).sum() > 500
    with pytest.raises(ValueError, match="there is no vertex 162: expected 0 to 161"):
        draw_transport(tmp_path / "t.png", mesh, g, 162)
    with pytest.raises(ValueError, match="expected one value per edge, 1296 in all"):
        draw_edge_values(tmp_path / "w.png", mesh, g, 5, g.weight[:4])
    with pytest.raises(ValueError, match=r"expected vectors \[162, 3\], got \[162, 2\]"):
        draw_vectors(tmp_path / "v.png", mesh, vectors[:, :2])


def test_chosen_points_are_few_and_everywhere():
    points = np.random.default_rng(0).random((5000, 3))
    chosen = spread_out(points, 300)
    assert 60 < len(chosen) <= 300
    assert len(np.unique(chosen)) == len(chosen)
    for corner in np.stack(np.meshgrid(*[[0.25, 0.75]] * 3), -1).reshape(-1, 3):
        assert (np.abs(points[chosen] - corner).max(1) < 0.25).any()
    assert spread_out(points[:5], 300).tolist() == [0, 1, 2, 3, 4]


def test_a_window_gets_everything_under_its_name(sphere):
    from gaugenet.visualize_window import show

    calls = []

    class Stand:
        def __getattr__(self, name):
            return lambda *arguments, **more: calls.append((name, *arguments[:1], more)) or self

    mesh, _ = sphere
    colors = np.zeros((mesh.n_faces, 3), np.uint8)
    values = {"h": np.zeros(mesh.n_vertices)}
    show(mesh, colors={"labels": colors}, values=values, vectors={"w": mesh.vertices}, window=Stand())
    assert [c[0] for c in calls] == [
        "init", "register_surface_mesh", "add_color_quantity", "add_scalar_quantity", "add_vector_quantity", "show",
    ]  # fmt: skip
    assert (calls[2][2], calls[3][2]) == (
        {"defined_on": "faces", "enabled": True},
        {"defined_on": "vertices", "enabled": False},
    )
    with pytest.raises(ValueError, match=r"h: expected 162 rows \(vertices\) or 320 \(faces\), got 7"):
        show(mesh, values={"h": np.zeros(7)}, window=Stand())


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 270.0])
def test_arrows_are_not_cut_off_at_the_edge(angle, tmp_path):
    mesh = shapes.flat_patch(n=3, m=3).mesh
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
    draw_vectors(tmp_path / "v.png", mesh, np.tile(direction, (mesh.n_vertices, 1)), view=(90.0, -90.0))
    p = np.round(255 * image.imread(tmp_path / "v.png")[:, :, :3])
    blue = np.abs(p - [20, 70, 159]).max(2) < 12
    # the axes end at 1 % and 99 % across, 6 % and 99 % down
    rows, columns = np.nonzero(blue.any(1))[0], np.nonzero(blue.any(0))[0]
    assert 0.065 * len(p) < rows[0] < rows[-1] < 0.985 * len(p)
    assert 0.015 * len(p) < columns[0] < columns[-1] < 0.985 * len(p)
