"""Whole models under torch.compile and torch.export, on a batch of two surfaces of different size and kind."""

import pytest
import torch

from gaugenet.meshes import shapes
from gaugenet.meshes.coarsening import build_hierarchy
from gaugenet.meshes.hierarchy import Hierarchy, batch_hierarchies
from gaugenet.meshes.neighborhoods import Nearest
from gaugenet.models.classifier import Classifier
from gaugenet.models.correspondence import CorrespondenceNetwork
from gaugenet.models.emulator import Emulator
from gaugenet.models.field_regression import FieldRegression
from gaugenet.models.unet import UNet
from gaugenet.models.vector_field import VectorFieldRegression
from gaugenet.nn.convolution import prepare

SMALL = {"width": 1, "max_frequency": 1, "blocks": 1}
U_NET = {"backbone": "unet", "levels": 2, "nonlinearity": "norm", **SMALL}
MODELS = {
    "unet": lambda: OneBackbone(
        UNet("O(2)", 2, 3, levels=2, nonlinearity="norm", **SMALL),
        Classifier("O(2)", 2, 3, **U_NET),
        CorrespondenceNetwork("O(2)", 2, 4, embedding=2, dropout=0.0, **U_NET),
        VectorFieldRegression("O(2): 2x0", 1, 1, **U_NET),
        FieldRegression(2, "O(2): 1x0 + 1x0- + 1x1", **U_NET),
    ),
    "classifier": lambda: Classifier("O(2)", 2, 3, **SMALL),
    "correspondence": lambda: CorrespondenceNetwork("O(2)", 2, 4, embedding=2, dropout=0.0, **SMALL),
    "vector field": lambda: VectorFieldRegression("O(2): 2x0", 1, 1, **SMALL),
    "field": lambda: FieldRegression(2, "O(2): 1x0 + 1x0- + 1x1", nonlinearity="norm", **SMALL),
    "emulator": lambda: Emulator("O(2): 1x0", history=2, **SMALL),
}


@pytest.fixture(scope="module")
def batch() -> Hierarchy:
    meshes = (shapes.sphere(subdivisions=1).mesh, shapes.klein_bottle(12, 6, developed=True).mesh)
    return batch_hierarchies([build_hierarchy(m, Nearest(6), ratios=(3,), dtype=torch.float64) for m in meshes])


class Given(torch.nn.Module):
    def forward(self, field, surface):
        return field


class OneBackbone(torch.nn.Module):
    """Several models with the backbone of the first, which takes most of the time to trace."""

    def __init__(self, *models):
        super().__init__()
        self.backbone, self.models = models[0].backbone, torch.nn.ModuleList(models)
        for model in models:
            assert (model.backbone.in_type, model.backbone.out_type) == (self.backbone.in_type, self.backbone.out_type)
            model.backbone = Given()

    def forward(self, x, surface):
        field = self.backbone(x, surface)
        return tuple(model(field, surface) for model in self.models)


class OnSurface(torch.nn.Module):
    def __init__(self, model, surface):
        super().__init__()
        self.model, self.surface = model, prepare(model, surface)

    def forward(self, x):
        return self.model(x, self.surface)


@pytest.mark.parametrize("name", MODELS)
def test_models_compile_and_export_on_a_batch(name, batch):
    torch._dynamo.reset()
    surface = batch if name == "unet" else batch.levels[0]
    model = MODELS[name]().double()
    shape = (surface.levels[0] if name == "unet" else surface).n_vertices, 2
    x = torch.randn(*shape, *([1] if name == "emulator" else []), dtype=torch.float64)
    # a batch of a fresh memo: only `prepare` may have filled it
    on_surface = OnSurface(model, surface.to(dtype=torch.float64))
    backend = "aot_eager" if name == "unet" else "eager"
    with torch.no_grad():
        compiled = torch.compile(on_surface, fullgraph=True, backend=backend)(x)
        exported = torch.export.export(on_surface, (x,), strict=False)
        expected = on_surface(x)
        torch.testing.assert_close(compiled, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(exported.module()(x), expected, rtol=1e-12, atol=1e-12)
    assert any("transport_conv" in str(node.target) for node in exported.graph.nodes)
