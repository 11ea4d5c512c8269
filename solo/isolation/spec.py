"""How to make an engine's process, and the environment it gets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from solo.isolation.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """How to make an engine's process."""

    adapter: str
    """`module:Class`, imported in the child only."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the adapter; no secret that the engine itself does not need."""
    threads: int = 1
    """Its share of the CPU budget; also the limit of the numeric libraries' own pools."""
    memory_limit: int = 4 * 1024**3
    """Bytes of private memory, after which its allocations fail and it dies alone."""
    load_within: float = 60.0
    """Seconds to load."""
    hang_after: float = 7.0
    """Seconds without a heartbeat after which it is taken for hung and ended."""
    settle_within: float = 8.0
    """Seconds an engine may go on working for an asker that has left, before it is taken for hung."""
    no_network: bool = True
    python_path: tuple[str, ...] = ()
    """Put before the child's `sys.path` (adapters outside the installed packages)."""
    quarantine: Quarantine = field(default_factory=Quarantine)


_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


SPINS = "1000000"
"""Turns for which OpenMP threads wait for each other awake (some milliseconds) before they sleep. Without any, a model
of 30 layers decodes at a third of its speed, since its threads meet some hundred times a token; with 10 000 it loses a
tenth and more to sleeps whenever the daemon takes a core for a moment; without a limit, as libgomp would have it, they
burn the core that somebody else needs."""


def environment(threads: int) -> dict[str, str]:
    """No secrets, no way out, and thread pools no bigger than the engine's share."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}  # noqa: TID251  # for the child
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OMP_THREAD_LIMIT")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return kept | dict.fromkeys(pools, str(threads)) | offline | {"GOMP_SPINCOUNT": SPINS}
