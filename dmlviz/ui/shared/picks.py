"""What a person picked: the compared runs, in the URL, so that a link reopens the view. Session state is touched only here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.reliability.groups import finished_groups, group_key
from dmlviz.analysis.reliability.intervals import group_interval
from dmlviz.core.types import Run
from dmlviz.core.wording import listed, shown
from dmlviz.figures.base.theme import loss_color, run_titles
from dmlviz.figures.base.words import interval_text
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import damage, empty, escaped, link, sentence
from dmlviz.ui.shared.memory import keeper
from dmlviz.ui.shared.words import dataset_name, percent, run_name

MOST = 6  # panes that can still be read side by side
NEWEST = 3  # shown when nothing is picked
# Picks among a data set's own texts, classes and runs: in the session, and those of them that stand in the address
OF_ONE_DATASET = {
    "node", "node_address", "graph_ask", "why_kept", "find", "select_class", "select_right", "select_wrong", "neighbors_of", "hard_label",
}  # fmt: skip
OF_ONE_TEXT = ("why_row_", "why_text_", "why_pair_")
IN_ADDRESS = ("text", "node")
CLASS_LISTS = ("focus", "proxy_focus")  # bound to the address: emptied, since Streamlit does not let them be taken out of it
LOOKED_AT = 12  # of the newest, for three that can be read


def sidebar() -> None:
    """Comparing: the picked runs. It travels over the pages."""
    st.session_state["inside"] = True  # app.py has run: see frame._enter_by_the_door
    loaders.tidy(str(loaders.store().home))
    keeper().drawn.set()
    ready = [run for run in loaders.runs() if comparable(run)]
    with st.sidebar:
        if words := loaders.trouble():
            st.warning(escaped(words), icon=":material/lock:")
        st.header("Comparing", anchor=False)
        if not ready:
            st.caption("Finished runs appear here.")
            return
        names = {run.id: run_name(run) for run in ready}
        _from_address(names)
        _await(names)
        st.multiselect(
            "Runs side by side", list(names), format_func=lambda run_id: names.get(run_id, run_id), key="runs", on_change=_forget_unknown,
            max_selections=MOST, placeholder="The newest three", help=f"Up to {MOST} runs, in the order of the panes. The picks are in the address.",
        )  # fmt: skip
        _to_address()
        found = picked()
        if unknown := st.session_state.get("unknown_runs"):
            st.caption(f"{unknown} of the address's runs {'is' if unknown == 1 else 'are'} not in this home, not finished, or cannot be read.")
        _keep_to_dataset(found.runs)
        for words in found.damaged:
            damage(words)
        for run in found.runs:
            _card(run, ready)
        fairness(found.runs)
    selection.sidebar(found.runs)


def _keep_to_dataset(runs: Sequence[Run]) -> None:
    """What was picked among a data set's own texts and classes is forgotten when runs on other texts are compared: its row 17 is another text there.
    A link brings its picks along with its runs, so the first data set of a session forgets nothing."""
    if not runs:
        return
    now, before = runs[0].config.dataset_hash or "", st.session_state.get("compared_hash")
    st.session_state["compared_hash"] = now
    if before in (None, now):
        return
    for key in [key for key in st.session_state if isinstance(key, str) and (key in OF_ONE_DATASET or key.startswith(OF_ONE_TEXT))]:
        del st.session_state[key]
    for key in CLASS_LISTS:
        if st.session_state.get(key):
            st.session_state[key] = []
    for key in IN_ADDRESS:
        st.query_params.pop(key, None)


def fairness(runs: Sequence[Run]) -> None:
    """What besides the loss differs between the compared runs. Nothing where the comparison is fair."""
    found = unfair(runs, run_titles([run.config for run in runs]))
    if found:
        st.warning("  \n".join(["**Not equal but for the loss**", *map(escaped, found)]))


def _from_address(known: Collection[str]) -> None:
    """Takes the picks over from the address (?runs=id,id) when somebody else wrote it: a link, a reload, the back button; keeps
    how many it names that are not here. The address holds ids, not the words of a list, so a link outlives a change of wording."""
    said = st.query_params.get_all("runs")
    asked = [run_id for part in said for run_id in part.split(",") if run_id] if said != st.session_state.get("address") else []
    if asked or "runs" not in st.session_state:
        st.session_state["runs"] = asked
    here = [run_id for run_id in dict.fromkeys(st.session_state["runs"]) if run_id in known]  # a deleted run, or an address from another home
    if here[:MOST] != st.session_state["runs"]:
        st.session_state["runs"] = here[:MOST]
    if asked:
        st.session_state["unknown_runs"] = len(set(asked) - set(known))


def _forget_unknown() -> None:
    st.session_state["unknown_runs"] = 0


def _to_address() -> None:
    picked = ",".join(st.session_state["runs"])
    if picked and st.query_params.get_all("runs") != [picked]:
        st.query_params["runs"] = picked
    elif not picked:
        st.query_params.pop("runs", None)
    st.session_state["address"] = st.query_params.get_all("runs")


def _card(run: Run, ready: Sequence[Run]) -> None:
    with st.container(border=True, gap="small"):
        color = loss_color(run.config.shown_loss)
        title = run_name(run).split(" · ")
        st.html(f'<span class="swatch" style="background:{color}"></span><b>{escape(title[0])}</b>')
        st.caption(f"{escaped(' · '.join(title[1:4]))}  \n{percent(run.metrics.get('accuracy'))} % accuracy, single run{_of_group(run, ready)}")


def _of_group(run: Run, ready: Sequence[Run]) -> str:
    """'its group 58.9 ± 7.1 (n = 5 draws)' of a run that has repetitions; else nothing."""
    near = (run.config.dataset_hash, run.config.loss, run.config.shots)
    key = group_key(run)
    like = [one for one in ready if (one.config.dataset_hash, one.config.loss, one.config.shots) == near and group_key(one) == key]
    group = next(iter(finished_groups(like)), None)
    if group is None or group.lone:
        return ""
    found = group_interval(group.runs, [100 * one.metrics["accuracy"] for one in group.runs])
    return f"  \nits group {interval_text(found.mean, found.low, found.high)} (n = {found.n} {found.unit}s)"


def comparable(run: Run) -> bool:
    """Has embeddings to look at: finished, or only its maps are still being made."""
    return run.state == "finished" or (run.state == "running" and run.progress.phase == "mapping")


class Picked(NamedTuple):
    """The compared runs, and why others that would be among them are not."""

    runs: list[Run]
    damaged: list[str]  # sentences: files that cannot be read


def picked() -> Picked:
    """The picked runs that can be compared; the newest three of one data set when none is picked. Those with damaged files are left out."""
    ready = {run.id: run for run in loaders.runs() if comparable(run)}
    chosen = [ready[run_id] for run_id in st.session_state.get("runs", []) if run_id in ready]
    if chosen:
        return _readable(chosen, MOST)
    whole = [run for run in ready.values() if run.config.left_out is None] or list(ready.values())  # those that leave a text out are many, and alike
    found = _readable(whole[:LOOKED_AT], NEWEST, one_dataset=True)
    return found._replace(runs=sorted(found.runs, key=lambda run: run.created))


def _readable(runs: Sequence[Run], most: int, *, one_dataset: bool = False) -> Picked:
    """The first of these whose files can be read, and a sentence for each damaged one that was met on the way."""
    kept: list[Run] = []
    words: dict[str, None] = {}
    for run in runs:
        if len(kept) == most or (one_dataset and kept and run.config.dataset_hash != kept[0].config.dataset_hash):
            continue
        error = loaders.damage_of(run)
        if error is None:
            kept.append(run)
        else:
            words.setdefault(str(error))
    return Picked(kept, list(words))


def picked_runs() -> list[Run]:
    """The runs of `picked`."""
    return picked().runs


def needed(words: str) -> list[Run]:
    """The compared runs. Without any the page ends here: with what is damaged, or with `words` and the way to the first run."""
    found = picked()
    if found.runs:
        return found.runs
    for damaged in found.damaged:
        sentence(damaged)
    if found.damaged:
        st.caption("Nothing is left to be shown here. Pick other runs in the sidebar; the Runs page has all of them.")
        link("Go to the runs", "pages/runs.py", key="runs", primary=True)
    else:
        empty(words, "Train a run", "pages/train.py")
    st.stop()


def on_one_dataset(runs: Sequence[Run]) -> list[Run]:
    """The runs on the first one's texts, which alone can be laid side by side; that others are left out is said."""
    same = [run for run in runs if run.config.dataset_hash == runs[0].config.dataset_hash]
    left = len(runs) - len(same)
    if left:
        which = "1 picked run is" if left == 1 else f"{left} picked runs are"
        others = listed(dict.fromkeys(dataset_name(run) for run in runs if run not in same), 4)
        kept = shown(dataset_name(runs[0]))
        st.info(escaped(f"{which} left out, on {others}: what is compared here needs the same texts, and the first run is on {kept}."))
    return same


def compare_link(run_ids: Sequence[str], label: str = "Compare", *, key: str) -> None:
    """The way to the maps of these runs."""
    link(label, "pages/manifold.py", key=key, runs=run_ids[:MOST], primary=True, disabled=not run_ids)


def add_run(run_id: str, *, beside: str) -> None:
    """One more run into the comparison (the last one leaves when it is full). It may not be finished yet: it shows when it is."""
    now = [run.id for run in picked_runs()] or [beside]
    st.session_state["awaited_runs"] = [*st.session_state.get("awaited_runs", []), run_id]
    st.session_state["runs"] = now


def awaited_runs() -> list[str]:
    """Controls that were asked for and cannot be compared yet."""
    return list(st.session_state.get("awaited_runs", []))


def forget_awaited(run_id: str) -> None:
    st.session_state["awaited_runs"] = [one for one in awaited_runs() if one != run_id]


def _await(known: Collection[str]) -> None:
    """Runs that were asked for join the comparison as soon as they can be compared."""
    waiting = st.session_state.get("awaited_runs", [])
    here = [run_id for run_id in waiting if run_id in known]
    if here:
        st.session_state["awaited_runs"] = [run_id for run_id in waiting if run_id not in here]
        st.session_state["runs"] = list(dict.fromkeys([*st.session_state["runs"], *here]))[-MOST:]
