"""Damaged mesh files, made from a seed: faults of the surface, written in any format, and faults of the file."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import surface_files as files

Surface = tuple[np.ndarray, list[list[int]]]
Rng = np.random.Generator

KINDS = ("obj", "ply", "ply<", "ply>", "off", "off<", "stl", "stl<", "glb", "gltf", "npz")
TEXTS = ("obj", "ply", "off", "stl", "gltf")


def surface(rng: Rng) -> Surface:
    """A small surface: closed, with boundary, one-sided, of quads, or flat."""
    which = rng.integers(5)
    if which == 0:
        return files.CUBE.copy(), files.TRIANGLES.tolist()
    if which == 1:
        return files.CUBE.copy(), files.QUADS.tolist()
    nx, ny = int(rng.integers(4, 9)), int(rng.integers(1, 5))
    u, v = np.meshgrid(np.arange(nx + 1), np.arange(ny + 1), indexing="ij")
    index = np.arange((nx + 1) * (ny + 1)).reshape(nx + 1, ny + 1)
    if which == 2:
        points = np.stack([u, v, np.sin(u)], -1)
    else:
        turn, wide = 2 * np.pi * u / nx, v - ny / 2
        half = turn / 2 if which == 4 else 0 * turn
        radius = nx + wide * np.cos(half)
        points = np.stack([radius * np.cos(turn), radius * np.sin(turn), wide * np.sin(half) + (which == 3) * v], -1)
        index[-1] = index[0, ::-1] if which == 4 else index[0]
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    points, used = points.reshape(-1, 3), np.unique(quads)
    rename = np.zeros(len(points), int)
    rename[used] = np.arange(len(used))
    quads = rename[quads]
    faces = quads.tolist() if rng.random() < 0.4 else quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).tolist()
    return points[used].astype(float), faces


def written(points: np.ndarray, faces: list[list[int]], kind: str, rng: Rng) -> bytes:
    """The bytes of a file of that kind, in one of its dialects."""
    newline = ["\n", "\n", "\r\n", "\r"][int(rng.integers(4))]
    triangles = np.array([[f[0], f[k], f[k + 1]] for f in faces for k in range(1, len(f) - 1)], int).reshape(-1, 3)
    if kind == "obj":
        return files.obj(points, faces, newline, dress=bool(rng.integers(2)))
    if kind in ("ply", "ply<", "ply>"):
        return files.ply(points, faces, kind[3:], newline, index="uint" if min(map(min, faces)) >= 0 else "int")
    if kind == "off":
        return files.off(points, faces, newline=newline)
    if kind == "off<":
        return files.binary_off(points, faces, "<>"[int(rng.integers(2))], bool(rng.integers(2)))
    if kind == "npz":
        return files.npz(points, triangles)
    triangles = triangles % len(points) if "stl" in kind else np.abs(triangles)
    if kind == "stl":
        return files.text_stl(points, triangles, newline=newline)
    if kind == "stl<":
        return files.stl(points, triangles)
    nodes = [{"mesh": 0}] if rng.random() < 0.5 else [{"mesh": 0, "scale": [-1, 2, 1]}, {"mesh": 0}]
    return (files.glb if kind == "glb" else files.gltf)(*files.scene(points, triangles, nodes))


# --- faults of the surface itself -------------------------------------------------------------------------------------


def _no_number(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    value = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, 1e-320][int(rng.integers(7))]
    points[rng.integers(len(points)), rng.integers(3)] = value
    return points, faces


def _unused_no_number(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return np.concatenate([points, [[np.nan, np.inf, 0]]]), faces


def _wild_index(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    face = faces[int(rng.integers(len(faces)))]
    face[int(rng.integers(len(face)))] = [-1, -7, len(points), 10**6, 2**31 - 1, -(2**31)][int(rng.integers(6))]
    return points, faces


def _duplicates(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    chosen = [faces[int(k)] for k in rng.integers(len(faces), size=3)]
    return points, faces + chosen + [f[::-1] for f in chosen[:1]]


def _degenerate(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    a, b = (int(k) for k in rng.integers(len(points), size=2))
    return points, [*faces, [a, a, b], [a, a, a], [a, b], [a], faces[0][:2]][: len(faces) + int(rng.integers(1, 6))]


def _flat_faces(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    a, b, c = faces[int(rng.integers(len(faces)))][:3]
    points[c] = points[a] if rng.random() < 0.5 else (points[a] + points[b]) / 2
    return points, faces


def _swapped(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return points, [f[::-1] if rng.random() < 0.4 else f for f in faces]


def _scaled(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return points * 10.0 ** rng.choice([-12.0, -6, 6, 12, 18, -18, 37, -40, 160]), faces


def _moved(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return points + 10.0 ** rng.integers(3, 8), faces


def _rounded(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return (points / 7 + 10.0 ** rng.integers(0, 7)).astype(np.float32).astype(float), faces


def _non_manifold(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    a, b = faces[int(rng.integers(len(faces)))][:2]
    n = len(points)
    return np.concatenate([points, points[:2] + 0.3]), [*faces, [a, b, n], [b, a, n + 1]]


def _pinched(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    a, b = (int(k) for k in rng.integers(len(points), size=2))
    return points, [[a if i == b else i for i in f] for f in faces]


def _two_pieces(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    shift = [0.0, 1e6, 0.5][int(rng.integers(3))]
    return np.concatenate([points, points + shift]), faces + [[i + len(points) for i in f] for f in faces]


def _lonely(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return np.concatenate([points[:1], points, points[:2] + 9]), [[i + 1 for i in f] for f in faces]


def _soup(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    corners = [i for f in faces for i in f]
    ends = np.cumsum([*map(len, faces)])
    return points[corners], [list(range(end - len(f), end)) for end, f in zip(ends, faces)]


def _polygons(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    n = int(rng.integers(5, 12))
    turn = np.sort(rng.uniform(0, 2 * np.pi, n))
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1) * rng.uniform(0.2, 1, (n, 1))
    return np.concatenate([points, ring]), [*faces, list(range(len(points), len(points) + n))]


def _random_faces(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return points, rng.integers(0, len(points), (int(rng.integers(1, 40)), 3)).tolist()


def _collapsed(points: np.ndarray, faces: list[list[int]], rng: Rng) -> Surface:
    return points * rng.integers(0, 2, 3), faces


SHAPES: tuple[Callable[[np.ndarray, list[list[int]], Rng], Surface], ...] = (
    _flat_faces, _non_manifold, _swapped, _scaled, _moved, _rounded, _no_number, _unused_no_number, _pinched,
    _two_pieces, _lonely, _polygons, _random_faces, _collapsed, _duplicates, _soup, _degenerate, _wild_index,
)  # fmt: skip


# --- faults of the file -----------------------------------------------------------------------------------------------


def _truncated(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _flipped(content: bytes, rng: Rng) -> bytes:
    out = bytearray(content)
    for at in rng.integers(len(out), size=int(rng.integers(1, 9))):
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _noise(content: bytes, rng: Rng) -> bytes:
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 40))
    return content[:at] + rng.bytes(n) + content[at + int(rng.integers(2)) * n :]


def _repeated(content: bytes, rng: Rng) -> bytes:
    a, b = sorted(int(k) for k in rng.integers(len(content), size=2))
    return content[:b] + content[a:]


def _number_changed(content: bytes, rng: Rng) -> bytes:
    """One whole number of the first 400 bytes, or of all, becomes another: counts that lie, indices that are wild."""
    span = content[:400] if rng.random() < 0.6 else content
    places = [k for k in range(1, len(span)) if span[k : k + 1].isdigit() and not span[k - 1 : k].isdigit()]
    if not places:
        return content
    start = places[int(rng.integers(len(places)))]
    end = start
    while content[end : end + 1].isdigit():
        end += 1
    word = rng.choice([b"0", b"-1", b"-2", b"1", b"7", b"4000000", b"1000000000000", b"9" * 40, b"9" * 5000, b"nan",
                       b"1e999", b"3.5", b"", b"0x10", b"1,5", b"2147483648", b"-2147483649", b"18446744073709551616",
                       b"5121", b"5123", b"4", b"5", b"6"])  # fmt: skip
    return content[:start] + bytes(word) + content[end:]


def _counts_in_binary(content: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(min(len(content), 200)))
    word = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\0\0\0\0", b"\x00\x00\xc0\x7f"])
    return content[:at] + bytes(word).ljust(4, b"\0") + content[at + 4 :]


def _comma(content: bytes, rng: Rng) -> bytes:
    return content.replace(b".", b",")


def _encoded(content: bytes, rng: Rng) -> bytes:
    marks = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-le": b"\xff\xfe\0\0"}
    name = list(marks)[int(rng.integers(4))]
    mark = marks[name] if rng.random() < 0.7 or name == "utf-8" else b""
    return mark + content.decode("latin-1").encode(name)


def _newlines(content: bytes, rng: Rng) -> bytes:
    return content.replace(b"\n", [b"\r\n", b"\r", b"\n\n", b" \n", b"\x0b", b"\x00"][int(rng.integers(6))])


def _lines_shuffled(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    a, b = (int(k) for k in rng.integers(len(lines), size=2))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def _line_lost(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    del lines[int(rng.integers(len(lines)))]
    return b"\n".join(lines)


def _word_lost(content: bytes, rng: Rng) -> bytes:
    words = content.split(b" ")
    del words[int(rng.integers(len(words)))]
    return b" ".join(words)


BYTES: tuple[Callable[[bytes, Rng], bytes], ...] = (
    _truncated, _flipped, _flipped, _noise, _repeated, _number_changed, _number_changed, _number_changed,
    _counts_in_binary, _comma, _encoded, _newlines, _lines_shuffled, _line_lost, _word_lost,
)  # fmt: skip


def case(seed: int, number: int) -> tuple[str, bytes, bool | None]:
    """(file name, content, merge_vertices) of one case; the name tells the kind and the faults."""
    rng = np.random.default_rng([seed, number])
    points, faces = surface(rng)
    kind = KINDS[int(rng.integers(len(KINDS)))]
    done = []
    if rng.random() < 0.55:
        # index by index, so that the faults that need whole faces come before those that leave short ones
        for change in sorted(rng.choice(len(SHAPES), int(rng.integers(1, 3)), replace=False)):
            with np.errstate(all="ignore"):
                points, faces = SHAPES[change](points, [list(f) for f in faces], rng)
            done.append(SHAPES[change].__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = written(points, faces, kind, rng)
        except (ValueError, OverflowError, OSError, IndexError):
            # this format cannot say it; text can
            kind, content = "obj", written(points, faces, "obj", rng)
    if not done or rng.random() < 0.35:
        change = int(rng.integers(len(BYTES)))
        content = BYTES[change](content, rng) if content else content
        done.append(BYTES[change].__name__)
    merge = [None, None, True, False][int(rng.integers(4))]
    return f"{number}{''.join(done)}.{kind.rstrip('<>')}", content, merge
