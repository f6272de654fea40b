"""How a computed geometry is compared with a closed form, whatever the gauges of the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.shapes import Shape


class Errors(NamedTuple):
    """Of the edges shorter than `limit` injectivity radii: relative r, absolute theta and phi, wrong flips."""

    r: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    flips: int


def _wrapped(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _gauge_of(geometry: MeshGeometry, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gauge transformation per vertex that best maps the geometry's directions onto `theta`."""
    target, fits = geometry.target.numpy(), []
    for sign in (1, -1):
        total = np.zeros(geometry.n_vertices, complex)
        np.add.at(total, target, np.exp(1j * (theta - sign * geometry.theta.numpy())))
        fits.append(total)
    mirrored = np.abs(fits[1]) > np.abs(fits[0]) + 1e-9
    return np.angle(np.where(mirrored, fits[1], fits[0])), np.where(mirrored, -1, 1)


def _closed_form_errors(
    geometry: MeshGeometry, shape: Shape, *, same_gauge: bool = False, limit: float = 0.999, keep: Any = None
) -> Errors:
    """Args: same_gauge: the geometry is in the closed form's gauge already; keep: bool [V] targets."""
    p, q = geometry.target.numpy(), geometry.source.numpy().astype(np.int64)
    chosen = np.ones(len(p), bool) if keep is None else keep[p]
    chosen &= geometry.r.numpy() < limit * shape.closed_form.injectivity_radius[p]
    assert chosen.mean() > 0.01, "the comparison must not be empty"
    if not same_gauge:
        angle, sign = _gauge_of(geometry, shape.log_and_transport(p, q).theta)
        geometry = geometry.transform(torch.from_numpy(angle), torch.from_numpy(sign))
    exact = shape.log_and_transport(p[chosen], q[chosen])
    return Errors(
        np.abs(geometry.r.numpy()[chosen] - exact.r) / exact.r,
        np.abs(_wrapped(geometry.theta.numpy()[chosen] - exact.theta)),
        np.abs(_wrapped(geometry.phi.numpy()[chosen] - exact.phi)),
        int((geometry.flip.numpy()[chosen] != exact.flip).sum()),
    )


@pytest.fixture(scope="session")
def closed_form_errors() -> Callable[..., Errors]:
    return _closed_form_errors
