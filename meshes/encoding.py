"""Text of mesh files as editors on all systems write it: byte-order marks and UTF-16 are undone before parsing."""

from __future__ import annotations

import codecs

# the mark of UTF-32 begins with that of UTF-16, so it is tried first
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def plain(content: bytes) -> bytes:
    """The same text in UTF-8 without a mark; content that has no mark and does not look like UTF-16 is left alone.

    Only the mark is taken off UTF-8, so a binary part behind a text header stays as it is.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            body = content[len(mark) :]
            return body if encoding == "utf-8" else body.decode(encoding, "replace").encode("utf-8")
    for guess, zeros in (("utf-16-le", content[1:16:2]), ("utf-16-be", content[0:16:2])):
        # every second byte of Latin letters in UTF-16 is zero; the others are not
        if len(zeros) > 1 and not any(zeros) and all(content[0:16:2] if guess == "utf-16-le" else content[1:16:2]):
            return content.decode(guess, "replace").encode("utf-8")
    return content
