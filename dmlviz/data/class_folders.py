"""A folder per class with one text a file: CLASS/1.txt, or train/CLASS/1.txt and test/CLASS/1.txt (20 Newsgroups, IMDb)."""

from __future__ import annotations

from pathlib import Path

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note
from dmlviz.data.decoding import decode
from dmlviz.data.places import Places, Segment
from dmlviz.data.rows import Rows
from dmlviz.data.tables import PART_WORDS

MOST_FILES = 1_000_000
MOST_BYTES = 500 * 2**20
UNLABELLED = {"unsup", "unlabeled", "unlabelled"}  # folders of texts without class (IMDb)
ClassFolder = tuple[str, str, Path]  # part, class, where


def class_folders(folder: Path) -> list[ClassFolder]:
    """The class folders, part by part; [] where the folder is not laid out like that (two classes at least, texts in each). Only looks at names."""
    parts = [place for place in _folders(folder) if place.name.lower() in PART_WORDS]
    if parts:
        found = [(PART_WORDS[place.name.lower()], inner.name, inner) for place in parts for inner in _folders(place) if _has_texts(inner)]
        return found if len({label for part, label, _ in found if part == "train"}) > 1 else []
    found = [("train", place.name, place) for place in _folders(folder) if _has_texts(place)]
    return found if len(found) > 1 else []


def class_folder_rows(folder: Path, classes: list[ClassFolder], encoding: str | None) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """A row per file, in the order of parts, classes and file names. Raises InputError where there are too many files or bytes to read."""
    texts, labels, parts, files = [], [], [], []
    notes: dict[str, ReaderNote] = {}
    skipped, size = 0, 0
    for part, label, place in classes:
        for file in sorted(place.iterdir()):
            if not _is_text(file):
                skipped += not file.name.startswith(".")
                continue
            size += file.stat().st_size
            if len(texts) >= MOST_FILES or size > MOST_BYTES:
                raise InputError(f"the folder {folder} holds more than {MOST_FILES:,} texts or {MOST_BYTES // 2**20} MB; keep fewer.")
            raw = file.read_bytes()
            text, found = decode(raw, str(file.relative_to(folder)), encoding) if raw.strip() else ("", ())
            notes |= {each.sentence: each for each in found if len(notes) < 3}
            texts.append(text.strip())
            labels.append(None if label.lower() in UNLABELLED else label)
            parts.append(part)
            files.append(str(file.relative_to(folder)))
    no_class = sorted({label for _, label, _ in classes if label.lower() in UNLABELLED})
    said = note("blank_label", len(no_class), f"the texts of {listed(no_class)} have no class and are left out.")
    said += note("files", skipped, f"{count_of(skipped, 'file')} not read: only .txt and files without ending hold texts here.")
    return Rows(texts, labels, parts, places=Places((Segment("", "file", files),))), (*notes.values(), *said)


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _has_texts(folder: Path) -> bool:
    return any(map(_is_text, folder.iterdir()))


def _is_text(file: Path) -> bool:
    return (file.suffix.lower() == ".txt" or not file.suffix or file.suffix[1:].isdigit()) and not file.name.startswith(".") and file.is_file()
