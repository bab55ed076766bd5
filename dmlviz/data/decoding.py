"""Bytes of a file -> its text, whatever they were written in."""

from __future__ import annotations

import re

from dmlviz.data.wording import count_of, note
from dmlviz.records import InputError, ReaderNote

_MAGIC = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office document", b"\xd0\xcf\x11\xe0": "an old Office document", b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x7fELF": "a program", b"ARROW1": "an Arrow file", b"\x93NUMPY": "a NumPy array", b"\x80\x04\x95": "a Python pickle",
}  # fmt: skip
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def decode(raw: bytes, name: str) -> tuple[str, tuple[ReaderNote, ...]]:
    """Text of the bytes: by byte-order mark, else UTF-8, else UTF-16 by its zero bytes, else line by line UTF-8 or Windows-1252."""
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            raise InputError(f"{name} is {kind}, not text; save the table as CSV, TSV, JSONL, JSON or Parquet (with that ending).")
    text, notes = _decode_marked(raw) or _decode_unmarked(raw)
    text = text.removeprefix("\ufeff")
    head = text[:100_000]
    if len(_CONTROL.findall(head)) > max(8, len(head) / 20):
        raise InputError(f"{name} is not text: many of its bytes are control characters. Save the table as CSV, TSV, JSONL, JSON or Parquet.")
    if not text.strip():
        raise InputError(f"{name} is empty; a table with a text and a label column is needed.")
    return text, notes


def _decode_marked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]] | None:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                text = raw[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                continue
            return text, note("encoding", 1, f"the byte-order mark was taken off; the file was read as {encoding.upper()}.")
    return None


def _decode_unmarked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    for position, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = raw[position:4000:2]
        if len(half) > 4 and half.count(0) > 0.7 * len(half) and len(raw) % 2 == 0:
            return raw.decode(encoding, errors="replace"), note("encoding", 1, f"the file has no byte-order mark and was read as {encoding.upper()}.")
    try:
        return raw.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _decode_lines(raw)


def _decode_lines(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    lines, odd, kind = [], 0, "Windows-1252"
    for line in raw.split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
            continue
        except UnicodeDecodeError:
            odd += 1
        try:
            lines.append(line.decode("windows-1252"))
        except UnicodeDecodeError:
            kind = "Windows-1252 or Latin-1"
            lines.append(line.decode("latin-1"))
    return "\n".join(lines), note("encoding", odd, f"{count_of(odd, 'line')} not in UTF-8, read as {kind}; check the accents.")
