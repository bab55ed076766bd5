"""A process that has imported what every run needs and forks one fresh worker per run: `python -m dmlviz.jobs.forkserver --home HOME`.

Importing torch and transformers takes as long as many small runs; here it is paid once. It happens before any CUDA is touched and with one thread per
library, since a fork inherits neither a CUDA context nor the threads of a pool. A run's encoder is read once and kept: each child has it in memory
already, copied only where it is written to. Requests come as JSON lines on standard input; when that is closed the server leaves, and its children go
on by themselves (`--with-children`: they end with it).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from dmlviz.core.types import InputError
from dmlviz.store.runs import Store


def serve(store: Store, requests, *, with_children: bool = False) -> None:
    """Fork a worker for every line {"run_id": ..., "gpu": ..., "threads": ...} until the lines end."""
    from dmlviz.encoder.loading import preload
    from dmlviz.training import fit, load, readouts, snapshots  # noqa: F401, the long imports

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps: whoever looks at a run asks for its process, not for our child
    children: list[int] = []
    while line := requests.readline():  # not an iterator over lines: that reads ahead
        asked = json.loads(line)
        with contextlib.suppress(InputError, OSError):  # the worker meets the same trouble and says it in the run's folder
            config = store.run(asked["run_id"]).config
            preload(config.encoder, config.tokenizer)
        pid = os.fork()
        if pid == 0:
            _child(store, asked)
        children.append(pid)
        print(asked["run_id"], pid, flush=True)
    if with_children:
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _child(store: Store, asked: Mapping[str, Any]) -> None:
    """The worker: a session of its own, its output in the run's log. Never returns to the server's code."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with open(os.devnull, "rb") as nothing, open(store.log_file(asked["run_id"]), "ab") as log:
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        if asked.get("gpu"):
            os.environ["CUDA_VISIBLE_DEVICES"] = asked["gpu"]
        use_threads(int(asked.get("threads") or 1))
        from dmlviz.jobs.worker import work

        work(store, asked["run_id"])
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # the server's exit handlers are not ours


def use_threads(count: int) -> None:
    """So many for torch and for the matrix libraries of numpy; for programs that start later, in the environment."""
    import torch
    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = str(count)
    torch.set_num_threads(count)
    threadpool_limits(count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", required=True)
    parser.add_argument("--with-children", action="store_true", help="end the workers when standard input is closed")
    options = parser.parse_args()
    serve(Store(options.home), sys.stdin.buffer, with_children=options.with_children)
    return 0


if __name__ == "__main__":
    sys.exit(main())
