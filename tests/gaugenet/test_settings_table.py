"""The page of settings holds every setting, as it is."""

import dataclasses
from pathlib import Path

from gaugenet.config import Config
from gaugenet.settings_table import settings_page

PAGE = Path(__file__).parents[2] / "examples" / "how_to" / "settings.md"


def test_the_page_is_that_of_the_tables():
    assert PAGE.read_text("utf-8") == settings_page(), "python -m gaugenet.settings_table > examples/how_to/settings.md"


def test_every_setting_stands_in_a_line_with_default_and_limits():
    lines = {line.split("`")[1]: line for line in settings_page().splitlines() if line.startswith("| `")}
    tables = Config().tables()
    assert set(lines) == {f"{table}.{key}" for table, settings in tables.items() for key in settings}
    assert "| `0.003` | > 0 |" in lines["train.lr"]
    assert "| `true` | true, false |" in lines["data.normal_part"]
    assert "cosine, constant, linear, step, plateau" in lines["train.schedule"]
    for part in dataclasses.fields(Config):
        for f in dataclasses.fields(getattr(Config(), part.name)):
            assert f.metadata["doc"].replace("<", "\\<") in lines[f"{part.name}.{f.name}"]
