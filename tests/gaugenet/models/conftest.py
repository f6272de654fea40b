"""Small hierarchies of a two-sided and of a one-sided surface, and the audit of a model on both."""

from collections.abc import Callable

import pytest
import torch

from gaugenet.equivariance import EquivarianceReport, audit
from gaugenet.field_type import FieldType
from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy import Hierarchy
from gaugenet.meshes.neighborhoods import Nearest


@pytest.fixture(scope="session")
def hierarchies() -> dict[str, Hierarchy]:
    meshes = {
        "sphere": shapes.sphere(subdivisions=2).mesh,
        "klein": shapes.klein_bottle(24, 9, jitter=0.2, developed=True).mesh,
    }
    return {name: build_hierarchy(mesh, Nearest(8), dtype=torch.float64) for name, mesh in meshes.items()}


@pytest.fixture
def audited() -> Callable[..., EquivarianceReport]:
    """The audit of a model whose input and output are the given field types."""

    def run(model: torch.nn.Module, surface: object, in_type: FieldType, out_type: FieldType) -> EquivarianceReport:
        report = audit(model, in_type, out_type, surface, trials=2)  # type: ignore[type-var]
        assert report.conclusive
        return report

    return run
