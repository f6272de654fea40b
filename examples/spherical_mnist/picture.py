"""A digit on the sphere and on the unfolded icosahedron, and the features of a trained network there.

python examples/spherical_mnist/picture.py --data mnist.npz --run runs/spherical_mnist/ico-3-N-0.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from data import mnist
from model import make_network

import gaugenet as gn
from gaugenet.training.own_loop import load_network

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.collections import RegularPolyCollection

CELL = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
"""a and b of the hexagonal lattice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="npz file of MNIST")
    parser.add_argument("--run", type=Path, help="state of a trained ico network of resolution 3")
    parser.add_argument("--digit", type=int, default=4, help="number of the test image")
    parser.add_argument("--out", type=Path, default=Path("sphere.png"))
    options = parser.parse_args()
    image = mnist(options.data)[1].images[options.digit : options.digit + 1].double()
    generator = torch.Generator().manual_seed(1)
    still, random = torch.eye(3, dtype=torch.float64), gn.random_rotations(1, generator)[0]
    rotations = (still, gn.icosahedral_rotations()[23], random)
    atlas = gn.icosahedral_atlas(5)
    points = torch.from_numpy(gn.pixel_directions(atlas))
    network = make_network("ico", 3, 0)
    if options.run is not None:
        load_network(options.run, network)
    network = network.double().eval()
    figure, axes = plt.subplots(3, 3, figsize=(13, 6.2), width_ratios=(1, 2, 2), dpi=110)
    names = ("not turned", "turned by the icosahedron", "turned by SO(3)")
    for row, name, rotation in zip(axes, names, rotations):
        _sphere(row[0], image, rotation, name)
        _unfolded(row[1], atlas, gn.project_image(image, points, rotation)[0], "gray_r")
        with torch.no_grad():
            x = gn.project_image(image, network.directions, rotation).T[..., None].contiguous()
            field = network.convolutions[0](x, network.atlas)[:, 0].unflatten(1, (6, -1))[:, :, 0]
        _unfolded(row[2], network.atlas, field.mean(1), "coolwarm", field - field.mean(1, keepdim=True))
    axes[0, 1].set_title("on five charts, resolution 5")
    axes[0, 2].set_title("a regular field, resolution 3: mean, first frequency")
    figure.tight_layout()
    figure.savefig(options.out)


def _sphere(axes: plt.Axes, image: torch.Tensor, rotation: torch.Tensor, name: str) -> None:
    """The sphere seen from near the north pole, orthographic."""
    view = np.array([0.0, -0.5, 1.0]) / np.sqrt(1.25)
    right = np.array([1.0, 0.0, 0.0])
    u, v = np.meshgrid(np.linspace(-1, 1, 260), np.linspace(1, -1, 260))
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0, None))
    p = u[..., None] * right + v[..., None] * np.cross(view, right) + depth[..., None] * view
    grey = gn.project_image(image, torch.from_numpy(p.reshape(-1, 3)), rotation)[0].view(u.shape).numpy()
    axes.imshow(np.where(u * u + v * v < 1, (1 - grey) * (0.75 + 0.25 * depth), 1.0), cmap="gray", vmin=0, vmax=1)
    axes.set_title(name)
    axes.axis("off")


def _unfolded(
    axes: plt.Axes, atlas: gn.ChartAtlas, colour: torch.Tensor, cmap: str, values: torch.Tensor | None = None
) -> None:
    """Five parallelograms in the plane with their frames (x red, y green); holes are left out. Arrows: the first
    frequency of values [P, 6], Σ_k v_k (cos kπ/3, sin kπ/3) in these frames."""
    grid = np.meshgrid(np.arange(atlas.rows), np.arange(atlas.columns), np.arange(atlas.n_charts), indexing="ij")
    i, j, c = (g.ravel() for g in grid)
    n = atlas.rows
    # chart c + 1 follows below chart c, moved by a column of lattice rows, so that their common side closes up
    place = j[:, None] * CELL[0] + (i - 1.25 * n * c)[:, None] * CELL[1]
    turned = np.array([[np.cos(np.pi / 3), -np.sin(np.pi / 3)], [np.sin(np.pi / 3), np.cos(np.pi / 3)]])
    place = place @ turned
    kept = np.setdiff1d(np.arange(atlas.n_pixels), atlas.cones)
    shown = colour.numpy()[kept]
    limit = np.abs(shown).max()
    axes.set_aspect("equal")
    axes.set_xlim(place[:, 0].min() - 1, place[:, 0].max() + 1)
    axes.set_ylim(place[:, 1].min() - 1, place[:, 1].max() + 1)
    axes.figure.canvas.draw()
    pixels = axes.transData.transform([[1.0, 0.0], [0.0, 0.0]])
    radius = (pixels[0, 0] - pixels[1, 0]) / np.sqrt(3) * 72 / axes.figure.dpi
    corners = np.array([[-0.6, -0.6], [-0.6, 2 * n - 0.4], [n - 0.4, 2 * n - 0.4], [n - 0.4, -0.6]])
    for k in range(5):
        outline = corners[:, 1:] * CELL[0] + (corners[:, :1] - 1.25 * n * k) * CELL[1]
        axes.add_patch(plt.Polygon(outline @ turned, fill=False, edgecolor="0.75", linewidth=0.6))
        # the frame of the chart, at its pixel (0, 0)
        for side, colour_of in ((CELL[0], "tab:red"), (np.array([0.0, 1.0]), "tab:green")):
            start, end = (-1.25 * n * k) * CELL[1] @ turned, n / 4 * side @ turned
            axes.arrow(*start, *end, color=colour_of, width=n / 100, length_includes_head=True, zorder=3)
    axes.add_collection(
        RegularPolyCollection(
            6,
            sizes=(np.pi * radius**2,),
            offsets=place[kept],
            offset_transform=axes.transData,
            array=shown,
            cmap=cmap,
            clim=(-limit, limit) if values is not None else (0, 1),
        )
    )
    if values is not None:
        turn = np.exp(1j * np.pi / 3 * (np.arange(6) - 1))
        arrow = (values.numpy()[kept] * turn).sum(1)
        axes.quiver(*place[kept].T, arrow.real, arrow.imag, scale=np.abs(arrow).max() * 40, width=0.0015)
    axes.axis("off")


if __name__ == "__main__":
    main()
