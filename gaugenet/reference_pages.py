"""The API reference as a page: Markdown, or one HTML file that needs no other.

A docstring is read as paragraphs, indented blocks (equations, kept letter by letter), lists, and the sections Args,
Returns and Raises.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from gaugenet import __version__
from gaugenet.reference import Entry, Member, entries, resolve

_SECTIONS = ("Args", "Returns", "Raises", "Yields")


@dataclass(frozen=True)
class Part:
    """A piece of a docstring: kind "text", "verbatim", "item" (of a list), "section" (a heading) or "term"."""

    kind: str
    text: str
    name: str = ""
    """Of a term: what its text is about."""


def parts(doc: str) -> tuple[Part, ...]:
    """A docstring, without indentation, in pieces."""
    found: list[Part] = []
    for block in re.split(r"\n[ \t]*\n", doc.strip("\n")):
        lines = block.split("\n")
        section = lines[0].removesuffix(":") if lines[0].endswith(":") else ""
        if section in _SECTIONS:
            found.append(Part("section", section))
            found += _section(lines[1:])
        elif lines[0].startswith("    "):
            found.append(Part("verbatim", "\n".join(line[4:] if line.startswith("    ") else line for line in lines)))
        else:
            found += _paragraph(lines)
    return tuple(found)


def _paragraph(lines: Sequence[str]) -> list[Part]:
    found: list[Part] = []
    for line in lines:
        item = re.match(r"\s*(?:- |\d+\. )", line)
        if item:
            found.append(Part("item", line[item.end() :]))
        elif found:
            last = found.pop()
            found.append(Part(last.kind, f"{last.text} {line.strip()}"))
        else:
            found.append(Part("text", line.strip()))
    return found


def _section(lines: Sequence[str]) -> list[Part]:
    found: list[Part] = []
    for line in lines:
        term = re.match(r"    ([\w*][\w*, ]*): (.*)", line)
        if term:
            found.append(Part("term", term[2], term[1]))
        elif found:
            last = found.pop()
            found.append(Part(last.kind, f"{last.text} {line.strip()}", last.name))
        else:
            found.append(Part("text", line.strip()))
    return found


def markdown() -> str:
    """The whole reference as Markdown."""
    lines = [f"# gaugenet {__version__}: reference", ""]
    for room, group in _rooms():
        lines += [f"**{room}**: " + ", ".join(f"[`{e.name}`](#{e.name.lower()})" for e in group), ""]
    for room, group in _rooms():
        lines += [f"## {room}", ""]
        for entry in group:
            lines += [f"### {entry.name}", "", f"from `{entry.home}`", "", *_fenced(entry.signature)]
            lines += _markdown_doc(entry.doc, entry, None)
            for member in (*entry.fields, *entry.members):
                if member.doc:
                    lines += [f"#### {entry.name}.{member.name}", "", *_fenced(member.signature)]
                    lines += _markdown_doc(member.doc, entry, member)
    return "\n".join(lines).rstrip() + "\n"


def _fenced(text: str) -> list[str]:
    return ["```python", text, "```", ""]


def _markdown_doc(doc: str, entry: Entry, member: Member | None) -> list[str]:
    def inline(text: str) -> str:
        return _inline(text, entry, member, _escaped, _markdown_code)

    lines: list[str] = []
    for part in parts(doc):
        listed = part.kind in ("item", "term")
        if lines and not lines[-1] and listed and lines[-2].startswith("- "):
            lines.pop()
        if part.kind == "verbatim":
            lines += ["```text", *part.text.split("\n"), "```", ""]
        elif part.kind == "section":
            lines += [f"*{part.text}*", ""]
        elif part.kind == "term":
            lines += [f"- `{part.name}`: {inline(part.text)}", ""]
        else:
            lines += [("- " if listed else "") + inline(part.text), ""]
    return lines


def _markdown_code(text: str, to: str) -> str:
    return f"[`{text}`](#{to.lower()})" if to else f"`{text}`"


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_<\[\]])", r"\\\1", text)


def _inline(
    text: str,
    entry: Entry,
    member: Member | None,
    plain: Callable[[str], str],
    code: Callable[[str, str], str],
) -> str:
    """Text with its backquoted words as code, which lead to the public name they mean."""
    made = []
    for i, piece in enumerate(re.split(r"``(.+?)``|`([^`]+)`", text)):
        if piece is None:
            continue
        if i % 3 == 0:
            made.append(plain(piece))
        else:
            made.append(code(piece, (resolve(piece, entry, member) or "") if i % 3 == 2 else ""))
    return "".join(made)


def page() -> str:
    """The whole reference as one HTML file: an index on the left, every name on the right."""
    index, body = [], []
    for room, group in _rooms():
        index.append(f"<h4>{html.escape(room)}</h4><ul>")
        index += [f'<li><a href="#{e.name}">{e.name}</a></li>' for e in group]
        index.append("</ul>")
        body.append(f"<h2>{html.escape(room)}</h2>")
        for entry in group:
            body.append(f'<h3 id="{entry.name}">{entry.name} <small>{entry.home}</small></h3>')
            body.append(f'<pre class="signature">{html.escape(entry.signature)}</pre>')
            body.append(_html_doc(entry.doc, entry, None))
            for member in (*entry.fields, *entry.members):
                if member.doc:
                    body.append(f'<div class="member" id="{entry.name}.{member.name}">')
                    body.append(f'<pre class="signature">{html.escape(member.signature)}</pre>')
                    body.append(_html_doc(member.doc, entry, member) + "</div>")
    title = f"gaugenet {__version__}: reference"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<nav>\n" + "\n".join(index) + "\n</nav>\n<main>\n"
        f"<h1>{title}</h1>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


_STYLE = """
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; display: flex; }
nav { width: 15rem; flex: none; height: 100vh; overflow: auto; position: sticky; top: 0; padding: 0 1rem;
  box-sizing: border-box; border-right: 1px solid #d8dee4; font-size: 13px; }
nav ul { list-style: none; margin: 0; padding: 0; } nav h4 { margin: 1rem 0 .2rem; }
main { padding: 0 2rem 4rem; max-width: 60rem; min-width: 0; } a { color: #0b5cad; text-decoration: none; }
pre { background: #f6f8fa; padding: .5rem .8rem; overflow: auto; font-size: 13px; line-height: 1.4; }
pre.signature { border-left: 3px solid #0b5cad; } code { font-size: 13px; }
small { color: #656d76; font-weight: normal; }
h3 { border-top: 1px solid #d8dee4; padding-top: 1rem; margin-top: 2rem; } .member { margin-left: 1.5rem; }
dt { font-family: monospace; } .section { font-weight: 600; margin: .6rem 0 .2rem; }
"""


def _html_doc(doc: str, entry: Entry, member: Member | None) -> str:
    def code(text: str, to: str) -> str:
        shown = f"<code>{html.escape(text)}</code>"
        return f'<a href="#{to}">{shown}</a>' if to else shown

    tags = {"text": "p", "item": "ul", "term": "dl"}
    made = []
    for kind, run in groupby(parts(doc), key=lambda p: p.kind):
        for part in run if kind in ("text", "verbatim", "section") else ():
            if kind == "verbatim":
                made.append(f"<pre>{html.escape(part.text)}</pre>")
            elif kind == "section":
                made.append(f'<p class="section">{part.text}</p>')
            else:
                made.append(f"<p>{_inline(part.text, entry, member, html.escape, code)}</p>")
        if kind in ("item", "term"):
            made.append(f"<{tags[kind]}>")
            for part in run:
                text = _inline(part.text, entry, member, html.escape, code)
                made.append(f"<li>{text}</li>" if kind == "item" else f"<dt>{part.name}</dt><dd>{text}</dd>")
            made.append(f"</{tags[kind]}>")
    return "\n".join(made)


def _rooms() -> list[tuple[str, list[Entry]]]:
    return [(room, list(group)) for room, group in groupby(entries(), key=lambda e: e.room)]
