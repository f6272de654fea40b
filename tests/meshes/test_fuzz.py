"""Damaged files: a few hundred in every run of the tests; ``python tests/meshes/fuzz.py --cases 2000`` runs more."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import check_mesh
from surface_files import CUBE, TRIANGLES

from gaugenet.meshes.repair import mesh_from_arrays


@pytest.mark.parametrize("broken", ["vertex_of_file", "face_of_file", "edge_lengths", "twin"])
def test_the_fuzzer_notices_what_is_broken(broken):
    mesh = mesh_from_arrays(CUBE, TRIANGLES)
    check_mesh(mesh)
    array = np.roll(getattr(mesh, broken), 1, axis=0)
    with pytest.raises(AssertionError):
        check_mesh(dataclasses.replace(mesh, **{broken: array}))


def test_damaged_files_are_surfaces_or_one_clear_error(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), "--cases", "300", "--seed", "1"]
    done = subprocess.run([*command, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    # neither all refused nor all read: the cases reach both ends
    meshes = int(done.stdout.rsplit("300 cases: ", 1)[1].split(" meshes", 1)[0])
    assert 60 < meshes < 240
