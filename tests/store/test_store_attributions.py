"""Attributions on disk: there and back, in parts, and what a damaged part costs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dmlviz.core.types import DamagedError, RunConfig, TokenAttribution
from dmlviz.data import draw_split
from dmlviz.store.attributions import (
    attributions_folder,
    read_attributions,
    save_attributions,
    stored_attributions,
    stored_kinds,
    stored_rows,
    write_attributions,
)  # fmt: skip


def made(row: int, words: int = 5, **fields) -> TokenAttribution:
    rng = np.random.default_rng(row)
    starts = np.cumsum(rng.integers(3, 9, size=words))
    given = {
        "row_id": row, "starts": starts, "ends": starts + 2, "second": np.arange(words) > 2, "values": rng.normal(size=words).astype(np.float32),
        "drops": rng.normal(size=words).astype(np.float32), "class_id": 1, "predicted": 2, "probability": 0.7, "output": 3.3, "baseline_output": -0.1,
        "delta": 0.002, "steps": 16, "converged": True, "outside": 0.01, "cut": 7, "unknown": 1, "checks": {"tau": 0.5, "deletion": float("nan")},
        "deletion": rng.random(11).astype(np.float32), "insertion": rng.random(11).astype(np.float32),
    }  # fmt: skip
    return TokenAttribution(**{**given, **fields})


@pytest.fixture
def run_id(store, tiny_dataset) -> str:
    return store.create(RunConfig(dataset="tiny", shots=2), tiny_dataset, draw_split(tiny_dataset, shots=2, validation=0))


def same(one: TokenAttribution, other: TokenAttribution) -> None:
    for field in dataclasses.fields(one):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if field.name == "checks":
            assert set(mine) == set(yours)
            np.testing.assert_allclose(list(mine.values()), [yours[name] for name in mine], rtol=1e-6)
        elif isinstance(mine, np.ndarray):
            assert mine.shape == yours.shape
            np.testing.assert_allclose(yours, mine, rtol=1e-3, atol=1e-7)  # float16 has eleven bits
        else:
            assert yours == pytest.approx(mine, rel=1e-6, nan_ok=True)


def test_there_and_back(store, run_id):
    given = [made(3), made(8, words=1), made(1, words=200), made(9, baseline_output=float("nan"), delta=float("nan"), steps=0)]
    save_attributions(store, run_id, "ig", given)
    found = stored_attributions(store, run_id, "ig")
    assert set(found) == {3, 8, 1, 9}
    for one in given:
        same(one, found[one.row_id])


def test_the_smallest_values_keep_their_digits_as_float16_does(store, run_id):
    values = np.array([1.0, 1e-3, 6e-5, 60_000.0, -2.5], dtype=np.float32)
    save_attributions(store, run_id, "ig", [made(0, values=values)])
    np.testing.assert_array_equal(stored_attributions(store, run_id, "ig")[0].values, values.astype(np.float16).astype(np.float32))


def test_parts_add_up_and_the_later_one_counts(store, run_id):
    save_attributions(store, run_id, "ig", [made(0), made(1)])
    save_attributions(store, run_id, "ig", [made(2)])
    save_attributions(store, run_id, "ig", [made(1, cut=99)])
    save_attributions(store, run_id, "ig", [])
    assert stored_rows(store, run_id, "ig") == {0, 1, 2}
    assert stored_attributions(store, run_id, "ig")[1].cut == 99
    assert len(list(attributions_folder(store, run_id, "ig").glob("part-*.parquet"))) == 3


def test_kinds_do_not_mix_and_are_known_by_name(store, run_id):
    odd = "ig+mask+class=a/b>../c\n"
    save_attributions(store, run_id, "ig", [made(0)])
    save_attributions(store, run_id, odd, [made(1)])
    assert sorted(stored_kinds(store, run_id)) == sorted(["ig", odd])
    assert stored_rows(store, run_id, "ig") == {0}
    assert stored_rows(store, run_id, odd) == {1}
    assert stored_rows(store, run_id, "occlusion") == set()
    assert attributions_folder(store, run_id, odd).parent == attributions_folder(store, run_id, "ig").parent


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None])
def test_a_damaged_part_is_passed_over(store, run_id, damage):
    save_attributions(store, run_id, "ig", [made(0)])
    save_attributions(store, run_id, "ig", [made(1)])
    first = sorted(attributions_folder(store, run_id, "ig").glob("part-*.parquet"))[0]
    first.write_bytes(first.read_bytes()[:-20] if damage is None else damage)
    assert set(stored_attributions(store, run_id, "ig")) == {1}
    assert stored_rows(store, run_id, "ig") == {1}
    save_attributions(store, run_id, "ig", [made(0)])  # made again, beside it
    assert stored_rows(store, run_id, "ig") == {0, 1}


def test_flipped_bytes_are_no_traceback(store, run_id, tmp_path):
    """Wherever a part is damaged, its reader says so or gives the very numbers that were written."""
    path, refused = tmp_path / "part.parquet", 0
    write_attributions(path, [made(0), made(1)])
    whole, written = path.read_bytes(), read_attributions(path)
    for at in range(0, len(whole), 31):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            found = read_attributions(path)
        except DamagedError as error:
            assert str(error) == "part.parquet of the attributions is damaged, or was written by another version; explain the texts again"  # noqa: PT017
            refused += 1
            continue
        assert len(found) == 2
        for one, other in zip(written, found, strict=True):
            same(one, other)
    assert refused > len(range(0, len(whole), 31)) / 4


def test_a_draft_that_was_left_is_no_part(store, run_id):
    save_attributions(store, run_id, "ig", [made(0)])
    (attributions_folder(store, run_id, "ig") / ".abcd.new").write_bytes(b"half")
    assert stored_rows(store, run_id, "ig") == {0}
    (attributions_folder(store, run_id, "ig") / "kind.json").write_text("{")
    assert stored_kinds(store, run_id) == []
