"""What tests of several layers share."""

from collections.abc import Callable

import pytest

from gaugenet.equivariance import audit
from gaugenet.meshes.geometry import MeshGeometry
from gaugenet.nn.chart_conv import ChartConv


def audited_on_edges(layer: ChartConv, geometry: MeshGeometry) -> None:
    """The layer passes under another gauge at every pixel, and does not once it adds what depends on the gauge."""
    report = audit(layer.on_edges, layer.in_type, layer.out_type, geometry)
    assert report.passed, report
    if layer.in_type.group.name == "trivial":
        return
    assert report.conclusive

    def broken(x, geometry):
        return layer.on_edges(x, geometry) + x.abs().sum(1, keepdim=True) * x[:, :1] + x[:, -1:]

    assert not audit(broken, layer.in_type, layer.out_type, geometry).passed


@pytest.fixture
def audited() -> Callable[[ChartConv, MeshGeometry], None]:
    return audited_on_edges
