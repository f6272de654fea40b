"""MNIST on the sphere: digits round the north pole, and the same digits turned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gaugenet.data import digits as files
from gaugenet.meshes.sphere_images import icosahedral_rotations, project_image, random_rotations

TURNS = {"N": "not turned", "I": "turned by the icosahedron's 60 rotations", "R": "turned by SO(3)"}
"""What may have been done to the digits."""
BATCH = 100


class Digits(NamedTuple):
    """Grey values float32 [N, 28, 28] from 0 to 1 and labels int64 [N]; rotations float32 [N, 3, 3], and linear maps of
    the plane float32 [N, 2, 2] that take a place in the image to where it is read; None for none."""

    images: Tensor
    label: Tensor
    rotation: Tensor | None
    deformation: Tensor | None = None

    def batches(self, order: Tensor, directions: Tensor, size: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """([P, batch, 1] grey values at these points of the sphere, [batch] labels) in this order of images, `size`
        or `BATCH` at a time, all on the device of the directions."""
        for batch in order.split(size or BATCH):
            rotation = None if self.rotation is None else self.rotation[batch].to(directions.device)
            images = self.images[batch].to(directions.device)
            if self.deformation is not None:
                images = read_at(images, self.deformation[batch].to(images.device))
            on_sphere = project_image(images, directions.to(images.dtype), rotation)
            yield on_sphere.T.contiguous()[..., None], self.label[batch].to(directions.device)


def mnist(path: Path, n_train: int = 60_000) -> tuple[Digits, Digits]:
    """The first training images in order, and all test images; see `gaugenet.data.digits.mnist`."""
    read = files.mnist(path, n_train)
    return Digits(read.train, read.train_label, None), Digits(read.test, read.test_label, None)


def turned(digits: Digits, turn: str, seed: int) -> Digits:
    """Each digit turned once, by a rotation that is drawn evenly from SO(3) ("R") or from the 60 of the icosahedron
    ("I"); "N" leaves them as they are."""
    generator = torch.Generator().manual_seed(seed)
    n = len(digits.images)
    if turn == "N":
        return digits._replace(rotation=None)
    if turn == "I":
        return digits._replace(rotation=icosahedral_rotations()[torch.randint(60, (n,), generator=generator)].float())
    return digits._replace(rotation=random_rotations(n, generator).float())


def deformed(digits: Digits, size: float, seed: int) -> Digits:
    """Each digit stretched, sheared and turned a little in its plane before it is projected: by 1 + δ, all four numbers
    of δ normally distributed with this standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    delta = size * torch.randn(len(digits.images), 2, 2, generator=generator)
    return digits._replace(deformation=torch.eye(2) + delta)


def read_at(images: Tensor, deformation: Tensor) -> Tensor:
    """Images [N, rows, columns], read at A_n (x, y), (0, 0) their middle, by bilinear interpolation; 0 beyond them."""
    maps = nn.functional.pad(deformation, (0, 1))
    places = nn.functional.affine_grid(maps, [len(images), 1, *images.shape[1:]], align_corners=False)
    return nn.functional.grid_sample(images[:, None], places, align_corners=False)[:, 0]
