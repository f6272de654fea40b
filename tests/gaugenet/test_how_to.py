"""The pages of examples/how_to: their Python runs, their commands and options exist, their links lead somewhere."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import typer.main

import gaugenet as gn
from gaugenet.cli.app import app
from gaugenet.config import Config

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "examples" / "how_to").glob("*.md"))
RUN = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]
WITH_COMMANDS = [ROOT / "README.md", *PAGES, *sorted(ROOT.glob("examples/*/README.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def write_obj(path: Path, vertices, faces) -> None:
    lines = ["v {} {} {}".format(*p) for p in np.asarray(vertices).tolist()]
    lines += ["f {} {} {}".format(*t) for t in (np.asarray(faces) + 1).tolist()]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def as_in_the_pages(tmp_path, monkeypatch):
    """The files that the pages speak of, small, in the working folder."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    mesh = gn.named_surface("sphere", n=200).mesh
    vertices = mesh.vertices * [1.0, 0.8, 1.3]
    write_obj(tmp_path / "scan.obj", vertices, mesh.faces)
    faces = mesh.faces.tolist()
    write_obj(tmp_path / "bad.obj", [*vertices, [9, 9, 9]], [faces[0][::-1], *faces[1:-2], faces[5], [1, 1, 2]])
    np.savetxt(tmp_path / "scan.xyz", vertices)
    for split, name in (("train", "ann"), ("test", "bob")):
        (tmp_path / "my_scans" / split).mkdir(parents=True)
        write_obj(tmp_path / "my_scans" / split / f"{name}.obj", vertices, mesh.faces)
        labels = (vertices[:, 2] > 0).astype(int)
        np.savetxt(tmp_path / "my_scans" / split / f"{name}.labels.txt", labels, fmt="%d")


@pytest.mark.usefixtures("as_in_the_pages")
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page, capsys):
    scope = {"__name__": page.stem}
    for i, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"<{page.name}, block {i}>", "exec"), scope)
    capsys.readouterr()


def test_a_block_that_fails_is_seen():
    with pytest.raises(AttributeError, match="no_such_name"):
        exec(compile("import gaugenet as gn\ngn.no_such_name", "page", "exec"), {})


def commands(page: Path) -> list[list[str]]:
    """The arguments of every line that calls gaugenet, in shell blocks, indented blocks and code in the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    lines += re.findall(r"^    (gaugenet .*)$", text, re.MULTILINE) + re.findall(r"`(gaugenet [^`\n]*)`", text)
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        at = next((i for i, word in enumerate(words) if word.endswith("gaugenet")), None)
        if at is not None:
            found.append(words[at + 1 :])
    return found


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_every_command_option_and_setting_exists(page):
    group = typer.main.get_command(app)
    for words in commands(page):
        if not words or words[0].startswith("-"):
            continue
        assert words[0] in group.commands, f"{page.name}: gaugenet {' '.join(words)}"
        known = {o for p in group.commands[words[0]].params for o in (*p.opts, *p.secondary_opts)}
        options = [w.partition("=")[0] for w in words[1:] if w.startswith("-")]
        assert set(options) <= known, f"{page.name}: gaugenet {' '.join(words)}"
        for option, value in pairwise(words):
            if option in ("--set", "-s") and value != "KEY=VALUE":
                Config().override([value])


def test_commands_are_found():
    assert ["train", "my_scans", "--epochs", "20"] in commands(ROOT / "examples" / "how_to" / "own_data.md")
    assert len([words for page in WITH_COMMANDS for words in commands(page)]) > 30


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_links_and_settings_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), f"{page.name}: {link}"
    for name in re.findall(r"`((?:data|model|train)\.\w+)`", text):
        table, key = name.split(".")
        assert key in Config().tables()[table], f"{page.name}: {name}"
    for name in re.findall(r"`gn\.(\w+)", text):
        assert name in gn.__all__, f"{page.name}: gn.{name}"


def test_every_page_is_in_the_table():
    table = (ROOT / "examples" / "how_to" / "README.md").read_text(encoding="utf-8")
    assert {f"{page.name}" for page in PAGES} - {"README.md"} <= set(re.findall(r"\]\((\w+\.md)\)", table))
