"""Text in the encodings of editors; bytes that are no text stay as they are."""

import pytest

from gaugenet.meshes.encoding import plain


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_comes_back(encoding):
    text = "OFF # Größe\n1 2 3\n"
    assert plain(text.encode(encoding)).decode() == text


@pytest.mark.parametrize("content", [b"", b"v", b"\0\0\0\0", b"ply\n\0\0\0", bytes(range(256)), b"\x00a\x01\x00\x00b"])
def test_other_bytes_stay(content):
    assert plain(content) == content
