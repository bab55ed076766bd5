"""Named selections outlive the server, per data set, and odd names and files do no harm."""

from __future__ import annotations

import json

import pytest

from dmlviz.core.types import InputError
from dmlviz.store.slices import LONGEST_NAME, MOST, Slice, delete_slice, save_slice, saved_slices

ONE, OTHER = "a1" * 32, "b2" * 32


def test_a_slice_is_kept_replaced_and_deleted(tmp_path):
    assert saved_slices(tmp_path, ONE) == []
    save_slice(tmp_path, ONE, "  wrong \n twice ", "flip:a,b")
    save_slice(tmp_path, ONE, "About grain", "class:grain")
    assert saved_slices(tmp_path, ONE) == [Slice("About grain", "class:grain"), Slice("wrong twice", "flip:a,b")]
    assert saved_slices(tmp_path, OTHER) == []
    save_slice(tmp_path, ONE, "About grain", "rows:1-3")
    delete_slice(tmp_path, ONE, "wrong twice")
    delete_slice(tmp_path, ONE, "wrong twice")
    assert saved_slices(tmp_path, ONE) == [Slice("About grain", "rows:1-3")]
    assert [path.name for path in (tmp_path / "slices").glob("*.json")] == [f"{ONE}.json"]


@pytest.mark.parametrize("name", ["../../evil", "<script>alert(1)</script>", "$x$ **b**", "=1+1", "سلام", "half \ud800"])
def test_a_name_is_only_a_name(tmp_path, name):
    save_slice(tmp_path, ONE, name, "find:" + name)
    (kept,) = saved_slices(tmp_path, ONE)
    assert kept.name == name.replace("\ud800", "?")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [f"{ONE}.json", "slices.lock"]


@pytest.mark.parametrize(
    ("dataset_hash", "name", "line", "said"),
    [
        (ONE, " ", "rows:1", "1 to 60 characters, this one has 0"),
        (ONE, "n" * (LONGEST_NAME + 1), "rows:1", "this one has 61"),
        (ONE, "a", "", "nothing is selected"),
        ("../runs/x", "a", "rows:1", "content hash"),
        ("", "a", "rows:1", "content hash"),
    ],
)
def test_what_cannot_be_kept_is_a_sentence(tmp_path, dataset_hash, name, line, said):
    with pytest.raises(InputError, match=said):
        save_slice(tmp_path, dataset_hash, name, line)
    assert not list(tmp_path.rglob("*.json"))


def test_there_is_an_end_to_slices(tmp_path):
    (tmp_path / "slices").mkdir()
    full = {"slices": [{"name": f"s{i}", "line": "rows:1"} for i in range(MOST)]}
    (tmp_path / "slices" / f"{ONE}.json").write_text(json.dumps(full))
    with pytest.raises(InputError, match="delete one first"):
        save_slice(tmp_path, ONE, "one more", "rows:1")
    assert save_slice(tmp_path, ONE, "s7", "rows:2") == Slice("s7", "rows:2")  # in place of the old one


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"slices": [{"name": 3, "line": "rows:1"}]}', '{"slices": [{"name": "a"}]}'])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path, content):
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / f"{ONE}.json").write_text(content)
    for act in (lambda: saved_slices(tmp_path, ONE), lambda: save_slice(tmp_path, ONE, "a", "rows:1"), lambda: delete_slice(tmp_path, ONE, "a")):
        with pytest.raises(InputError, match="is empty; copy it back" if not content else "is damaged, or was written by another version"):
            act()
    assert (tmp_path / "slices" / f"{ONE}.json").read_text() == content
