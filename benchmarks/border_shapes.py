"""The shapes that border_files.py reads: what other people's tools write, and what is right for each."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

WORDS = {"a": "refund card fee", "b": "depot courier late"}
ENDINGS = ("card fee", "courier late")  # by which the texts of the two classes are known again, in the cases as well
PAIRS = [(f"{WORDS['ab'[i % 2]]} number {i}", "ab"[i % 2]) for i in range(24)]
RECORDS = [{"text": text, "label": label} for text, label in PAIRS]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in PAIRS)
RUSSIAN = "text,label\n" + "".join(f"Товар пришёл вовремя номер {i},{'да' if i % 2 else 'нет'}\n" for i in range(24))
CHINESE = "text,label\n" + "".join(f"这个产品质量很好号码{i},{'好' if i % 2 else '差'}\n" for i in range(24))
JAPANESE = "text,label\n" + "".join(f"商品はとても良かったです番号{i},{'良い' if i % 2 else '悪い'}\n" for i in range(24))


class Shape(NamedTuple):
    """One row: what to write, and what is right."""

    name: str
    make: Callable[[Path], Path]  # writes into a folder, returns what is given to the reader
    rows: int | None = None  # None: refused
    classes: int = 2
    words: str = ""  # of a note or of the refusal; "" where nothing has to be said
    chosen: dict[str, str] = {}  # noqa: RUF012  options that a person gives


def file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def folder_of(**files: str | bytes) -> Callable[[Path], Path]:
    """Names with __ for / and a last _ for the point before the ending: train_csv, data__train_csv."""

    def make(folder: Path) -> Path:
        for name, content in files.items():
            place = name.replace("__", "/")
            head, _, ending = place.rpartition("_")
            file(f"set/{head}.{ending}", content)(folder)
        return folder / "set"

    return make


def jsonl(records: list) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def parquet(names: list[str] | None = None, count: int = 24) -> bytes:
    """A Parquet file as `datasets` writes it; with class names, the labels are numbers."""
    import datasets

    datasets.disable_progress_bars()
    texts, labels = [text for text, _ in PAIRS[:count]], ["ab".index(label) for _, label in PAIRS[:count]]
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names) if names else datasets.Value("int64")}
    sink = io.BytesIO()
    datasets.Dataset.from_dict({"text": texts, "label": labels}, features=datasets.Features(features)).to_parquet(sink)
    return sink.getvalue()


def saved(folder: Path) -> Path:
    import datasets

    datasets.disable_progress_bars()
    one = datasets.Dataset.from_dict({"text": [text for text, _ in PAIRS], "label": [label for _, label in PAIRS]})
    datasets.DatasetDict(train=one, test=one.select(range(4))).save_to_disk(folder / "saved")
    return folder / "saved"


def damaged(folder: Path) -> Path:
    place = saved(folder)
    next((place / "train").glob("*.arrow")).write_bytes(b"cut off")
    return place


def shards(folder: Path) -> Path:
    for i in range(2):
        file(f"set/data/train-0000{i}-of-00002.parquet", parquet(count=12))(folder)
    return folder / "set"


def class_folders(*parts: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for part in parts:
            for i, (text, label) in enumerate(PAIRS):
                file(f"set/{part}/{label}/{i}.txt", f"{part} {text}")(folder)
        return folder / "set"

    return make


def sheet(**sheets: list[list]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            page = book.create_sheet(name)
            for row in rows:
                page.append(row)
        book.save(folder / "r.xlsx")
        return folder / "r.xlsx"

    return make


def table(header: str, row: Callable[[int], str], count: int = 24) -> str:
    return header + "\n" + "".join(row(i) + "\n" for i in range(count))


def quoted(rows: list[tuple[str, str]]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([("text", "label"), *rows])
    return sink.getvalue()


TSV = CSV.replace(",", "\t")
STRAY = (
    TSV.replace("text\tlabel", "sentence\tlabel").replace("refund card fee number 4", '"refund card fee number 4').replace("number 9", 'number 5"')
)
STUDIO = [{"data": {"text": text}, "annotations": [{"result": [{"from_name": "c", "value": {"choices": [label]}}]}]} for text, label in PAIRS]
ARGILLA = [{"fields": {"text": text}, "responses": {"topic": [{"value": label}]}} for text, label in PAIRS]
PRODIGY = [{**record, "answer": "reject" if i < 6 else "accept", "_task_hash": i} for i, record in enumerate(RECORDS)]
CHOICE = [{"text": text, "options": [{"id": "a"}, {"id": "b"}], "accept": [label], "answer": "accept"} for text, label in PAIRS]
CLINC = {"train": PAIRS, "val": PAIRS[:4], "test": PAIRS[:6], "oos_train": [["out of scope", "oos"]] * 3}
XLSX = [["text", "label"], *map(list, PAIRS)]
NO_LABELS = "index\tsentence\n0\thidden one\n1\thidden two\n"
GLUE = TSV.replace("text\tlabel", "sentence\tlabel")
SNLI = [{"gold_label": ["entailment", "neutral", "-"][i % 3], "sentence1": f"a text {i}", "sentence2": f"another {i}"} for i in range(24)]

SHAPES = [
    # ---- tables
    Shape("CSV", file("r.csv", CSV), 24),
    Shape("CSV, gzipped", file("r.csv.gz", gzip.compress(CSV.encode())), 24),
    Shape("TSV", file("r.tsv", TSV), 24),
    Shape("semicolons", file("r.csv", CSV.replace(",", ";")), 24, words="cells are separated by ';'"),
    Shape("Excel's first line sep=;", file("r.csv", "sep=;\n" + CSV.replace(",", ";")), 24, words="it is not part of the table"),
    Shape("comment lines above the table", file("r.csv", "# exported 2026\n# by me\n" + CSV), 24, words="2 lines above the table skipped"),
    Shape("a title over the header", file("r.csv", "Survey of May\n" + CSV), 24, words="1 line above the table skipped"),
    Shape("byte-order mark", file("r.csv", b"\xef\xbb\xbf" + CSV.encode()), 24, words="the byte-order mark was taken off"),
    Shape("no header, two columns", file("r.csv", CSV.split("\n", 1)[1]), 24, words="the file has no header line"),
    Shape(
        "no header, three columns",
        file("r.csv", table("1,title x,a description x", lambda i: f"{i % 2 + 1},title {i},a longer description {i}")),
        words="for instance --text-column 'column 3'",
    ),
    Shape(
        "the same, columns chosen",
        file("r.csv", table("1,title x,a description x", lambda i: f"{i % 2 + 1},title {i},a longer description {i}")),
        25,
        chosen={"text": "column 3", "label": "column 1"},
    ),
    Shape(
        "header again in the middle", file("r.csv", CSV + CSV.replace("number", "again")), 48, words="1 row equal to the header left out (line 26)"
    ),
    Shape(
        "two columns of one name",
        file("r.csv", table("text,label,label", lambda i: f"some text {i},{'ab'[i % 2]},x")),
        24,
        words="the others are called 'label (3)'",
    ),
    Shape("short rows", file("r.csv", CSV.replace("text,label", "text,label,remark")), 24, words="24 rows with fewer cells than the first line"),
    Shape(
        "rows with too many cells",
        file("r.csv", CSV + "one, two, three,a\nfour, five, six,b\n"),
        words="2 lines with more cells than the first, which has 2 (lines 26, 27",
    ),
    Shape(
        "texts over several lines",
        file("r.csv", quoted([(text.replace(" ", "\n", 1), label) for text, label in PAIRS])),
        24,
        words="24 rows over several lines (lines 2-3, 4-5",
    ),
    Shape(
        "a stray quote that swallows rows", file("r.tsv", STRAY), 24, words="quote signs were read as part of the texts; read as quotes, they would"
    ),
    Shape("quote signs as letters", file("r.tsv", TSV.replace("fee number", '"fee" number')), 24),
    Shape(
        "cut off in a quoted cell",
        file("r.csv", quoted([(text + ", yes", label) for text, label in PAIRS]) + '"cut off, here, a'),
        words="a quoted cell begins here and never ends",
    ),
    Shape("UTF-16", file("r.csv", CSV.encode("utf-16")), 24, words="was read as UTF-16"),
    Shape("Windows-1251", file("r.csv", RUSSIAN.encode("cp1251")), 24, words="read as Windows-1251 (Cyrillic, CP1251). Lines to look at: 'Товар"),
    Shape("KOI8-R", file("r.csv", RUSSIAN.encode("koi8_r")), 24, words="read as KOI8-R (Cyrillic). Lines to look at: 'Товар"),
    Shape("GB18030", file("r.csv", CHINESE.encode("gb18030")), 24, words="read as GB18030 (Chinese, also GBK). Lines to look at: '这个"),
    Shape("Shift-JIS", file("r.csv", JAPANESE.encode("shift_jis")), 24, words="read as Shift-JIS (Japanese, CP932). Lines to look at: '商品"),
    Shape(
        "a chosen encoding that is wrong",
        file("r.csv", RUSSIAN.encode("koi8_r")),
        words="is not UTF-8: byte 0xf4 in line 2",
        chosen={"encoding": "utf-8"},
    ),
    Shape(
        "one odd line in UTF-8",
        file("r.csv", (CSV + "café,a\nüber,b\n").encode() + "señor,a\n".encode("latin-1")),
        27,
        words="1 line not in UTF-8, read as Windows-1252",
    ),
    Shape("an image called .csv", file("r.csv", b"\x89PNG\r\n\x1a\n" + bytes(300)), words="is a PNG image, not text"),
    Shape("an ending that is none", file("r.docx", CSV), words="has the ending '.docx'; accepted are"),
    Shape("Excel", sheet(Reviews=XLSX, Other=[["x"]]), 24, words="read from the sheet 'Reviews'; not read: 'Other'"),
    Shape("Excel, a sheet per part", sheet(train=XLSX, test=XLSX[:7]), 30, words="2 sheets read as parts"),
    # ---- which column
    Shape(
        "ids are no labels",
        file("r.csv", table("text,id", lambda i: f"some text {i},{100 + i}")),
        words="'id' (numbers that rise). Choose with --label-column",
    ),
    Shape("dates are no labels", file("r.csv", table("text,when", lambda i: f"some text {i},2026-01-0{i % 3 + 1}")), words="'when' (dates)"),
    Shape("links are no labels", file("r.csv", table("text,from", lambda i: f"some text {i},https://a.b/{i % 3}")), words="'from' (links)"),
    Shape(
        "lengths are no labels",
        file("r.csv", table("text,size", lambda i: f"text{'s' * (i % 4)},{4 + i % 4}")),
        words="'size' (lengths of the texts)",
    ),
    Shape(
        "free text is no label",
        file("r.csv", table("text,answer", lambda i: f"some text {i},some answer {7 * i % 24}")),
        words="24 different values in 24",
    ),
    Shape(
        "a chosen label column",
        file("r.csv", table("text,when,kind", lambda i: f"some text {i},2026-01-01,{'ab'[i % 2]}")),
        24,
        chosen={"label": "kind"},
    ),
    Shape(
        "a column that is not there",
        file("r.csv", CSV),
        words="has no column 'lable'; its columns are 'text', 'label'. Did you mean 'label'?",
        chosen={"label": "lable"},
    ),
    Shape(
        "one column per class",
        file("r.csv", table("text,a,b", lambda i: f"some text {i},{i % 2},{1 - i % 2}")),
        24,
        words="labels from 'the column with the 1'",
    ),
    Shape(
        "the same, a row with two",
        file("r.csv", table("text,a,b", lambda i: f"some text {i},1,{i % 2}")),
        words="12 rows without exactly one 1 (lines 3, 5",
    ),
    Shape(
        "numbers among words",
        file("r.csv", CSV.replace("text,label\n", "text,label\nshifted,12\n")),
        25,
        3,
        "1 row whose label is a number or true/false where the others are words (line 2): '12'",
    ),
    Shape("twelve numbered classes", file("r.csv", table("text,label", lambda i: f"text number {i},{i % 12}")), 24, 12),
    Shape(
        "QNLI",
        file("r.tsv", table("index\tquestion\tsentence\tlabel", lambda i: f"{i}\tq {i}\ts {i}\t{'ab'[i % 2]}")),
        24,
        words="second texts from 'sentence'",
    ),
    Shape(
        "QQP",
        file("r.tsv", table("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", lambda i: f"{i}\t{i}\t{i}\tq {i}\tr {i}\t{i % 2}")),
        24,
        words="labels from 'is_duplicate', second texts from 'question2'",
    ),
    Shape(
        "MRPC",
        file("r.tsv", table("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", lambda i: f'{i % 2}\t{i}\t{i}\tone {i}\tother "{i}"')),
        24,
        words="labels from 'Quality', second texts from '#2 String'",
    ),
    Shape(
        "text_a, text_b",
        file("r.csv", table("text_a,text_b,label", lambda i: f"one {i},other {i},{'ab'[i % 2]}")),
        24,
        words="second texts from 'text_b'",
    ),
    Shape("SNLI's '-'", file("r.jsonl", jsonl(SNLI)), 16, words="8 rows whose 'gold_label' is '-' left out"),
    # ---- JSON and exports
    Shape("JSON lines", file("r.jsonl", jsonl(RECORDS)), 24),
    Shape("broken JSON lines", file("r.jsonl", jsonl(RECORDS) + '{"text":\nno json\n'), words="2 lines of broken JSON (lines 25, 26)"),
    Shape(
        "lists where a text is needed",
        file("r.jsonl", jsonl([*RECORDS, {"text": ["x", "y"], "label": "a"}])),
        words="1 row whose 'text' is a list or an object (line 25)",
    ),
    Shape("a list of objects", file("r.json", json.dumps(RECORDS)), 24),
    Shape("columns in one object", file("r.json", json.dumps({"text": [t for t, _ in PAIRS], "label": [one for _, one in PAIRS]})), 24),
    Shape("CLINC150", file("r.json", json.dumps(CLINC)), 34, words="left out, since the name says no part: 'oos_train' (3 rows)"),
    Shape("doccano", file("r.jsonl", jsonl([{**one, "label": [one["label"]]} for one in RECORDS])), 24),
    Shape(
        "several labels a text",
        file("r.jsonl", jsonl([{**one, "label": ["a", "b"] if i < 3 else [one["label"]]} for i, one in enumerate(RECORDS)])),
        words="3 rows whose 'label' holds a list of several or an object (lines 1-3)",
    ),
    Shape("Prodigy, rejected rows", file("r.jsonl", jsonl(PRODIGY)), 18, words="6 rows whose 'answer' is reject or ignore left out (lines 1-6)"),
    Shape("Prodigy, choices", file("r.jsonl", jsonl(CHOICE)), 24, words="read as an export of Prodigy"),
    Shape("Label Studio", file("r.json", json.dumps(STUDIO)), 24, words="read as an export of Label Studio"),
    Shape("Argilla", file("r.json", json.dumps(ARGILLA)), 24, words="read as an export of Argilla"),
    Shape("fastText", file("r.txt", "".join(f"__label__{label} {text}\n" for text, label in PAIRS)), 24, words="read as lines of fastText"),
    Shape("fastText, several labels", file("r.txt", "__label__a __label__b text\n__label__a text\n"), words="1 line with several labels (line 1)"),
    Shape("Parquet", file("r.parquet", parquet()), 24),
    Shape(
        "Parquet with class names",
        file("r.parquet", parquet(["no", "yes"])),
        24,
        words="class names are those that the file keeps for 'label' (2 classes)",
    ),
    # ---- folders
    Shape(
        "GLUE, no labels in the test part",
        folder_of(train_tsv=GLUE, dev_tsv=GLUE.replace("number", "new"), test_tsv=NO_LABELS),
        48,
        words="test rows without labels left out (2); the validation part is the test part here",
    ),
    Shape(
        "labels hidden as -1",
        folder_of(train_tsv=GLUE, test_tsv="sentence\tlabel\none\t-1\ntwo\t-1\n"),
        24,
        words="the test part is cut from the training texts",
    ),
    Shape("NAME_train.csv, NAME_test.csv", folder_of(SUBJ_train_csv=CSV, SUBJ_test_csv=CSV.replace("number", "new")), 48),
    Shape(
        "parts with other columns",
        folder_of(train_csv=CSV, test_csv=CSV.replace("text", "review")),
        words="has no column 'text', from which set/train.csv",
    ),
    Shape("shards", shards, 24),
    Shape(
        "a missing shard",
        lambda folder: file("set/train-00000-of-00002.parquet", parquet())(folder).parent,
        words="lacks shards of its train part, train-00001-of-00002",
    ),
    Shape("datasets.save_to_disk", saved, 28),
    Shape(
        "numbers, and their names in classes.txt",
        folder_of(train_csv=CSV.replace(",a\n", ",1\n").replace(",b\n", ",2\n"), classes_txt="first\nsecond\n"),
        24,
        words="class names are those of 'classes.txt' (2 classes): 1 is 'first', and so on.",
    ),
    Shape("classes.txt lists other classes", folder_of(train_csv=CSV, classes_txt="x\ny\n"), 24, words="was not used for the names of the classes"),
    Shape("the same, damaged", damaged, words="looks like one of save_to_disk but cannot be read"),
    Shape("a folder per class", class_folders("train", "test"), 48),
    Shape("a folder without texts", lambda folder: folder, words="has no training texts; it needs train.jsonl.gz"),
]
