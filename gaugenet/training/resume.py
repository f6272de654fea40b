"""What a run that goes on must have in common with its beginning."""

from __future__ import annotations

from collections.abc import Mapping

from gaugenet.checkpoint import ResumeState
from gaugenet.config import Config
from gaugenet.world import World

_MAY_CHANGE = (
    "data.background",
    "data.cache",
    "data.path",
    "model.checkpointing",
    "train.device",
    "train.epochs",
    "train.save_every",
    "train.save_seconds",
    "train.tensorboard",
    "train.test_every",
    "train.threads",
)
"""Settings that a resumed run may change; all others must be those of its beginning. Where the surfaces lie does not
matter as long as they are the same (`check_same_data`)."""


def check_same_run(config: Config, before: Config) -> None:
    """Raise a ValueError that names the first setting that a resumed run must not change but does."""
    new, old = config.tables(), before.tables()
    for table in old:
        for key, value in old[table].items():
            name = f"{table}.{key}"
            if name not in _MAY_CHANGE and new[table][key] != value:
                raise ValueError(
                    f"{name} is {new[table][key]!r} but the run to resume began with {value!r}; "
                    "leave it as it was, or start a new run"
                )


def check_same_world(world: World, state: ResumeState) -> None:
    """Raise a ValueError unless as many processes go on as have begun."""
    if world.size != state.processes:
        raise ValueError(
            f"the run to resume was trained by {state.processes} processes and now there are {world.size}: start as "
            f"many as before (torchrun --nproc-per-node), or start a new run"
        )


def check_same_data(now: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Raise a ValueError that names the first surface that is gone, new or changed (`SurfaceData.digests`)."""
    if not before:  # files from before they were kept
        return
    for name in (*before, *now):
        if now.get(name) != before.get(name):
            what = "is gone" if name not in now else "is new" if name not in before else "has changed"
            raise ValueError(
                f"{name} {what} since the run to resume began: give it the same surfaces, or start a new run"
            )
