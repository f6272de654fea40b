"""Derivatives at a vertex as weighted sums over its neighbours: least squares on the logarithmic maps."""

from __future__ import annotations

import torch
from torch import Tensor

from gaugenet.kernels.transport_conv import ConvEdges
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.rows import rows_of

_SMALLEST = 1e-3
"""Directions in which the neighbours say less than this part of the most are left out, not amplified."""


def stencil_edges(geometry: MeshGeometry, degree: int) -> ConvEdges:
    """Edges whose scalars are the derivatives at p of what surrounds it:

        ∂f[p] = Σ_e c_e ρ(g_{p←q}) f[q_e],   c [E + V, 5] = (∂_x, ∂_y, ∂_xx + ∂_yy, ∂_xx - ∂_yy, 2 ∂_xy)

    The polynomial in v = log_p q of the given degree that is closest to ρ(g_{p←q}) f[q], with weights w_q, and takes
    the value f[p] at v = 0, has these derivatives there. Along a geodesic from p, transported components are functions
    of v whose derivatives at 0 are covariant derivatives, and so are the trace and traceless part of the second ones
    (normal coordinates; a commutator of covariant derivatives does not enter). Exact where f is such a polynomial.
    Degree 1 has the first two alone, and the others are 0. Every target is added as a neighbour of itself, last in its
    row, to hold f[p]; on a geometry between two levels the value at v = 0 is part of the fit instead, and c [E, 5].

    c turns as the harmonics of order 1 and 0 and 2 do. Lengths are in the unit of the mesh. Where the neighbours do not
    determine a derivative (too few, or on a line), the smallest one that fits is taken.

    Raises:
        ValueError: the degree is not 1 or 2.
    """
    if degree not in (1, 2):
        raise ValueError(f"the degree of the polynomial must be 1 or 2, not {degree}")

    def build() -> ConvEdges:
        scalars = _coefficients(geometry, degree)
        row_ptr, source = geometry.row_ptr.long(), geometry.source.long()
        phi, flip = geometry.phi, geometry.flip
        if not geometry.is_cross_level:
            n = geometry.n_vertices
            own = torch.zeros(n, 5, dtype=scalars.dtype, device=scalars.device)
            own = own.index_add(0, geometry.target, -scalars)
            place = torch.arange(geometry.n_edges, device=geometry.device) + geometry.target
            last = row_ptr[1:] + torch.arange(n, device=geometry.device)

            def with_own(values: Tensor, at_own: Tensor) -> Tensor:
                out = values.new_empty(len(values) + n, *values.shape[1:])
                out[place], out[last] = values, at_own.to(values.dtype)
                return out

            scalars = with_own(scalars, own)
            source = with_own(source, torch.arange(n, device=geometry.device))
            phi, flip = with_own(phi, phi.new_zeros(n)), with_own(flip, flip.new_ones(n))
            row_ptr = row_ptr + torch.arange(n + 1, device=geometry.device)
        return ConvEdges.from_csr(
            row_ptr,
            source,
            geometry.n_sources,
            scalars.to(geometry.dtype),
            alpha=phi if geometry.rotation_order != 1 else None,
            flip=flip if geometry.has_flips else None,
            order=geometry.visit_order,
            reverse_order=None if geometry.is_cross_level else geometry.visit_order,
        )

    return geometry.remember(("stencil edges", degree), build)


def _coefficients(geometry: MeshGeometry, degree: int) -> Tensor:
    """[E, 5] float64, without the share of f[p]."""
    out = torch.zeros(geometry.n_edges, 5, dtype=torch.float64, device=geometry.device)
    if geometry.n_edges == 0:
        return out
    for chunk in rows_of(geometry).chunks:
        radius = geometry.radius[chunk.target].double().clamp_min(torch.finfo(torch.float64).tiny)[:, None]
        rho, theta = geometry.r[chunk.edge].double() / radius, chunk.theta.double()
        root = chunk.weight.double().clamp_min(0).sqrt()
        # the orders of a fit, each an orthogonal representation of rotations and reflections about p
        orders = [torch.stack([rho * theta.cos(), rho * theta.sin()], 2)]
        if degree == 2:
            quarter = rho.square() / 4
            orders.append(quarter[:, :, None])
            orders.append(torch.stack([quarter * (2 * theta).cos(), quarter * (2 * theta).sin()], 2))
        if geometry.is_cross_level:
            orders.append(torch.ones_like(rho)[:, :, None])
        scaled, sizes = [], []
        for order in orders:
            block = order * root[:, :, None]
            size = block.square().sum((1, 2)).sqrt()
            size = torch.where(size > 0, size, 1.0)[:, None, None]
            scaled.append(block / size)
            sizes.append(size.expand(-1, order.shape[2], 1))
        # of the matrix itself: its square would lose half of the digits
        fitted = torch.linalg.pinv(torch.cat(scaled, 2), rtol=_SMALLEST) * root[:, None] / torch.cat(sizes, 1)
        fitted = fitted[:, : 2 if degree == 1 else 5].mT / radius[:, :, None]
        fitted[:, :, 2:] /= radius[:, :, None]
        used = chunk.weight > 0
        out[chunk.edge[used], : fitted.shape[2]] = fitted[used]
    return out
