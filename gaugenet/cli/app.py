"""Commands and options. What a command does is imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    name="gaugenet",
    help="Gauge-equivariant networks on surfaces: from mesh files to a trained network and its predictions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads this at run time
    typer.Option("--config", "-c", metavar="FILE", help="TOML file with settings."),
]
Assignments = Annotated[
    list[str],
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, e.g. train.lr=0.01 (repeatable)."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from gaugenet import __version__

        print(f"gaugenet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@app.command()
def inspect(
    meshes: Annotated[
        list[Path], typer.Argument(metavar="MESH", help="OBJ, PLY, OFF, STL, GLB, glTF or npz; or folders of them.")
    ],
    merge: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option(
            "--merge/--no-merge", help="Merge vertices at the same position; by default in STL, GLB and soups only."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead, an entry for each file.")] = False,
) -> None:
    """Say what a mesh is as a surface, and what to do about what is wrong with it.

    Exit code 0: all files can be used, mended where the report says so; 2: some cannot.
    """
    from gaugenet.cli.inspect import run_inspect

    run_inspect(meshes, merge, json)


@app.command()
def precompute(
    path: Annotated[Path, typer.Argument(help="A mesh, or a folder of meshes.")],
    config: ConfigFile = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes; 0: one per core.")] = 0,
    set_: Assignments = [],  # noqa: B006 - typer copies it
) -> None:
    """Compute the geometry of meshes once and keep it in the cache."""
    from gaugenet.cli.precompute import run_precompute

    run_precompute(path, config, set_, workers)


@app.command()
def train(
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="Folder with train/ and test/; left out: the generated set."),
    ] = None,
    task: Annotated[
        str,
        typer.Option("--task", "-t", help="segmentation, classification, regression; left out: as the folder says."),
    ] = "",
    config: ConfigFile = None,
    group: Annotated[
        str,
        typer.Option("--group", "-g", help="Structure group: trivial, reflection, C<N>, D<N>, SO(2), O(2)."),
    ] = "",
    epochs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--epochs", "-e", help="Passes over the training surfaces."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Folder of the run; left out: runs/NAME-NNN."),
    ] = None,
    resume: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped, given its folder."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")] = False,
    seeds: Annotated[
        str,
        typer.Option("--seeds", metavar="N,N,...", help="A run for each seed, then mean, spread and 95 % interval."),
    ] = "",
    set_: Assignments = [],  # noqa: B006
) -> None:
    """Train a network on the generated set or on your own: classes of vertices, faces or surfaces, or numbers there."""
    from gaugenet.cli.train import run_train

    run_train(
        path=path,
        task=task,
        config_file=config,
        group=group,
        epochs=epochs,
        out=out,
        resume=resume,
        overwrite=overwrite,
        seeds=seeds,
        assignments=set_,
    )


@app.command()
def predict(
    weights: Annotated[Path, typer.Argument(help="model.safetensors of a run, or the folder of the run.")],
    meshes: Annotated[list[Path], typer.Argument(metavar="MESH", help="Meshes to predict on.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")] = Path("predictions"),
) -> None:
    """Predict what a model has learned, on meshes of your own.

    Labels of vertices or faces: a coloured PLY and a text file with one label per line; classes or numbers of surfaces:
    one text file; numbers at vertices: an npz file for each mesh, and pictures.
    """
    from gaugenet.cli.predict import run_predict

    run_predict(weights, meshes, out)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or its model.safetensors.")],
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="FOLDER", help="Folder with train/ and test/; left out: that of the run."),
    ] = None,
    rotated: Annotated[bool, typer.Option("--rotated", help="Also turned in space, each at random.")] = False,
    remeshed: Annotated[bool, typer.Option("--remeshed", help="Also in other meshings: finer, coarser, ...")] = False,
    surfaces: Annotated[int, typer.Option("--surfaces", metavar="N", help="The first N only; 0: all.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is random.")] = 0,
    json: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="OUT", help="Write all figures."),
    ] = None,
    set_: Assignments = [],  # noqa: B006
) -> None:
    """Score a trained network on its test surfaces: as they are, in other frames, turned, meshed anew."""
    from gaugenet.cli.evaluate import run_evaluate

    run_evaluate(
        run,
        path,
        rotated=rotated,
        remeshed=remeshed,
        surfaces=surfaces,
        seed=seed,
        out=json,
        assignments=set_,
    )


@app.command()
def profile(
    mesh: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--mesh", metavar="FILE", help="Your own mesh; left out: a generated surface."),
    ] = None,
    model: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--model", metavar="WEIGHTS", help="Every convolution of a checkpoint instead of one layer."),
    ] = None,
    group: Annotated[str, typer.Option("--group", "-g", help="Structure group of the layer.")] = "SO(2)",
    width: Annotated[int, typer.Option(help="Copies of each frequency.")] = 16,
    frequency: Annotated[int, typer.Option(help="Highest frequency of the fields.")] = 2,
    radial: Annotated[int, typer.Option(help="Radial functions of the kernel.")] = 3,
    neighbors: Annotated[int, typer.Option(help="Vertices that a convolution sees.")] = 16,
    vertices: Annotated[int, typer.Option(help="Of the generated surface.")] = 2000,
    dtype: Annotated[str, typer.Option(help="float32, float64, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="Of the CPU; 0: as torch has them. 1 is the steadiest.")] = 0,
    repeats: Annotated[int, typer.Option(help="Runs per figure on a CPU.")] = 15,
    json: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="OUT", help="Write all figures."),
    ] = None,
    compare: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--compare", metavar="OLD", help="Compare with an earlier --json."),
    ] = None,
    trace: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--trace", metavar="DIR", help="Write traces for chrome://tracing."),
    ] = None,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--picture", "--roofline", metavar="PNG", help="Draw the roofline."),
    ] = None,
    proton: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--proton", metavar="FILE", help="Write the GPU's kernels for proton-viewer."),
    ] = None,
    cards: Annotated[
        str, typer.Option("--cards", help="recorded, or exact: compile the kernels of this workload for all targets.")
    ] = "recorded",
) -> None:
    """Check the operator against its definition, then time it: per pass, under the roofs of this machine."""
    # torch's profiler, which counts memory, reports every start and stop unless told otherwise before torch is loaded
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from gaugenet.cli.profile import ProfileOptions, run_profile

    run_profile(
        ProfileOptions(
            mesh=mesh,
            model=model,
            group=group,
            width=width,
            frequency=frequency,
            radial=radial,
            neighbors=neighbors,
            vertices=vertices,
            dtype=dtype,
            device=device,
            threads=threads,
            repeats=repeats,
            json_file=json,
            compare_with=compare,
            trace=trace,
            picture=picture,
            proton=proton,
            cards=cards,
        )
    )


@app.command()
def docs(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pages.")] = Path("reference"),
) -> None:
    """Write the reference of all public names, from their docstrings: reference.md and reference.html."""
    from gaugenet.cli.docs import run_docs

    run_docs(out)


@app.command()
def view(
    path: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="A mesh, or the folder of a run.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--out", "-o", metavar="PNG", help="The picture; left out: NAME.png here, of a run: in its folder."
        ),
    ] = None,
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--labels", metavar="FILE", help="Labels; left out: those beside the mesh."),
    ] = None,
    feature: Annotated[
        str, typer.Option("--feature", metavar="NAME[:COLUMN]", help="An input feature, e.g. curvature:K_0.06.")
    ] = "",
    field: Annotated[int, typer.Option("--field", metavar="N", help="The smoothest field of N arms.")] = 0,
    transport: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--transport", metavar="V", help="A vector at vertex V, transported to its neighbours."),
    ] = None,
    weights: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--weights", metavar="V", help="Quadrature weights of the neighbours of vertex V."),
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help="The first axis of the frame at each vertex.")] = False,
    values: Annotated[
        bool, typer.Option("--values", help="Numbers to be predicted: a scalar, or a vector field as arrows.")
    ] = False,
    up: Annotated[str, typer.Option("--up", help="The axis that points up, y or z.")] = "z",
    window: Annotated[bool, typer.Option("--window", help="Open a window instead (polyscope).")] = False,
) -> None:
    """Draw a mesh with its labels, a feature, frames or transport; of a run, its curves and its mistakes."""
    from gaugenet.cli.view import ViewOptions, run_view

    run_view(path, out, ViewOptions(labels, feature, field, transport, weights, frames, values), up, window)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", metavar="HTML", help="The file; left out: report.html in the folder."),
    ] = None,
    up: Annotated[str, typer.Option("--up", help="The axis that points up, y or z.")] = "z",
) -> None:
    """Write a report of a run: settings, scores, equivariance, curves and pictures in one HTML file."""
    from gaugenet.cli.view import run_report

    run_report(run, out, up)


@app.command("config")
def print_config(config: ConfigFile = None, set_: Assignments = []) -> None:  # noqa: B006
    """Print all settings as a TOML file, each with its meaning."""
    from gaugenet.cli.console import load_config

    print(load_config(config, set_).to_toml(), end="")
