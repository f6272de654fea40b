"""The settings of a run: typed, frozen tables. How they are read, checked and written: `gaugenet.config`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EMBEDDED = "embedded"

AUTO = "auto"


def setting(default: Any, doc: str, **limits: Any) -> Any:
    """A dataclass field with its documentation and limits: ``least``, ``most``, ``above``, ``below``, ``choices``."""
    return field(default=default, metadata={"doc": doc, **limits})


@dataclass(frozen=True)
class DataConfig:
    """What is learned from: surfaces, their neighbourhoods, and the input features on them."""

    path: str = setting(EMBEDDED, 'folder with train/ and test/, or "embedded" for the generated set')
    task: str = setting(
        AUTO,
        f"what is learned; {AUTO}: as the folder says, by what lies in it",
        choices=(AUTO, "segmentation", "classification", "regression"),
    )
    targets: str = setting("", "regression: names of arrays at vertices to predict, joined by +; empty: all there are")
    normal_part: bool = setting(True, "regression: predict vectors in space; false: their tangent parts only")
    features: str = setting(AUTO, f"input features, joined by +; {AUTO}: those that suit the group")
    neighbors: int = setting(16, "nearest vertices seen by a convolution (not used where radius is set)", least=1)
    radius: float = setting(0.0, "geodesic radius of a convolution in units of the mesh; 0: use neighbors", least=0)
    mode: str = setting("smooth", "how tangent planes are unfolded at a vertex", choices=("smooth", "polyhedral"))
    cache: str = setting("", "folder for precomputed geometry; empty: the user's cache folder")
    validation: float = setting(
        0.0, "share of the training surfaces set aside for validation, where there is no val/", least=0, below=1
    )
    background: bool = setting(False, "prepare surfaces in helper processes while the first epoch runs")
    train_meshes: int = setting(48, "embedded set: number of training surfaces", least=1)
    test_meshes: int = setting(16, "embedded set: number of test surfaces", least=1)
    vertices: int = setting(1200, "embedded set: mean number of vertices of a surface", least=600)
    seed: int = setting(0, "of the surfaces set aside; embedded set: of shapes, poses and meshings", least=0)


@dataclass(frozen=True)
class ModelConfig:
    """The network: `SegmentationNetwork`, `Classifier` or `FieldRegression`, as the task needs."""

    group: str = setting("SO(2)", "structure group: trivial, reflection, C<N>, D<N>, SO(2), O(2)")
    max_frequency: int = setting(1, "highest frequency of the hidden fields", least=0)
    width: int = setting(32, "copies of each frequency in the hidden fields", least=1)
    blocks: int = setting(6, "residual blocks", least=1)
    radial: int = setting(3, "radial functions of a kernel", least=1)
    nonlinearity: str = setting("gated", "non-linearity of the hidden fields", choices=("gated", "norm", "regular"))
    dropout: float = setting(0.1, "probability that a hidden copy is dropped in training", least=0, below=1)
    checkpointing: bool = setting(False, "compute blocks again in the backward pass: less memory, more time")


@dataclass(frozen=True)
class TrainConfig:
    """How it is learned."""

    epochs: int = setting(20, "passes over the training surfaces", least=1)
    batch_size: int = setting(1, "surfaces that a process computes at once", least=1)
    accumulate: int = setting(1, "batches of each process that make one step", least=1)
    lr: float = setting(3e-3, "peak learning rate", above=0)
    schedule: str = setting(
        "cosine",
        "learning rate after the warmup: cosine or linear to 0, constant, step, plateau",
        choices=("cosine", "constant", "linear", "step", "plateau"),
    )
    decay: float = setting(0.3, "step, plateau: factor of the learning rate at each fall", above=0, below=1)
    decay_every: int = setting(
        10, "step: epochs between two falls; plateau: epochs without a better validation before one", least=1
    )
    warmup: float = setting(0.05, "share of all steps over which the learning rate rises", least=0, below=1)
    weight_decay: float = setting(1e-2, "decoupled weight decay (AdamW)", least=0)
    label_smoothing: float = setting(0.1, "classes: of the cross-entropy", least=0, below=1)
    loss: str = setting(
        "squared", "numbers: errors as their squares, or as absolute values", choices=("squared", "absolute")
    )
    clip: float = setting(1.0, "largest norm of the gradient; 0: not clipped", least=0)
    amp: str = setting("off", "bf16: layers compute in bfloat16 where torch.autocast does", choices=("off", "bf16"))
    patience: int = setting(
        0, "stop after so many epochs without a better validation, keep the best weights; 0: do not", least=0
    )
    test_every: int = setting(5, "epochs between two tests", least=1)
    save_every: int = setting(0, "steps between two saved states within an epoch; 0: as save_seconds says", least=0)
    save_seconds: float = setting(300.0, "seconds between two saved states within an epoch; 0: none", least=0)
    tensorboard: bool = setting(False, "write events for TensorBoard beside the log (gaugenet[tensorboard])")
    seed: int = setting(0, "of weights, order, dropout and augmentation", least=0, most=2**64 - 1)
    threads: int = setting(0, "processor threads; 0: one for small surfaces, else as torch chooses", least=0, most=1024)
    device: str = setting("cpu", 'where to train, e.g. "cpu" or "cuda"')


@dataclass(frozen=True)
class AugmentConfig:
    """How training surfaces are changed at random: `gaugenet.data.augmentation.Augmentation`."""

    rotation: str = setting(
        "off", "of the features xyz and normals: any, or about an axis", choices=("off", "all", "x", "y", "z")
    )
    scale: float = setting(0.0, "s: sizes from e^-s to e^s (matters where data.radius is set)", least=0, most=2)
    stretch: float = setting(0.0, "s: each axis of its own from e^-s to e^s", least=0, most=1)
    noise: float = setting(0.0, "displacement of vertices, in mean edge lengths", least=0, most=0.5)
    remesh: float = setting(0.0, "share of vertices that are replaced by others", least=0, most=0.5)
    coarsen: float = setting(0.0, "c: of each copy a share of vertices from 0 to c is taken away", least=0, most=0.8)
    variants: int = setting(4, "changed copies of each surface that are prepared and kept", least=1, most=1000)
