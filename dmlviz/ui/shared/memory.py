"""Memory that nobody uses goes back to the system: Streamlit draws each page in a thread of its own, and glibc keeps what its pool has freed."""

from __future__ import annotations

import ctypes
import gc
import threading
import time

import streamlit as st

POOLS = 2  # of glibc; by default eight a core, and each keeps its own holes
EVERY_SECONDS = 15.0
ROUNDS = 12  # after the last page was drawn: Streamlit forgets a session two minutes after its browser has left
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


class Keeper:
    """Gives memory back while pages are drawn and for three minutes after the last one. Does nothing without glibc."""

    def __init__(self) -> None:
        self.libc, self.drawn = _glibc(), threading.Event()
        if self.libc is not None:
            self.libc.mallopt(_ARENA_MAX, POOLS)
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.drawn.wait():
            left = ROUNDS
            while left:
                time.sleep(EVERY_SECONDS)
                left = ROUNDS if self.drawn.is_set() else left - 1
                self.drawn.clear()
                self.give_back(whole=left < ROUNDS)

    def give_back(self, *, whole: bool) -> None:
        """`whole`: rings of garbage are looked for, too, which stops every thread for some tenths of a second."""
        if whole:
            gc.collect()
        self.libc.malloc_trim(0)


@st.cache_resource(show_spinner=False)
def keeper() -> Keeper:
    """One for the server."""
    return Keeper()


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
    except OSError:  # another system
        return None
