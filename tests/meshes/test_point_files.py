"""Reading points without faces."""

import numpy as np
import pytest

from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.mesh import MeshError
from gaugenet.meshes.point_files import load_point_cloud

POINTS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32).astype(float)
NORMALS = POINTS[:, [1, 2, 0]]
BOTH = np.concatenate([POINTS, NORMALS], 1)


def write(path, normals):
    rows = BOTH if normals else POINTS
    if path.suffix == ".npz":
        np.savez(path, points=POINTS, **({"normals": NORMALS} if normals else {}))
    elif path.suffix == ".obj":
        lines = [f"v {a!r} {b!r} {c!r}" for a, b, c in POINTS.tolist()]
        lines += [f"vn {a!r} {b!r} {c!r}" for a, b, c in NORMALS.tolist()] if normals else []
        path.write_text("\n".join(lines))
    elif path.suffix == ".ply":
        names = ["x", "y", "z", "nx", "ny", "nz"][: rows.shape[1]]
        header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
        header += [f"property double {name}" for name in names]
        path.write_bytes("\n".join([*header, "end_header\n"]).encode() + rows.astype("<f8").tobytes())
    else:
        path.write_text("# a scan\n" + "\n".join(" ".join(map(repr, row)) for row in rows.tolist()) + "\n")


@pytest.mark.parametrize("normals", [False, True])
@pytest.mark.parametrize("suffix", [".ply", ".obj", ".xyz", ".txt", ".npz"])
def test_points_and_normals_return(tmp_path, suffix, normals):
    path = tmp_path / f"scan{suffix}"
    write(path, normals)
    points, read = load_point_cloud(path)
    np.testing.assert_array_equal(points, POINTS)
    if normals:
        np.testing.assert_array_equal(read, NORMALS)
    else:
        assert read is None


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_a_mesh_reader_names_the_function_for_clouds(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    write(path, False)
    with pytest.raises(MeshError, match="point_cloud_geometry"):
        load_mesh(path)


def test_bad_files(tmp_path):
    with pytest.raises(MeshError, match="no such file"):
        load_point_cloud(tmp_path / "none.ply")
    for name, content in (
        ("a.stl", b"x"),
        ("a.xyz", b"1 2\n"),
        ("b.xyz", b"1 2 z\n"),
        ("a.ply", b"ply"),
        ("a.npz", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MeshError, match=name):
            load_point_cloud(tmp_path / name)
