"""The Earth at points of the sphere: what the networks read, and the temperature that they predict.

Folder of files (SpeedyWeatherAssets, boundary conditions): orography.nc, land-sea_mask.nc,
sea_surface_temperature.nc, land_surface_temperature.nc. Read with h5py, which knows nothing of climate: latitudes run
from north to south, longitudes eastwards from 0, time is twelve months.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
MONTHS = 12
SCALARS = (
    "land",
    "height",
    "roughness",
    "insolation",
    "its change",
    "its mean",
    "sine of latitude",
)
FILES = {
    "orography.nc": ("orog", "lat", "lon"),
    "land-sea_mask.nc": ("lsm", "lat", "lon"),
    "sea_surface_temperature.nc": ("sst", "lat", "lon"),
    "land_surface_temperature.nc": ("lst", "lat", "lon"),
}


@dataclass(frozen=True)
class Earth:
    """At V points of the sphere, float32."""

    points: Tensor
    """[V, 3] on the unit sphere; z is the axis of rotation, x the meridian of Greenwich."""
    scalars: Tensor
    """[V, 12, 7], see `SCALARS`; each about of size 1."""
    temperature: Tensor
    """[V, 12] kelvin, of the surface: of the land where more than half is land, else of the sea or its ice."""
    known: Tensor
    """bool [V]: whether the temperature is."""

    @property
    def longitude(self) -> Tensor:
        """[V] degrees, 0 to 360."""
        return torch.rad2deg(torch.atan2(self.points[:, 1], self.points[:, 0])) % 360

    @property
    def north(self) -> Tensor:
        """[V, 3] the axis of rotation less its part along the normal: cos(latitude) long, a vector field."""
        axis = torch.tensor([0.0, 0.0, 1.0])
        return axis - self.points[:, 2:] * self.points


def earth_at(points: Floats, folder: Path) -> Earth:
    """The fields at `points` [V, 3] on the unit sphere.

    What is finer than the points (land, height) is averaged over the grid cells that are nearest to each; what is
    coarser (temperatures, ice) is interpolated between the four cells around it, of those with a value.

    Raises:
        ValueError: a file or h5py is missing.
    """
    grids = {name: _read(folder / name, *keys) for name, keys in FILES.items()}
    height, square = _cell_means(points, *grids["orography.nc"], lambda h: np.stack([h, h**2]))
    (land,) = _cell_means(points, *grids["land-sea_mask.nc"], lambda m: m[None], stride=3)
    sea, sea_weight = _interpolated(points, *grids["sea_surface_temperature.nc"])
    ground, ground_weight = _interpolated(points, *grids["land_surface_temperature.nc"])
    sun = insolation(points[:, 2])
    rows = [
        np.broadcast_to(land[:, None], sun.shape),
        np.broadcast_to(height[:, None] / 1000, sun.shape),
        np.broadcast_to(np.sqrt(np.maximum(square - height**2, 0))[:, None] / 300, sun.shape),
        sun / 200 - 1.5,
        (np.roll(sun, -1, 1) - np.roll(sun, 1, 1)) / 100,
        np.broadcast_to(sun.mean(1, keepdims=True) / 100 - 3, sun.shape),
        np.broadcast_to(points[:, 2:], sun.shape),
    ]
    temperature = np.where(land[:, None] > 0.5, ground, sea)
    known = np.where(land > 0.5, ground_weight, sea_weight) > 0.5
    return Earth(
        torch.from_numpy(points).float(),
        torch.from_numpy(np.stack(rows, 2)).float(),
        torch.from_numpy(np.where(known[:, None], temperature, 0)).float(),
        torch.from_numpy(known),
    )


def insolation(sine: Floats) -> Floats:
    """[V] sine of latitude → [V, 12] W/m² at the top of the atmosphere, mean of a day in the middle of each month:

    Q = S/π (h sin φ sin δ + cos φ cos δ sin h),   cos h = −tan φ tan δ,   S = 1361 W/m²
    """
    day = 365.25 / MONTHS * (np.arange(MONTHS) + 0.5)
    declination = np.deg2rad(23.44) * np.sin(2 * np.pi * (day - 80.5) / 365.25)
    sine = sine[:, None]
    cosine = np.sqrt(np.maximum(1 - sine**2, 1e-12))
    h = np.arccos(np.clip(-sine / cosine * np.tan(declination), -1, 1))
    found: Floats = 1361 / np.pi * (h * sine * np.sin(declination) + cosine * np.cos(declination) * np.sin(h))
    return found


def _read(path: Path, key: str, latitude: str, longitude: str) -> tuple[Floats, Floats, Floats]:
    """Values [..., rows, columns], NaN where there are none, latitudes and longitudes in degrees."""
    try:
        import h5py
    except ImportError as error:
        raise ValueError("the files are netCDF-4: install h5py (pip install h5py)") from error
    if not path.is_file():
        raise ValueError(f"no file {path}: give --data the folder with {', '.join(FILES)}")
    with h5py.File(path) as file:
        values = np.asarray(file[key][()], np.float64)
        return np.where(np.abs(values) < 1e30, values, np.nan), file[latitude][()], file[longitude][()]


def _cell_means(
    points: Floats, values: Floats, latitude: Floats, longitude: Floats, of: Any, stride: int = 1
) -> Floats:
    """Means [n, V] of of(values) over the grid cells nearest to each point, weighted by their areas."""
    from scipy.spatial import cKDTree

    values, latitude, longitude = values[::stride, ::stride], latitude[::stride], longitude[::stride]
    lat, lon = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    places = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 2)
    nearest = cKDTree(points).query(places.reshape(-1, 3))[1]
    area = np.cos(lat).ravel()
    total = np.bincount(nearest, area, len(points))
    if not total.all():
        raise ValueError("some point is nearest to no cell of the grid: take fewer points")
    return np.stack([np.bincount(nearest, area * v.ravel(), len(points)) / total for v in of(values)])


def _interpolated(points: Floats, values: Floats, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
    """Bilinear between the four cells around each point that have a value, [V, 12] (0 where none has), and how much
    weight those have [V]. Beyond the last row towards a pole that row is continued."""
    lat = np.rad2deg(np.arcsin(np.clip(points[:, 2], -1, 1)))
    row = np.interp(-lat, -latitude, np.arange(len(latitude)))
    column = (np.rad2deg(np.arctan2(points[:, 1], points[:, 0])) % 360 - longitude[0]) / (longitude[1] - longitude[0])
    top, left = np.minimum(row.astype(int), len(latitude) - 2), np.floor(column).astype(int)
    total, weight = np.zeros((len(points), len(values))), np.zeros(len(points))
    for a in (0, 1):
        for b in (0, 1):
            w = np.abs(1 - a - (row - top)) * np.abs(1 - b - (column - left))
            cell = values[:, top + a, (left + b) % len(longitude)].T
            there = ~np.isnan(cell).any(1)
            total += np.where(there[:, None], w[:, None] * cell, 0)
            weight += w * there
    return total / np.maximum(weight, 1e-12)[:, None], weight
