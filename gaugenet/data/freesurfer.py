"""FreeSurfer: surfaces (``lh.white``, ``rh.pial``, ...), annotations (``lh.aparc.annot``) and curvature files.

Read through nibabel, an extra: ``pip install 'gaugenet[freesurfer]'``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaugenet.data.label_files import DatasetError

SURFACES = ("white", "pial", "inflated", "sphere", "sphere.reg", "orig", "smoothwm")
"""Endings of the surface files of a hemisphere, behind ``lh.`` or ``rh.``."""


def is_surface(file: Path) -> bool:
    """Whether a file is named like a FreeSurfer surface."""
    side, dot, kind = file.name.partition(".")
    return bool(dot) and side in ("lh", "rh") and kind in SURFACES


def read_surface(file: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices [V, 3] in millimetres, in the coordinates of the file, and triangles [F, 3].

    Raises:
        DatasetError: the file cannot be read.
        ImportError: nibabel is not installed.
    """
    freesurfer = _nibabel()
    try:
        vertices, faces = freesurfer.read_geometry(str(file))
    except Exception as error:
        raise _unreadable(file, error) from error
    return np.asarray(vertices, np.float64), np.asarray(faces, np.int64)


def read_annotation(file: Path) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Labels [V] (row of the colour table, -1 where the vertex has no region) and the name of each row.

    Raises:
        DatasetError: the file cannot be read.
        ImportError: nibabel is not installed.
    """
    freesurfer = _nibabel()
    try:
        labels, _, names = freesurfer.read_annot(str(file))
    except Exception as error:
        raise _unreadable(file, error) from error
    decoded = {i: name.decode("utf-8", "replace") if isinstance(name, bytes) else name for i, name in enumerate(names)}
    return np.asarray(labels, np.int64), decoded


def read_morphometry(file: Path) -> NDArray[np.float64]:
    """A scalar [V] at every vertex: ``lh.thickness``, ``lh.curv``, ``lh.sulc``, ...

    Raises:
        DatasetError: the file cannot be read.
        ImportError: nibabel is not installed.
    """
    freesurfer = _nibabel()
    try:
        return np.asarray(freesurfer.read_morph_data(str(file)), np.float64)
    except Exception as error:
        raise _unreadable(file, error) from error


def _nibabel() -> Any:
    try:
        from nibabel import freesurfer
    except ImportError as error:
        raise ImportError("FreeSurfer files need nibabel; install it with: pip install nibabel") from error
    return freesurfer


def _unreadable(file: Path, error: Exception) -> DatasetError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    return DatasetError(file, f"cannot be read as a FreeSurfer file ({reason})", "check that it is complete")
