"""A digit moved once around the Möbius strip, on the flat strip and in space.

python examples/mobius_mnist/picture.py --data mnist.npz --out round_the_strip.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from data import move_along

from gaugenet.data.digits import mnist

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

WIDTH = 0.8
"""Of the strip in space, in radii of its core circle."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="npz file of MNIST")
    parser.add_argument("--digit", type=int, default=0, help="number of the training image")
    parser.add_argument("--every", type=int, default=7, help="pixels between two pictures")
    parser.add_argument("--out", type=Path, default=Path("round_the_strip.png"))
    options = parser.parse_args()
    if options.digit < 0 or options.every < 1:
        parser.error("expected a digit of 0 or more and at least one pixel between two pictures")
    try:
        images = mnist(options.data, options.digit + 1).train
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.digit >= len(images):
        parser.error(f"--digit {options.digit}: there are {len(images)} training images")
    image = images[options.digit]
    steps = torch.arange(0, 2 * image.shape[1], options.every)
    moved = move_along(image.expand(len(steps), -1, -1), steps).numpy()
    figure = plt.figure(figsize=(1.6 * len(steps), 3.4), dpi=110)
    for k, (grey, step) in enumerate(zip(moved, steps.tolist())):
        flat = figure.add_subplot(2, len(steps), k + 1)
        flat.set_title(f"moved by {step}", fontsize=9)
        _flat(flat, grey)
        space = figure.add_subplot(2, len(steps), len(steps) + k + 1, projection="3d")
        assert isinstance(space, Axes3D)
        _in_space(space, grey)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01, wspace=0.08, hspace=0.02)
    figure.savefig(options.out)


def _flat(axes: plt.Axes, grey: np.ndarray) -> None:
    """The strip cut open: the arrows at its ends are glued, and lie on each other head to head."""
    rows, columns = grey.shape
    axes.imshow(1 - grey, cmap="gray", vmin=0, vmax=1, extent=(0, columns, rows, 0))
    for x, tail, head in ((0, rows, 0), (columns, 0, rows)):
        axes.annotate("", (x, head), (x, tail), arrowprops={"arrowstyle": "-|>", "color": "tab:blue", "lw": 1.4})
    axes.set_xlim(-1.5, columns + 1.5)
    axes.axis("off")


def _in_space(axes: Axes3D, grey: np.ndarray) -> None:
    """Pixel by pixel on x(u, v) = ((1 + v cos u/2) cos u, (1 + v cos u/2) sin u, v sin u/2), seen with u = 0 in front;
    both sides show it."""
    rows, columns = grey.shape
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, columns + 1), np.linspace(-WIDTH / 2, WIDTH / 2, rows + 1))
    radius = 1 + v * np.cos(u / 2)
    corners = np.stack([radius * np.cos(u), radius * np.sin(u), v * np.sin(u / 2)], -1)
    quads = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], 2).reshape(-1, 4, 3)
    colours = np.repeat(0.92 * (1 - grey.reshape(-1, 1)), 3, 1)
    axes.add_collection3d(Poly3DCollection(quads, facecolors=colours, edgecolors=colours, linewidths=0.3))
    bound = 1 + WIDTH / 2
    axes.set(xlim=(-bound, bound), ylim=(-bound, bound), zlim=(-0.5, 0.5))
    axes.set_box_aspect((2 * bound, 2 * bound, 1), zoom=1.35)
    axes.view_init(40, 0)
    axes.set_axis_off()


if __name__ == "__main__":
    main()
