"""The tray survives a reload, is read from files that people write, and refuses what it cannot keep in a sentence."""

import json
import threading

import pytest
from pydantic import ValidationError

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export.tray import MOST, change_tray, read_tray, tray, tray_text

MAPS = FigureSpec(name="manifold", run_ids=("a", "b"), options={"map": "pca"})
CURVE = FigureSpec(name="curves", run_ids=("a",))


def test_it_is_kept_in_order(tmp_path):
    assert tray(tmp_path) == []
    sheets = [SheetSpec(panels=(MAPS, CURVE), preset="acl-text", columns=1, palette="grey"), SheetSpec(panels=(CURVE,), caption="own words")]
    change_tray(tmp_path, lambda now: [*now, *sheets])
    assert tray(tmp_path) == sheets
    change_tray(tmp_path, lambda now: now[::-1])
    assert tray(tmp_path) == sheets[::-1]


def test_two_who_add_at_once_lose_nothing(tmp_path):
    added = [lambda now, i=i: [*now, SheetSpec(panels=(CURVE,), title=f"{i}")] for i in range(12)]
    adds = [threading.Thread(target=change_tray, args=(tmp_path, add)) for add in added]
    for one in adds:
        one.start()
    for one in adds:
        one.join()
    assert sorted(sheet.title for sheet in tray(tmp_path)) == sorted(map(str, range(12)))


def test_too_many_and_a_foreign_file_are_sentences(tmp_path):
    with pytest.raises(InputError, match=f"holds {MOST} figures"):
        change_tray(tmp_path, lambda now: [SheetSpec(panels=(CURVE,))] * (MOST + 1))
    assert tray(tmp_path) == []
    (tmp_path / "tray.json").write_text('{"sheets": [3]}')
    with pytest.raises(InputError, match=r"^tray\.json of the Figures page is damaged, or was written by another version; copy it back"):
        tray(tmp_path)


def test_people_write_yaml_or_json(tmp_path):
    file = tmp_path / "figures.yaml"
    maps = "- {name: manifold, run_ids: [a, b], options: {map: pca}, preset: icml-column, title: Maps}"
    file.write_text(f"{maps}\n- panels:\n  - {{name: curves, run_ids: [a]}}\n")
    first, second = read_tray(file)
    assert (first.panels[0].name, first.preset, first.title) == ("manifold", "icml-column", "Maps")
    assert second.panels == (CURVE,)
    file.write_text(tray_text([first, second]))
    assert read_tray(file) == [first.model_copy(update={"panels": (first.panels[0],)}), second]


@pytest.mark.parametrize(("content", "said"), [("a: [", "neither YAML nor JSON"), ("3", "no list of figures"), ("[]", "no list of figures"),
                                                ("- 3", "is none"), ("- {name: manifold}", "run_ids"), ("- {panels: []}", "panels")])  # fmt: skip
def test_what_is_not_understood_is_said(tmp_path, content, said):
    file = tmp_path / "figures.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match=said):
        read_tray(file)


def test_a_sheet_holds_one_to_six_panels():
    with pytest.raises(ValidationError):
        SheetSpec(panels=())
    with pytest.raises(ValidationError):
        SheetSpec(panels=(CURVE,) * 7)
    assert SheetSpec(panels=(MAPS, CURVE)).run_ids == ("a", "b")
    assert SheetSpec.model_validate(json.loads(SheetSpec(panels=(MAPS,)).model_dump_json())).panels == (MAPS,)
