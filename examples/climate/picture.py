"""Temperatures on maps of the Earth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from earth import Earth
from safetensors.torch import load_file
from torch import Tensor

JANUARY, JULY = 0, 6
SHOWN = ("zonal mean", "icosahedron", "mesh")


def draw(path: Path, earth: Earth, used: Tensor, folder: Path, edges: Tensor) -> None:
    """What is measured and what was predicted where it was held out, in January and July; seed 0 of each model.

    Args:
        path: of the picture.
        earth: the fields.
        used: bool [V] points that count.
        folder: of the results.
        edges: longitudes, in degrees, between what different networks predicted.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fields = {"measured": earth.temperature}
    for name in SHOWN:
        file = folder / f"{name}-0.safetensors"
        if file.is_file():
            fields[name] = load_file(file)["predicted"]
    figure, axes = plt.subplots(len(fields), 2, figsize=(10, 2.6 * len(fields)), squeeze=False)
    for row, (name, field) in zip(axes, fields.items(), strict=True):
        for axis, month, title in zip(row, (JANUARY, JULY), ("January", "July"), strict=True):
            shown = _map(axis, earth, field[:, month] - 273.15, used)
            axis.set_title(f"{name}, {title}", fontsize=9)
            for edge in edges.tolist() if name != "measured" else ():
                axis.axvline((edge + 180) % 360 - 180, color="black", linewidth=0.5, linestyle=":")
    figure.subplots_adjust(0.01, 0.01, 0.9, 0.97, wspace=0.02, hspace=0.15)
    bar = figure.add_axes((0.92, 0.2, 0.015, 0.6))
    figure.colorbar(shown, cax=bar, label="°C")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _map(axis: Any, earth: Earth, celsius: Tensor, used: Tensor) -> Any:
    """Each place of a map has the colour of the nearest point."""
    lat, lon = torch.meshgrid(torch.linspace(89.5, -89.5, 180), torch.linspace(-179.5, 179.5, 360), indexing="ij")
    lat, lon = torch.deg2rad(lat).flatten(), torch.deg2rad(lon).flatten()
    places = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], 1)
    nearest = torch.cat([(part @ earth.points.T).argmax(1) for part in places.split(4096)])
    values = torch.where(used, celsius, torch.nan)[nearest].view(180, 360)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("0.8")
    shown = axis.imshow(values, extent=(-180, 180, -90, 90), cmap="RdYlBu_r", vmin=-45, vmax=40, aspect="auto")
    land = (earth.scalars[:, 0, 0] > 0.5)[nearest].view(180, 360).numpy().astype(float)
    axis.contour(
        np.linspace(-179.5, 179.5, 360), np.linspace(89.5, -89.5, 180), land, [0.5], colors="black", linewidths=0.4
    )
    return shown
