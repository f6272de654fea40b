"""Time-stepping emulator of a dynamical system on surfaces."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.models.backbones import check_positive, hidden_type
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.self_interaction import SelfInteraction


class Emulator(nn.Module):
    """The next state of a system of fields from the last h of them:

        u[t + 1] = E(u[t], u[t - 1]) + s · N(u[t - h + 1] / a, ..., u[t] / a, c)

    N is a residual network of gauge-equivariant convolutions without normalisation, so that small fields stay small;
    c are fields on the surface that do not change in time. E says what the network need not learn (`order`): 0,
    nothing; 1, u[t], so that N is a rate of change as in an explicit scheme; 2, 2 u[t] - u[t - 1], so that N is an
    acceleration. a and s are fixed numbers, the sizes of states and of corrections (`set_scales`).

    Args:
        state: field type of u, e.g. ``"SO(2): 1x0"`` for temperature, ``"SO(2): 1x0 + 1x1"`` with a velocity.
        history: h, at least 1, and at least `order`.
        static: field type of c, e.g. ``"SO(2): 1x0 + 1x1"`` for an area and a wind; None for no such fields.
        order: 0, 1 or 2.
        hidden: field type between the layers, instead of what width and max_frequency say: for example
            ``"SO(2): 34x0 + 8x1"``, most of it scalars, where directions matter less than in most equations.
        width, max_frequency, blocks, n_radial, max_harmonic, nonlinearity, n_samples, seed: see `SegmentationNetwork`.

    Raises:
        ValueError: a number is out of its range, the field types are of several groups, or the non-linearity is not
            known.
    """

    def __init__(
        self,
        state: FieldType | str,
        *,
        history: int = 2,
        static: FieldType | str | None = None,
        order: int = 1,
        hidden: FieldType | str | None = None,
        width: int = 12,
        max_frequency: int = 2,
        blocks: int = 3,
        n_radial: int = 3,
        max_harmonic: int | None = None,
        nonlinearity: str = "gated",
        n_samples: int | None = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__()
        if order not in (0, 1, 2):
            raise ValueError(f"order must be 0, 1 or 2, not {order}")
        if history < max(1, order):
            raise ValueError(f"history must be at least 1, and at least the order {order}; got {history}")
        check_positive(width=width, blocks=blocks)
        self.state = FieldType.parse(state)
        self.static = None if static is None else FieldType.parse(static)
        self.history, self.order = history, order
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.hidden_type = (
            hidden_type(self.group, width, max_frequency, nonlinearity) if hidden is None else FieldType.parse(hidden)
        )
        for kind in (self.static, self.hidden_type):
            if kind is not None and kind.group != self.group:
                raise ValueError(f"all field types must have one structure group: got {self.state} and {kind}")
        fixed = () if self.static is None else self.static.terms
        terms = [*self.state.terms * history, *fixed]
        self.in_type = FieldType(self.group, [(term.representation, term.multiplicity) for term in terms])
        self.embed = SelfInteraction(self.in_type, self.hidden_type, generator=generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(
                self.hidden_type,
                normalization="none",
                nonlinearity=nonlinearity,
                n_radial=n_radial,
                max_harmonic=max_harmonic,
                n_samples=n_samples,
                generator=generator,
            )
            for _ in range(blocks)
        )
        self.readout = SelfInteraction(self.hidden_type, self.state, generator=generator)
        self.register_buffer("state_scale", torch.ones(()))
        self.register_buffer("correction_scale", torch.ones(()))
        self.state_scale: Tensor
        self.correction_scale: Tensor

    @property
    def group(self) -> StructureGroup:
        """The structure group."""
        return self.state.group

    def set_scales(self, trajectories: list[Tensor]) -> Emulator:
        """Set a to the root mean square of u, and s to that of u[t + 1] - E(u[t], u[t - 1]), over trajectories.

        Args:
            trajectories: tensors [V, T, state.dim], T > max(1, order).
        """
        parts = [self.correction(u) for u in trajectories]
        self.state_scale.fill_(_rms(trajectories))
        self.correction_scale.fill_(_rms(parts))
        return self

    def correction(self, u: Tensor) -> Tensor:
        """u[t + 1] - E(u[t], u[t - 1]) of a trajectory [V, T, state.dim], wherever it is defined."""
        if self.order == 0:
            return u
        first = u[:, 1:] - u[:, :-1]
        return first if self.order == 1 else first[:, 1:] - first[:, :-1]

    def forward(self, frames: Tensor, geometry: MeshGeometry, static: Tensor | None = None) -> Tensor:
        """The next state.

        Args:
            frames: [V, history, state.dim], the newest last, in the frames of the vertices.
            geometry: of V vertices, in any gauge that the group admits.
            static: [V, dim of their type] fields that do not change in time, in the frames of the vertices.

        Returns:
            [V, state.dim].

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        if frames.ndim != 3 or frames.shape[1:] != (self.history, self.state.dim):
            raise ValueError(f"expected frames [V, {self.history}, {self.state.dim}], got {list(frames.shape)}")
        expected = None if self.static is None else self.static.dim
        if (None if static is None else static.shape[1]) != expected:
            given = None if static is None else list(static.shape)
            raise ValueError(f"expected static {None if expected is None else f'[V, {expected}]'}, got {given}")
        x = frames.flatten(1) / self.state_scale
        x = self.embed(x if static is None else torch.cat([x, static], 1))
        for block in self.blocks:
            x = block(x, geometry)
        out: Tensor = self.correction_scale * self.readout(x)
        if self.order == 0:
            return out
        newest = frames[:, -1]
        return out + (newest if self.order == 1 else 2 * newest - frames[:, -2])

    def rollout(self, frames: Tensor, geometry: MeshGeometry, steps: int, static: Tensor | None = None) -> Tensor:
        """[V, steps, state.dim] the next states, each from the ones before it, predicted ones included."""
        found = []
        for _ in range(steps):
            found.append(self(frames, geometry, static))
            frames = torch.cat([frames[:, 1:], found[-1][:, None]], 1)
        return torch.stack(found, 1)

    def extra_repr(self) -> str:
        static = "" if self.static is None else f" + ({self.static}) that stays"
        return f"{self.history} x ({self.state}){static} → {self.state}, order {self.order}"


def _rms(parts: list[Tensor]) -> float:
    total = sum(float(part.double().square().sum()) for part in parts)
    return max(math.sqrt(total / max(sum(part.numel() for part in parts), 1)), 1e-30)
