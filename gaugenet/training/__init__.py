"""Training runs: deterministic, logged, resumable to the bit, on one process or several."""

from gaugenet.training.device import device_of, use_threads
from gaugenet.training.files import CONFIG, LOG, RESUME, SUMMARY, WEIGHTS
from gaugenet.training.loop import train
from gaugenet.training.network import build_model
from gaugenet.training.order import shuffled
from gaugenet.training.records import EpochRecord, Progress, Silent, TrainResult
from gaugenet.training.resume import check_same_run
from gaugenet.training.schedule import learning_rate
from gaugenet.training.surfaces import SurfaceData
from gaugenet.world import World, joined_world

__all__ = [
    "CONFIG",
    "LOG",
    "RESUME",
    "SUMMARY",
    "WEIGHTS",
    "EpochRecord",
    "Progress",
    "Silent",
    "SurfaceData",
    "TrainResult",
    "World",
    "build_model",
    "check_same_run",
    "device_of",
    "joined_world",
    "learning_rate",
    "shuffled",
    "train",
    "use_threads",
]
