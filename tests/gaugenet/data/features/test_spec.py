"""The specification of features, and the symmetries that each declares, kept and broken."""

import numpy as np
import pytest
import torch

from gaugenet.data.articulated import creature_mesh
from gaugenet.data.features.spec import FEATURES, FeatureSpec
from gaugenet.meshes.repair import mesh_from_arrays, mesh_from_edge_lengths

EVERYTHING = "constant+hks16+wks8+curvature+principal+geodesic+shot4+chirality+xyz+normals"


@pytest.fixture(scope="module")
def creature():
    vertices, faces, _ = creature_mesh(0, "train", 2, n_vertices=900)
    return vertices, faces


@pytest.mark.parametrize("name", list(FEATURES))
def test_each_has_as_many_columns_as_names_and_prints_as_parsed(name, creature):
    spec = FeatureSpec.parse(name)
    values = spec.compute(mesh_from_arrays(*creature))
    assert values.shape == (len(creature[0]), spec.n_features)
    assert values.dtype == torch.float32
    assert values.isfinite().all()
    assert len(set(spec.feature_names)) == spec.n_features
    assert FeatureSpec.parse(str(spec)) == spec
    assert spec.breaks == {name: FEATURES[name].breaks}


def test_what_changes_each_term_is_said_in_a_line():
    said = FeatureSpec.parse("wks8+geodesic+xyz").describe()
    assert said == "wks8 (nothing), geodesic (nothing), xyz (rotation, reflection, bending)"


def test_columns_stand_in_the_order_written(creature):
    mesh = mesh_from_arrays(*creature)
    both = FeatureSpec.parse(" gauss + hks4").compute(mesh)
    assert torch.equal(both, torch.hstack([FeatureSpec.parse(t).compute(mesh) for t in ("gauss", "hks4")]))
    assert str(FeatureSpec.parse("hks + curvature")) == "hks16+curvature"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hsk16", "'hsk16' is not known; join some of constant, hksN"),
        ("", "'' is not known"),
        ("hks16++xyz", "'' is not known"),
        ("hks0", "hks takes a number from 1 to"),
        ("hks1000", "hks takes a number from 1 to"),
        ("xyz3", "xyz takes no number, got 3"),
        ("hks8+hks16", "hks stands there twice"),
    ],
)
def test_refusals(text, problem):
    with pytest.raises(ValueError, match=problem):
        FeatureSpec.parse(text)


def change(creature, values_of, transformed):
    """Largest change of each feature from one mesh to the other, relative to its range."""
    out = {}
    for name in FEATURES:
        spec = FeatureSpec.parse(name)
        before, after = spec.compute(mesh_from_arrays(*creature)), values_of(spec.compute(transformed))
        out[name] = float((before - after).abs().max() / before.abs().max())
    return out


def test_declared_invariance_under_motions_reflections_winding(creature):
    vertices, faces = creature
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    cases = {
        "rotation": mesh_from_arrays(vertices @ rotation.T, faces),
        # seen in a mirror, with the winding that keeps the outside outside
        "reflection": mesh_from_arrays(vertices * [1, -1, 1], faces[:, ::-1]),
        "orientation": mesh_from_arrays(vertices, faces[:, ::-1]),
    }
    for symmetry, mesh in cases.items():
        for name, size in change(creature, lambda x: x, mesh).items():
            if symmetry in FEATURES[name].breaks:
                assert size > 0.1, f"{name} is declared to break {symmetry} and does not"
            else:
                assert size < 1e-3, f"{name} changes by {size} under {symmetry}"


def test_translation_and_scale_change_nothing(creature):
    moved = mesh_from_arrays(creature[0] * 37 + 1000, creature[1])
    assert max(change(creature, lambda x: x, moved).values()) < 1e-3


def test_bending_changes_only_what_declares_it(creature):
    mesh = mesh_from_arrays(*creature)
    abstract = mesh_from_edge_lengths(mesh.faces, mesh.edge_lengths, name="abstract")
    for name, feature in FEATURES.items():
        spec = FeatureSpec.parse(name)
        if "bending" in feature.breaks:
            with pytest.raises(ValueError, match=r"abstract: .*edge lengths only"):
                spec.compute(abstract)
        else:  # what can be said from edge lengths alone cannot change when the surface is bent
            assert torch.allclose(spec.compute(abstract), spec.compute(mesh), atol=1e-4)


def test_numbering_of_vertices_and_faces_changes_nothing(creature):
    vertices, faces = creature
    rng = np.random.default_rng(0)
    order = rng.permutation(len(vertices))  # new vertex i is old vertex order[i]
    renumbered = np.argsort(order)[faces][rng.permutation(len(faces))]
    renumbered = np.stack([np.roll(f, k) for f, k in zip(renumbered, rng.integers(0, 3, len(faces)))])
    mesh = mesh_from_arrays(vertices[order], renumbered)
    back = torch.from_numpy(np.argsort(order))
    assert max(change(creature, lambda x: x[back], mesh).values()) < 1e-3
    assert change(creature, lambda x: x, mesh)["hks"] > 0.1


def test_isolated_vertices_are_zero_and_change_nothing_else(creature):
    vertices, faces = creature
    mesh = mesh_from_arrays(np.vstack([vertices, [[1e3, 0, 0]]]), faces)
    values = FeatureSpec.parse(EVERYTHING).compute(mesh)
    assert values[-1].tolist() == [1.0] + [0.0] * (values.shape[1] - 1)
    assert torch.allclose(
        values[:-1], FeatureSpec.parse(EVERYTHING).compute(mesh_from_arrays(vertices, faces)), atol=1e-4
    )


@pytest.mark.parametrize("file", ["bodies_cc0/test/body_000.npz", "mfcad_faces/test/0-0-0-2-5-23.npz"])
def test_real_surfaces_are_finite_and_bounded(shared_data, file):
    from gaugenet.meshes.io import load_mesh

    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not on this machine")
    values = FeatureSpec.parse(EVERYTHING).compute(load_mesh(shared_data / file))
    assert values.isfinite().all()
    assert values.abs().max() < 10
