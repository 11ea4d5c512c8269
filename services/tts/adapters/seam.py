"""Cuts a VITS voice, one ONNX graph, at its two seams: text to frames, the flow over frames, frames to sound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


class NoSeam(Exception):
    """This graph is not built as VITS is; the voice has to speak whole sentences."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the three graphs, serialised."""

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A voice cut into three; sound comes out of the last one as it would out of the whole."""

    encoder: Part
    """Sees the whole sentence, once: what is said in which frame."""
    flow: Part
    """Sees some frames to either side."""
    vocoder: Part
    """Sees fewer, and costs most."""
    lengths: str
    """Noise for the durations, an input of the encoder; empty for voices without."""
    mean: str
    """Output of the encoder, (1, channels, frames)."""
    noise: str
    """Input of the flow, of the same shape."""
    frames: str
    """Output of the flow and input of the vocoder, (1, channels, frames)."""


def cut(model: ModelProto) -> Parts:
    """The three graphs. The dice that the whole graph throws itself become inputs, so that a seed decides."""
    graph = _Graph(model)
    dice = [node for node in model.graph.node if node.op_type == "RandomNormalLike"]
    if not 1 <= len(dice) <= 2:
        raise NoSeam(f"there are {len(dice)} dice, not one or two")
    noise, mean = dice[-1].output[0], dice[-1].input[0]
    lengths = dice[0].output[0] if len(dice) == 2 else ""
    behind = graph.behind(noise)
    frames = _frames(graph, behind)
    flow_needs = graph.needs([frames], {noise})
    sound = model.graph.output[0].name
    sound_needs = graph.needs([sound], {frames})
    if behind & set(sound_needs):
        raise NoSeam("the vocoder sees more of the flow than its frames")
    given = [found.name for found in model.graph.input]
    wanted = list(dict.fromkeys([mean, *flow_needs, *sound_needs]))
    return Parts(
        encoder=graph.part([*given, *([lengths] if lengths else [])], wanted),
        flow=graph.part([noise, *flow_needs], [frames]),
        vocoder=graph.part([frames, *sound_needs], [sound]),
        lengths=lengths,
        mean=mean,
        noise=noise,
        frames=frames,
    )


class _Graph:
    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self._maker: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
        self._takers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._takers.setdefault(name, []).append(node)
        dice = [name for node in model.graph.node if node.op_type == "RandomNormalLike" for name in node.output]
        self._live = set().union(*map(self.behind, [*dice, *(found.name for found in model.graph.input)]))
        """What differs from one sentence to the next; all else is constant, and belongs to whichever part needs it."""

    def maker(self, name: str) -> NodeProto | None:
        return self._maker.get(name)

    def behind(self, name: str) -> set[str]:
        """`name`, and everything that is made from it."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += [made for node in self._takers.get(one, ()) for made in node.output]
        return found

    def needs(self, wanted: Iterable[str], given: set[str]) -> list[str]:
        """What must be handed in beside `given` to make `wanted` without what lies before them: in order."""
        after = set().union(*map(self.behind, given))
        handed: dict[str, None] = {}
        waiting, seen = list(wanted), set(given)
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._live:
                continue
            seen.add(name)
            if name not in after:
                handed[name] = None
            else:
                waiting += self._maker[name].input
        return sorted(handed)

    def part(self, inputs: list[str], outputs: list[str]) -> Part:
        from onnx import TensorProto, helper

        graph = self.model.graph
        nodes, constants = self._reach(outputs, set(inputs))
        known = {found.name: found for found in graph.input}
        made: Any = helper.make_model(
            helper.make_graph(
                [node for node in graph.node if id(node) in nodes],
                "part",
                [known.get(name) or helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                [tensor for tensor in graph.initializer if tensor.name in constants],
            ),
            opset_imports=list(self.model.opset_import),
            ir_version=self.model.ir_version,
        )
        return Part(made.SerializeToString(), tuple(inputs), tuple(outputs))

    def _reach(self, outputs: list[str], inputs: set[str]) -> tuple[set[int], set[str]]:
        nodes: set[int] = set()
        leaves: set[str] = set()
        waiting, seen = list(outputs), set(inputs)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            node = self._maker.get(name)
            if node is None:
                leaves.add(name)
                continue
            if any(attribute.HasField("g") for attribute in node.attribute):
                raise NoSeam(f"{node.op_type} holds a graph of its own")
            nodes.add(id(node))
            waiting += node.input
        return nodes, leaves


def _frames(graph: _Graph, behind: set[str]) -> str:
    """What goes into the vocoder: the input of the convolution before its first widening of the time axis."""
    nodes = graph.model.graph.node
    first = next((n for n in nodes if n.op_type == "ConvTranspose" and n.input[0] in behind), None)
    node = None if first is None else graph.maker(first.input[0])
    while node is not None and node.op_type != "Conv":
        before = next((name for name in node.input if name in behind), "")
        node = graph.maker(before)
    if node is None:
        raise NoSeam("no vocoder was found behind the noise")
    return str(node.input[0])
