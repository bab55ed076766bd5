"""Every kind of file, every repair and every refusal, with the sentence a person sees."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dmlviz.core.types import InputError
from dmlviz.data import files, formats, peek_columns, read_file

CSV = b"text,label\ngood film,pos\nbad film,neg\nfine film,pos\n"
RECORDS = [{"text": "good film", "label": "pos"}, {"text": "bad film", "label": "neg"}, {"text": "fine film", "label": "pos"}]


def parquet(columns: dict) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def written(dataset) -> list[tuple[str, str]]:
    return [(text, dataset.label_names[label]) for text, label in zip(dataset.texts, dataset.labels, strict=True)]


def sentence(raw: bytes, filename: str, **chosen) -> str:
    with pytest.raises(InputError) as caught:
        read_file(raw, filename=filename, **chosen)
    return str(caught.value)


def notes(dataset) -> dict[str, tuple[int, str]]:
    return {note.kind: (note.count, note.sentence) for note in dataset.notes}


FORMATS = {
    "r.csv": CSV,
    "r.tsv": CSV.replace(b",", b"\t"),
    "semicolons.csv": CSV.replace(b",", b";"),
    "windows.csv": CSV.replace(b"\n", b"\r\n"),
    "old_mac.csv": CSV.replace(b"\n", b"\r"),
    "r.jsonl": "\n".join(map(json.dumps, RECORDS)).encode(),
    "list.jsonl": json.dumps(RECORDS).encode(),
    "r.json": json.dumps(RECORDS, indent=1).encode(),
    "lines.json": "\n".join(map(json.dumps, RECORDS)).encode(),
    "data.json": json.dumps({"version": 1, "data": RECORDS}).encode(),
    "columns.json": json.dumps({key: [row[key] for row in RECORDS] for key in ("text", "label")}).encode(),
    "pandas.json": json.dumps({key: {str(i): row[key] for i, row in enumerate(RECORDS)} for key in ("text", "label")}).encode(),
    "r.parquet": parquet({key: [row[key] for row in RECORDS] for key in ("text", "label")}),
    "utf16.csv": CSV.decode().encode("utf-16"),
    "utf16_no_mark.csv": CSV.decode().encode("utf-16-le"),
    "mark.csv": b"\xef\xbb\xbf" + CSV,
    "headerless.csv": CSV.split(b"\n", 1)[1],
    "headerless.tsv": b"pos\tgood film\nneg\tbad film\npos\tfine film\n",
    "other_names.csv": CSV.replace(b"text,label", b"Review Text,Category"),
    "no_names.csv": CSV.replace(b"text,label", b"remark,kind"),
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("filename", FORMATS)
def test_every_format_gives_the_same_rows(filename, gzipped, tmp_path):
    raw = gzip.compress(FORMATS[filename]) if gzipped else FORMATS[filename]
    path = tmp_path / (filename + (".gz" if gzipped else ""))
    path.write_bytes(raw)
    dataset = read_file(path)
    assert written(dataset) == [("good film", "pos"), ("bad film", "neg"), ("fine film", "pos")]
    assert dataset.name == filename.split(".")[0]
    assert path.name in dataset.source
    assert dataset.content_hash == read_file(CSV, filename="r.csv").content_hash
    assert notes(dataset)["columns"][1]


ODD_LABELS = ["NA", "null", "1", "01", "1.0", "None", "nan", "true", "1e3"]


@pytest.mark.parametrize("filename", ["r.csv", "r.tsv", "r.jsonl", "r.json", "r.parquet"])
def test_labels_stay_text(filename):
    texts = [f"text {i}." for i in range(len(ODD_LABELS))]
    rows = [{"text": text, "label": label} for text, label in zip(texts, ODD_LABELS, strict=True)]
    raw = {
        "r.csv": "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows),
        "r.tsv": "text\tlabel\n" + "".join(f"{r['text']}\t{r['label']}\n" for r in rows),
        "r.jsonl": "\n".join(map(json.dumps, rows)),
        "r.json": json.dumps(rows),
    }.get(filename)
    dataset = read_file(parquet({"text": texts, "label": ODD_LABELS}) if raw is None else raw.encode(), filename=filename)
    assert [label for _, label in written(dataset)] == ODD_LABELS
    assert dataset.label_names == tuple(sorted(ODD_LABELS))


def test_json_numbers_and_booleans_become_their_text_and_null_is_no_label():
    raw = b'{"text":"a","label":1}\n{"text":"b","label":1.0}\n{"text":"c","label":true}\n{"text":"d","label":null}\n{"text":"e","label":NaN}'
    dataset = read_file(raw, filename="r.jsonl")
    assert written(dataset) == [("a", "1"), ("b", "1.0"), ("c", "true")]
    assert notes(dataset)["blank_label"] == (2, "2 rows without label dropped (lines 4, 5).")


NUMBERS = [([0, 1, None], ("0", "1")), ([0.5, 2.0, None], ("0.5", "2.0")), ([True, False, None], ("false", "true"))]


@pytest.mark.parametrize(("values", "names"), NUMBERS)
def test_parquet_numbers_become_their_text(values, names):
    dataset = read_file(parquet({"text": ["a", "b", "c"], "label": values}), filename="r.parquet")
    assert dataset.label_names == names
    assert notes(dataset)["blank_label"][0] == 1


REPAIRS = {
    "mark": (b"\xef\xbb\xbf" + CSV, "encoding", 1, "the byte-order mark was taken off; the file was read as UTF-8."),
    "utf16": (CSV.decode().encode("utf-16"), "encoding", 1, "the byte-order mark was taken off; the file was read as UTF-16-LE."),
    "windows": ("text,label\ncafé,pos\nbad,neg\n".encode("windows-1252"), "encoding", 1,
                "the file is not in UTF-8 and was read as Windows-1252 (Western Europe). Lines to look at: 'café,pos'; if they look wrong, choose "
                "the encoding (--encoding)."),
    "latin": (b"text,label\nodd \x81 sign,pos\nbad,neg\n", "encoding", 1,
              "the file is not in UTF-8 and was read as Windows-1252 (Western Europe). Lines to look at: 'odd \\x81 sign,pos'; if they look wrong, "
              "choose the encoding (--encoding)."),
    "mixed": ("text,label\ncafé,pos\nüber,neg\n".encode() + "señor,pos\n".encode("latin-1"), "encoding", 1,
              "1 line not in UTF-8, read as Windows-1252 (Western Europe). Lines to look at: 'señor,pos'; if they look wrong, choose the encoding "
              "(--encoding)."),
    "control": (b"text,label\na\x00b,pos\nbad,neg\n", "characters", 1,
                "control or broken characters in 1 row were replaced by spaces or � (line 2)."),
    "blank": (CSV + b" ,pos\n\xe2\x80\x8b,neg\n", "blank", 2, "2 rows without text dropped (lines 5, 6)."),
    "blank label": (CSV + b"some text,\nmore text\n", "blank_label", 2, "2 rows without label dropped (lines 5, 6)."),
    "repeat": (CSV + b"good film,pos\n", "duplicate", 1, "1 row with the same text and label as an earlier row of the same part: dropped (line 5)."),
    "conflict": (CSV + b"good film,neg\n", "conflict", 1, "1 text with more than one label kept; for example 'good film' is 'neg', 'pos'."),
    "outer space": (CSV + b"more, pos \n", "merged_labels", 1,
                    "labels that differed only in outer space or Unicode form were merged in 1 row: 'pos'."),
    "unicode form": ("text,label\na,é\nb,e\u0301\nc,é\nd,o\n".encode(), "merged_labels", 1,
                     "labels that differed only in outer space or Unicode form were merged in 1 row: 'é'."),
    "case": (CSV + b"more,Pos\n", "similar_labels", 1,
             "labels that differ only in case, space, look-alike characters or the way a number is written are kept as classes of their own: 'Pos', "
             "'pos'. Edit the file if they mean the same."),
    "leakage": (b"text,label,split\na b,x,train\nc d,y,train\na b,x,test\n", "leakage", 1,
                "1 text in more than one of train, validation and test; a test text is never drawn as a shot."),
    "part words": (b"text,label,split\na b,x,north\nc d,y,south\n", "part", 1,
                   "the column 'split' was not used as the part: it holds other words than train, dev, val, validation and test."),
    "headerless": (FORMATS["headerless.csv"], "columns", 1,
                   "columns guessed: the file has no header line; texts from 'column 1', labels from 'column 2'."),
    "many classes": (b"text,label\n" + b"".join(b"text %d.,id%d\n" % (i, i) for i in range(12)), "many_classes", 12,
                     "12 classes for 12 texts: the label column may be the wrong one."),
}  # fmt: skip


@pytest.mark.parametrize("case", REPAIRS)
def test_repairs_are_counted_and_said(case):
    raw, kind, count, said = REPAIRS[case]
    assert notes(read_file(raw, filename="r.csv"))[kind] == (count, said)


def test_quote_signs_in_a_tab_separated_file_are_letters():
    dataset = read_file(b'text\tlabel\n"Yes" he said\tpos\n5" disk\tneg\n', filename="r.tsv")
    assert dataset.texts == ('"Yes" he said', '5" disk')


def test_parts_are_honoured_and_second_texts_kept():
    raw = b"sentence1,sentence2,label,part\na,b,x,train\nc,d,y,dev\ne,f,x,Testing\ng,h,y,\n"
    dataset = read_file(raw, filename="r.csv")
    assert dataset.parts.tolist() == ["train", "val", "test", "train"]
    assert dataset.text_pairs == ("b", "d", "f", "h")


def test_parts_as_keys_of_a_json_object():
    dataset = read_file(json.dumps({"train": RECORDS, "test": [{"text": "new", "label": "neg"}]}).encode(), filename="r.json")
    assert dataset.parts.tolist() == ["train"] * 3 + ["test"]


def test_chosen_columns_win_over_the_guess():
    raw = b"text,title,label,mood\nlong one,A,x,sad\nlong two,B,y,glad\n"
    dataset = read_file(raw, filename="r.csv", text="title", label="mood")
    assert written(dataset) == [("A", "sad"), ("B", "glad")]
    assert "columns" not in notes(dataset)


@pytest.mark.parametrize(("raw", "texts"), [
    (b"Great; truly; great,pos\nBad; really,neg\nFine,pos\n", ("Great; truly; great", "Bad; really", "Fine")),
    (b"text;label\nyes, yes, yes;pos\nno, no;neg\n", ("yes, yes, yes", "no, no")),
    (b'text,label\n"a; b; c",pos\n"two\nlines",neg\n', ("a; b; c", "two\nlines")),
])  # fmt: skip
def test_the_separator_is_the_one_that_divides_evenly(raw, texts):
    assert read_file(raw, filename="r.csv").texts == texts


HOSTILE = ["🙂👩‍👩‍👧", "עברית וערבית", "<script>alert(1)</script>", "x" * 5000, "a\u200bb", "=1+1", "../../etc", "naïve\u202etxt", "{{7*7}}"]


def test_hostile_texts_and_labels_survive_as_written():
    rows = [{"text": f"text {value}", "label": value} for value in HOSTILE]
    dataset = read_file(json.dumps(rows).encode(), filename="r.json")
    assert written(dataset) == [(f"text {value}", value) for value in HOSTILE]


ONE_CLASS = (
    "r.csv: the only label is 'pos' (2 texts); at least two classes are needed. "
    "Choose another label column (--label-column) or add texts of another class."
)
REFUSALS = {
    "empty": (b"", "r.csv", "r.csv is empty; a table with a text and a label column is needed."),
    "only space": (b" \n\n", "r.csv", "r.csv is empty; a table with a text and a label column is needed."),
    "empty gz": (gzip.compress(b""), "r.csv.gz", "r.csv.gz is empty; a table with a text and a label column is needed."),
    "header only": (b"text,label\n", "r.csv", "r.csv has a header line only; add at least two texts with different labels."),
    "no rows": (b"[]", "r.json", "r.json has no rows; at least two texts with different labels are needed."),
    "no row left": (b"text,label\n ,pos\nhello,\n", "r.csv",
                    "r.csv has no row with both a text and a label (1 row without text and 1 row without label); "
                    "choose other columns or fill the cells."),
    "one class": (b"text,label\na b,pos\nc d,pos\n", "r.csv", ONE_CLASS),
    "no text": (b"a,b,label\n1,2,x\n3,4,y\n", "r.csv",
                "r.csv has no text column that could be told by its name; its columns are 'a', 'b', 'label'. Choose with --text-column."),
    "no label": (b"text,b,c\nx y,2026-01-02,http://a.b\nz,2026-01-02,http://a.c\n", "r.csv",
                 "r.csv has no label column that could be told by its name; its columns are 'text', 'b', 'c'. Not taken for the labels: 'b' (dates), "
                 "'c' (links). Choose with --label-column."),
    "one column": (b"text\nhello\nyou\n", "r.csv",
                   "r.csv has no label column that could be told by its name; its columns are 'text'. Choose with --label-column."),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "r.csv",
            "r.csv is a PNG image, not text; save the table as CSV, TSV, JSONL, JSON or Parquet (with that ending)."),
    "xlsx": (b"PK\x03\x04" + bytes(50), "r.csv",
             "r.csv is a ZIP archive or an Office document, not text; save the table as CSV, TSV, JSONL, JSON or Parquet (with that ending)."),
    "binary": (bytes(range(256)) * 4, "r.csv",
               "r.csv is not text: many of its bytes are control characters. Save the table as CSV, TSV, JSONL, JSON or Parquet."),
    "ending": (CSV, "r.docx", "r.docx has the ending '.docx'; accepted are .csv, .tsv, .jsonl, .json, .parquet, .xlsx, .txt, each also with .gz. "
               "Save the table as one of these."),
    "no ending": (CSV, "r", "r has no ending; accepted are .csv, .tsv, .jsonl, .json, .parquet, .xlsx, .txt, each also with .gz. "
                  "Save the table as one of these."),
    "cut gz": (gzip.compress(CSV * 50)[:-12], "r.csv.gz",
               "r.csv.gz is cut off: the gzip data ends too early. Copy or download the file again."),
    "bad gz": (b"\x1f\x8b" + b"nonsense" * 5, "r.csv.gz", "r.csv.gz is damaged: it is no valid gzip data. Copy or download the file again."),
    "ragged": (b"text,label\na b,x\nyes, I know,y\n", "r.csv",
               "r.csv, line 3: 3 cells, but the first line has 2; put quotes around a text that holds the separator."),
    "open quote": (b'text,label\n"a, b",x\n"yes, it is, y\n', "r.csv",
                   'r.csv, line 3: a quoted cell begins here and never ends; is the file cut off, or a " missing?'),
    "stray quote": (b'text,label\n"a" b, c,x\n', "r.csv",
                    'r.csv, line 2: \',\' expected after \'"\'. Put the whole cell into quotes and write "" for a '
                    "quote sign inside it."),
    "broken jsonl": (b'{"text":"a","label":"x"}\n{"text":"b",\n', "r.jsonl",
                     "r.jsonl, line 2: broken JSON (Expecting property name enclosed in double quotes, column 13); is the file cut off, or a comma "
                     "or quote missing?"),
    "jsonl list": (b'{"text":"a","label":"x"}\n["b","y"]\n', "r.jsonl",
                   'r.jsonl, line 2: a list where an object is needed, such as {"text": "…", "label": "…"}.'),
    "json scalar": (b"12", "r.json", 'r.json holds a text or number; a list of objects is needed, such as [{"text": "…", "label": "…"}].'),
    "json lengths": (b'{"text":["a","b"],"label":["x"]}', "r.json",
                     "r.json: the columns have different lengths ('text' 2, 'label' 1); give every text its label."),
    "nested": (b'[{"text":"a","label":["x","y"]},{"text":"b","label":"z"}]', "r.json",
               "r.json: 1 row whose 'label' holds a list of several or an object (row 1), the first is '[\"x\", \"y\"]'. One label a text is needed: "
               "leave these rows out, or choose another column with --label-column."),
    "deep": (b"[" * 100_000, "r.json", "r.json, line 1: JSON nested too deeply; a flat table of texts and labels is needed."),
    "bad parquet": (b"PAR1 is not enough", "r.parquet", "r.parquet cannot be read as Parquet ("),
    "numbers": (b"text,label\n12,x\n3.5,y\n-7,x\n", "r.csv",
                "r.csv: every text is a number (the first is '12'), so this is probably not the text column; choose another with --text-column."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_trained_on_is_one_sentence(case):
    raw, filename, said = REFUSALS[case]
    found = sentence(raw, filename)
    assert found.startswith(said)
    assert found == said or case == "bad parquet"


def test_unknown_and_twice_chosen_columns():
    assert sentence(CSV, "r.csv", text="txet") == "r.csv has no column 'txet'; its columns are 'text', 'label'. Did you mean 'text'?"
    twice = sentence(CSV, "r.csv", text="label", label="label")
    assert twice == "r.csv: the column 'label' was chosen twice; text, label and second text need a column each."


def test_paths_that_cannot_be_read(tmp_path):
    missing = tmp_path / "none.csv"
    with pytest.raises(InputError, match=r"^there is no file .*none\.csv; check the path\.$"):
        read_file(missing)
    with pytest.raises(InputError, match=r"^/.* is a folder; give the file inside it, or a folder with train.jsonl.gz and test.jsonl.gz\.$"):
        read_file(tmp_path)
    with pytest.raises(InputError, match=r"cannot be opened .*check the path"):
        read_file("bad\0path.csv")


def test_size_cap_holds_packed_and_unpacked(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    monkeypatch.setattr(formats, "MAX_BYTES", 1000)
    (tmp_path / "r.csv").write_bytes(CSV * 100)
    for given, filename in ((tmp_path / "r.csv", None), (gzip.compress(CSV * 100), "r.csv.gz")):
        with pytest.raises(InputError, match=r"^r\.csv(\.gz)? is larger than 0 MB \(unpacked\), the most that is read"):
            read_file(given, filename=filename)
    monkeypatch.setattr(files, "MAX_BYTES", 10_000)
    with pytest.raises(InputError, match=r"at most 0 MB and 10,000 columns are read"):
        read_file(parquet({"text": ["a" * 3000, "b"], "label": ["x", "y"]}), filename="r.parquet")


def test_peek_shows_columns_rows_and_the_guess():
    peek = peek_columns(CSV * 3, "r.csv")
    assert peek.columns == ["text", "label"]
    assert peek.rows[0] == {"text": "good film", "label": "pos"}
    assert len(peek.rows) == 5
    assert peek.mapping == ("text", "label", None, None)
    assert peek_columns(b"a,b,c\n1,2,3\n", "r.csv").mapping == (None, None, None, None)


def test_content_hash_sees_every_field_and_no_file_name():
    base = read_file(CSV, filename="r.csv").content_hash
    assert base == read_file(CSV, filename="other.csv").content_hash
    changed = [CSV.replace(b"good", b"Good"), CSV.replace(b"neg", b"ne"), b"text,label,part\n" + CSV.split(b"\n", 1)[1].replace(b"neg", b"neg,test")]
    assert len({base, *(read_file(raw, filename="r.csv").content_hash for raw in changed)}) == 4


def test_label_numbers_do_not_depend_on_row_order():
    lines = CSV.decode().splitlines()
    turned = read_file("\n".join([lines[0], *lines[:0:-1]]).encode(), filename="r.csv")
    assert turned.label_names == read_file(CSV, filename="r.csv").label_names == ("neg", "pos")
