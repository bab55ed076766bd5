"""The links between the app's pages as AppTest sees them: it cannot follow one by itself."""

from __future__ import annotations

from urllib.parse import parse_qs


def links(app) -> dict:
    """The links that are shown, by label."""
    return {one.proto.label: one.proto for one in app.get("page_link")}


def follow(app, label: str):
    """What the browser does: the page's address and the picks that the link carries, and nothing else."""
    made = links(app)[label]
    assert not made.disabled, label
    app.switch_page(f"pages/{made.page or 'overview'}.py")
    app.query_params.clear()
    for name, values in parse_qs(made.query_string).items():
        app.query_params[name] = values
    return app.run()
