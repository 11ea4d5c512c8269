"""One adapter in a process of its own, without the daemon's machinery: native libraries that clash stay apart."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solo.errors import SoloError
from solo.isolation.call import Call

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """`Child("module:Class", option=...)` loads it, or raises what `load` raised; `info` is what it answered."""

    def __init__(self, adapter: str, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # numpy's own pool, which no engine here uses
        )
        try:
            self.info: dict[str, Any] = self._ask((adapter, options))
        except BaseException:
            self.stop()
            raise

    def __call__(self, method: str, *arguments: Any, cancelled: bool = False) -> Any:
        return self._ask((method, arguments, cancelled))

    @property
    def pid(self) -> int:
        return self._process.pid

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def stop(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        good, value = pickle.load(self._process.stdout)
        if not good:
            raise SoloError.from_wire(value) if isinstance(value, dict) else RuntimeError(value)
        return value


def _serve() -> None:
    inbound, outbound = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    adapter: Any = None
    while True:
        try:
            question = pickle.load(inbound)
        except EOFError:
            os._exit(0)
        try:
            if adapter is None:
                name, options = question
                module, _, kind = name.partition(":")
                adapter = getattr(importlib.import_module(module), kind)(**options)
                answer = (True, adapter.load())
            else:
                method, arguments, cancelled = question
                call = Call()
                if cancelled:
                    call.cancel()
                answer = (True, getattr(adapter, method)(call, *arguments))
        except SoloError as error:
            answer = (False, error.to_wire())
        except Exception as error:
            answer = (False, f"{type(error).__name__}: {error}")
        pickle.dump(answer, outbound)
        outbound.flush()


if __name__ == "__main__":
    _serve()
