"""The reference: every public name says what it is and what its arguments are, and nothing it points to is missing."""

import html.parser
import re

import pytest

import gaugenet
from gaugenet.cli import run
from gaugenet.reference import ROOMS, Entry, Member, entries, references, resolve, undocumented
from gaugenet.reference_pages import markdown, page, parts

ENTRIES = {entry.name: entry for entry in entries()}


def test_every_public_name_is_there_under_its_room():
    assert sorted(ENTRIES) == sorted(gaugenet.__all__)
    assert {e.room for e in ENTRIES.values()} <= set(ROOMS.values())
    assert ENTRIES["load_mesh"].room == ROOMS["gaugenet.meshes"]
    assert ENTRIES["audit"].room == ROOMS["gaugenet"]


@pytest.mark.parametrize("name", gaugenet.__all__)
def test_a_public_name_has_a_docstring_that_tells_of_its_arguments(name):
    assert ENTRIES[name].doc
    assert undocumented(ENTRIES[name]) == ()


@pytest.mark.parametrize("name", gaugenet.__all__)
def test_no_name_in_backquotes_is_dead(name):
    entry = ENTRIES[name]
    for member in (None, *entry.fields, *entry.members):
        doc = entry.doc if member is None else member.doc
        dead = [word for word in references(doc) if resolve(word, entry, member) is None]
        assert not dead, f"{name}.{member.name if member else ''} speaks of {dead}"


class _Silent:
    """Says `nothing_like_it`, `gaugenet.nowhere.at_all`, `gaugenet.meshes.io.nonsense` and `GaugeConv.nonsense`."""

    def __init__(self, width: int) -> None:
        self.width = width

    @property
    def height(self) -> int:
        return self.width

    def area(self, scale: float) -> float:
        """`scale` times `width`, as in `FieldType.parse` and `gaugenet.meshes.io.load_mesh`."""
        return scale * self.width


def test_what_is_not_told_and_what_is_dead_is_found():
    entry = Entry("_Silent", _Silent)
    assert undocumented(entry) == ("width", "_Silent.height")
    assert [resolve(word, entry) for word in references(entry.doc)] == [None] * 4
    (area,) = (m for m in entry.members if m.name == "area")
    assert [resolve(word, entry, area) for word in references(area.doc)] == ["", "", "FieldType", "load_mesh"]
    assert resolve("scale", entry) is None


def test_signatures_are_as_in_the_source():
    assert ENTRIES["random_gauge"].signature.startswith("random_gauge(")
    conv = ENTRIES["GaugeConv"].signature
    assert "    in_type: FieldType,\n    out_type: FieldType,\n    *,\n    n_radial: int = 3," in conv
    members = {m.name: m.signature for m in ENTRIES["MeshGeometry"].members}
    assert members["n_vertices"] == "n_vertices: int"
    assert members["to"].startswith("to(device: torch.device | str | None = None")
    for entry in ENTRIES.values():
        assert not re.search("<function|0x", entry.signature), "differs from run to run"


def test_fields_carry_the_text_below_them():
    fields = {m.name: m for m in ENTRIES["EquivarianceReport"].fields}
    assert fields["error"] == Member("error", "error: float", fields["error"].doc)
    assert fields["error"].doc.startswith("max |f(h·x")


def test_a_docstring_in_parts():
    doc = (
        "First\nline.\n\n    a = b\n      + c\n\nText:\n- one\n  more\n- two\n\n"
        "Args:\n    x, y: of z\n        and w.\n    *rest: more."
    )
    found = [(p.kind, p.name, p.text) for p in parts(doc)]
    assert found == [
        ("text", "", "First line."),
        ("verbatim", "", "a = b\n  + c"),
        ("text", "", "Text:"),
        ("item", "", "one more"),
        ("item", "", "two"),
        ("section", "", "Args"),
        ("term", "x, y", "of z and w."),
        ("term", "*rest", "more."),
    ]


def _verbatim() -> list[str]:
    docs = [d for e in ENTRIES.values() for d in (e.doc, *(m.doc for m in (*e.fields, *e.members)))]
    return [p.text for d in docs for p in parts(d) if p.kind == "verbatim"]


def test_equations_stand_letter_by_letter_in_the_markdown():
    text = markdown()
    assert len(_verbatim()) > 20
    for equation in _verbatim():
        assert f"```text\n{equation}\n```" in text
    assert text.count("\n### ") == len(ENTRIES)
    targets = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert targets <= {name.lower() for name in ENTRIES}


class _Page(html.parser.HTMLParser):
    """Open tags, links and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pre: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert not {"src", "rel"} & set(given), "needs another file"
        if tag != "meta":
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag == "pre":
            self.pre.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["pre"]:
            self.pre[-1] += data


def test_the_html_is_one_whole_page_and_every_link_in_it_leads_somewhere():
    read = _Page()
    read.feed(page())
    assert not read.open
    assert len(set(read.ids)) == len(read.ids)
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert set(ENTRIES) <= set(read.ids)
    assert set(_verbatim()) <= set(read.pre)


def test_the_command_writes_both(tmp_path, capsys):
    assert run(["docs", "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "reference.md").read_text(encoding="utf-8") == markdown()
    assert (tmp_path / "new" / "reference.html").read_text(encoding="utf-8") == page()
    assert "reference.html" in capsys.readouterr().out
