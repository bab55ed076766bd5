"""`dmlviz app`: the same app as `streamlit run app.py`, from wherever one stands."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVED = ROOT / "dmlviz" / "ui" / "served"


def test_the_package_serves_what_the_checkout_serves():
    """Streamlit wants files beside its script, so an installed package brings its own."""
    names = {"app.py", *(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))}
    assert {path.relative_to(SERVED).as_posix() for path in SERVED.rglob("*.py")} == names
    for name in names:
        assert (SERVED / name).read_text() == (ROOT / name).read_text(), name
    assert (SERVED / "config.toml").read_text() == (ROOT / ".streamlit" / "config.toml").read_text()
