"""The README names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmlviz.losses import LOSSES

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", [entry.title for entry in LOSSES.values()])
def test_every_loss_is_named(readme, title):
    assert title in readme


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "pages").glob("*.py")))
def test_every_page_is_named(readme, page):
    assert f"pages/{page}" in readme or f"`{page}`" in readme


@pytest.mark.parametrize("command", ["pip install -r requirements.txt && streamlit run app.py", "pip install -r requirements.txt && pytest"])
def test_both_commands_stand_in_it(readme, command):
    assert command in readme


def test_the_sweep_of_the_readme_is_one(readme):
    from dmlviz.jobs.sweep_spec import parse_sweep

    block = readme.split("unattended:\n\n")[1].split("\n\n")[0]
    assert len(list(parse_sweep("\n".join(line[4:] for line in block.splitlines())).configs())) == 2 * 3 * 3 * 5 - 2 * 5
