"""A tiny random encoder, a small table of texts, a store of its own, and the places where real data lies."""

from __future__ import annotations

import os
import random
import runpy
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch: two files are tested at a time, and threads that wait for each other on taken cores cost more than they bring
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import waiting
from tiny_words import CLASS_WORDS, FILLERS

from dmlviz.core.types import TextDataset
from dmlviz.store.runs import Store

# Nobody may ask another host: neither this process nor one that it starts (tests/socket_guard/)
GUARD = Path(__file__).parent / "socket_guard"
os.environ["PYTHONPATH"] = os.pathsep.join([str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ.setdefault("DMLVIZ_TEST_ASKED", str(Path(tempfile.mkdtemp(prefix="dmlviz-asked-")) / "hosts.txt"))
runpy.run_path(str(GUARD / "sitecustomize.py"))

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip
# Files that take minutes begin first, so that no core waits for another at the end
LONG = (
    "browser/test_journey.py", "jobs/test_sweep_processes.py", "jobs/test_ray_engine.py", "export/test_gallery.py",
    "jobs/test_processes.py", "browser/test_map_component.py", "papers/test_papers.py", "training/test_fit.py", "pages/test_pages.py",
    "jobs/test_tuning.py", "cli/test_cli.py", "pages/test_attributions_page.py", "browser/test_sweep_journey.py",
    "browser/test_attributions_journey.py", "jobs/test_tasks.py", "test_layers.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {str(ROOT / "tests" / name): place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: first.get(str(item.path), len(first)))


@pytest.fixture(scope="session", autouse=True)
def nothing_leaves():
    """When all tests are over, no process of theirs has asked another host."""
    yield
    asked = Path(os.environ["DMLVIZ_TEST_ASKED"])
    assert not asked.exists(), f"outside requests, by process: {asked.read_text()}"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    """Folder of a randomly initialised BERT with two layers of width 32 whose vocabulary covers the tiny texts. Loads in a moment."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*FILLERS, *(word for own in CLASS_WORDS.values() for word in own)]
    vocab = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *(f"##{c}" for c in letters), *"0123456789.,!?'-"]))
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
        model = BertModel(BertConfig(vocab_size=len(vocab), initializer_range=0.2, **sizes), add_pooling_layer=False)
    model.save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_csv(tmp_path_factory) -> Path:
    """text,label: 3 classes x 24 different short texts whose words betray the class."""
    chance, lines = random.Random(0), []
    for label, words in CLASS_WORDS.items():
        texts: set[str] = set()
        while len(texts) < 24:
            chosen = [*chance.sample(words, 2), *chance.sample(FILLERS, chance.randint(1, 6))]
            chance.shuffle(chosen)
            texts.add(" ".join(chosen))
        lines += [f"{text},{label}" for text in sorted(texts)]
    chance.shuffle(lines)
    path = tmp_path_factory.mktemp("tiny") / "tiny.csv"
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_dataset(tiny_csv) -> TextDataset:
    """The data set read from `tiny_csv`."""
    from dmlviz.data import read_file

    return read_file(tiny_csv)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    """An empty store; whatever process serves it is ended with the test."""
    store = Store(tmp_path / "home")
    store.home.mkdir()
    yield store
    waiting.end_processes(store.home)


@pytest.fixture
def ending(tmp_path) -> Iterator[Callable[[Path], None]]:
    """ending(home): the dispatchers and workers of that home are ended, by their pids, when the test is over."""
    homes: list[Path] = []
    yield lambda home: homes.append(Path(home).resolve())
    for home in homes:
        waiting.end_processes(home)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("DMLVIZ_DATA") or ROOT.parent / "shared" / "data").resolve()
    if not (folder / "r8" / "train.jsonl.gz").is_file():
        pytest.skip(f"no real data at {folder}; set DMLVIZ_DATA")
    return folder


@pytest.fixture(scope="session")
def wait_for():
    """wait_for(store, run_id, states, seconds=120) -> Run; also `from waiting import wait_for`."""
    return waiting.wait_for


@pytest.fixture(scope="session")
def chromium():
    """A real browser, one for the whole session: Playwright's synchronous engine cannot be started a second time while the first one runs."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()
