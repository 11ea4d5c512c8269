"""A network as it is written down: nodes, constants, and the few parts that Moonshine's are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.stt.adapters.moonshine.weights import Matrix

EPSILON = 1e-5
"""Of all its norms."""
_OPSET = 17


@dataclass(slots=True)
class Graph:
    """Nodes and constants as they are written down."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, inputs: Sequence[str], outputs: int = 1, own: bool = False, **attributes: Any) -> Any:
        """`own`: of ONNX Runtime's own operators. Gives the output's name, or the list of them."""
        from onnx import helper

        names = [f"{kind}_{len(self.nodes)}_{at}" for at in range(outputs)]
        domain = "com.microsoft" if own else ""
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def product(self, x: str, matrix: Matrix, bias: Any = None) -> str:
        names = [x, self.constant(matrix.numbers), self.constant(matrix.scale), self.constant(matrix.zero)]
        if bias is not None:
            names.append(self.constant(bias))
        return str(self.add("DynamicQuantizeMatMul", names, own=True))

    def norm(self, x: str, weight: Any) -> str:
        return str(self.add("LayerNormalization", [x, self.constant(weight)], axis=-1, epsilon=EPSILON))

    def sum_and_norm(self, x: str, added: str, weight: Any) -> tuple[str, str]:
        """`x + added`, and that normalised. The fused operator is many times slower than these two."""
        total = str(self.add("Add", [x, added]))
        return total, self.norm(total, weight)

    def model(self, name: str, inputs: list[Any], outputs: list[Any], renamed: dict[str, str]) -> bytes:
        """`renamed`: outputs of nodes that are outputs of the whole, and what they are called there."""
        from onnx import helper

        for node in self.nodes:
            for at, output in enumerate(node.output):
                node.output[at] = renamed.get(output, output)
            for at, given in enumerate(node.input):
                node.input[at] = renamed.get(given, given)
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


class Rotation:
    """Positions, turned into angles: `heads` of every query and key are rotated by them, in part."""

    def __init__(self, graph: Graph, frequencies: Any, positions: int) -> None:
        import numpy as np

        angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies.reshape(1, -1)
        self._graph = graph
        self._caches = [graph.constant(np.cos(angles)), graph.constant(np.sin(angles))]
        self._turned = 2 * frequencies.size

    def __call__(self, x: str, start: str, heads: int) -> str:
        return str(
            self._graph.add(
                "RotaryEmbedding",
                [x, start, *self._caches],
                own=True,
                interleaved=1,
                num_heads=heads,
                rotary_embedding_dim=self._turned,
            )
        )
