"""What leaves the machine does not say whose it was: every export is searched for the home, the folders, the user and the host."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import waiting

from dmlviz.core.places import place_name
from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, read_file
from dmlviz.export.pgf import TEX
from dmlviz.figures import FIGURES
from dmlviz.store.runs import Store
from dmlviz.tables import TABLES

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("zz-maker-home", "zz-maker-texts", "zz-maker-models", "zz-maker-user", "zz-maker-host")  # folders of the home, texts, encoder; names
MAKE = """
import getpass, os, platform, socket, sys
socket.gethostname = platform.node = lambda: "zz-maker-host"
from dmlviz.cli.main import main
for words in sys.stdin.read().splitlines():
    code = main(words.split("\\t"))
    if code:
        print("FAILED", code, words, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_encoder, tiny_csv) -> Path:
    """A folder of every export of two runs whose texts and encoder lie in folders of somebody."""
    from dmlviz.analysis.attribution.kind import AttributionKind
    from dmlviz.explain.jobs import Models, check_sanity, explain_rows

    base = tmp_path_factory.mktemp("leaks")
    texts, models, out = base / "zz-maker-texts" / "mine.csv", base / "zz-maker-models" / "tiny-bert", base / "out"
    texts.parent.mkdir()
    shutil.copy(tiny_csv, texts)
    shutil.copytree(tiny_encoder, models)
    store = Store(base / "zz-maker-home" / "dmlviz-data")
    store.home.mkdir(parents=True)
    dataset = read_file(texts)
    ids = []
    for loss in ("cross_entropy", "g_loss", "triple_entropy"):
        config = RunConfig(dataset=str(texts), encoder=str(models), loss=loss, shots=2, validation=6, epochs=1, batch_size=4, max_length=16, lr=1e-3)
        ids.append(store.create(config, dataset, draw_split(dataset, shots=2, validation=6)))
    waiting.train(store, ids)
    rows = [int(row) for row in store.split(ids[0]).test[:6]]
    explain_rows(Models(store), ids, rows, AttributionKind())
    check_sanity(Models(store), ids[:1], rows[:2], AttributionKind())
    lines = []
    for name in FIGURES:
        more = ["--set", f"row={rows[0]}"] if name == "attribution_words" else []
        for end in ("pdf", "svg", "png", "html", *(["pgf"] if shutil.which(TEX) else [])):
            lines.append(["figure", name, "--runs", ",".join(ids), "--out", str(out / f"{name}.{end}"), "--json", "--csv", *more])
    lines += [["table", name, "--runs", "all", "--out", str(out / f"{name}.{end}")] for name in TABLES for end in ("tex", "csv", "md")]
    lines.append(["bundle", "--runs", "all", "--out", str(out / "bundle"), "--zip", "--with-texts"])
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    whose = {"USER": "zz-maker-user", "LOGNAME": "zz-maker-user", "HOME": str(base / "zz-maker-home"), "DMLVIZ_HOME": str(store.home)}
    env = {**os.environ, **whose, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", MAKE], input="\n".join("\t".join(one) for one in lines), env=env, cwd=ROOT, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    assert "is a fault of DMLViz" not in done.stderr, done.stderr[-2000:]
    return out


def unpacked(data: bytes) -> bytes:
    """The bytes, and behind them all that is deflated or written as base64 in them."""
    found = [data]
    for match in re.finditer(rb"base64,\s*([A-Za-z0-9+/=\s]{40,})", data):
        found.append(unpacked(base64.b64decode(match[1])))
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            found.append(zlib.decompressobj().decompress(data[start.start() :], 50_000_000))
        except zlib.error:
            continue
    for match in re.finditer(rb"PK\x03\x04", data):  # entries of a zip
        head = data[match.start() : match.start() + 30]
        begin = match.start() + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        try:
            found.append(unpacked(zlib.decompressobj(-15).decompress(data[begin:], 50_000_000)))
        except zlib.error:
            continue
    return b"\n".join(found)


@pytest.mark.slow
def test_no_export_tells_whose_it_was(made):
    files = [path for path in made.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".pdf", ".svg", ".png", ".html", ".csv", ".json", ".tex", ".md", ".zip", ".bib", ".txt", ".sha256", ".py"} <= kinds
    assert len(files) > 150
    leaks = []
    for path in files:
        data = unpacked(path.read_bytes())
        leaks += [f"{path.relative_to(made)}: {secret}" for secret in SECRETS if secret.encode() in data or secret.encode("utf-16-be") in data]
    assert leaks == []
    captions = (made / "bundle" / "captions.md").read_text(encoding="utf-8")
    assert "mine" in captions  # the name alone is said


@pytest.mark.slow
def test_the_search_finds_what_is_packed(made):
    """Words that stand in every caption are found in each kind of file."""
    for name in ("manifold.pdf", "manifold.svg", "manifold.png", "manifold.html", "bundle.zip"):
        assert b"TripleEntropy" in unpacked((made / name).read_bytes()), name


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("trec", "trec"), ("owner/name", "owner/name"), ("owner/name:small", "owner/name:small"), ("/home/me/reviews.csv", "reviews.csv"),
        ("data/reviews.csv", "reviews.csv"), ("~me/reviews.jsonl.gz", "reviews.jsonl.gz"), (r"C:\Users\me\texts.tsv", "texts.tsv"),
        ("/models/mine/", "mine"), ("../mine", "mine"), ("", "without a name"),
    ],
)  # fmt: skip
def test_a_place_is_called_by_its_last_part(ref, name):
    assert place_name(ref) == name


def test_a_folder_here_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "me" / "texts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert place_name("me/texts") == "texts"
    assert place_name("me/others") == "me/others"
