"""Surfaces from all files that data sets hold: mesh files, VTK PolyData, FreeSurfer surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gaugenet.data import freesurfer
from gaugenet.data.vtk import read_vtk
from gaugenet.meshes.io import SUFFIXES, load_mesh
from gaugenet.meshes.mesh import MeshError, TriangleMesh
from gaugenet.meshes.polygons import flattened, triangulated
from gaugenet.meshes.repair import mesh_from_arrays

VTK_SUFFIXES = (".vtk", ".vtp")


def is_surface_file(file: Path) -> bool:
    """Whether the name is that of a file which `load_surface` reads. Hidden files are none."""
    if file.name.startswith("."):
        return False
    return file.suffix.lower() in (*SUFFIXES, *VTK_SUFFIXES) or freesurfer.is_surface(file)


def load_surface(file: Path) -> TriangleMesh:
    """The mesh of a file, by its name: `gaugenet.load_mesh`, or VTK PolyData (``.vtk``, ``.vtp``), or FreeSurfer.

    Raises:
        MeshError: it is no surface. DatasetError: it cannot be read. ImportError: FreeSurfer files need nibabel.
    """
    if file.suffix.lower() in VTK_SUFFIXES:
        data = read_vtk(file)
        if not data.polygons:
            raise MeshError("there is no polygon in it", "save the surface, not its points or lines", file)
        faces, _ = triangulated(*flattened(data.polygons), data.points)
        return mesh_from_arrays(data.points, faces, name=str(file))
    if freesurfer.is_surface(file):
        vertices, triangles = freesurfer.read_surface(file)
        return mesh_from_arrays(vertices, np.ascontiguousarray(triangles), name=str(file))
    return load_mesh(file)
