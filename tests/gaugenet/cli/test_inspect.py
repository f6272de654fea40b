"""``gaugenet inspect``: one file, several, folders, JSON, merging, exit codes."""

import json

import numpy as np
import pytest
from surface_files import CUBE, QUADS, TRIANGLES, obj, stl

from gaugenet.cli import run
from gaugenet.report import inspect_mesh


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cube.obj").write_bytes(obj(CUBE, QUADS))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "cube.stl").write_bytes(stl(CUBE, TRIANGLES))
    corners = CUBE[QUADS].reshape(-1, 3)
    (tmp_path / "seams.obj").write_bytes(obj(corners, np.arange(24).reshape(-1, 4)))
    return tmp_path


def test_one_file_says_group_and_remedies(folder, capsys):
    assert run(["inspect", str(folder / "cube.obj")]) == 0
    said = capsys.readouterr().out
    assert "C4, in a suitable gauge" in said
    assert "singularities to mask" in said
    assert "6 polygons cut into triangles" in said
    assert "nothing to mend" in said


def test_folder_gives_a_row_for_each_file_and_refusals_end_with_2(folder, capsys):
    assert run(["inspect", str(folder)]) == 0
    assert [capsys.readouterr().out.count(name) for name in ("cube.obj",)] == [1]
    (folder / "cloud.obj").write_text("v 0 0 0\nv 1 0 0\n")
    assert run(["inspect", str(folder)]) == 2
    said = capsys.readouterr()
    assert "refused" in said.out
    assert "gn.point_cloud_geometry" in said.err
    assert said.err.count("\n") == 1


def test_merging_on_request(folder, capsys):
    path = str(folder / "seams.obj")
    assert run(["inspect", path, "--json", "--no-merge"]) == 0
    apart = json.loads(capsys.readouterr().out)[0]
    assert apart["n_components"] == 6
    assert any("merge_vertices=True" in remedy for _, remedy in apart["problems"])
    assert run(["inspect", path, "--json", "--merge"]) == 0
    together = json.loads(capsys.readouterr().out)[0]
    assert (together["n_components"], together["euler"], together["holonomy_group"]) == (1, 2, "C4")


def test_json_has_all_files_with_errors(folder, capsys):
    (folder / "empty.ply").write_bytes(b"")
    assert run(["inspect", str(folder), str(folder / "cube.obj"), "--json"]) == 2
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) == 5
    wrong = [entry for entry in entries if "error" in entry]
    assert [entry["error"] for entry in wrong] == ["the file is empty"]


def test_an_empty_folder_is_refused(tmp_path, capsys):
    assert run(["inspect", str(tmp_path)]) == 2
    assert "no meshes in this folder" in capsys.readouterr().err


def test_rounding_far_from_the_origin_is_told():
    from gaugenet.meshes.repair import mesh_from_arrays

    far = (CUBE / 100 + 1e4).astype(np.float32)
    assert any("single precision" in problem for problem, _ in inspect_mesh(mesh_from_arrays(far, TRIANGLES)).problems)
    near = mesh_from_arrays(CUBE / 100 + 1e4, TRIANGLES)
    assert not any("single precision" in problem for problem, _ in inspect_mesh(near).problems)
