"""Both executors on geometries that know nothing of each other: charts, and log maps unfolded on triangles.

The surface of an atlas is built of triangles with the pixels as vertices, and `compute_geometry` in mode "polyhedral"
finds neighbours, logarithmic maps and transporters on it, in frames of its own. Where no cone point is a neighbour they
are those of the atlas up to a gauge transformation, and a `GaugeConv` is a `ChartConv` of the same weights.

Cone points are left out: on triangles they are vertices with a field, whose directions are angles of their fan times
6/5 (or 4/3) and whose transporters lie in no C6 (or C4); on charts they are holes, or between pixels. Pixels next to
them have one neighbour less on charts; their log maps and transporters to the others agree as well.
"""

import dataclasses

import numpy as np
import pytest
import torch

import gaugenet as gn
from gaugenet.meshes.chart_atlases import flat_torus, mobius_strip
from gaugenet.meshes.chart_geometry import chart_geometry
from gaugenet.meshes.glued_shapes import flat_torus as torus_of_triangles
from gaugenet.meshes.glued_shapes import mobius_strip as strip_of_triangles
from gaugenet.meshes.neighborhoods import Radius
from gaugenet.meshes.precompute import compute_geometry, snapped_rotations
from gaugenet.meshes.quadrature import quadrature_weights
from gaugenet.meshes.repair import mesh_from_edge_lengths
from gaugenet.meshes.sphere_atlases import cube_atlas, icosahedral_atlas, icosahedral_points
from gaugenet.nn.chart_conv_of import chart_conv_of


def icosahedron():
    """Equal triangles on flat faces. A rotation of the icosahedron brings its vertices to where the pixels are."""
    atlas, points = icosahedral_atlas(2), icosahedral_points(2)
    points = np.concatenate([points, [[0, 0, 1.0], [0, 0, -1.0]]])
    mesh = gn.named_surface("icosahedron", subdivisions=2).mesh
    frames = []
    for p in (mesh.vertices, points):
        a = p[np.linalg.norm(p, axis=1) > 1 - 1e-9]
        b = a[np.argsort(np.linalg.norm(a - a[0], axis=1))[1]]
        b = b - (b @ a[0]) * a[0]
        frames.append(np.stack([a[0], b / np.linalg.norm(b), np.cross(a[0], b) / np.linalg.norm(b)]))
    moved = mesh.vertices @ frames[0].T @ frames[1]
    distance = np.linalg.norm(moved[:, None] - points, axis=2)
    assert distance.min(1).max() < 1e-9
    pixel = distance.argmin(1)
    pixel[pixel >= atlas.n_pixels] = -1
    side = np.sqrt(2 - 2 / np.sqrt(5)) / 4
    return atlas, mesh, np.where(np.isin(pixel, atlas.cones), -1, pixel), side


def cube():
    """Unit squares between the middles of four pixels, in two triangles each; at a corner of the cube three triangles
    that meet in the corner, which is a vertex more. Intrinsic: what goes over an edge of the cube lies flat."""
    n = 4
    atlas = cube_atlas(n)
    i, j, k = (a.ravel() for a in np.meshgrid(range(n), range(n), range(6), indexing="ij"))
    squares, triples = set(), set()
    # every square is met from all of its pixels, counterclockwise and with the lowest first
    for di, dj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        below, across, beside = (atlas.pull(k, i + a, j + b) for a, b in ((di, 0), (di, dj), (0, dj)))
        for p in range(atlas.n_pixels):
            ring = [p, int(below.source[p]), int(across.source[p]), int(beside.source[p])]
            if not across.inside[p]:
                triples.add(tuple(sorted(ring[:2] + ring[3:])))
                continue
            ring = ring[::-1] if di == dj else ring
            start = ring.index(min(ring))
            squares.add(tuple(ring[start:] + ring[:start]))
    assert len(triples) == 8
    # V − E + F = 2 with faces of three and four sides
    assert atlas.n_pixels - (4 * len(squares) + 24) // 2 + len(squares) + 8 == 2
    diagonal, faces, lengths = np.sqrt(2), [], []
    for a, b, c, d in sorted(squares):
        faces += [(a, b, c), (a, c, d)]
        lengths += [(1, 1, diagonal), (diagonal, 1, 1)]
    for corner, triple in enumerate(sorted(triples)):
        for a, b in zip(triple, triple[1:] + triple[:1]):
            faces.append((a, b, atlas.n_pixels + corner))
            lengths.append((1, diagonal / 2, diagonal / 2))
    mesh = mesh_from_edge_lengths(faces, lengths, name="cube")
    return atlas, mesh, np.concatenate([np.arange(atlas.n_pixels), np.full(8, -1)]), 1.0


def developed(atlas, shape, rows):
    """A surface with closed form: the pixel of a vertex from its coordinates."""
    uv = shape.closed_form.uv
    i, j = np.rint(uv[:, 1] - uv[:, 1].min()).astype(int), np.rint(uv[:, 0]).astype(int)
    assert np.abs(uv[:, 1] - uv[:, 1].min() - i).max() < 1e-9
    assert i.max() == rows - 1
    return atlas, shape.mesh, i * atlas.columns + j, 1.0


def torus():
    return developed(flat_torus(6, 7), torus_of_triangles(7, 6, length=7.0, width=6.0), 6)


def strip():
    return developed(mobius_strip(7, 8), strip_of_triangles(8, 6, length=8.0, width=6.0, developed=True), 7)


SURFACES = [
    (icosahedron, 1.1, "C6: 2x0 + 1x1 + 1xregular"),
    (cube, 1.5, "C4: 1x0 + 1x1 + 1xregular"),
    (torus, 1.5, "D4: 1x0 + 1x1 + 1x2"),
    (strip, 1.5, "reflection: 1xtrivial + 2xsign + 1xregular"),
]


def in_frames_of(make, reach, seed=None):
    """The atlas's own geometry, and that of the triangles between pixels in the frames of the atlas, or with a seed in
    those turned by an element of its group at each pixel; of the latter also the change h [P] of frames."""
    atlas, mesh, pixel, side = make()
    found = compute_geometry(mesh, Radius(reach * side), mode="polyhedral", dtype=torch.float64)
    own = chart_geometry(atlas, 1)
    target, source = pixel[found.target.numpy()], pixel[found.source.numpy()]
    kept = (target >= 0) & (source >= 0)
    place = {(p, q): e for e, (p, q) in enumerate(zip(own.target.tolist(), own.source.tolist()))}
    assert len(place) == own.n_edges
    matched = np.array([place[p, q] for p, q in zip(target[kept], source[kept])])
    assert sorted(matched) == list(range(own.n_edges))
    # θ of the atlas = angle + flip θ of the triangles, from two edges of each pixel
    angle, flip = torch.zeros(len(pixel), dtype=torch.float64), torch.ones(len(pixel), dtype=torch.float64)
    seen, theirs = own.theta[matched], found.theta[kept]
    at = found.target[kept]
    for v in np.flatnonzero(pixel >= 0):
        edges = torch.nonzero(at == v).flatten()
        for sign in (1.0, -1.0):
            offset = seen[edges] - sign * theirs[edges]
            if (torch.cos(offset - offset[0]) > 1 - 1e-9).all():
                angle[v], flip[v] = offset[0], sign
                break
        else:
            raise AssertionError("no frame in which directions agree")
    h = torch.zeros(atlas.n_pixels).double(), torch.ones(atlas.n_pixels).double()
    if seed is not None:
        g = torch.Generator().manual_seed(seed)
        group = gn.StructureGroup.parse(atlas.structure_group)
        elements = group.elements()
        choice = torch.randint(len(elements[0]), (atlas.n_pixels,), generator=g)
        h = elements[0][choice], elements[1][choice].double()
        on = torch.from_numpy(np.flatnonzero(pixel >= 0))
        p = torch.from_numpy(pixel)[on]
        angle[on] = h[0][p] + h[1][p] * angle[on]
        flip[on] = flip[on] * h[1][p]
    turned = found.transform(angle, flip)
    order = np.argsort(target[kept], kind="stable")
    e = np.flatnonzero(kept)[order]
    degree = np.bincount(target[kept], minlength=atlas.n_pixels)
    n_rotations, phi = snapped_rotations(turned.phi[e].numpy())
    rows, r = target[e], turned.r[e] / side
    # areas of vertices are thirds of triangles, which depend on how squares are cut
    weight = quadrature_weights(rows, source[e], r.numpy(), np.full(atlas.n_pixels, reach), np.ones(atlas.n_pixels))
    between = dataclasses.replace(
        own,
        row_ptr=torch.from_numpy(np.concatenate([[0], np.cumsum(degree)])).int(),
        source=torch.from_numpy(source[e]).int(),
        r=r,
        theta=turned.theta[e],
        phi=torch.from_numpy(phi),
        flip=turned.flip[e],
        weight=torch.from_numpy(weight),
        radius=torch.full((atlas.n_pixels,), reach, dtype=torch.float64),
        rotation_order=n_rotations,
    )
    whole = torch.from_numpy(degree == (6 if atlas.lattice == "hexagonal" else 8))
    if make is icosahedron:
        # all triangles are equal
        assert (between.weight - turned.weight[e])[whole[rows]].abs().max() < 1e-12
    return atlas, own, between, matched[order], h, whole


@pytest.mark.parametrize(("make", "reach", "name"), SURFACES, ids=[s[0].__name__ for s in SURFACES])
def test_unfolding_finds_the_maps_and_transporters_of_the_atlas(make, reach, name):
    atlas, own, between, matched, _, _ = in_frames_of(make, reach)
    assert (between.r - own.r[matched]).abs().max() < 1e-12
    # straight over an edge of the polyhedron, and not through space
    assert (torch.cos(between.theta - own.theta[matched]) > 1 - 1e-12).all()
    assert (torch.sin(between.theta - own.theta[matched]).abs() < 1e-12).all()
    assert (between.flip == own.flip[matched]).all()
    assert (torch.sin(between.phi - own.phi[matched]).abs() < 1e-12).all()
    assert (torch.cos(between.phi - own.phi[matched]) > 0.5).all()
    assert between.structure_group == atlas.structure_group
    # without transition functions it is another surface
    other = chart_geometry(atlas.without_transitions(), 1)
    turned = (torch.cos(other.phi - own.phi) < 0.9) | (other.flip != own.flip)
    assert turned.any() or atlas.structure_group == "trivial"


@pytest.mark.parametrize(("make", "reach", "name"), SURFACES, ids=[s[0].__name__ for s in SURFACES])
def test_both_executors_compute_the_same(make, reach, name):
    atlas, _, between, _, h, whole = in_frames_of(make, reach, seed=1)
    g = torch.Generator().manual_seed(0)
    field = gn.FieldType.parse(name)
    layer = gn.GaugeConv(field, field, generator=g).double()
    layer.bias.value.data = torch.randn(layer.bias.value.shape, generator=g, dtype=torch.float64)
    on_charts = chart_conv_of(layer, lattice=atlas.lattice, radius=reach)
    x = torch.randn(atlas.n_pixels, field.dim, generator=g, dtype=torch.float64)
    with torch.no_grad():
        expected = field.transform(on_charts(x[:, None], atlas)[:, 0], *h)
        difference = (layer(field.transform(x, *h), between) - expected).abs().amax(1)
        assert whole.sum() >= 20
        assert difference[whole].max() <= 1e-12 * expected.abs().max()
        broken = field.transform(on_charts(x[:, None], atlas.without_transitions())[:, 0], *h)
    if atlas.structure_group != "trivial":
        assert (layer(field.transform(x, *h), between) - broken)[whole].abs().max() > 1e-2
