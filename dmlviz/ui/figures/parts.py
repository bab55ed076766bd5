"""Parts of the Figures page: the tray, the controls of a figure, the preview that is the file, its checks and downloads."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from dmlviz.core.types import DamagedError, InputError, Run, SheetSpec
from dmlviz.core.wording import count_of
from dmlviz.export.checks import Finding, check_bytes, passed
from dmlviz.export.files import MEDIA_TYPES, csv_bytes, details_json, file_name, zip_bytes
from dmlviz.export.html import html_bytes
from dmlviz.export.load_figure import Sources
from dmlviz.export.pgf import TEX, pgf_files
from dmlviz.export.sheet import Sheet, drawn, gather, sheet_bytes, size_of, told_of
from dmlviz.figures import FIGURES
from dmlviz.figures.base.composing import LETTERS, MOST_PANELS
from dmlviz.figures.base.presets import LEAST_MM, MOST_MM, PRESETS
from dmlviz.figures.base.presets import preset as find_preset
from dmlviz.figures.base.theme import loss_title
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import empty, escaped, sentence
from dmlviz.ui.shared.tray import change_tray, set_aside, tray

SCREEN_PX_PER_MM = 96 / 25.4
LARGER = 1.35  # than print size, so that it can be judged on a screen
OWN = "custom"
THUMBNAILS = 12  # in the tray; more would keep the page waiting
FAMILIES = {"venue": "As the venue", "sans": "Sans serif", "serif": "Serif"}
PALETTES = {"colour": "Colour", "grey": "As grey print"}


class Files(NamedTuple):
    """A drawn sheet as files, and what is said about it."""

    data: dict[str, bytes]  # of MEDIA_TYPES
    caption: str
    words: list[str]
    checks: dict[str, list[Finding]]
    details: str


# ---- the tray


def kept() -> list[SheetSpec]:
    """The tray; where it is empty or cannot be read, [] and what to do."""
    try:
        sheets = tray()
    except DamagedError as error:
        sentence(str(error))
        st.button("Set it aside", key="tray_aside", on_click=set_aside, help="It keeps its content under another name, and a new tray begins.")
        return []
    if not sheets:
        empty("The tray is empty. Every picture has an “Add to figures” button; the maps are a good start.", "Go to the maps", "pages/manifold.py")
    return sheets


def choose(sheets: Sequence[SheetSpec]) -> tuple[int, list[Any]]:
    """The tray in its order; returns the place of the chosen figure, and the places of the thumbnails (see `thumbnails`)."""
    st.header(f"Tray ({len(sheets)})", anchor=False)
    at = min(st.session_state.get("tray_at", len(sheets) - 1), len(sheets) - 1)
    names = names_of(sheets)
    with st.container(height=460 if len(sheets) > 6 else "content", border=False):  # a long tray must not push the picture off a narrow screen
        places = [_row(names[i], i, chosen=i == at) for i in range(len(sheets))]
    with st.container(horizontal=True):
        st.button("Up", icon=":material/arrow_upward:", on_click=_move, args=(sheets[at], -1), disabled=at == 0, key="tray_up")
        st.button("Down", icon=":material/arrow_downward:", on_click=_move, args=(sheets[at], 1), disabled=at == len(sheets) - 1, key="tray_down")
        st.button("Remove", icon=":material/delete:", on_click=_remove, args=(sheets[at],), key="tray_remove")
        with st.popover("Empty the tray"):
            st.write(f"{count_of(len(sheets), 'figure')} and what you gave them, presets and captions, will be gone.")
            st.button("Empty it", on_click=_clear, key="tray_clear", type="primary")
    _combine(sheets, names, at)
    return at, places


def thumbnails(sheets: Sequence[SheetSpec], places: Sequence[Any]) -> None:
    """Small pictures in the tray, once the chosen figure is there."""
    look = "width:64px;height:56px;object-fit:contain;background:#fff;border:1px solid #DCE3E8"
    for sheet, place in zip(sheets[:THUMBNAILS], places, strict=False):
        if small := _thumbnail(sheet):
            place.html(f'<img alt="" style="{look}" src="data:image/png;base64,{small}">', width=66)


def _row(name: str, place: int, *, chosen: bool) -> Any:
    with st.container(border=chosen, horizontal=True, vertical_alignment="center", key=f"tray_row_{place}"):
        small = st.empty()
        height = 56 if place < THUMBNAILS else 1  # names stand below each other, with a picture or without
        small.html(f'<div style="width:64px;height:{height}px"></div>', width=66)
        st.button(escaped(name), key=f"tray_pick_{place}", type="tertiary", on_click=_pick, args=(place,), width="stretch")
    return small


def _thumbnail(sheet: SheetSpec) -> str:
    try:
        return base64.b64encode(_small(sheet.model_dump_json(), _changed(sheet))).decode()
    except (InputError, OSError):
        return ""  # the preview says what is wrong


def names_of(sheets: Sequence[SheetSpec]) -> list[str]:
    """What the tray calls them: the title, else the pictures and their losses."""
    known = {run.id: run for run in loaders.runs()}
    return [_name(sheet, known) for sheet in sheets]


def _name(sheet: SheetSpec, known: Mapping[str, Run]) -> str:
    if sheet.title:
        return sheet.title
    if len(sheet.panels) > 1:
        return " + ".join(FIGURES[panel.name].title for panel in sheet.panels)
    losses = list(dict.fromkeys(loss_title(known[i].config.shown_loss, known[i].config.ce_weight) for i in sheet.run_ids if i in known))
    options = sheet.panels[0].options
    detail = ", ".join(str(value).strip() for key, value in options.items() if key in ("color_by", "kind", "by", "signal"))
    return f"{FIGURES[sheet.panels[0].name].title}: {', '.join(losses) or 'its runs were deleted'}" + (f" ({detail})" if detail else "")


def _combine(sheets: Sequence[SheetSpec], names: Sequence[str], at: int) -> None:
    """Several figures as the lettered panels of one, and back."""
    if len(sheets[at].panels) > 1:
        st.button("Take the panels apart", on_click=_apart, args=(sheets[at],), key="tray_apart")
    if len(sheets) > 1:
        chosen = st.multiselect(
            "Combine into one figure", range(len(sheets)), format_func=lambda i: f"{i + 1}. {names[i]}" if i < len(names) else "",
            key="tray_combine", help="They become panels a, b, c in the order in which you name them; a figure holds up to six.",
        )  # fmt: skip
        panels = sum(len(sheets[i].panels) for i in chosen)
        if panels > MOST_PANELS:
            st.caption(f"{panels} panels are too many; a figure holds {MOST_PANELS}.")
        st.button("Combine", on_click=_joined, args=([sheets[i] for i in chosen if i < len(sheets)],),
                  disabled=not 1 < panels <= MOST_PANELS, key="tray_join", type="primary")  # fmt: skip


def _pick(at: int) -> None:
    st.session_state["tray_at"] = at


def _at(sheets: Sequence[SheetSpec], seen: SheetSpec) -> int:
    """Where the figure is now that somebody saw when they clicked. InputError when another tab has changed or removed it."""
    if seen not in sheets:
        raise InputError("the tray was changed in another tab meanwhile; look at it again")
    return list(sheets).index(seen)


def _move(seen: SheetSpec, by: int) -> None:
    def moved(sheets: list[SheetSpec]) -> list[SheetSpec]:
        at = _at(sheets, seen)
        to = min(max(at + by, 0), len(sheets) - 1)
        sheets.insert(to, sheets.pop(at))
        return sheets

    if (made := change_tray(moved)) is not None:
        _pick(made.index(seen))


def _remove(seen: SheetSpec) -> None:
    def left(sheets: list[SheetSpec]) -> list[SheetSpec]:
        at = _at(sheets, seen)
        _pick(max(at - 1, 0))
        return [one for i, one in enumerate(sheets) if i != at]

    change_tray(left)


def _clear() -> None:
    change_tray(lambda sheets: [])
    st.session_state.pop("tray_at", None)


def _joined(seen: list[SheetSpec]) -> None:
    panels = tuple(panel for one in seen for panel in one.panels)
    whole = seen[0].model_copy(update={"panels": panels, "columns": None, "title": "", "caption": ""})

    def join(sheets: list[SheetSpec]) -> list[SheetSpec]:
        places = [_at(sheets, one) for one in seen]
        return [whole if i == places[0] else one for i, one in enumerate(sheets) if i == places[0] or i not in places]

    if (made := change_tray(join)) is not None:
        _pick(made.index(whole))
        st.session_state["tray_combine"] = []


def _apart(seen: SheetSpec) -> None:
    def part(sheets: list[SheetSpec]) -> list[SheetSpec]:
        at = _at(sheets, seen)
        parts = [seen.model_copy(update={"panels": (panel,), "columns": None, "title": "", "caption": ""}) for panel in seen.panels]
        return [*sheets[:at], *parts, *sheets[at + 1 :]]

    change_tray(part)


# ---- the controls of a figure


def controls(sheet: SheetSpec, at: int) -> None:
    """Size, fonts, palette, columns; title and caption behind More."""
    key = _key(sheet, at)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names, own = [*PRESETS, OWN], sheet.preset not in PRESETS
        st.selectbox(
            "Preset", names, names.index(OWN if own else sheet.preset), key=f"{key}_preset", on_change=_set, args=(sheet, "preset", f"{key}_preset"),
            format_func=lambda name: "Own size" if name == OWN else f"{PRESETS[name].title} · {PRESETS[name].paper_width_mm:.1f} mm", width=300,
        )  # fmt: skip
        _choice("Font", FAMILIES, sheet, "family", key)
        _choice("Palette", PALETTES, sheet, "palette", key)
        if len(sheet.panels) > 1:
            columns = {None: "As fits", **{n: str(n) for n in range(1, min(len(sheet.panels), 4) + 1)}}
            _choice("Columns", columns, sheet, "columns", key)
        with st.popover("More"):
            points = st.number_input("Text size, pt", 6.0, 24.0, size_of(sheet).font_pt, 0.5, key=f"{key}_font_pt",
                                     help="Of the main text; smaller words are one point smaller, but never below 6 pt.")  # fmt: skip
            title = st.text_input("Title inside the file", sheet.title, key=f"{key}_title", max_chars=200)
            caption = st.text_area("Caption; empty: made from what is shown", sheet.caption, key=f"{key}_caption", height=120)
            changed = {"font_pt": None if points == find_preset(sheet.preset).font_pt else points, "title": title.strip(), "caption": caption.strip()}
            if st.button("Apply", key=f"{key}_apply", type="primary") and changed != {name: getattr(sheet, name) for name in changed}:
                change_tray(lambda sheets: _with(sheets, sheet, changed))
                st.rerun()
    if own:
        _own_size(sheet, key)


def _own_size(sheet: SheetSpec, key: str) -> None:
    size = find_preset(sheet.preset)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        width = st.number_input("Width, mm", LEAST_MM, MOST_MM, size.width_mm, 0.5, key=f"{key}_width", width=130)
        height = st.number_input("Height, mm; 0: as the content needs", 0.0, MOST_MM, size.height_mm or 0.0, 0.5, key=f"{key}_height", width=230)
        asked = f"custom:{width:g}mm" if not height else f"custom:{width:g}x{max(height, LEAST_MM):g}mm"
        if st.button("Apply", key=f"{key}_size", type="primary") and asked != sheet.preset:
            change_tray(lambda sheets: _with(sheets, sheet, {"preset": asked}))
            st.rerun()


def _choice(label: str, values: dict[Any, str], sheet: SheetSpec, field: str, key: str) -> None:
    known, now = list(values), getattr(sheet, field)
    st.selectbox(label, known, known.index(now) if now in known else 0, format_func=values.get, key=f"{key}_{field}", on_change=_set,
                 args=(sheet, field, f"{key}_{field}"), width=150)  # fmt: skip


def _key(sheet: SheetSpec, at: int) -> str:
    """Of the figure's widgets: another figure at the same place has its own."""
    return f"sheet_{at}_{hashlib.sha256(repr(sheet.panels).encode()).hexdigest()[:8]}"


def _set(sheet: SheetSpec, field: str, key: str) -> None:
    value = st.session_state[key]
    if field == "preset" and value == OWN:
        value = "custom:120mm"
    change_tray(lambda sheets: _with(sheets, sheet, {field: value}))


def _with(sheets: list[SheetSpec], seen: SheetSpec, changed: dict[str, Any]) -> list[SheetSpec]:
    at = _at(sheets, seen)
    return [one if i != at else SheetSpec.model_validate({**one.model_dump(), **changed}) for i, one in enumerate(sheets)]


# ---- the preview


def preview(sheet: SheetSpec) -> None:
    """The figure at print size on white paper, its checks, its files, its caption."""
    with st.spinner("Drawing the figure"):
        files = _files(sheet.model_dump_json(), _changed(sheet))
    size = size_of(sheet)
    picture, checks = st.columns([2.4, 1], gap="medium")
    with picture:
        encoded = base64.b64encode(files.data["png"]).decode()
        st.html(
            '<div style="background:#fff;border:1px solid #DCE3E8;padding:14px;display:inline-block;max-width:100%">'
            f'<img alt="{escape(files.caption, quote=True)}" style="width:{size.paper_width_mm * SCREEN_PX_PER_MM * LARGER:.0f}px;max-width:100%;'
            f'display:block" src="data:image/png;base64,{encoded}"></div>'
        )
        st.caption(f"{size.paper_width_mm:.1f} mm wide on paper; shown up to {LARGER} times larger.")
    with checks:
        _checks(files)
    for word in files.words:
        st.warning(escaped(word))
    _downloads(sheet, files)
    st.markdown("**Caption**")
    st.code(files.caption, language=None, wrap_lines=True)


def _checks(files: Files) -> None:
    """The PDF's list; where another format fares worse, that is said."""
    found = files.checks["pdf"]
    st.markdown("**Ready for print**" if all(map(passed, files.checks.values())) else "**Not ready for print**")
    for one in found:
        icon = {True: ":material/check_circle:", False: ":material/error:", None: ":material/help:"}[one.ok]
        st.markdown(f"{icon} {one.name}  \n:small[{escaped(one.said)}]")
    for fmt, other in files.checks.items():
        for one in other if fmt != "pdf" else ():
            if one.ok is False:
                st.markdown(f":material/error: {fmt.upper()}, {one.name}  \n:small[{escaped(one.said)}]")


def _downloads(sheet: SheetSpec, files: Files) -> None:
    words = [*dict.fromkeys(panel.name for panel in sheet.panels), sheet.preset]
    with st.container(horizontal=True):
        for fmt, media in MEDIA_TYPES.items():
            st.download_button(fmt.upper(), files.data[fmt], file_name(words, fmt), media, key=f"tray_{fmt}", on_click="ignore",
                               type="primary" if fmt == "pdf" else "secondary")  # fmt: skip
        st.download_button("HTML", lambda: _page(sheet), file_name(words, "html"), "text/html", key="tray_html", on_click="ignore",
                           help="The screen version with hover and zoom, in one file that needs no network.")  # fmt: skip
        if shutil.which(TEX):
            st.download_button("PGF", lambda: _pgf(sheet), file_name(words, "zip"), "application/zip", key="tray_pgf", on_click="ignore",
                               help="Set by LaTeX in the paper's own font; \\input it after \\usepackage{pgf,graphicx}.")  # fmt: skip
        for i, panel in enumerate(sheet.panels):
            letter = f" {LETTERS[i]}" if len(sheet.panels) > 1 else ""
            name = file_name([panel.name, sheet.preset], "csv")
            st.download_button(f"CSV{letter}", lambda i=i: _csv(sheet, i), name, "text/csv", key=f"tray_csv{i}",
                               on_click="ignore", help="The data that is drawn.")  # fmt: skip
        st.download_button("JSON", files.details, file_name(words, "json"), "application/json", key="tray_json", on_click="ignore",
                           help="What the file says of itself: runs, seeds, options, versions.")  # fmt: skip


def _page(sheet: SheetSpec) -> bytes:
    made = _made(sheet.model_dump_json())
    return html_bytes(made.pictures, made.provenance)


def _pgf(sheet: SheetSpec) -> bytes:
    made = _made(sheet.model_dump_json())
    return zip_bytes(pgf_files(made.figure, "figure", provenance=made.provenance, scale=made.scale))


def _csv(sheet: SheetSpec, place: int) -> bytes:
    """Made when it is asked for: a similarity matrix has hundreds of thousands of rows."""
    return csv_bytes(_made(sheet.model_dump_json()).pictures[place].frame)


@st.cache_data(max_entries=12, show_spinner=False)
def _files(spec: str, changed: tuple[Any, ...]) -> Files:
    """`changed`: what else the picture depends on."""
    made = _made(spec)
    data = {fmt: sheet_bytes(made, fmt) for fmt in MEDIA_TYPES}
    checks = {fmt: check_bytes(data[fmt], fmt) for fmt in MEDIA_TYPES}
    return Files(data, made.provenance.caption, made.words, checks, details_json(made.provenance.details))


@st.cache_data(max_entries=64, show_spinner=False)
def _small(spec: str, changed: tuple[Any, ...]) -> bytes:
    return sheet_bytes(_made(spec), "png", dpi=40)


def stamp(run_ids: Sequence[str]) -> tuple[Any, ...]:
    """Changes when a run gets another map or other attributions, is deleted or damaged; with the home, whose runs they are."""
    store = loaders.store()
    found: list[Any] = [str(store.home)]
    for run_id in run_ids:
        with contextlib.suppress(InputError):  # deleted: whoever draws says so
            folder = store.folder(run_id)
            views = folder / "views"
            made = max((path.stat().st_mtime_ns for path in (views, *views.iterdir())), default=0) if views.is_dir() else 0
            found.append((run_id, made, *(_state(folder / name) for name in ("config.json", "status.json"))))
    return tuple(found)


def _state(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns, path.stat().st_size
    return None


def _changed(sheet: SheetSpec) -> tuple[Any, ...]:
    """What a drawn sheet depends on besides its spec. Influence draws on runs that the figure does not name."""
    others = sum(run.state == "finished" for run in loaders.runs()) if any(panel.name == "influence" for panel in sheet.panels) else 0
    return (*stamp(sheet.run_ids), others)


def sources() -> Sources:
    """Where the figures' ingredients come from: the pages' cached loaders, and the runs as they are now."""
    known = {run.id: run for run in loaders.runs()}

    def run(run_id: str) -> Run:
        if run_id not in known:
            if run_id in loaders.store().run_ids():
                return loaders.store().run(run_id)  # raises what is wrong with it
            raise InputError(f"the figure's run {run_id} was deleted; remove the figure from the tray")
        return known[run_id]

    return Sources(run, loaders.events, loaders.panes, loaders.dataset, loaders.store().split)


def runs_of(sheets: Sequence[SheetSpec]) -> list[Run]:
    """Every run of the tray that is still there."""
    known = {run.id: run for run in loaders.runs()}
    return [known[run_id] for run_id in dict.fromkeys(run_id for sheet in sheets for run_id in sheet.run_ids) if run_id in known]


def _made(spec: str) -> Sheet:
    sheet, source = SheetSpec.model_validate_json(spec), sources()
    return drawn(sheet, gather(sheet, source), told_of([source.run(run_id) for run_id in sheet.run_ids]))
