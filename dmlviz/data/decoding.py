"""Bytes of a file -> its text, whatever it was written in: by its mark, by its bytes, or as a person says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown

MAGIC = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office document", b"\xd0\xcf\x11\xe0": "an old Office document", b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x7fELF": "a program", b"ARROW1": "an Arrow file", b"\x93NUMPY": "a NumPy array", b"\x80\x04\x95": "a Python pickle",
}  # fmt: skip
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
ENCODINGS = {  # Python's name -> what a person reads; the choices of the Train page, and what is looked for in bytes that are not UTF-8
    "utf-8": "UTF-8", "cp1252": "Windows-1252 (Western Europe)", "cp1250": "Windows-1250 (Central Europe)", "cp1254": "Windows-1254 (Turkish)",
    "mac_roman": "Mac Roman", "cp1251": "Windows-1251 (Cyrillic, CP1251)", "koi8_r": "KOI8-R (Cyrillic)", "koi8_u": "KOI8-U (Ukrainian)",
    "cp866": "CP866 (Cyrillic, DOS)", "gb18030": "GB18030 (Chinese, also GBK)", "big5": "Big5 (Chinese)", "cp932": "Shift-JIS (Japanese, CP932)",
    "euc_jp": "EUC-JP (Japanese)", "cp949": "CP949 (Korean, also EUC-KR)", "cp1253": "Windows-1253 (Greek)", "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)", "utf-16": "UTF-16",
}  # fmt: skip
LATIN = ("cp1252", "cp1250", "cp1254", "mac_roman")
OTHERS = tuple(name for name in ENCODINGS if name not in LATIN and not name.startswith("utf"))
LATIN_SHARE = 0.25  # of the letters: where fewer are beyond ASCII, the file is in a Latin script
SAMPLE_BYTES = 64_000
CHOOSE = "if they look wrong, choose the encoding (--encoding)"
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_HIGH, _ASCII_LETTER = re.compile(rb"[\x80-\xff]"), re.compile(rb"[A-Za-z]")
_SIGN_IN_WORD = re.compile(r"(?![nN][°º])[^\W\d_][¡¿¹²³ª°º¼¾£¢¥§©®±¶·«»¯\ufffd]")
_FULL_KANA, _HALF_KANA = re.compile("[\u3041-\u30ff]"), re.compile("[\uff61-\uff9f\ue000-\uf8ff]")


def decode(raw: bytes, name: str, encoding: str | None = None) -> tuple[str, tuple[ReaderNote, ...]]:
    """Text of the bytes, and what was assumed: as `encoding` says, by byte-order mark, else UTF-8, else UTF-16 by its zero bytes, else the legacy
    encoding that the bytes look like, with three lines to look at.

    Raises InputError for what is not text, an unknown encoding, and bytes that the chosen encoding does not have.
    """
    for magic, kind in MAGIC.items():
        if raw.startswith(magic):
            raise InputError(f"{name} is {kind}, not text; save the table as CSV, TSV, JSONL, JSON or Parquet (with that ending).")
    text, notes = _decode_as(raw, name, encoding) if encoding else _decode_marked(raw) or _decode_unmarked(raw)
    text = text.removeprefix("\ufeff")
    if is_binary(text[:100_000]):
        raise InputError(f"{name} is not text: many of its bytes are control characters. Save the table as CSV, TSV, JSONL, JSON or Parquet.")
    if not text.strip():
        raise InputError(f"{name} is empty; a table with a text and a label column is needed.")
    return text, notes


def is_binary(head: str) -> bool:
    """More than one in twenty of the first letters are control characters."""
    return len(_CONTROL.findall(head)) > max(8, len(head) / 20)


def encoding_title(encoding: str) -> str:
    return ENCODINGS.get(encoding, encoding.upper())


def _decode_as(raw: bytes, name: str, encoding: str) -> tuple[str, tuple[ReaderNote, ...]]:
    try:
        return raw.decode(encoding), ()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} in line {line:,} is not valid there"
        raise InputError(f"{name} is not {encoding_title(encoding)}: {found}. Choose another --encoding, or none to have it found.") from None
    except (LookupError, TypeError, ValueError):
        known = listed((one for one in ENCODINGS), len(ENCODINGS))
        raise InputError(f"unknown encoding {shown(encoding)}; known are {known} and the others of Python.") from None


def _decode_marked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]] | None:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                text = raw[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                continue
            return text, _bom_note(encoding)
    return None


def _bom_note(encoding: str) -> tuple[ReaderNote, ...]:
    return note("encoding", 1, f"the byte-order mark was taken off; the file was read as {encoding.upper()}.")


BOM_NOTE = _bom_note("utf-8")


def _decode_unmarked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    for position, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = raw[position:4000:2]
        if len(half) > 4 and half.count(0) > 0.7 * len(half) and len(raw) % 2 == 0:
            return raw.decode(encoding, errors="replace"), note("encoding", 1, f"the file has no byte-order mark and was read as {encoding.upper()}.")
    try:
        return raw.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _decode_legacy(raw)


def _decode_legacy(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    """Bytes that are not UTF-8: all of them in one older encoding, or, where most lines beyond ASCII are UTF-8, the odd lines alone."""
    beyond = [line for line in raw.split(b"\n") if not line.isascii()]
    odd = [line for line in beyond if not _is_utf8(line)]
    encoding = _likely_encoding(_first_lines(odd))
    mixed = 2 * len(odd) <= len(beyond)
    if not mixed:
        try:
            return raw.decode(encoding), _legacy_note(beyond, encoding, len(odd), mixed)
        except UnicodeDecodeError:
            pass
    lines = [line.decode("utf-8") if _is_utf8(line) else _decode_line(line, encoding) for line in raw.split(b"\n")]
    return "\n".join(lines), _legacy_note(odd, encoding, len(odd), mixed)


def _legacy_note(lines: list[bytes], encoding: str, count: int, mixed: bool) -> tuple[ReaderNote, ...]:
    samples = list(dict.fromkeys(shown(_decode_line(line, encoding).strip()) for line in lines[:50]))[:3]
    found = (
        f"{count_of(count, 'line')} not in UTF-8, read as {encoding_title(encoding)}"
        if mixed
        else (f"the file is not in UTF-8 and was read as {encoding_title(encoding)}")
    )
    return note("encoding", count, f"{found}. Lines to look at: {', '.join(samples)}; {CHOOSE}.")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_line(line: bytes, encoding: str) -> str:
    """The line in this encoding; where it lacks a byte, in Latin-1, which has all."""
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _first_lines(lines: list[bytes]) -> bytes:
    """Whole lines, as many as SAMPLE_BYTES holds, at least one."""
    size, taken = 0, []
    for line in lines:
        size += len(line) + 1
        if taken and size > SAMPLE_BYTES:
            break
        taken.append(line)
    return b"\n".join(taken)


def _likely_encoding(sample: bytes) -> str:
    """The encoding in which the sample reads like a language, by charset-normalizer; what that library cannot tell in a few words is told here.

    Few letters beyond ASCII: one of the Latin scripts, Western Europe's in doubt. Hiragana: Japanese. Half-width katakana: not Japanese.
    """
    high = len(_HIGH.findall(sample))
    if high < 4 or high < LATIN_SHARE * (high + len(_ASCII_LETTER.findall(sample))):
        return _latin_encoding(sample)
    for encoding in ("cp932", "euc_jp"):
        if _share(sample, encoding, _FULL_KANA) > 0.3 and not _share(sample, encoding, _HALF_KANA) > 0.1:
            return encoding
    others = [name for name in (*OTHERS, *LATIN) if name != "cp932" or _share(sample, "cp932", _HALF_KANA) < 0.2]
    best = _best_of(sample, others) or "cp1252"
    if best in LATIN and _is_french(sample):
        return "cp1252"
    return _latin_encoding(sample) if best in LATIN and _SIGN_IN_WORD.search(sample.decode(best, errors="replace")) else best


def _is_french(sample: bytes) -> bool:
    """Has it, read as Windows-1252, the letters of French and no others? In few words French looks Central European to charset-normalizer."""
    western = sample.decode("cp1252", errors="replace").casefold()
    letters = {char for char in western if char.isalpha() and not char.isascii()}
    return letters <= set("àâçèéêëîïôùûüœ") and not _SIGN_IN_WORD.search(western)


def _best_of(sample: bytes, encodings: Iterable[str]) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(encodings)).best()
    return None if best is None else best.encoding


def _latin_encoding(sample: bytes) -> str:
    """Windows-1252, unless letters that only another Latin script has speak against it."""
    western = sample.decode("cp1252", errors="replace")
    if re.search("[ýþðÝÞÐ]", western) and not re.search("[áéíóúæÁÉÍÓÚÆ]", western):
        return "cp1254"  # Turkish ı, ş, ğ stand in the place of Icelandic ý, þ, ð
    best = _best_of(sample, LATIN) or "cp1252"
    if best == "cp1250" and re.search(rb"[\x8a\x8e\x9a\x9e]", sample):  # Š Ž š ž
        return best
    signs = {name: len(_SIGN_IN_WORD.findall(sample.decode(name, errors="replace"))) for name in LATIN}
    return min(("cp1252", best, *LATIN), key=signs.__getitem__)  # the first of the fewest


def _share(sample: bytes, encoding: str, characters: re.Pattern[str]) -> float:
    """Of the characters beyond ASCII, read in this encoding, how many are such; 0 where it does not decode."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    return len(characters.findall(text)) / max(1, sum(not character.isascii() for character in text))
