"""A process that ends at once is not started for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmlviz.jobs import local
from dmlviz.jobs.local import LocalEngine, Waking

HOME = Path("/nowhere")


@pytest.fixture
def clock(monkeypatch):
    """clock(seconds): so much later."""
    now = [1000.0]
    monkeypatch.setattr("dmlviz.jobs.local.time.monotonic", lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    return later


def test_each_start_in_vain_doubles_the_wait_and_the_last_is_the_last(clock):
    waking, woken = Waking(most=3, first_wait=2.0), []
    for _ in range(100):  # a page that is drawn each second
        waking.see_to(HOME, lambda: False, lambda: woken.append(1))
        clock(1)
    assert len(woken) == 3
    assert waking.given_up(HOME)
    waking.forget(HOME)  # a person asks
    waking.see_to(HOME, lambda: False, lambda: woken.append(1))
    assert len(woken) == 4
    assert not waking.given_up(HOME)


def test_one_that_lives_is_woken_again_when_it_has_ended(clock):
    waking, woken, lives = Waking(most=2), [], [False]
    for _ in range(10):
        waking.see_to(HOME, lambda: lives[0], lambda: woken.append(1))
        lives[0] = True
        clock(1)
        waking.see_to(HOME, lambda: lives[0], lambda: woken.append(1))
        lives[0] = False
        clock(300)
    assert len(woken) == 10
    assert not waking.given_up(HOME)


def test_a_queue_that_nobody_can_serve_is_said(store, tiny_dataset, clock, monkeypatch):
    from dmlviz.core.types import RunConfig
    from dmlviz.data import draw_split

    monkeypatch.setattr(local, "DISPATCHERS", Waking())
    woken = []
    monkeypatch.setattr(LocalEngine, "wake", lambda self: woken.append(1))
    run_id = store.create(RunConfig(dataset="tiny", shots=2), tiny_dataset, draw_split(tiny_dataset, shots=2, validation=0))
    for _ in range(400):
        LocalEngine(store).poll()
        clock(1)
    assert len(woken) == 6
    assert LocalEngine(store).cannot_start().startswith("queued runs cannot be started: ")
    LocalEngine(store).submit(run_id)
    assert LocalEngine(store).cannot_start() == ""
