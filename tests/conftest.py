"""Fixtures shared by all tests."""

import importlib.util
import os
from pathlib import Path

import pytest

# Tests run in several processes: threads that spin while they wait would take the cores of the other ones.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if importlib.util.find_spec("hypothesis"):
    from hypothesis import settings

    # Time says how busy the machine is, not whether the code is right.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real meshes that stands beside the repository; tests that need it skip where it is missing."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real meshes are not on this machine (expected a folder shared/data beside the repository)")
    return folder
