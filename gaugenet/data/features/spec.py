"""`FeatureSpec`: which features go into a network, written ``hks16+curvature``, and what they depend on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gaugenet.data.features.balls import geodesic_names, geodesic_statistics, normal_histograms, shot_names
from gaugenet.data.features.chirality import chirality, chirality_names
from gaugenet.data.features.curvature import (
    SCALES,
    gaussian_curvature,
    mean_curvature,
    principal_curvatures,
    unit_normals,
)
from gaugenet.data.features.eigenpairs import EIGENPAIRS
from gaugenet.data.features.laplacian import Laplacian, cotan_laplacian
from gaugenet.data.features.spectrum import heat_kernel_signatures, wave_kernel_signatures
from gaugenet.meshes.mesh import TriangleMesh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """A family of scalar functions on a surface. All of them are scalars: a change of gauge leaves them as they are."""

    doc: str
    breaks: tuple[str, ...]
    """What changes the values: "rotation" and "reflection" of space, "bending" (isometric deformation),
    "orientation" (winding of the faces). Nothing named: an invariant of the intrinsic surface."""
    names: Callable[[int], tuple[str, ...]]
    """Names of the columns, from the number in the specification."""
    compute: Callable[[TriangleMesh, Laplacian, int], Array]
    """[V, n]"""
    default: int = 0
    """The number that stands for no number; 0 where the feature takes none."""


def _numbered(name: str) -> Callable[[int], tuple[str, ...]]:
    return lambda n: tuple(f"{name}_{i}" for i in range(n))


def _curvature_names(letter: str, n: int) -> tuple[str, ...]:
    return tuple(f"{letter}_{scale:g}" for scale in SCALES)


def _curvatures(mesh: TriangleMesh, laplacian: Laplacian, n: int, *, signed: bool) -> Array:
    return np.hstack([mean_curvature(mesh, laplacian, signed=signed), gaussian_curvature(mesh, laplacian)])


def _positions(mesh: TriangleMesh, laplacian: Laplacian, n: int) -> Array:
    if mesh.vertices is None:
        raise ValueError(
            f"{mesh.name or 'this mesh'}: it has edge lengths only, so xyz is not defined; use hks16 instead"
        )
    used = (laplacian.mass > 0)[:, None]
    points = np.where(used | np.isfinite(mesh.vertices), mesh.vertices, 0.0)
    centre = laplacian.mass @ np.where(used, points, 0.0) / laplacian.total_area
    return np.where(used, (points - centre) / np.sqrt(laplacian.total_area), 0.0)


FEATURES: dict[str, Feature] = {
    "constant": Feature("1 everywhere", (), lambda n: ("one",), lambda mesh, _, n: np.ones((mesh.n_vertices, 1))),
    "hks": Feature(
        "heat-kernel signatures at N times",
        (),
        _numbered("hks"),
        lambda mesh, laplacian, n: heat_kernel_signatures(laplacian, n),
        16,
    ),
    "wks": Feature(
        "wave-kernel signatures at N energies",
        (),
        _numbered("wks"),
        lambda mesh, laplacian, n: wave_kernel_signatures(laplacian, n),
        16,
    ),
    "gauss": Feature(
        "Gaussian curvature at three scales",
        (),
        partial(_curvature_names, "K"),
        lambda mesh, laplacian, n: gaussian_curvature(mesh, laplacian),
    ),
    "curvature": Feature(
        "signed mean curvature (its absolute value on one-sided surfaces) and Gaussian curvature at three scales",
        ("bending", "orientation"),
        lambda n: _curvature_names("H", n) + _curvature_names("K", n),
        partial(_curvatures, signed=True),
    ),
    "abs_curvature": Feature(
        "absolute mean curvature and Gaussian curvature at three scales",
        ("bending",),
        lambda n: _curvature_names("|H|", n) + _curvature_names("K", n),
        partial(_curvatures, signed=False),
    ),
    "principal": Feature(
        "principal curvatures at three scales",
        ("bending", "orientation"),
        lambda n: _curvature_names("k1", n) + _curvature_names("k2", n),
        lambda mesh, laplacian, n: principal_curvatures(mesh, laplacian),
    ),
    "geodesic": Feature(
        "size, reach, spread and offset of two geodesic balls",
        (),
        lambda n: geodesic_names(),
        lambda mesh, laplacian, n: geodesic_statistics(mesh, laplacian),
    ),
    "shot": Feature(
        "histograms of N bins of the angles between normals, in two rings",
        ("bending",),
        shot_names,
        normal_histograms,
        6,
    ),
    "chirality": Feature(
        "products of gradients that change their sign between a limb and its mirror image",
        ("bending", "reflection", "orientation"),
        lambda n: chirality_names(),
        lambda mesh, laplacian, n: chirality(mesh, laplacian),
    ),
    "xyz": Feature(
        "positions, centred, scaled to unit area",
        ("rotation", "reflection", "bending"),
        lambda n: ("x", "y", "z"),
        _positions,
    ),
    "normals": Feature(
        "unit normals in space",
        ("rotation", "reflection", "bending", "orientation"),
        lambda n: ("n_x", "n_y", "n_z"),
        lambda mesh, laplacian, n: unit_normals(mesh, laplacian),
    ),
}


@dataclass(frozen=True)
class FeatureSpec:
    """Features joined by ``+``, a number after a name saying how many: ``hks16+curvature``. Prints as parsed."""

    terms: tuple[tuple[str, int], ...]
    """Name and number of each; 0 where a feature takes no number."""

    @classmethod
    def parse(cls, text: str | FeatureSpec) -> FeatureSpec:
        """Reads a specification.

        Raises:
            ValueError: a term is not known, has a number where it takes none, or stands there twice.
        """
        if isinstance(text, FeatureSpec):
            return text
        terms: list[tuple[str, int]] = []
        for term in text.split("+"):
            match = re.fullmatch(r"([a-z_]+?)(\d*)", term.strip())
            feature = FEATURES.get(match[1]) if match else None
            if match is None or feature is None:
                known = ", ".join(name + ("N" if f.default else "") for name, f in FEATURES.items())
                raise ValueError(f"features {text!r}: {term.strip()!r} is not known; join some of {known} by +")
            number = int(match[2]) if match[2] else feature.default
            if match[2] and not 1 <= number <= (EIGENPAIRS if feature.default else 0):
                limit = f"a number from 1 to {EIGENPAIRS}" if feature.default else "no number"
                raise ValueError(f"features {text!r}: {match[1]} takes {limit}, got {match[2]}")
            if match[1] in (name for name, _ in terms):
                raise ValueError(f"features {text!r}: {match[1]} stands there twice; write it once")
            terms.append((match[1], number))
        return cls(tuple(terms))

    def __str__(self) -> str:
        return "+".join(f"{name}{number or ''}" for name, number in self.terms)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each column."""
        return tuple(column for name, number in self.terms for column in FEATURES[name].names(number))

    @property
    def n_features(self) -> int:
        """Number of columns."""
        """Number of columns."""
        return len(self.feature_names)

    @property
    def breaks(self) -> dict[str, tuple[str, ...]]:
        """For each term the symmetries that it breaks; see `Feature.breaks`."""
        return {name: FEATURES[name].breaks for name, _ in self.terms}

    def describe(self) -> str:
        """One line that says what changes which term: ``hks16 (nothing), xyz (rotation, reflection, bending)``."""
        return ", ".join(
            f"{name}{number or ''} ({', '.join(FEATURES[name].breaks) or 'nothing'})" for name, number in self.terms
        )

    def compute(self, mesh: TriangleMesh) -> Tensor:
        """The features of each vertex of a mesh, float32 [V, n_features]. Isolated vertices get zeros (constant: 1).

        Raises:
            ValueError: a feature needs positions and the mesh has none.
        """
        laplacian = cotan_laplacian(mesh)
        columns = [FEATURES[name].compute(mesh, laplacian, number) for name, number in self.terms]
        return torch.from_numpy(np.hstack(columns).astype(np.float32))
