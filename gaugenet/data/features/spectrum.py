"""Heat-kernel and wave-kernel signatures: what a surface looks like from each of its points, at several scales."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.features.laplacian import Laplacian

Array = NDArray[np.float64]

_TIMES = (0.005, 0.4)
_ENERGIES = (6.0, 900.0)
_MIN_SPREAD = 0.02
_CLIP = 6.0


def heat_kernel_signatures(laplacian: Laplacian, n: int) -> Array:
    """log sum_j exp(-t lambda_j) phi_j(p)^2 for n times t, [V, n], standardised over each component.

    lambda_j, phi_j: eigenpairs of the Laplacian of p's component, scaled to area 1; t runs geometrically from 0.005
    to 0.4 (Sun, Ovsjanikov, Guibas 2009). Invariant under isometries, and under the choice of orientation.
    """
    times = np.geomspace(*_TIMES, n)

    def signature(values: Array, vectors: Array) -> Array:
        heat: Array = vectors**2 @ np.exp(-values[:, None] * times)
        return heat

    return _signatures(laplacian, n, signature)


def wave_kernel_signatures(laplacian: Laplacian, n: int) -> Array:
    """log of the wave-kernel signature, [V, n], standardised over each component:

    sum_j phi_j(p)^2 exp(-(e - log lambda_j)^2 / 2 s^2) / sum_j exp(-(e - log lambda_j)^2 / 2 s^2) for n energies e,
    evenly from log 6 to log 900, s a twelfth of their range (Aubry, Schlickewei, Cremers 2011).
    """
    energies = np.linspace(np.log(_ENERGIES[0]), np.log(_ENERGIES[1]), n)
    width = float(np.log(_ENERGIES[1] / _ENERGIES[0])) / 12.0

    def signature(values: Array, vectors: Array) -> Array:
        band = np.exp(-((energies - np.log(np.maximum(values, 1e-3))[:, None]) ** 2) / (2.0 * width**2)) + 1e-12
        wave: Array = vectors**2 @ band / band.sum(0)
        return wave

    return _signatures(laplacian, n, signature)


def _signatures(laplacian: Laplacian, n: int, signature: Callable[[Array, Array], Array]) -> Array:
    out = np.zeros((len(laplacian.mass), n))
    for vertices, mass, values, vectors in laplacian.spectra:
        raw = np.log(np.maximum(signature(values, vectors), 1e-9))
        centred = raw - mass @ raw
        spread = np.sqrt(mass @ centred**2)
        # where all points look alike (a sphere), what little differs is noise of the mesh: it is not blown up
        out[vertices] = np.clip(centred / np.maximum(spread, _MIN_SPREAD), -_CLIP, _CLIP)
    return out
