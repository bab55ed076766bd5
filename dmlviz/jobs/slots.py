"""How many small runs at once: what cores and memory allow. Loads no torch, touches no CUDA."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

import psutil

from dmlviz.core.types import RunConfig
from dmlviz.jobs.local import visible_gpus
from dmlviz.training.defaults import shape_of

MOST_A_GPU = 6  # beyond that they wait for each other more than they gain
PROCESS_BYTES = 0.6e9  # of libraries and texts that a forked worker comes to write to
CUDA_BYTES = 0.7e9  # a process's context
SPARE_SHARE = 0.8  # of the memory that is free


def slots_here(configs: Iterable[RunConfig]) -> int:
    """Runs at once on this machine: with GPUs several on each where memory allows, else one per core where memory allows; never less than one."""
    need = max((run_bytes(config) for config in configs), default=0.0)
    gpus = visible_gpus()
    if not gpus:
        room = int(SPARE_SHARE * psutil.virtual_memory().available / (need + PROCESS_BYTES))
        return max(1, min(psutil.cpu_count(logical=True) or 1, room))
    cores = max(1, (psutil.cpu_count(logical=True) or 1) // len(gpus))
    return len(gpus) * max(1, min(MOST_A_GPU, cores, *(int(SPARE_SHARE * free / (need + CUDA_BYTES)) for free in _free_gpu_bytes(len(gpus)))))


def run_bytes(config: RunConfig) -> float:
    """Weights, gradients and Adam's two moments in float32, and what a batch's forward pass keeps for the backward one."""
    layers, width = shape_of(config.encoder)
    weights = 12 * layers * width**2 + 31_000 * width
    kept = config.batch_size * config.max_length * layers * width * 34  # 34 bytes a token and unit of a layer in 16 bits
    return 16 * weights + 2 * kept


def _free_gpu_bytes(count: int) -> list[float]:
    """Free memory of each GPU as nvidia-smi says; one run each where it cannot be asked."""
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.split()
        return [float(one) * 2**20 for one in said][:count] or [0.0]
    except (OSError, ValueError, subprocess.SubprocessError):
        return [0.0]
