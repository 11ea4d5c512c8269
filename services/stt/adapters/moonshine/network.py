"""Moonshine's network at work: sound in, tokens out, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.stt.adapters.moonshine import graph
from services.stt.adapters.moonshine.tokens import BEGIN, END
from services.stt.adapters.moonshine.weights import Weights
from solo.isolation.call import Call

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]


class Network:
    """Raises whatever the readers of its format stumble over when the files are broken."""

    def __init__(self, encoder: Path, decoder: Path, threads: int) -> None:
        import numpy as np
        import onnxruntime as ort

        read, said = Weights(encoder), Weights(decoder)
        sizes = graph.shape(read, said)
        self._encoder = _session(graph.encoder_model(read, said, sizes), threads)
        self._step = _session(graph.step_model(said, sizes), threads)
        self._layers = sizes.layers
        self._outputs = [output.name for output in self._step.get_outputs()]
        self._empty = ort.OrtValue.ortvalue_from_numpy(np.zeros((1, sizes.heads, 0, sizes.head), np.float32))

    def hear(self, call: Call, sound: Sound, limit: int) -> tuple[list[int], float]:
        """The likeliest tokens, at most `limit`, and the average natural logarithm of their probability, the end
        included. Ends early when the asker leaves."""
        import numpy as np
        import onnxruntime as ort

        (heard,) = self._encoder.run(None, {"sound": sound[None]})
        value = ort.OrtValue.ortvalue_from_numpy
        cached = range(2 * self._layers)
        given = {f"heard_{at}": value(heard[at]) for at in cached} | {f"past_{at}": self._empty for at in cached}
        tokens: list[int] = []
        score = 0.0
        token = BEGIN
        while len(tokens) < limit and not call.cancelled:
            given["token"] = value(np.array([[token]], np.int64))
            given["position"] = value(np.array([len(tokens)], np.int64))
            logits, *kept = self._step.run_with_ort_values(self._outputs, given)
            given |= {f"past_{at}": state for at, state in enumerate(kept)}
            chances = logits.numpy()[0, 0]
            token = int(chances.argmax())
            score -= float(np.log(np.exp(chances - chances[token]).sum()))
            if token == END:
                break
            tokens.append(token)
        return tokens, score / (len(tokens) + 1)


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Two pools that spin take the cores from each other, and from whoever else computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
