"""Attention against its equation, edge by edge with dense matrices."""

import pytest
import torch

from gaugenet.equivariance import audit, gauge_transform, random_gauge
from gaugenet.field_type import FieldType
from gaugenet.nn.attention import GaugeAttention
from gaugenet.nn.pooling import TransportMean

MAPS = [
    ("SO(2): 2x0 + 2x1 + 2x2", "SO(2): 1x0 + 2x1"),
    ("O(2): 2x0 + 2x0- + 2x1", "O(2): 2x0 + 1x0- + 1x2"),
    ("C4: 2xregular", "C4: 1x0 + 1x1 + 1x2"),
    ("D3: 2xregular", "D3: 1x0- + 2x1"),
    ("reflection: 2xtrivial + 2xsign", "reflection: 2xregular"),
    ("trivial: 4x0", "trivial: 3x0"),
]


def randomized(layer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layer = layer.double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return layer


def features(n, field, seed=2):
    return torch.randn(n, field.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_definition(layer, x, own, geometry):
    head, n_heads, radial = layer.head_type, layer.heads, layer.radial
    relative = geometry.r / geometry.radius[geometry.target]
    out, alphas = [], torch.zeros(geometry.n_edges, n_heads, dtype=torch.float64)
    kernels = []
    for basis, coefficients in ((layer.key_basis, layer.keys), (layer.value_basis, layer.values)):
        per_head = []
        for h in range(n_heads):
            weight = basis.expand(coefficients[:, h * radial.n : (h + 1) * radial.n])
            functions = basis.scalars(geometry.theta, radial(relative))
            # at r = 0 only what has no direction
            functions = torch.where(
                (geometry.r == 0)[:, None] & (torch.arange(functions.shape[1]) >= radial.n), 0.0, functions
            )
            per_head.append(torch.einsum("eb,boi->eoi", functions, weight))
        kernels.append(per_head)
    rho = head.matrix(geometry.phi, geometry.flip)
    hidden, queries = (x @ layer.hidden.weight.T), (own @ layer.queries.weight.T)
    # columns of each head: of every term its share of the copies
    columns_of = [
        torch.cat(
            [
                torch.arange(a.start, a.stop).reshape(a.representation.dim, n_heads, -1)[:, h].flatten()
                for a in layer.all_heads.terms
            ]
        )
        for h in range(n_heads)
    ]
    for p in range(geometry.n_vertices):
        edges = range(int(geometry.row_ptr[p]), int(geometry.row_ptr[p + 1]))
        total = torch.zeros(layer.out_type.dim, dtype=torch.float64)
        for h in range(n_heads):
            columns = columns_of[h]
            moved = {e: rho[e] @ hidden[int(geometry.source[e]), columns] for e in edges}
            scores = [queries[p, columns] @ kernels[0][h][e] @ moved[e] / head.dim**0.5 for e in edges]
            share = torch.stack([geometry.weight[e] * torch.exp(s) for e, s in zip(edges, scores)])
            for e, a in zip(edges, share / share.sum()):
                alphas[e, h] = a
                total = total + a * (kernels[1][h][e] @ moved[e])
        out.append(total)
    out = torch.stack(out) + own @ layer.self_interaction.weight.T
    out[:, layer.bias.columns] += layer.bias.value
    return out, alphas


@pytest.mark.parametrize(("in_text", "out_text"), MAPS)
def test_the_layer_is_its_equation(in_text, out_text, random_geometry, cross_level):
    in_type, out_type = FieldType.parse(in_text), FieldType.parse(out_text)
    layer = randomized(GaugeAttention(in_type, out_type, heads=2))
    group = in_type.group.name
    for geometry in (random_geometry(group), cross_level(group)):
        x = features(geometry.n_sources, in_type)
        given = None
        own = x
        if geometry.is_cross_level:
            given = own = features(geometry.n_vertices, in_type, 3)
        with torch.no_grad():
            expected, alphas = by_definition(layer, x, own, geometry)
            torch.testing.assert_close(layer(x, geometry, given), expected, rtol=1e-11, atol=1e-11)
            torch.testing.assert_close(layer.attention(x, geometry, given), alphas, rtol=1e-11, atol=1e-11)
            if geometry.is_cross_level:
                mean = TransportMean(in_type)(x, geometry)
                torch.testing.assert_close(layer(x, geometry), layer(x, geometry, mean))
        # attention does something: it is not the quadrature weights
        assert (alphas - geometry.weight[:, None]).abs().max() > 0.01


@pytest.mark.parametrize("per_chunk", [1, 40])
def test_chunks_change_nothing(per_chunk, random_geometry):
    field = FieldType.parse("O(2): 2x0 + 2x1")
    geometry, results = random_geometry("O(2)"), []
    for chunk in (None, per_chunk):
        layer = GaugeAttention(field, field, heads=2, edges_per_chunk=chunk, generator=torch.Generator().manual_seed(1))
        layer = randomized(layer)
        x = features(24, field).requires_grad_()
        out = layer(x, geometry)
        grads = torch.autograd.grad(out.sin().sum(), [x, *layer.parameters()])
        results.append((out.detach(), *grads))
    torch.testing.assert_close(results[0], results[1], rtol=1e-11, atol=1e-11)


def test_the_gradient_by_distances_is_the_same_within_torch_func(random_geometry):
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    layer, geometry, x = randomized(GaugeAttention(field, field, heads=2)), random_geometry(), features(24, field)

    def loss(r):
        return layer(x, geometry.replace(r=r)).square().sum()

    leaf = geometry.r.clone().requires_grad_()
    loss(leaf).backward()
    assert leaf.grad.abs().max() > 1e-3
    torch.testing.assert_close(torch.func.grad(loss)(geometry.r), leaf.grad, rtol=1e-12, atol=1e-12)


def test_masked_edges_and_lonely_vertices(random_geometry):
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    layer = randomized(GaugeAttention(field, field, heads=2))
    geometry = random_geometry()
    weight = geometry.weight.clone()
    weight[:6] = 0.0  # vertex 0 sees nothing
    weight[7] = 0.0
    masked, x = geometry.replace(weight=weight), features(24, field)
    alpha = layer.attention(x, masked)
    assert (alpha[:6] == 0).all()
    assert (alpha[7] == 0).all()
    torch.testing.assert_close(alpha[6:12].sum(0), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(layer(x, masked)[0], layer.bias(layer.self_interaction(x))[0])


class KeysInTheirOwnFrame(GaugeAttention):
    """Compares vectors that live in different tangent planes as if they had one frame."""

    def _weights(self, t, queries, key_weight, functions, chunk):
        return super()._weights(self._by_head(self.kept_parts(chunk)), queries, key_weight, functions, chunk)

    def _prepared(self, x, geometry, target):
        found = super()._prepared(x, geometry, target)
        self.kept = found[1].detach()
        return found

    def kept_parts(self, chunk):
        return chunk.gather(self.kept).split([b.multiplicity for b in self._components], -1)


class NoTransport(GaugeAttention):
    def forward(self, x, geometry, target=None):
        return super().forward(x, geometry.replace(phi=torch.zeros_like(geometry.phi)), target)


@pytest.mark.parametrize("text", ["SO(2): 2x0 + 2x1", "O(2): 2x0 + 2x1", "C5: 2x0 + 2x1", "D3: 2xregular"])
def test_broken_attention_is_caught(text, random_geometry):
    field = FieldType.parse(text)
    geometry = random_geometry(field.group.name)
    assert audit(GaugeAttention(field, field, heads=2), field, field, geometry).passed
    for broken in (KeysInTheirOwnFrame, NoTransport):
        assert not audit(broken(field, field, heads=2), field, field, geometry).passed


def test_weights_do_not_depend_on_the_gauge(random_geometry):
    field = FieldType.parse("O(2): 2x0 + 2x0- + 2x1")
    layer, geometry = randomized(GaugeAttention(field, field, heads=2)), random_geometry("O(2)")
    x, (angle, flip) = features(24, field), random_gauge("O(2)", geometry)
    moved = layer.attention(field.transform(x, angle, flip), gauge_transform(geometry, "O(2)", angle, flip))
    torch.testing.assert_close(moved, layer.attention(x, geometry), rtol=1e-12, atol=1e-12)


def test_errors_say_what_was_expected(random_geometry, cross_level):
    field = FieldType.parse("SO(2): 2x0 + 2x1")
    with pytest.raises(ValueError, match="at least one head"):
        GaugeAttention(field, field, heads=0)
    with pytest.raises(ValueError, match="one structure group"):
        GaugeAttention(field, FieldType.parse("C4: 1x0"))
    layer = GaugeAttention(field, field).double()
    with pytest.raises(ValueError, match=r"expected features \[24, 6\]"):
        layer(features(23, field), random_geometry())
    with pytest.raises(ValueError, match="give x only"):
        layer(features(24, field), random_geometry(), features(24, field))
    with pytest.raises(ValueError, match=r"expected features \[15, 6\].*at the targets"):
        layer(features(24, field), cross_level(), features(24, field))
    with pytest.raises(ValueError, match="does not admit"):
        layer(features(24, field), random_geometry("O(2)"))
