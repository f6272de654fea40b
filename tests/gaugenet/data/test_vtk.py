"""VTK PolyData: written here by hand in each form of the format, and by VTK itself where it is installed."""

import base64
import struct
import zlib

import numpy as np
import pytest

from gaugenet.data.folder import FolderDataset
from gaugenet.data.label_files import DatasetError
from gaugenet.data.surface_files import load_surface
from gaugenet.data.vtk import read_vtk

POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1]])
POLYGONS = [[0, 3, 2, 1], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
PRESSURE = np.array([0.5, 1.5, 2.5, 3.5, -1.0])
SHEAR = np.arange(15.0).reshape(5, 3)
LABEL = np.array([4, 4, 7, 7, 4])
FACE = np.array([1, 2, 2, 3, 3])


def ascii_legacy():
    rows = ["# vtk DataFile Version 3.0", "a pyramid", "ASCII", "DATASET POLYDATA", "POINTS 5 float"]
    rows += [" ".join(map(str, p)) for p in POINTS.tolist()]
    rows += ["", "POLYGONS 5 21"] + [" ".join(map(str, [len(p), *p])) for p in POLYGONS]
    rows += ["CELL_DATA 5", "SCALARS face_label int 1", "LOOKUP_TABLE default", *map(str, FACE)]
    rows += ["POINT_DATA 5", "SCALARS label int", "LOOKUP_TABLE default", " ".join(map(str, LABEL))]
    rows += ["VECTORS shear float", *(" ".join(map(str, s)) for s in SHEAR.tolist())]
    rows += ["FIELD FieldData 1", "wall%20pressure 1 5 double", " ".join(map(str, PRESSURE))]
    return "\n".join(rows).encode() + b"\n"


def binary_legacy():
    out = b"# vtk DataFile Version 3.0\na pyramid\nBINARY\nDATASET POLYDATA\nPOINTS 5 double\n"
    out += POINTS.astype(">f8").tobytes() + b"\nPOLYGONS 5 21\n"
    out += b"".join(np.array([len(p), *p], ">i4").tobytes() for p in POLYGONS) + b"\n"
    out += b"\nCELL_DATA 5\nSCALARS face_label int 1\nLOOKUP_TABLE default\n" + FACE.astype(">i4").tobytes() + b"\n"
    out += b"POINT_DATA 5\nSCALARS label unsigned_char 1\nLOOKUP_TABLE default\n" + LABEL.astype("u1").tobytes()
    out += b"\nVECTORS shear float\n" + SHEAR.astype(">f4").tobytes()
    out += b"\nFIELD FieldData 1\nwall%20pressure 1 5 double\n" + PRESSURE.astype(">f8").tobytes() + b"\n"
    return out


def version_five():
    """Since version 5 polygons are offsets and connectivity, of 64 bits, and arrays may be followed by metadata."""
    stops = np.cumsum([0, *map(len, POLYGONS)])
    out = b"# vtk DataFile Version 5.1\nvtk output\nBINARY\nDATASET POLYDATA\nPOINTS 5 float\n"
    out += POINTS.astype(">f4").tobytes() + b"\nMETADATA\nINFORMATION 0\n\nPOLYGONS 6 16\nOFFSETS vtktypeint64\n"
    out += stops.astype(">i8").tobytes() + b"\nCONNECTIVITY vtktypeint64\n"
    out += np.concatenate(POLYGONS).astype(">i8").tobytes() + b"\n"
    out += b"CELL_DATA 5\nFIELD FieldData 1\nface_label 1 5 vtktypeint64\n" + FACE.astype(">i8").tobytes() + b"\n"
    out += b"POINT_DATA 5\nFIELD FieldData 3\nlabel 1 5 vtktypeint64\n" + LABEL.astype(">i8").tobytes()
    out += b"\nshear 3 5 double\n" + SHEAR.astype(">f8").tobytes() + b"\nMETADATA\nINFORMATION 0\n\n"
    return out + b"wall%20pressure 1 5 double\n" + PRESSURE.astype(">f8").tobytes() + b"\n"


ARRAYS = {
    "Points": [("Points", POINTS, "Float32", 3)],
    "Polys": [
        ("connectivity", np.concatenate(POLYGONS), "Int64", 1),
        ("offsets", np.cumsum([len(p) for p in POLYGONS]), "Int64", 1),
    ],
    "CellData": [("face_label", FACE, "Int32", 1)],
    "PointData": [
        ("label", LABEL, "UInt8", 1),
        ("shear", SHEAR, "Float64", 3),
        ("wall pressure", PRESSURE, "Float64", 1),
    ],
}
KINDS = {"Float32": "<f4", "Float64": "<f8", "Int64": "<i8", "Int32": "<i4", "UInt8": "u1"}


def xml(form):
    appended = b""
    sections = ""
    for section, arrays in ARRAYS.items():
        sections += f"<{section}>"
        for name, values, kind, width in arrays:
            raw = np.asarray(values).astype(KINDS[kind]).tobytes()
            head = f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{width}"'
            if form == "ascii":
                sections += f'{head} format="ascii">{" ".join(map(str, np.ravel(values).tolist()))}</DataArray>'
            elif form == "base64":
                text = base64.b64encode(struct.pack("<I", len(raw)) + raw).decode()
                sections += f'{head} format="binary">\n{text}\n</DataArray>'
            elif form == "zlib":
                blocks = [raw[i : i + 32] for i in range(0, len(raw), 32)]
                packed = [zlib.compress(b) for b in blocks]
                sizes = [len(blocks), 32, len(raw) % 32, *map(len, packed)]
                text = base64.b64encode(struct.pack(f"<{len(sizes)}I", *sizes)) + base64.b64encode(b"".join(packed))
                sections += f'{head} format="binary">{text.decode()}</DataArray>'
            else:
                sections += f'{head} format="appended" offset="{len(appended)}"/>'
                appended += struct.pack("<I", len(raw)) + raw
        sections += f"</{section}>"
    compressor = ' compressor="vtkZLibDataCompressor"' if form == "zlib" else ""
    text = f'<?xml version="1.0"?>\n<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian"{compressor}>'
    text += f'<PolyData><Piece NumberOfPoints="5" NumberOfPolys="5">{sections}</Piece></PolyData>'
    tail = b'<AppendedData encoding="raw">_' + appended + b"</AppendedData>" if form == "appended" else b""
    return text.encode() + tail + b"</VTKFile>"


FILES = {
    "ascii.vtk": ascii_legacy,
    "binary.vtk": binary_legacy,
    "five.vtk": version_five,
    **{f"{form}.vtp": (lambda form=form: xml(form)) for form in ("ascii", "base64", "zlib", "appended")},
}


@pytest.mark.parametrize("name", list(FILES))
def test_points_polygons_and_arrays_in_each_form(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name]())
    data = read_vtk(tmp_path / name)
    assert np.array_equal(data.points, POINTS)
    assert [p.tolist() for p in data.polygons] == POLYGONS
    assert np.array_equal(data.point_data["label"], LABEL)
    assert np.array_equal(data.point_data["shear"], SHEAR)
    assert np.array_equal(data.point_data["wall pressure"], PRESSURE)
    assert np.array_equal(data.cell_data["face_label"], FACE)
    mesh = load_surface(tmp_path / name)
    assert (mesh.n_vertices, mesh.n_faces) == (5, 6)


@pytest.mark.parametrize("kind", ["vertex", "face"])
@pytest.mark.parametrize("name", ["binary.vtk", "zlib.vtp"])
def test_a_folder_of_them(tmp_path, kind, name):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / name).write_bytes(FILES[name]())
    dataset = FolderDataset(tmp_path, label_kind=kind)
    (surface,) = dataset.meshes("test")
    found = np.array(dataset.class_values)[surface.file_labels]
    assert found.tolist() == (LABEL.tolist() if kind == "vertex" else [1, 1, 2, 2, 3, 3])


def test_strips_and_other_cells(tmp_path):
    rows = ["# vtk DataFile Version 2.0", "t", "ASCII", "DATASET POLYDATA", "POINTS 4 float", "0 0 0 1 0 0 0 1 0 1 1 0"]
    rows += ["VERTICES 1 2", "1 0", "TRIANGLE_STRIPS 1 5", "4 0 1 2 3", "CELL_DATA 3", "SCALARS label int"]
    (tmp_path / "a.vtk").write_text("\n".join([*rows, "LOOKUP_TABLE default", "9 1 2"]))
    data = read_vtk(tmp_path / "a.vtk")
    assert [p.tolist() for p in data.polygons] == [[0, 1, 2], [2, 1, 3]]
    assert data.cell_data["label"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"ply\n", "the first line is not"),
        (ascii_legacy().replace(b"POLYDATA", b"UNSTRUCTURED_GRID"), "it holds UNSTRUCTURED_GRID; save the surface"),
        (binary_legacy()[:150], "it ends within its numbers"),
        (ascii_legacy()[:180], r"it ends after \d+ of \d+ numbers"),
        (ascii_legacy().replace(b"POINT_DATA", b"POINTLESS"), "'POINTLESS'"),
    ],
)
def test_damaged_and_other_files(tmp_path, content, problem):
    (tmp_path / "a.vtk").write_bytes(content)
    with pytest.raises(DatasetError, match=problem):
        read_vtk(tmp_path / "a.vtk")


def test_damaged_xml(tmp_path):
    for content, problem in (
        (xml("zlib")[:400], "cannot be read as VTK XML"),
        (xml("ascii").replace(b"PolyData", b"ImageData"), "it holds ImageData"),
        (xml("zlib").replace(b"vtkZLib", b"vtkLZ4"), "compression by vtkLZ4DataCompressor is not read"),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + xml("ascii")[22:], "it declares XML entities"),
    ):
        (tmp_path / "a.vtp").write_bytes(content)
        with pytest.raises(DatasetError, match=problem):
            read_vtk(tmp_path / "a.vtp")


@pytest.mark.parametrize("mode", ["Ascii", "Binary", "Appended"])
@pytest.mark.parametrize("ending", [".vtk", ".vtp"])
def test_files_of_vtk_itself(tmp_path, mode, ending):
    vtk = pytest.importorskip("vtk", reason="vtk is not installed")
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    surface = sphere.GetOutput()
    values = vtk.vtkDoubleArray()
    values.SetName("height of it")
    for i in range(surface.GetNumberOfPoints()):
        values.InsertNextValue(surface.GetPoint(i)[2])
    surface.GetPointData().AddArray(values)
    writer = vtk.vtkPolyDataWriter() if ending == ".vtk" else vtk.vtkXMLPolyDataWriter()
    if ending == ".vtp":
        getattr(writer, f"SetDataModeTo{mode}")()
    elif mode != "Appended":
        getattr(writer, f"SetFileTypeTo{'ASCII' if mode == 'Ascii' else mode}")()
    writer.SetFileName(str(tmp_path / f"a{ending}"))
    writer.SetInputData(surface)
    writer.Write()
    data = read_vtk(tmp_path / f"a{ending}")
    points = np.array([surface.GetPoint(i) for i in range(surface.GetNumberOfPoints())])
    assert np.allclose(data.points, points, atol=1e-6)
    assert np.allclose(data.point_data["height of it"], points[:, 2], atol=1e-6)
    cells = [[surface.GetCell(i).GetPointId(k) for k in range(3)] for i in range(surface.GetNumberOfCells())]
    assert [p.tolist() for p in data.polygons] == cells
