"""Which files of a folder hold which part: train.csv, NAME_test.tsv, data/train-00000-of-00002.parquet, test/0000.parquet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from dmlviz.core.types import InputError
from dmlviz.core.wording import listed
from dmlviz.data.formats import READERS
from dmlviz.data.tables import PART_WORDS

LAYOUT = "train.jsonl.gz and test.jsonl.gz (dev is optional), or all.jsonl.gz"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_NOT_TABLES = (".txt", ".json")  # endings that are also those of licences, notes and settings


class PartFiles(NamedTuple):
    """What a folder holds."""

    files: dict[str, list[Path]]  # part -> its file, or its shards in order
    place: str  # the folder inside the folder where they are; ""
    others: list[str]  # names of tables whose names say no part


def ending_of(name: str) -> str:
    """The ending that says the format, lower-case, without .gz: '.csv' for 'Reviews.CSV.gz'."""
    name = name.lower().removesuffix(".gz")
    return Path(name).suffix


def stem(name: str) -> str:
    """The file's name without its endings."""
    plain = name[:-3] if name.lower().endswith(".gz") else name
    return Path(plain).stem or plain or "upload"


def named_parts(folder: Path) -> PartFiles:
    """The part files of the folder, in the order train, val, test; else those of its folder data/, else of the only folder in it that has some.

    Raises InputError for two files of one part, missing shards, several such folders; OSError where the folder cannot be read.
    """
    here = _parts_in(folder)
    if here.files:
        return here
    inner = {}
    for place in sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")):
        found = _parts_in(place)
        if "train" in found.files:
            inner[place.name] = found._replace(place=place.name)
    if "data" in inner or len(inner) == 1:
        return inner.get("data") or next(iter(inner.values()))
    if inner:
        raise InputError(f"the folder {folder} holds several data sets, {listed(inner, 6)}; give one of these folders.")
    return here


def table_files(folder: Path) -> list[Path]:
    """Files whose ending is a table's, whatever they are called."""
    return [file for file in _readable(folder) if ending_of(file.name) not in _NOT_TABLES]


def _readable(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".") and ending_of(file.name) in READERS)


def _parts_in(folder: Path) -> PartFiles:
    exact: dict[str, list[Path]] = {}
    named: dict[str, list[Path]] = {}
    others: list[str] = []
    for file in _readable(folder):
        name = _SHARD.fullmatch(stem(file.name))
        plain = (name[1] if name else stem(file.name)).lower()
        hits = {PART_WORDS[word] for word in re.split(r"[-_. ]+", plain) if word in PART_WORDS and word != "all"}
        if plain in PART_WORDS:
            exact.setdefault(PART_WORDS[plain], []).append(file)
        elif len(hits) == 1:
            named.setdefault(hits.pop(), []).append(file)
        elif ending_of(file.name) not in _NOT_TABLES:
            others.append(file.name)
    for part, files in _part_folders(folder).items():
        named.setdefault(part, []).extend(files)
    files = {part: exact.get(part) or named[part] for part in ("train", "val", "test") if part in exact or part in named}
    if "train" not in exact and "train" not in named:
        return PartFiles({}, "", others) if not exact else PartFiles(files, "", others)
    others += [file.name for part in exact for file in named.get(part, [])]
    return PartFiles({part: _whole(found, folder, part) for part, found in files.items()}, "", sorted(others))


def _part_folders(folder: Path) -> dict[str, list[Path]]:
    """Part -> tables in a folder of its name (plain_text/train/0000.parquet)."""
    found: dict[str, list[Path]] = {}
    for place in sorted(one for one in folder.iterdir() if one.is_dir() and one.name.lower() in PART_WORDS):
        if files := table_files(place):
            found.setdefault(PART_WORDS[place.name.lower()], []).extend(files)
    return found


def _whole(files: list[Path], folder: Path, part: str) -> list[Path]:
    """The files of one part: one, all shards of one table, or the tables of its folder."""
    shards = [_SHARD.fullmatch(stem(file.name)) for file in files]
    if all(shards) and len({(shard[1], shard[3]) for shard in shards}) == 1:
        missing = sorted(set(range(int(shards[0][3]))) - {int(shard[2]) for shard in shards})
        if missing:
            lacking = ", ".join(f"{shards[0][1]}-{number:05}-of-{shards[0][3]}" for number in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise InputError(f"the folder {folder} lacks shards of its {part} part, {lacking}{more}; download them again.")
        return files
    if len(files) > 1 and not (all(file.parent != folder for file in files) and len({file.parent for file in files}) == 1):
        raise InputError(f"the folder {folder} has two files for one part, {listed([file.name for file in files], 4)}; keep one.")
    return files
