"""Parts of the Figures page: the tray, the preview that is the file, the downloads."""

from __future__ import annotations

import base64
from html import escape

import streamlit as st

from dmlviz.draw import Sources, draw
from dmlviz.export import MEDIA_TYPES, Provenance, csv_bytes, figure_bytes, file_name
from dmlviz.figures import FIGURES
from dmlviz.figures.theme import PRESETS, loss_title
from dmlviz.figures.theme import preset as find_preset
from dmlviz.records import FigureSpec, InputError, Run
from dmlviz.ui import loaders
from dmlviz.ui.frame import escaped
from dmlviz.ui.picks import clear_tray, remove_from_tray, tray

SCREEN_PX_PER_MM = 96 / 25.4
LARGER = 1.35  # than print size, so that it can be judged on a screen


def choose() -> FigureSpec:
    """Pick one figure of the tray, its preset and title."""
    specs = tray()
    st.header(f"Tray ({len(specs)})", anchor=False)
    at = st.radio(
        "Figure", range(len(specs)), format_func=lambda i: escaped(_name(specs[i])), index=len(specs) - 1, label_visibility="collapsed", key="tray_at"
    )
    spec = specs[at]
    with st.container(horizontal=True):
        st.button("Remove", on_click=remove_from_tray, args=(spec,), key="tray_remove")
        st.button("Empty the tray", on_click=clear_tray, key="tray_clear")
    names = list(PRESETS)
    preset = st.selectbox(
        "Preset",
        names,
        names.index(spec.preset),
        format_func=lambda n: f"{PRESETS[n].title} · {PRESETS[n].width_mm:.1f} mm",
        key="tray_preset",
        persist_state="session",
    )
    return spec.model_copy(update={"preset": preset})


def _name(spec: FigureSpec) -> str:
    """What the tray calls it: the figure and its runs' losses."""
    known = {run.id: run for run in loaders.runs()}
    losses = [loss_title(known[i].config.loss, known[i].config.ce_weight) for i in spec.run_ids if i in known]
    detail = ", ".join(str(value).strip() for key, value in spec.options.items() if key in ("color_by", "kind"))
    return f"{FIGURES[spec.name].title}: {', '.join(losses) or 'its runs were deleted'}" + (f" ({detail})" if detail else "")


def _run(run_id: str) -> Run:
    for run in loaders.runs():
        if run.id == run_id:
            return run
    raise InputError(f"the figure's run {run_id} was deleted; remove the figure from the tray")


def preview(spec: FigureSpec) -> None:
    """The figure at print size on white paper, its caption, and its files."""
    figure, frame, caption, notes = draw(spec, Sources(_run, loaders.events, loaders.panes, loaders.dataset, loaders.store().split))
    said = Provenance(title=spec.title or FIGURES[spec.name].title, caption=caption, run_ids=spec.run_ids)
    files = {fmt: figure_bytes(figure, fmt, provenance=said) for fmt in MEDIA_TYPES}
    width = find_preset(spec.preset).width_mm
    encoded = base64.b64encode(files["png"]).decode()
    st.html(
        '<div style="background:#fff;border:1px solid #DCE3E8;padding:14px;display:inline-block;max-width:100%">'
        f'<img alt="{escape(caption, quote=True)}" style="width:{width * SCREEN_PX_PER_MM * LARGER:.0f}px;max-width:100%;display:block" '
        f'src="data:image/png;base64,{encoded}"></div>'
    )
    st.caption(f"{width:.1f} mm wide on paper; shown {LARGER} times larger.")
    for note in notes:
        st.warning(escaped(note))
    with st.container(horizontal=True):
        for fmt, media in MEDIA_TYPES.items():
            st.download_button(
                fmt.upper(),
                files[fmt],
                file_name([spec.name, spec.preset], fmt),
                media,
                key=f"tray_{fmt}",
                type="primary" if fmt == "pdf" else "secondary",
                on_click="ignore",
            )
        st.download_button(
            "CSV of its data", csv_bytes(frame), file_name([spec.name, spec.preset], "csv"), "text/csv", key="tray_csv", on_click="ignore"
        )
    st.markdown("**Caption**")
    st.code(caption, language=None, wrap_lines=True)
