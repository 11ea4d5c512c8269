"""The weights of a Moonshine model, found in its two files by the part of the network that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32, int8
    from numpy.typing import NDArray

    Floats = NDArray[float32]
    Bytes = NDArray[int8]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix of 8-bit numbers: `scale * (numbers - zero)`, exactly as it was trained or as the file has it."""

    numbers: Bytes
    """(inputs, outputs); of a convolution (outputs, inputs, width)."""
    scale: Floats
    """One for each output, or one for all."""
    zero: Bytes
    """As many as `scale`."""

    def floats(self) -> Floats:
        import numpy as np

        exact: Floats = self.scale * (self.numbers.astype(np.float32) - self.zero.astype(np.float32))
        return exact

    @property
    def turned(self) -> Matrix:
        """Transposed; one scale for all."""
        import numpy as np

        return Matrix(np.ascontiguousarray(self.numbers.T), self.scale, self.zero)

    @classmethod
    def beside(cls, parts: list[Matrix]) -> Matrix:
        """`parts` put beside each other, to be multiplied with at once; each keeps its own scale."""
        import numpy as np

        def wide(part: Matrix, value: Any) -> Any:
            return np.broadcast_to(value, (part.numbers.shape[1],))

        return cls(
            np.concatenate([part.numbers for part in parts], axis=1),
            np.concatenate([wide(part, part.scale) for part in parts]),
            np.concatenate([wide(part, part.zero) for part in parts]),
        )

    @classmethod
    def of(cls, floats: Floats) -> Matrix:
        """The nearest, for files that hold floats."""
        import numpy as np

        scale = np.maximum(np.abs(floats).max(axis=0), 1e-12).astype(np.float32) / 127
        numbers = np.clip(np.rint(floats / scale), -127, 127).astype(np.int8)
        return cls(numbers, scale, np.zeros(len(scale), np.int8))


class Weights:
    """A file of ONNX Runtime's own format (`.ort`). What is not in it is a `KeyError`, a broken file any exception."""

    def __init__(self, path: Path) -> None:
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import InferenceSession as fbs

        content = path.read_bytes()
        if content[4:8] != b"ORTM":
            raise ValueError("it is no file of ONNX Runtime's")
        graph = fbs.InferenceSession.GetRootAsInferenceSession(content, 0).Model().Graph()
        self._inputs: dict[str, list[str]] = {}
        """Of every node, by the name of its first output."""
        self._tensors: dict[str, Any] = {}
        for part in _graphs(graph):
            for at in range(part.InitializersLength()):
                tensor = part.Initializers(at)
                self._tensors[tensor.Name().decode()] = tensor
            for at in range(part.NodesLength()):
                node = part.Nodes(at)
                inputs = [node.Inputs(index).decode() for index in range(node.InputsLength())]
                self._inputs.setdefault(node.Outputs(0).decode(), inputs)

    def has(self, node: str) -> bool:
        return node in self._inputs

    def matrix(self, node: str, which: int = 1) -> Matrix:
        """What the node whose output is called so multiplies with."""
        return self._matrix(self._inputs[node][which])

    def kernel(self, node: str) -> Matrix:
        """Of the convolution whose output is called so: (width * inputs, outputs)."""
        import numpy as np

        found = self._matrix(self._inputs[node][1])
        turned = found.numbers.transpose(2, 1, 0)
        return Matrix(np.ascontiguousarray(turned.reshape(-1, turned.shape[-1])), found.scale, found.zero)

    def floats(self, node: str, which: int = 1) -> Floats:
        """The same, of small things that stay as they are: norms, biases, convolutions."""
        name = self._inputs[node][which]
        return self._array(name) if name in self._tensors else self._matrix(name).floats()

    def _matrix(self, name: str) -> Matrix:
        """Files of Moonshine's makers hold 8-bit numbers, and nodes that cast, scale and shift them at every step."""
        import numpy as np

        if name in self._tensors:
            return Matrix.of(self._array(name))
        inputs = self._inputs[name]
        if len(inputs) == 1:  # a transposition
            return self._matrix(inputs[0]).turned
        scaled, shift = self._split(inputs)
        cast, scale = self._split(self._inputs[scaled])
        (numbers,) = self._inputs[cast]
        zero = np.rint(-shift / scale)
        return Matrix(self._array(numbers), scale.astype(np.float32), zero.astype(np.int8))

    def _split(self, inputs: list[str]) -> tuple[str, Floats]:
        """Of the two, the computed one's name and the constant one's value."""
        first, second = inputs
        return (second, self._array(first)) if first in self._tensors else (first, self._array(second))

    def _array(self, name: str) -> Any:
        import numpy as np

        tensor = self._tensors[name]
        kinds = {1: np.float32, 3: np.int8, 7: np.int64}
        return tensor.RawDataAsNumpy().view(kinds[tensor.DataType()]).reshape(tensor.DimsAsNumpy())


def _graphs(graph: Any) -> Iterator[Any]:
    """Those inside `graph` first (what is done with a cache of earlier steps, and without one), then itself."""
    for at in range(graph.NodesLength()):
        node = graph.Nodes(at)
        for index in range(node.AttributesLength()):
            if (inner := node.Attributes(index).G()) is not None:
                yield from _graphs(inner)
    yield graph
