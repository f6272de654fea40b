"""Time-stepping emulator of a dynamical system on surfaces."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gaugenet.field_type import FieldType
from gaugenet.groups import StructureGroup
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.models.backbones import hidden_type
from gaugenet.nn.block import ResidualBlock
from gaugenet.nn.self_interaction import SelfInteraction


class Emulator(nn.Module):
    """The next state of a system of fields from the last h of them:

        u[t + 1] = E(u[t], u[t - 1]) + s · N(u[t - h + 1] / a, ..., u[t] / a, c)

    N is a residual network of gauge-equivariant convolutions without normalisation, so that small fields stay small;
    c are scalars of the surface that do not change in time. E says what the network need not learn (`order`): 0,
    nothing; 1, u[t], so that N is a rate of change as in an explicit scheme; 2, 2 u[t] - u[t - 1], so that N is an
    acceleration. a and s are fixed numbers, the sizes of states and of corrections (`set_scales`).

    Args:
        state: field type of u, e.g. ``"SO(2): 1x0"`` for temperature, ``"SO(2): 1x0 + 1x1"`` with a velocity.
        history: h, at least 1, and at least `order`.
        n_static: number of scalars c.
        order: 0, 1 or 2.
        width, max_frequency, blocks, n_radial, max_harmonic, nonlinearity, n_samples, seed: see `SegmentationNetwork`.

    Raises:
        ValueError: a number is out of its range, or the non-linearity is not known.
    """

    def __init__(
        self,
        state: FieldType | str,
        *,
        history: int = 2,
        n_static: int = 0,
        order: int = 1,
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
        if n_static < 0 or width < 1 or blocks < 1:
            raise ValueError(f"n_static, width, blocks: expected at least 0, 1, 1; got {n_static}, {width}, {blocks}")
        self.state = FieldType.parse(state)
        self.history, self.n_static, self.order = history, n_static, order
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        frames = [(term.representation, term.multiplicity) for term in self.state.terms] * history
        static = [("0", n_static)] if n_static else []
        self.in_type = FieldType(self.group, [*frames, *static])
        self.hidden_type = hidden_type(self.group, width, max_frequency, nonlinearity)
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
            static: [V, n_static] scalars.

        Returns:
            [V, state.dim].

        Raises:
            ValueError: a tensor has the wrong shape, or the structure group does not admit the surface.
        """
        if frames.ndim != 3 or frames.shape[1:] != (self.history, self.state.dim):
            raise ValueError(f"expected frames [V, {self.history}, {self.state.dim}], got {list(frames.shape)}")
        if (0 if static is None else static.shape[1]) != self.n_static:
            raise ValueError(
                f"expected static [V, {self.n_static}], got {None if static is None else list(static.shape)}"
            )
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
        static = f", {self.n_static} static scalars" if self.n_static else ""
        return f"{self.history} x ({self.state}){static} → {self.state}, order {self.order}"


def _rms(parts: list[Tensor]) -> float:
    total = sum(float(part.double().square().sum()) for part in parts)
    return max(math.sqrt(total / max(sum(part.numel() for part in parts), 1)), 1e-30)
