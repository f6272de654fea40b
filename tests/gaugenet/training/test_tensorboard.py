"""Events for TensorBoard; a clear word where it is missing."""

import sys
from importlib.util import find_spec

import pytest

from gaugenet.checkpoint import ResumeState
from gaugenet.training import Silent, train


class KilledAfterTwo(Silent):
    def epoch(self, record):
        if record.epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_every_epoch_is_there_once_also_after_a_resumption(config, data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = config.override(["train.tensorboard=true"])
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path, KilledAfterTwo())
    train(config, data, tmp_path, resume=ResumeState.load(tmp_path / "resume.safetensors"))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("loss")] == [1, 2, 3, 4]
    assert [e.step for e in events.Scalars("accuracy/test")] == [2, 4]


def test_without_the_package_nothing_is_begun(config, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"pip install 'gaugenet\[tensorboard\]'"):
        train(config.override(["train.tensorboard=true"]), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
