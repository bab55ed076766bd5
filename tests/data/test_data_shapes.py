"""Files and folders as other people's tools write them: read rightly, or refused with what was found and the option that helps."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from dmlviz.core.types import InputError
from dmlviz.data import load_dataset, peek_columns, read_file, read_folder

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "readers"
FOUR = {"billing": 30, "delivery": 30, "praise": 30, "returns": 30}


def classes(dataset) -> dict[str, int]:
    return dict(Counter(dataset.label_names[label] for label in dataset.labels))


def said(dataset, kind: str) -> str:
    return " ".join(note.sentence for note in dataset.notes if note.kind == kind)


def refusal(raw: bytes, filename: str, **chosen) -> str:
    with pytest.raises(InputError) as caught:
        read_file(raw, filename=filename, **chosen)
    return str(caught.value)


def rows(count: int = 12, labels: str = "ab") -> list[tuple[str, str]]:
    return [(f"some text number {i}", labels[i % len(labels)]) for i in range(count)]


# ---- the cases that were read wrongly once: name -> (classes, rows of each part, pair?, words of a note)
RIGHT = {
    "b01_SST-2": ({"0": 128, "1": 112}, {"train": 120, "test": 120}, False, "test rows without labels left out (120); the validation part is"),
    "a14_unbalanced.tsv": (FOUR, {"train": 120}, False, "as part of the texts; read as quotes, they would make 72 rows of 120."),
    "a39_sepline.csv": (FOUR, {"train": 120}, False, "the first line, 'sep=;', says that cells are separated by ';'; it is not part of the table."),
    "a39b_comment.csv": (FOUR, {"train": 120}, False, "2 lines above the table skipped: '# exported 2026', '# by me'."),
    "a13_prodigy_binary.jsonl": ({name: 30 for name in FOUR if name != "billing"}, {"train": 90}, False, "30 rows whose 'answer' is reject"),
    "a15g_snli.jsonl": ({"neutral": 40, "entailment": 40}, {"train": 80}, True, "40 rows whose 'gold_label' is '-' left out: the annotators did not"),
    "a15d_qnli.tsv": ({"entailment": 60, "not_entailment": 60}, {"train": 120}, True, "second texts from 'sentence'"),
    "a15f_qqp.tsv": ({"0": 60, "1": 60}, {"train": 120}, True, "labels from 'is_duplicate', second texts from 'question2'"),
    "a15c_mrpc.tsv": ({"0": 90, "1": 30}, {"train": 120}, True, "labels from 'Quality', second texts from '#2 String'"),
    "a03_perclass": (FOUR, {"train": 96, "test": 24}, False, ""),
    "a04_hf_dict": (FOUR, {"train": 80, "val": 20, "test": 20}, False, "class names are those that the file keeps for 'label' (4 classes)."),
    "a05_shards": (FOUR, {"train": 80, "test": 40}, False, ""),
    "a05c_classlabel.parquet": (FOUR, {"train": 120}, False, "class names are those that the file keeps for 'label' (4 classes)."),
    "a12_doccano.jsonl": (FOUR, {"train": 120}, False, ""),
    "a06d_clinc.json": (FOUR, {"train": 80, "val": 10, "test": 30}, False, ""),
    "a10b_argilla1.jsonl": (FOUR, {"train": 120}, False, "labels from 'annotation'"),
    "a07d_onehot.csv": (FOUR, {"train": 120}, False, "labels from 'the column with the 1'"),
    "a16_fasttext.txt": (FOUR, {"train": 120}, False, "read as lines of fastText"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_every_case_is_read_rightly(name, tmp_path):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    dataset = load_dataset(CASES / name, home=tmp_path)
    wanted, parts, pair, words = RIGHT[name]
    assert classes(dataset) == wanted
    assert Counter(dataset.parts.tolist()) == parts
    assert (dataset.text_pairs is not None) == pair
    assert any(words in note.sentence for note in dataset.notes) or not words


def test_ag_news_without_a_header_is_refused_with_the_options_and_read_with_them():
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    file = CASES / "a08b_agnews.csv"
    with pytest.raises(InputError) as caught:
        read_file(file)
    assert "its columns are 'column 1', 'column 2', 'column 3' (the file has no header line)" in str(caught.value)
    assert "for instance --text-column 'column 3' (" in str(caught.value)
    assert "--label-column 'column 1' ('1', '2', '3')" in str(caught.value)
    assert classes(read_file(file, text="column 3", label="column 1")) == {"1": 30, "2": 30, "3": 30, "4": 30}


# ---- parts without labels


def folder_of(tmp_path, **files) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.tsv").write_text(content, encoding="utf-8")
    return folder


TRAIN = "sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows())
OTHER = "sentence\tlabel\nnew text one\ta\nnew text two\tb\n"


@pytest.mark.parametrize(
    "hidden",
    [
        "index\tsentence\n0\thidden one\n1\thidden two\n",
        "sentence\tlabel\nhidden one\t-1\nhidden two\t-1\n",
        "sentence\tlabel\nhidden one\t\nh t\t\n",
    ],
)
def test_a_part_without_labels_is_no_part(hidden, tmp_path):
    dataset = read_folder(folder_of(tmp_path, train=TRAIN, dev=OTHER, test=hidden))
    assert Counter(dataset.parts.tolist()) == {"train": 12, "test": 2}
    assert dataset.label_names == ("a", "b")
    assert "the validation part is the test part here" in said(dataset, "part")
    (tmp_path / "data" / "dev.tsv").unlink()
    alone = read_folder(tmp_path / "data")
    assert set(alone.parts) == {"train"}
    assert said(alone, "part") == "data: test rows without labels left out (2); the test part is cut from the training texts."


def test_minus_one_is_a_class_where_training_has_it(tmp_path):
    train = "sentence\tlabel\n" + "".join(f"some text {i}\t{i % 3 - 1}\n" for i in range(12))
    dataset = read_folder(folder_of(tmp_path, train=train, test="sentence\tlabel\nnew one\t-1\nnew two\t-1\n"))
    assert classes(dataset) == {"-1": 6, "0": 4, "1": 4}
    assert "the label '-1' is kept as a class (6 rows)" in said(dataset, "odd_labels")


def test_some_hidden_labels_of_a_part_are_numbered(tmp_path):
    dataset = read_folder(folder_of(tmp_path, train=TRAIN, test=OTHER + "hidden one\t-1\n"))
    assert dataset.label_names == ("a", "b")
    assert said(dataset, "blank_label") == "1 row without label dropped (test.tsv, line 4)."


def test_training_without_labels_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^data: the training part has no labels, only the test part; give the training rows labels\.$"):
        read_folder(folder_of(tmp_path, train="sentence\tlabel\none text\t\ntwo text\t\n", test=OTHER))


def test_hidden_rows_of_a_part_column():
    lines = "text,label,split\n" + "".join(f"some text {i},{'ab'[i % 2]},{['train', 'dev'][i % 3 == 0]}\n" for i in range(12)) + "hidden,-1,test\n"
    dataset = read_file(lines.encode(), filename="r.csv")
    assert Counter(dataset.parts.tolist()) == {"train": 8, "test": 4}
    assert "the validation part is the test part here" in said(dataset, "part")


def test_parts_with_other_columns_are_refused_and_a_missing_header_is_not(tmp_path):
    folder = folder_of(tmp_path, train=TRAIN, test="review\tlabel\nnew\ta\n")
    with pytest.raises(InputError, match=r"^data/test.tsv has no column 'sentence', from which data/train.tsv has its texts; its columns are"):
        read_folder(folder)
    (folder / "test.tsv").write_text("new text one\ta\nnew text two\tb\nnew text three\ta\n")
    dataset = read_folder(folder)
    assert dataset.texts[-3:] == ("new text one", "new text two", "new text three")
    assert "data/test.tsv has no header line; its columns were taken in the order of the training part." in said(dataset, "columns")


def test_a_row_that_was_taken_for_a_header_comes_back(tmp_path):
    headless = "".join(f"{text}\t{label}\n" for text, label in rows())
    dataset = read_folder(folder_of(tmp_path, train=headless, test="new text one\ta\nnew text two\tb\n"))
    assert dataset.texts[-2:] == ("new text one", "new text two")
    assert dataset.label_names == ("a", "b")


# ---- what is never taken for labels unasked

LEFT = {
    "numbers that rise": lambda i: str(1000 + 3 * i),
    "dates": lambda i: f"2026-0{i % 4 + 1}-01",
    "links": lambda i: f"https://example.org/{i % 3}",
    "lengths of the texts": lambda i: str(len(f"a text of {'long ' * (i % 3)}size")),
    "12 different values in 12 rows": lambda i: f"remark {7 * i % 12}",
    "only one value": lambda i: "x",
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_left_is_no_label_column(kind):
    table = "text,other\n" + "".join(f"a text of {'long ' * (i % 3)}size,{LEFT[kind](i)}\n" for i in range(12))
    found = refusal(table.encode(), "r.csv")
    assert found == (
        "r.csv has no label column that could be told by its name; its columns are 'text', 'other'. "
        f"Not taken for the labels: 'other' ({kind}). Choose with --label-column."
    )
    if kind not in ("only one value", "lengths of the texts"):
        assert len(read_file(table.encode(), filename="r.csv", label="other").label_names) > 1


@pytest.mark.parametrize("name", ["id", "user_id", "created_at", "lang"])
def test_names_that_say_no_class(name):
    table = f"text,{name}\n" + "".join(f"some text {i},{'ab'[i % 2]}\n" for i in range(12))
    assert f"Not taken for the labels: '{name}' (by its name not a class)" in refusal(table.encode(), "r.csv")


def test_a_name_that_is_often_no_class_is_looked_into():
    free = "text,output\n" + "".join(f"some text {i},an answer {i}\n" for i in range(12))
    assert "'output' (12 different values in 12 rows)" in refusal(free.encode(), "r.csv")
    stars = "text,stars\n" + "".join(f"some text {i},{i % 5}\n" for i in range(12))
    assert read_file(stars.encode(), filename="r.csv").label_names == ("0", "1", "2", "3", "4")


def test_a_refusal_names_the_likely_columns():
    table = "headline,when,kind\n" + "".join(f"some headline {i},2026-01-0{i % 9 + 1},{'ab'[i % 2]}\n" for i in range(12))
    assert refusal(table.encode(), "r.csv") == (
        "r.csv has no label column that could be told by its name; its columns are 'headline', 'when', 'kind'. Not taken for the labels: "
        "'when' (dates). Choose with --label-column, for instance --label-column 'kind' ('a', 'b')."
    )


# ---- the order of the classes


@pytest.mark.parametrize(("names", "order"), [
    (("11", "2", "10", "0", "1"), ("0", "1", "2", "10", "11")),
    (("10", "-1", "+3", "9"), ("-1", "+3", "9", "10")),
    (("1", "01", "2", "10"), ("01", "1", "2", "10")),  # three numbers, four classes
    (("10", "9", "b"), ("10", "9", "b")),  # not all of them integers
    (("10", "9", "2.5"), ("10", "2.5", "9")),
    (("10", "9", "²"), ("10", "9", "²")),
])  # fmt: skip
def test_classes_that_are_integers_stand_in_the_order_of_their_numbers(names, order):
    dataset = read_file(("text,label\n" + "".join(f"some text {i},{names[i % len(names)]}\n" for i in range(20))).encode(), filename="r.csv")
    assert dataset.label_names == order
    assert [dataset.label_names[label] for label in dataset.labels] == [names[i % len(names)] for i in range(20)]


# ---- headers, rows, quotes


def test_a_header_that_begins_with_a_hash_is_one():
    dataset = read_file(b"#text\tkind\ngood film\tpos\nbad film\tneg\nfine film\tpos\n", filename="r.tsv")
    assert dataset.texts == ("good film", "bad film", "fine film")
    assert not said(dataset, "above")


def test_a_title_over_the_header_is_skipped():
    dataset = read_file(b"Survey of May\n\ntext,label\ngood film,pos\nbad film,neg\n", filename="r.csv")
    assert dataset.texts == ("good film", "bad film")
    assert said(dataset, "above") == "2 lines above the table skipped: 'Survey of May', ''."


def test_line_numbers_count_the_lines_above():
    found = refusal(b"sep=;\n# note\ntext;label\na b;x\nc d;y;z\n", "r.csv")
    assert found == "r.csv, line 5: 3 cells, but the first line has 2; put quotes around a text that holds the separator."


def test_a_header_in_the_middle_is_no_row():
    dataset = read_file(b"text,label\ngood film,pos\nbad film,neg\ntext,label\nfine film,pos\n", filename="r.csv")
    assert dataset.label_names == ("neg", "pos")
    assert said(dataset, "header_again") == "1 row equal to the header left out (line 4)."


def test_a_second_column_of_one_name_is_said():
    dataset = read_file(b"text,label,label\ngood film,pos,x\nbad film,neg,y\n", filename="r.csv")
    assert dataset.label_names == ("neg", "pos")
    assert said(dataset, "same_name") == "more than one column is named 'label'; the first keeps the name, the others are called 'label (3)'."
    twice = read_file(b'{"text":"a b","label":"x","label":"y"}\n{"text":"c","label":"z"}\n', filename="r.jsonl")
    assert twice.label_names == ("y", "z")
    assert said(twice, "same_name") == "keys that stand twice in one object: 'label'; the last one counts."


def test_short_rows_are_said():
    dataset = read_file(b"text,label,remark\ngood film,pos,x\nbad film,neg\nfine film,pos,\n", filename="r.csv")
    assert said(dataset, "short_rows") == "1 row with fewer cells than the first line (line 3): what is missing is taken as empty."


def test_texts_over_several_lines_are_kept_counted_and_located():
    dataset = read_file(b'text,label\n"two\nlines",pos\n"and\nnow\nthree",neg\nfine,pos\n', filename="r.csv")
    assert dataset.texts == ("two\nlines", "and\nnow\nthree", "fine")
    assert said(dataset, "spans").startswith("2 rows over several lines (lines 2-3, 4-6): a quoted text goes on there")


def test_a_stray_quote_among_quoted_cells_loses_no_row():
    lines = [f'"first {i}, and more",{"ab"[i % 2]}' for i in range(20)]
    lines[4] = '"stray,a'
    lines[9] = 'ends here",b'
    dataset = read_file("\n".join(["text,label", *lines]).encode(), filename="r.csv")
    assert len(dataset.texts) == 20
    assert dataset.texts[3:5] == ("first 3, and more", '"stray')
    assert said(dataset, "quotes").startswith("in 1 line (line 6) quote signs were read as part of the texts: they close no cell")


def test_a_multi_line_text_that_holds_separators_stays_one_row():
    raw = b'text,label\n"one, two\nthree",pos\nplain,neg\nother,pos\nmore,neg\n'
    assert read_file(raw, filename="r.csv").texts == ("one, two\nthree", "plain", "other", "more")


# ---- all bad lines at once


def test_all_bad_lines_are_named_in_one_sentence():
    ragged = "text,label\n" + "".join(f"a text,{'x' if i % 2 else 'y'}{',more' if i % 5 == 0 else ''}\n" for i in range(200))
    found = refusal(ragged.encode(), "r.csv")
    assert found == (
        "r.csv: 40 lines with more cells than the first, which has 2 (lines 2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62, 67, 72, 77, 82, 87, "
        "92, 97 and 20 more; line 2 has 3); put quotes around a text that holds the separator."
    )
    broken = '{"text":"a","label":"x"}\n{"text":\n{"text":"b","label":"y"}\nno json\n'
    assert refusal(broken.encode(), "r.jsonl") == (
        "r.jsonl: 2 lines of broken JSON (lines 2, 4); line 2: broken JSON (Expecting value, column 9). Mend or delete these lines."
    )
    lists = [{"text": ["a", "b"] if i in (1, 4) else f"text {i}", "label": "xy"[i % 2]} for i in range(6)]
    assert refusal(json.dumps(lists).encode(), "r.json") == (
        "r.json: 2 rows whose 'text' is a list or an object (rows 2, 5), the first is '[\"a\", \"b\"]'. "
        "A single text is needed; choose another column with --text-column or --pair-column."
    )
    scalars = '{"text":"a","label":"x"}\n3\n4\n'
    assert refusal(scalars.encode(), "r.jsonl").startswith("r.jsonl: 2 lines with a text or number where an object is needed")
    quotes = 'text,label\n"a, b",x\n"open, one, two\nfine,y\n"open, again, z\n'
    assert "2 lines whose quotes do not fit, or with another number of cells (lines 3, 5)" in refusal(quotes.encode(), "r.csv")


def test_numbers_among_words_are_said():
    table = "text,label\n" + "".join(f"some text {i},{'ab'[i % 2]}\n" for i in range(60)) + "shifted,12\nand,true\n"
    dataset = read_file(table.encode(), filename="r.csv")
    assert said(dataset, "odd_labels").startswith(
        "2 rows whose label is a number or true/false where the others are words (lines 62, 63): '12', 'true'. They are classes of their own;"
    )


# ---- pairs


@pytest.mark.parametrize(
    ("first", "second"), [("text_a", "text_b"), ("question", "passage"), ("premise", "hypothesis"), ("sentence_A", "sentence_B")]
)
def test_pairs_by_their_names(first, second):
    table = f"{second},{first},label\n" + "".join(f"second {i},first {i},{'ab'[i % 2]}\n" for i in range(6))
    dataset = read_file(table.encode(), filename="r.csv")
    assert (dataset.texts[0], dataset.text_pairs[0]) == ("first 0", "second 0")
    alone = read_file(table.encode(), filename="r.csv", text=first)
    assert alone.text_pairs is None


# ---- what tools write


def test_lists_of_labels():
    lines = [{"text": f"text {i}", "label": [["a"], ["b"], []][i % 3]} for i in range(9)]
    dataset = read_file("\n".join(map(json.dumps, lines)).encode(), filename="r.jsonl")
    assert classes(dataset) == {"a": 3, "b": 3}
    assert said(dataset, "blank_label") == "3 rows without label dropped (lines 3, 6, 9)."
    several = [{**line, "label": ["a", "b"]} if i in (2, 5) else line for i, line in enumerate(lines)]
    found = refusal("\n".join(map(json.dumps, several)).encode(), "r.jsonl")
    assert found.startswith("r.jsonl: 2 rows whose 'label' holds a list of several or an object (lines 3, 6), the first is '[\"a\", \"b\"]'.")


def test_one_hot_with_a_row_that_has_two():
    table = "text,red,green,blue\n" + "".join(f"some text {i},{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2)}\n" for i in range(9))
    assert classes(read_file(table.encode(), filename="r.csv")) == {"red": 3, "green": 3, "blue": 3}
    wrong = table + "both,1,1,0\nnone,0,0,0\n"
    assert refusal(wrong.encode(), "r.csv").startswith(
        "r.csv: the columns 'red', 'green', 'blue' look like one column per class, but 2 rows without exactly one 1 (lines 11, 12)."
    )
    assert "the column with the 1" in peek_columns(table.encode(), "r.csv").columns


STUDIO = [
    {"id": i, "data": {"review": f"some text {i}", "rev_id": i}, "annotations": [
        {"was_cancelled": True, "result": [{"type": "choices", "from_name": "mood", "value": {"choices": ["wrong"]}}]},
        {"result": [{"type": "choices", "from_name": "mood", "to_name": "review", "value": {"choices": ["ab"[i % 2]]}}]},
    ]}
    for i in range(6)
]  # fmt: skip
ARGILLA = [
    {"id": str(i), "fields": {"text": f"some text {i}"}, "suggestions": {}, "responses": {"topic": [{"value": "ab"[i % 2], "user_id": "u"}]}}
    for i in range(6)
]  # fmt: skip
ARGILLA_1 = [
    {"fields": {"text": f"some text {i}"}, "responses": [
        {"status": "submitted", "values": {"topic": {"value": "ab"[i % 2]}}}, {"status": "discarded", "values": {"topic": {"value": "c"}}},
    ]}
    for i in range(6)
]  # fmt: skip
FLAT = [{"text": f"some text {i}", "topic.responses": ["ab"[i % 2]], "topic.responses.users": ["u"]} for i in range(6)]
PRODIGY = [
    {"text": f"some text {i}", "options": [{"id": "a"}, {"id": "b"}], "accept": ["ab"[i % 2]], "answer": "accept" if i < 5 else "ignore"}
    for i in range(6)
]


@pytest.mark.parametrize(
    ("records", "title"), [(STUDIO, "Label Studio"), (ARGILLA, "Argilla"), (ARGILLA_1, "Argilla"), (FLAT, ""), (PRODIGY, "Prodigy")]
)
def test_exports_of_annotation_tools(records, title):
    dataset = read_file(json.dumps(records).encode(), filename="r.json")
    assert set(dataset.texts) <= {f"some text {i}" for i in range(6)}
    assert dataset.label_names == ("a", "b")
    assert len(dataset.texts) == (5 if records is PRODIGY else 6)
    assert said(dataset, "export") == (f"read as an export of {title}: 6 records." if title else "")


def test_annotators_who_differ_are_refused_with_the_rows():
    records = [{**record, "responses": {"topic": [{"value": "a"}, {"value": "b"}]}} if i == 3 else record for i, record in enumerate(ARGILLA)]
    assert refusal(json.dumps(records).encode(), "r.json").startswith("r.json: 1 row whose 'label' holds a list of several or an object (row 4)")


def test_clinc_says_what_it_leaves_out():
    value = {"train": rows(12), "val": rows(4), "oos_train": [["out of scope", "oos"]] * 3, "test": rows(4), "version": 1}
    dataset = read_file(json.dumps(value).encode(), filename="data_full.json")
    assert Counter(dataset.parts.tolist()) == {"train": 12, "val": 4, "test": 4}
    assert said(dataset, "part").startswith("left out, since the name says no part: 'oos_train' (3 rows). To train on them,")


def test_fasttext_lines_that_are_none_or_have_several_labels():
    good = "".join(f"__label__{'ab'[i % 2]} some text {i}\n" for i in range(6))
    assert classes(read_file(good.encode(), filename="r.txt")) == {"a": 3, "b": 3}
    assert refusal((good + "no label\n").encode(), "r.txt") == "r.txt: 1 line without __label__ at the start (line 7); give every text its label."
    assert "1 line with several labels (line 7)" in refusal((good + "__label__a __label__b text\n").encode(), "r.txt")
    assert "holds lines without __label__" in refusal(b"just a text\nand another\n", "r.txt")
    assert classes(read_file(b"ham\tgood day\nspam\twin now\nham\tbye bye\n", filename="SMSSpamCollection.txt")) == {"ham": 2, "spam": 1}


# ---- folders


def test_files_with_the_part_in_their_names(tmp_path):
    for part in ("train", "test"):
        (tmp_path / f"SUBJ_{part}.csv").write_text("text,label\n" + "".join(f"{part} {text},{label}\n" for text, label in rows()))
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    dataset = read_folder(tmp_path)
    assert Counter(dataset.parts.tolist()) == {"train": 12, "test": 12}
    assert said(dataset, "files") == "files of the folder that were not read, since their names say no part: 'notes.csv'."


def parquet(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": [f"{path.name} {i}" for i in range(count)], "label": [i % 2 for i in range(count)]}), path)


def test_shards_are_one_part_and_missing_ones_are_named(tmp_path):
    for i in range(3):
        parquet(tmp_path / "data" / f"train-0000{i}-of-00003.parquet", 4)
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", 4)
    assert Counter(read_folder(tmp_path).parts.tolist()) == {"train": 12, "test": 4}
    (tmp_path / "data" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match=r"lacks shards of its train part, train-00001-of-00003; download them again\.$"):
        read_folder(tmp_path)


def test_the_hubs_own_conversion_and_several_configurations(tmp_path):
    for part in ("train", "test"):
        for i in range(2):
            parquet(tmp_path / "plain_text" / part / f"000{i}.parquet", 4)
    assert Counter(read_folder(tmp_path).parts.tolist()) == {"train": 8, "test": 8}
    parquet(tmp_path / "other" / "train.parquet", 4)
    with pytest.raises(InputError, match=r"holds several data sets, 'other', 'plain_text'; give one of these folders\.$"):
        read_folder(tmp_path)


def test_a_folder_per_class_without_parts(tmp_path):
    for label in ("ham", "spam", "unsup"):
        (tmp_path / label).mkdir()
        for i in range(4):
            (tmp_path / label / (f"{i}.txt" if label == "ham" else f"{i}")).write_bytes(f"{label} é {i}".encode("latin-1" if i == 1 else "utf-8"))
    (tmp_path / "ham" / "5.txt").write_text(" ")
    (tmp_path / "ham" / "picture.png").write_bytes(b"\x89PNG")
    dataset = read_folder(tmp_path)
    assert classes(dataset) == {"ham": 4, "spam": 4}
    assert "the texts of 'unsup' have no class and are left out." in said(dataset, "blank_label")
    assert said(dataset, "blank") == "1 row without text dropped (file ham/5.txt)."
    assert said(dataset, "files") == "1 file not read: only .txt and files without ending hold texts here."


def test_a_single_saved_dataset_and_a_damaged_one(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    one = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(6)], "label": [i % 2 for i in range(6)]}, features=features)
    one.save_to_disk(tmp_path / "one")
    assert classes(read_folder(tmp_path / "one")) == {"no": 3, "yes": 3}
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"^the folder .*one looks like one of save_to_disk but cannot be read \(.*\); save the data set again\.$"):
        read_folder(tmp_path / "one")


def test_one_table_alone_in_a_folder(tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows()))
    assert classes(read_folder(tmp_path)) == {"a": 6, "b": 6}
    (tmp_path / "more.csv").write_text("text,label\nx,y\n")
    with pytest.raises(InputError, match=r"Its files are 'more\.csv', 'reviews\.csv': give one of them\.$"):
        read_folder(tmp_path)


# ---- class numbers


def test_hidden_numbers_of_a_class_label_are_no_class(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    made = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(7)], "label": [0, 1, -1, 0, 1, 0, 1]}, features=features)
    made.to_parquet(tmp_path / "r.parquet")
    dataset = read_file(tmp_path / "r.parquet")
    assert classes(dataset) == {"no": 3, "yes": 3}
    assert said(dataset, "blank_label") == "1 row without label dropped (row 3)."


# ---- Excel


def sheet(path: Path, **sheets: list[list]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        page = book.create_sheet(name)
        for row in cells:
            page.append(row)
    book.save(path)
    return path.read_bytes()


def test_an_excel_sheet(tmp_path):
    table = [["text", "label", "when"], *[[text, i % 2, 1.5] for i, (text, _) in enumerate(rows())]]
    raw = sheet(tmp_path / "r.xlsx", Reviews=table, Other=[["x"], ["y"]])
    assert CalamineWorkbook.from_path(str(tmp_path / "r.xlsx")).sheet_names == ["Reviews", "Other"]
    dataset = read_file(raw, filename="r.xlsx")
    assert classes(dataset) == {"0": 6, "1": 6}  # as the sheet shows them: 1, not 1.0
    assert said(dataset, "sheets") == "read from the sheet 'Reviews'; not read: 'Other'."
    parted = sheet(tmp_path / "p.xlsx", train=table, test=table[:5])
    assert Counter(read_file(parted, filename="p.xlsx").parts.tolist()) == {"train": 12, "test": 4}
    assert refusal(b"PK\x03\x04 no archive", "r.xlsx") == "r.xlsx is no Excel workbook (.xlsx), or damaged; save it again, or as CSV (UTF-8)."


def test_excel_without_its_library_names_the_extra(tmp_path, monkeypatch):
    raw = sheet(tmp_path / "r.xlsx", a=[["text", "label"], ["x", "y"]])
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    assert refusal(raw, "r.xlsx") == (
        "r.xlsx: reading .xlsx needs python-calamine, which is not installed here: pip install 'dmlviz[app]', or save the sheet as CSV (UTF-8)."
    )


# ---- what is written in one format under another's name, and labels that are several or none


@pytest.mark.parametrize("filename", ["r.csv", "r.tsv", "r.txt"])
@pytest.mark.parametrize("count", [12, 30_000])
def test_json_lines_under_another_ending_are_json_lines(filename, count, tmp_path):
    raw = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows(count)).encode()
    path = tmp_path / filename  # a large file is read from the disk piece by piece
    path.write_bytes(raw)
    for found in (read_file(raw, filename=filename), read_file(path)):
        assert classes(found) == {"a": count // 2, "b": count // 2}
        assert "its lines are JSON objects, so it was read as JSON lines." in said(found, "columns")


@pytest.mark.parametrize(("value", "sentence"), [
    ({i: {"text": text, "label": label} for i, (text, label) in enumerate(rows())}, "read as one object for each row; their keys ('0', '1', '2'"),
    ({"columns": ["text", "label"], "index": list(range(12)), "data": [list(row) for row in rows()]}, "names were taken from 'columns'"),
])  # fmt: skip
def test_what_pandas_writes_as_json_is_read(value, sentence):
    found = read_file(json.dumps(value).encode(), filename="r.json")
    assert (classes(found), len(found.texts)) == ({"a": 6, "b": 6}, 12)
    assert sentence in said(found, "export")


@pytest.mark.parametrize("cells", ["['{a}']", '["{a}"]', "[ '{a}' ]"])
def test_lists_of_one_label_that_are_written_as_text_are_taken_out(cells):
    raw = "text\tlabel\n" + "\n".join(f"{text}\t{cells.format(a=label)}" for text, label in rows())
    assert classes(read_file(raw.encode(), filename="r.tsv")) == {"a": 6, "b": 6}


@pytest.mark.parametrize("cell", ["['a', 'b']", '["a", "b"]', "[1, 2]", "{'name': 'a'}", '{"a": 1}'])
def test_lists_of_several_labels_that_are_written_as_text_are_refused(cell):
    raw = "text\tlabel\n" + "\n".join(f"{text}\t{cell if i % 2 else '[3]'}" for i, (text, _) in enumerate(rows()))
    assert "6 rows whose 'label' holds a list of several or an object (lines 3, 5, 7, 9, 11, 13)" in refusal(raw.encode(), "r.tsv")


def test_brackets_in_some_labels_are_letters():
    raw = "text\tlabel\n" + "\n".join(f"{text}\t{'[x]' if label == 'a' else 'y'}" for text, label in rows())
    assert classes(read_file(raw.encode(), filename="r.tsv")) == {"[x]": 6, "y": 6}


@pytest.mark.parametrize(("labels", "sentence"), [
    (("Drama", "Comedy", "Drama|Comedy"), "4 rows whose label looks like several ('Drama|Comedy'): each combination is a class of its own."),
    (("a", "b", "a; b"), "4 rows whose label looks like several ('a; b')"),
    (("pos", "neg", "N/A"), "'N/A': kept as a class (4 rows). Take these rows out if they have no label."),
    (("pos", "neg", "unsup"), "'unsup': kept as a class (4 rows)"),
    (("arts, crafts", "sports", "news"), ""),
    (("1", "1,5", "2"), ""),
    (("NaN", "None"), ""),
])  # fmt: skip
def test_labels_that_may_be_several_or_none_are_said(labels, sentence):
    raw = "text\tlabel\n" + "\n".join(f"{text}\t{labels[i % len(labels)]}" for i, (text, _) in enumerate(rows()))
    found = said(read_file(raw.encode(), filename="r.tsv"), "odd_labels")
    assert sentence in found if sentence else not found


def test_numbers_that_are_written_in_two_ways_are_said():
    raw = "text,label\n" + "\n".join(f"{text},{['0', '0.0', '1', '1.0'][i % 4]}" for i, (text, _) in enumerate(rows()))
    assert "the way a number is written are kept as classes of their own: '0', '0.0'; '1', '1.0'." in said(
        read_file(raw.encode(), filename="r.csv"), "similar_labels"
    )


@pytest.mark.parametrize("labels", [("1234567", "1234568"), ("1" * 40, "1" * 39 + "2"), ("0.1", "0.10000001")])
def test_numbers_that_are_near_are_not_the_same(labels):
    raw = "text,label\n" + "\n".join(f"{text},{labels[i % 2]}" for i, (text, _) in enumerate(rows()))
    assert not said(read_file(raw.encode(), filename="r.csv"), "similar_labels")


@pytest.mark.parametrize("column", ["Usage", "is_test", "is_train"])
def test_a_column_that_may_be_the_part_and_is_not_used_is_said(column):
    raw = f"text,label,{column}\n" + "\n".join(f"{text},{label},{i % 2}" for i, (text, label) in enumerate(rows()))
    assert f"the column '{column}' was not used as the part" in said(read_file(raw.encode(), filename="r.csv"), "part")


def test_french_is_western_europe_in_few_words_and_beside_degree_signs():
    lines = [f"très déçu du café à la crème n° {i}, où ça ?;{'négatif' if i % 2 else 'très positif'}" for i in range(12)]
    found = read_file(("text;label\n" + "\n".join(lines) + "\n").encode("cp1252"), filename="r.csv")
    assert found.texts[0].startswith("très déçu du café à la crème n° 0")
    assert set(found.label_names) == {"négatif", "très positif"}


@pytest.mark.parametrize("text", ["árvíztűrő tükörfúrógép, őrült hűtő, bő nyelvű", "pięć gęsi i łąka, żółć, ćma, ląd"])
def test_central_europe_in_few_words_is_not_taken_for_french(text):
    lines = [f"{text} {i};{'a' if i % 2 else 'b'}" for i in range(12)]
    assert read_file(("text;label\n" + "\n".join(lines) + "\n").encode("cp1250"), filename="r.csv").texts[0] == f"{text} 0"
