"""Whole networks: invariant logits under a random gauge at every vertex, on surfaces of every kind."""

import copy
import itertools

import pytest
import torch

from gaugenet.equivariance import gauge_transform, random_gauge
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.io import load_mesh
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.meshes.precompute import compute_geometry
from gaugenet.meshes.shapes import named_surface
from gaugenet.models.segmentation import SegmentationNetwork, hidden_type


def surface(name: str, shared_data) -> MeshGeometry:
    if name == "real":
        mesh = load_mesh(shared_data / "meshes_clean" / "spot" / "spot_low_resolution.obj")
    else:
        sizes = {
            "sphere": ("sphere", {"subdivisions": 3}),
            "mobius": ("mobius_strip", {}),
            "klein": ("klein_bottle", {}),
        }
        kind, arguments = sizes[name]
        mesh = named_surface(kind, **arguments).mesh
    return compute_geometry(mesh, Nearest(12), dtype=torch.float64)


def network(group: str, nonlinearity: str = "gated", seed: int = 0, **options) -> SegmentationNetwork:
    model = SegmentationNetwork(
        group, 3, 5, width=4, max_frequency=2, blocks=3, nonlinearity=nonlinearity, seed=seed, **options
    ).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():  # biases start at zero, where they would hide an error
            p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype), alpha=0.1)
    return model.eval()


def gauge_error(model: SegmentationNetwork, geometry: MeshGeometry, seed: int = 0) -> float:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(geometry.n_vertices, 3, generator=generator, dtype=torch.float64)
    moved = gauge_transform(geometry, model.group, *random_gauge(model.group, geometry, generator))
    with torch.no_grad():
        before, after = model(features, geometry), model(features, moved)
    return float((after - before).abs().max() / before.abs().max())


CASES = [
    ("sphere", "SO(2)"),
    ("sphere", "O(2)"),
    ("real", "SO(2)"),
    ("real", "O(2)"),
    ("mobius", "O(2)"),
    ("klein", "O(2)"),
]


@pytest.mark.parametrize(("name", "group"), CASES)
@pytest.mark.parametrize("nonlinearity", ["gated", "norm"])
def test_network_is_gauge_invariant(name, group, nonlinearity, request):
    data = request.getfixturevalue("shared_data") if name == "real" else None
    geometry = surface(name, data)
    assert geometry.has_flips == (name in ("mobius", "klein"))
    assert gauge_error(network(group, nonlinearity), geometry) < 1e-12


@pytest.mark.parametrize(("name", "group"), CASES)
@pytest.mark.parametrize("nonlinearity", ["gated", "norm"])
def test_broken_network_is_caught(name, group, nonlinearity, request):
    """The same network without transport, or with a bias on vectors, must fail."""
    geometry = surface(name, request.getfixturevalue("shared_data") if name == "real" else None)
    model = network(group, nonlinearity)
    broken = copy.deepcopy(model)
    columns = next(b for b in model.hidden_type.blocks if b.irrep.frequency == 1)
    shift = torch.zeros(model.hidden_type.dim, dtype=torch.float64)
    shift[columns.start] = 0.1
    broken.embed.register_forward_hook(lambda module, args, out: out + shift)
    assert gauge_error(broken, geometry) > 1e-4

    forward = model.blocks[1].conv.forward
    model.blocks[1].conv.forward = lambda x, g: forward(x, g.replace(phi=torch.zeros_like(g.phi)))
    assert gauge_error(model, geometry) > 1e-4


def test_aliasing_of_sampled_fields_falls_with_the_samples():
    geometry = surface("sphere", None)
    errors = [gauge_error(network("SO(2)", "regular", n_samples=n), geometry) for n in (7, 28, 112, 448)]
    assert errors[0] < 0.5
    assert errors[-1] < errors[0] / 100
    for coarse, fine in itertools.pairwise(errors):
        assert fine < coarse / 3


@pytest.mark.parametrize("group", ["C4", "D4", "C6", "reflection", "trivial"])
def test_finite_groups(group, random_geometry):
    model = network(group, "regular")
    geometry = random_geometry(group)
    assert gauge_error(model, geometry) < 1e-12
    if group == "trivial":
        return  # it has no gauge transformation to fail under
    forward = model.blocks[1].conv.forward
    model.blocks[1].conv.forward = lambda x, g: forward(
        x, g.replace(phi=torch.zeros_like(g.phi), flip=torch.ones_like(g.flip))
    )
    assert gauge_error(model, geometry) > 1e-4


def test_polyhedral_transport_is_gauge_invariant_and_the_smooth_one_on_flat_surfaces():
    """Both modes are exact where nothing is curved; on a sphere they differ, and either is gauge invariant."""
    logits = {}
    for name, shape in (
        ("flat", named_surface("mobius_strip", n=30, m=6, developed=True, jitter=0.2)),
        ("curved", named_surface("sphere", subdivisions=2)),
    ):
        model = network("O(2)")
        features = torch.randn(
            shape.mesh.n_vertices, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        for mode in ("smooth", "polyhedral"):
            geometry = compute_geometry(shape.mesh, Nearest(12), mode=mode, dtype=torch.float64)
            assert gauge_error(model, geometry) < 1e-12
            with torch.no_grad():
                logits[name, mode] = model(features, geometry)
    torch.testing.assert_close(logits["flat", "smooth"], logits["flat", "polyhedral"], rtol=0, atol=1e-12)
    assert (logits["curved", "smooth"] - logits["curved", "polyhedral"]).abs().max() > 1e-4


def test_constant_features_on_a_regular_grid():
    """Vectors vanish there by symmetry: what is left of them is rounding, and must stay so in every layer."""
    geometry = compute_geometry(named_surface("flat_torus", n=8, m=8).mesh, Nearest(8), dtype=torch.float64)
    features = torch.ones(geometry.n_vertices, 3, dtype=torch.float64)
    for nonlinearity in ("gated", "norm"):
        model = network("SO(2)", nonlinearity)
        moved = gauge_transform(geometry, "SO(2)", *random_gauge("SO(2)", geometry, torch.Generator().manual_seed(0)))
        with torch.no_grad():
            before, after = model(features, geometry), model(features, moved)
        assert (after - before).abs().max() < 1e-12 * before.abs().max()


@pytest.mark.parametrize("nonlinearity", ["gated", "norm", "regular"])
def test_surfaces_of_next_to_nothing(nonlinearity):
    """One face, more neighbours asked for than there are, a vertex without any: finite logits and gradients."""
    from gaugenet.meshes.repair import mesh_from_arrays

    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]]
    for vertices in (corners[:3], corners):
        geometry = compute_geometry(mesh_from_arrays(vertices, [[0, 1, 2]]), Nearest(1000), dtype=torch.float64)
        assert geometry.n_edges == 6
        model = network("SO(2)", nonlinearity)
        logits = model(torch.zeros(len(vertices), 3, dtype=torch.float64), geometry)
        logits.square().sum().backward()
        assert logits.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_inadmissible_group_is_refused():
    geometry = surface("mobius", None)
    with pytest.raises(ValueError, match=r"SO\(2\) does not admit"):
        network("SO(2)")(torch.zeros(geometry.n_vertices, 3, dtype=torch.float64), geometry)


@pytest.mark.parametrize("option", ["n_features", "n_classes", "width", "blocks"])
def test_numbers_below_one_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1, not 0"):
        SegmentationNetwork("SO(2)", **{"n_features": 3, "n_classes": 5, option: 0})


def test_wrong_shapes_say_what_was_expected(random_geometry):
    model, geometry = network("SO(2)"), random_geometry("SO(2)")
    with pytest.raises(ValueError, match=r"expected features \[V, 3\]"):
        model(torch.zeros(24, 4, dtype=torch.float64), geometry)
    with pytest.raises(ValueError, match=r"expected features \[24, "):
        model(torch.zeros(23, 3, dtype=torch.float64), geometry)
    with pytest.raises(ValueError, match=r"expected faces \[F, 3\], got \[3\]"):
        model(torch.zeros(24, 3, dtype=torch.float64), geometry, torch.tensor([0, 1, 2]))


def test_face_logits_follow_the_corners():
    geometry = surface("sphere", None)
    model = network("SO(2)")
    features = torch.randn(geometry.n_vertices, 3, dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [2, 0, 1]])
    logits = model(features, geometry, faces)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(logits[0], logits[1])


def test_batched_surfaces_do_not_see_each_other():
    from gaugenet.meshes.geometry import batch_geometries

    parts = [surface("sphere", None), surface("mobius", None)]
    model = network("O(2)")
    features = [torch.randn(g.n_vertices, 3, dtype=torch.float64) for g in parts]
    joint = model(torch.cat(features), batch_geometries(parts))
    alone = torch.cat([model(f, g) for f, g in zip(features, parts)])
    torch.testing.assert_close(joint, alone, rtol=1e-12, atol=1e-12)


def test_same_seed_same_weights():
    first, second = network("SO(2)", seed=4), network("SO(2)", seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


def test_hidden_types_print_as_a_person_writes_them():
    from gaugenet.groups import StructureGroup

    assert str(hidden_type(StructureGroup.parse("SO(2)"), 8, 2, "gated")) == "SO(2): 8x0 + 8x1 + 8x2"
    assert str(hidden_type(StructureGroup.parse("D4"), 8, 2, "regular")) == "D4: 8xregular"
    assert str(hidden_type(StructureGroup.parse("O(2)"), 4, 2, "regular")) == "O(2): 4xregular[2]"
