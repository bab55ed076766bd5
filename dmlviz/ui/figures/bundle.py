"""The bundle on the Figures page: asked for, watched, downloaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dmlviz.core.types import InputError, SheetSpec
from dmlviz.export.bundle.jobs import Bundle, bundles, cancel_bundle, delete_bundle, retry_bundle, start_bundle
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import escaped, failed, guard

LOOK_SECONDS = 2


def show(sheets: Sequence[SheetSpec]) -> None:
    """Everything of the tray in one folder: figures, tables, data, configs, splits, and what draws them again."""
    st.header("Bundle for reviewers", anchor=False)
    st.caption("Figures, tables, captions, their data, configs, splits and checksums in one zip that can draw itself again, without a run. "
               "Texts of the data sets stay out of it unless you tick the box.")
    with guard(), st.container(horizontal=True, vertical_alignment="center"):
        words = ("Most data sets are for research use: their texts stay out of the data, and figures that show whole texts are left out, unless you "
                 "may share them.")  # fmt: skip
        texts = st.checkbox("With the texts of the data sets", key="bundle_texts", help=words)
        going = any(one.state == "running" for one in bundles(loaders.store().home))
        st.button("Make the bundle", type="primary", key="bundle_make", on_click=_start, args=(list(sheets), texts), disabled=going)
    _watch(going)


def _start(sheets: list[SheetSpec], texts: bool) -> None:
    _done(partial(start_bundle, with_texts=texts), loaders.store().home, sheets)


def _done(work: Callable[..., Any], *given: Any) -> None:
    """Whatever goes wrong on a click becomes a sentence."""
    try:
        work(*given)
    except InputError as error:
        st.toast(str(error), icon=":material/error:")
    except OSError as error:
        why = error.strerror or error
        st.toast(f"The bundle cannot be written ({why}); check the disk space and the rights of the home.", icon=":material/error:")


def _watch(going: bool) -> None:
    st.fragment(_list, run_every=LOOK_SECONDS if going else None)(going)


def _list(was_going: bool) -> None:
    found = bundles(loaders.store().home)
    for i, one in enumerate(found[:3]):
        _one(one, newest=i == 0)
    if was_going and not any(one.state == "running" for one in found):
        st.rerun()


def _one(one: Bundle, *, newest: bool) -> None:
    home = loaders.store().home
    if one.state == "running":
        st.info(escaped(one.lines[-1]) if one.lines else "The bundle is being made", icon=":material/hourglass_top:")
        st.button("Cancel", key=f"bundle_cancel_{one.name}", on_click=_done, args=(cancel_bundle, home, one.name))
    elif one.state == "failed":
        if newest:
            why = one.lines[-1] if one.lines else "the bundle's process ended without a word (killed, or out of memory)"
            failed(why, key=f"bundle_again_{one.name}", again=retry_bundle, args=(home, one.name))
            st.button("Delete", key=f"bundle_delete_{one.name}", on_click=_done, args=(delete_bundle, home, one.name))
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            size = one.zip_path.stat().st_size
            st.download_button(f"Bundle of {one.name} ({size / 1e6:.1f} MB)", one.zip_path.read_bytes, one.zip_path.name, "application/zip",
                               key=f"bundle_{one.name}", on_click="ignore")  # fmt: skip
            st.button("Delete", key=f"bundle_delete_{one.name}", on_click=_done, args=(delete_bundle, home, one.name), type="tertiary")
        for line in one.lines if newest else ():
            if line.startswith(("left out", "texts of")):
                st.caption(escaped((line[:1].upper() + line[1:]).replace(" (--with-texts)", "")))
