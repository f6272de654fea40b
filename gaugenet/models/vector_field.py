"""Regression of tangent vector fields and scalars, and vectors in space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.models.backbones import check_positive, make_backbone
from gaugenet.models.perceptron import perceptron
from gaugenet.nn.invariants import Invariants
from gaugenet.nn.normalization import FieldNorm
from gaugenet.nn.self_interaction import SelfInteraction
from gaugenet.nn.tangent import scalar_type, tangent_type


class VectorFieldRegression(nn.Module):
    """Fields at vertices → tangent vectors and scalars there, such as wall shear stress, or a velocity and a pressure.

    A backbone; its last field x gives the vectors A x · g(ι(x)) and the scalars p(ι(x)), with an intertwiner A,
    invariants ι, and perceptrons p and g (one factor per vector). Vectors come out in the frames of the vertices, as
    they must to be equivariant; `vectors_in_space` and `tangent_coefficients` go to 3-D and back.

    Args:
        in_type: field type of the input, e.g. ``"SO(2): 4x0"``, or ``"SO(2): 4x0 + 1x1"`` with an inflow direction.
        n_vectors: vector fields of the output, at least 1.
        n_scalars: scalar fields of the output.
        backbone: "residual" or "unet".
        dropout: probability in the perceptrons.
        seed: of the initial weights, None for torch's global generator.
        options: of the backbone, see `gaugenet.models.backbones`; max_frequency of at least 1.

    Raises:
        ValueError: a number is out of its range, or a name is not known.
    """

    def __init__(
        self,
        in_type: FieldType | str,
        n_vectors: int = 1,
        n_scalars: int = 0,
        *,
        backbone: str = "residual",
        dropout: float = 0.0,
        seed: int | None = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive(n_vectors=n_vectors, max_frequency=options.get("max_frequency", 2))
        if n_scalars < 0:
            raise ValueError(f"n_scalars must be at least 0, not {n_scalars}")
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.n_vectors, self.n_scalars = n_vectors, n_scalars
        self.backbone = make_backbone(backbone, FieldType.parse(in_type), generator=generator, **options)
        last = self.backbone.out_type
        vectors = tangent_type(self.group, n_vectors)
        self.out_type = vectors + scalar_type(self.group, n_scalars) if n_scalars else vectors
        self.norm = FieldNorm(last)
        self.vectors = SelfInteraction(last, vectors, bias=False, generator=generator)
        self.invariants = Invariants(last, generator=generator)
        self.head = perceptron(self.invariants.n_out, n_vectors + n_scalars, dropout=dropout, generator=generator)

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.backbone.in_type.group

    def forward(self, x: Tensor, surface: MeshGeometry | Hierarchy) -> Tensor:
        """[V, in_type.dim] → [V, out_type.dim]: n x components, n y components, then the scalars; see `split`.

        Raises:
            ValueError: x has the wrong shape, or the structure group does not admit the surface.
        """
        x = self.norm(self.backbone(x, surface))
        numbers = self.head(self.invariants(x))
        factor = 1 + numbers[:, : self.n_vectors]
        return torch.cat([self.vectors(x) * torch.cat([factor, factor], 1), numbers[:, self.n_vectors :]], 1)

    def split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [V, n_vectors, 2] in the frames of the vertices, and scalars [V, n_scalars], of an output."""
        vectors, scalars = out[:, : 2 * self.n_vectors], out[:, 2 * self.n_vectors :]
        return vectors.reshape(-1, 2, self.n_vectors).transpose(1, 2), scalars


def vectors_in_space(vectors: Tensor, geometry: MeshGeometry) -> Tensor:
    """Tangent vectors in the frames of the vertices as vectors in space: v = v_x e_x + v_y e_y.

    Args:
        vectors: [V, n, 2], in the frames of the vertices.
        geometry: of an embedded surface.

    Returns:
        [V, n, 3].

    Raises:
        ValueError: the surface is intrinsic, or the shape does not fit.
    """
    return vectors @ _frames(vectors, geometry, 2)[:, :2]


def tangent_coefficients(vectors: Tensor, geometry: MeshGeometry) -> tuple[Tensor, Tensor]:
    """Vectors in space in the frames of the vertices: (v · e_x, v · e_y), and v · n along the normal n = e_x × e_y.

    Args:
        vectors: [V, n, 3] in space.
        geometry: of an embedded surface.

    Returns:
        tangent part [V, n, 2] and normal part [V, n]; a reflection of a frame negates the normal part.

    Raises:
        ValueError: the surface is intrinsic, or the shape does not fit.
    """
    coefficients = vectors @ _frames(vectors, geometry, 3).transpose(1, 2)
    return coefficients[..., :2], coefficients[..., 2]


def _frames(vectors: Tensor, geometry: MeshGeometry, components: int) -> Tensor:
    if geometry.frame is None:
        raise ValueError("an intrinsic surface has no frames in space: only coefficients mean something there")
    if vectors.ndim != 3 or vectors.shape[0] != geometry.n_vertices or vectors.shape[2] != components:
        raise ValueError(
            f"expected vectors [{geometry.n_vertices}, n, {components}], got {list(vectors.shape)} on {geometry}"
        )
    return geometry.frame.to(vectors)
