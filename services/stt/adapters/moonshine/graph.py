"""Moonshine's network written anew for speed: 8-bit products, fused attention, one small step for each token.

As its makers ship it, the decoder turns all its weights from 8 bits to floats at every token. Here they stay as they
are, and the products are made of 8-bit numbers (their weights exactly, the other side rounded as it comes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.stt.adapters.moonshine.nodes import EPSILON, Graph, Rotation
from services.stt.adapters.moonshine.weights import Matrix, Weights

ROTATED_S = 130.0
"""Positions are made for this much sound."""
FRAMES_PER_S = 16_000 / 64 / 3 / 2


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network, read off its weights."""

    layers: int
    heads: int
    width: int
    """Of what goes from layer to layer."""

    @property
    def head(self) -> int:
        return self.width // self.heads


def shape(encoder: Weights, decoder: Weights, heads: int = 8) -> Shape:
    layers = 0
    while decoder.has(f"/model/decoder/layers.{layers}/mlp/down_proj/MatMul_output_0"):
        layers += 1
    if not layers:
        raise KeyError("/model/decoder/layers.0")
    return Shape(layers, heads, encoder.floats("last_hidden_state").size)


def encoder_model(encoder: Weights, decoder: Weights, sizes: Shape) -> bytes:
    """`sound` (1, samples) to `heard` (2 * layers, 1, heads, frames, head): for each layer of the decoder,
    its keys and its values."""
    import numpy as np
    from onnx import TensorProto, helper

    graph = Graph()
    x = _stem(graph, encoder)
    rotate = Rotation(graph, encoder.floats("/rotary_emb/MatMul_output_0", 0), int(ROTATED_S * FRAMES_PER_S))
    start = graph.constant(np.zeros(1, np.int64))
    layer = 0
    normed = graph.norm(x, encoder.floats("/layers.0/input_layernorm/Mul_output_0"))
    while encoder.has(here := f"/layers.{layer}/mlp/fc2/MatMul_output_0"):
        here = f"/layers.{layer}"
        query, key, value = _queries(graph, encoder, f"{here}/self_attn", normed)
        turned = [rotate(part, start, sizes.heads) for part in (query, key)]
        attended = graph.add("MultiHeadAttention", [*turned, value], own=True, num_heads=sizes.heads)
        attended = graph.product(attended, encoder.matrix(f"{here}/self_attn/dense/MatMul_output_0"))
        x, normed = graph.sum_and_norm(x, attended, encoder.floats(f"{here}/post_attention_layernorm/Mul_output_0"))
        wide = graph.product(
            normed, encoder.matrix(f"{here}/mlp/fc1/MatMul_output_0"), _bias(encoder, f"{here}/mlp/fc1/Add_output_0")
        )
        wide = graph.add("Gelu", [wide], own=True)
        narrow = graph.product(
            wide, encoder.matrix(f"{here}/mlp/fc2/MatMul_output_0"), _bias(encoder, f"{here}/mlp/fc2/Add_output_0")
        )
        layer += 1
        after = f"/layers.{layer}/input_layernorm/Mul_output_0"
        x, normed = graph.sum_and_norm(x, narrow, encoder.floats(after if encoder.has(after) else "last_hidden_state"))
    heard = [
        decoder.matrix(f"/model/decoder/layers.{at}/encoder_attn/{part}_proj/MatMul_output_0")
        for at in range(sizes.layers)
        for part in ("k", "v")
    ]
    both = graph.product(normed, Matrix.beside(heard))
    split = graph.constant(np.array([0, -1, 2 * sizes.layers, sizes.heads, sizes.head], np.int64))
    ordered = graph.add("Transpose", [graph.add("Reshape", [both, split])], perm=[2, 0, 3, 1, 4])
    return graph.model(
        "encoder",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, [1, "samples"])],
        [
            helper.make_tensor_value_info(
                "heard", TensorProto.FLOAT, [2 * sizes.layers, 1, sizes.heads, "frames", sizes.head]
            )
        ],
        {ordered: "heard"},
    )


def step_model(decoder: Weights, sizes: Shape) -> bytes:
    """One `token` (1, 1) at `position` (1), with what was `heard` and the keys and values of earlier ones (`past`), to
    `logits` (1, 1, words) and the keys and values with its own (`kept`)."""
    from onnx import TensorProto, helper

    graph = Graph()
    at_layer = "/model/decoder/layers.{}".format
    words = decoder.matrix("/model/decoder/embed_tokens/Gather_output_0", 0)
    gathered = graph.add("Gather", [graph.constant(words.numbers), "token"])
    x = graph.add(
        "DequantizeLinear",
        [gathered, graph.constant(words.scale.reshape(())), graph.constant(words.zero.reshape(()))],
    )
    rotate = Rotation(graph, decoder.floats("/model/decoder/rotary_emb/MatMul_output_0", 0), 1024)
    renamed: dict[str, str] = {}
    normed = graph.norm(x, decoder.floats(f"{at_layer(0)}/input_layernorm/Mul_output_0"))
    for layer in range(sizes.layers):
        here = at_layer(layer)
        query, key, value = _queries(graph, decoder, f"{here}/self_attn", normed)
        turned = [rotate(part, "position", sizes.heads) for part in (query, key)]
        past = [f"past_{2 * layer}", f"past_{2 * layer + 1}"]
        inputs = [*turned, value, "", "", "", *past]
        attended, *kept = graph.add("MultiHeadAttention", inputs, 3, own=True, num_heads=sizes.heads)
        renamed |= {kept[0]: f"kept_{2 * layer}", kept[1]: f"kept_{2 * layer + 1}"}
        attended = graph.product(attended, decoder.matrix(f"{here}/self_attn/dense/MatMul_output_0"))
        x, normed = graph.sum_and_norm(x, attended, decoder.floats(f"{here}/post_attention_layernorm/Mul_output_0"))
        query = graph.product(normed, decoder.matrix(f"{here}/encoder_attn/q_proj/MatMul_output_0"))
        heard = [f"heard_{2 * layer}", f"heard_{2 * layer + 1}"]
        attended = graph.add("MultiHeadAttention", [query, *heard], own=True, num_heads=sizes.heads)
        attended = graph.product(attended, decoder.matrix(f"{here}/encoder_attn/dense/MatMul_output_0"))
        x, normed = graph.sum_and_norm(x, attended, decoder.floats(f"{here}/final_layernorm/Mul_output_0"))
        wide = graph.product(
            normed,
            decoder.matrix(f"{here}/mlp/up_proj/MatMul_output_0"),
            _bias(decoder, f"{here}/mlp/up_proj/Add_output_0"),
        )
        value, gate = graph.add("Split", [wide], 2, axis=-1)
        gated = graph.add("Mul", [graph.add("QuickGelu", [gate], own=True, alpha=1.0), value])
        narrow = graph.product(
            gated,
            decoder.matrix(f"{here}/mlp/down_proj/MatMul_output_0"),
            _bias(decoder, f"{here}/mlp/down_proj/Add_output_0"),
        )
        after = f"{at_layer(layer + 1)}/input_layernorm/Mul_output_0"
        last = "/model/decoder/norm/Mul_output_0"
        x, normed = graph.sum_and_norm(x, narrow, decoder.floats(after if decoder.has(after) else last))
    logits = graph.product(normed, decoder.matrix("logits"))

    def states(name: str, length: str) -> list[Any]:
        dims: list[str | int | None] = [1, sizes.heads, length, sizes.head]
        return [
            helper.make_tensor_value_info(f"{name}_{at}", TensorProto.FLOAT, dims) for at in range(2 * sizes.layers)
        ]

    token = helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1])
    position = helper.make_tensor_value_info("position", TensorProto.INT64, [1])
    logit = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, int(words.numbers.shape[0])])
    return graph.model(
        "step",
        [token, position, *states("heard", "frames"), *states("past", "earlier")],
        [logit, *states("kept", "now")],
        renamed | {logits: "logits"},
    )


def _stem(graph: Graph, encoder: Weights) -> str:
    """Three convolutions that turn `sound` into frames of 24 ms."""
    import numpy as np

    one = graph.constant(np.ones(1, np.int64))
    x = graph.add("Unsqueeze", ["sound", one])
    x = graph.add("Conv", [x, graph.constant(encoder.floats("/conv1/Conv_output_0"))], strides=[64])
    x = graph.add("Tanh", [x])
    flat = graph.add("Reshape", [x, graph.constant(np.array([0, 1, -1], np.int64))])
    ones, zeros = graph.constant(np.ones(1, np.float32)), graph.constant(np.zeros(1, np.float32))
    flat = graph.add("InstanceNormalization", [flat, ones, zeros], epsilon=EPSILON)
    x = graph.add("Reshape", [flat, graph.add("Shape", [x])])
    x = graph.add("Mul", [x, graph.constant(encoder.floats("/groupnorm/Mul_output_0"))])
    x = graph.add("Add", [x, graph.constant(encoder.floats("/groupnorm/Add_output_0"))])
    x = graph.add("Transpose", [x], perm=[0, 2, 1])
    for name, width, stride in (("conv2", 7, 3), ("conv3", 3, 2)):
        node = f"/{name}/Conv_output_0"
        # In floats: what comes out of the first norm is too wide for 8 bits, and words are lost.
        x = graph.add("MatMul", [_windows(graph, x, width, stride), graph.constant(encoder.kernel(node).floats())])
        x = graph.add("BiasGelu", [x, graph.constant(encoder.floats(node, 2))], own=True)
    return str(x)


def _windows(graph: Graph, x: str, width: int, stride: int) -> str:
    """What a convolution sees at every place, put beside each other, so that it is a product."""
    import numpy as np

    def number(value: int) -> str:
        return graph.constant(np.array([value], np.int64))

    axis, step, last = number(1), number(stride), np.iinfo(np.int64).max
    ends = [at - width + 1 if at < width - 1 else last for at in range(width)]
    seen = [graph.add("Slice", [x, number(at), number(end), axis, step]) for at, end in enumerate(ends)]
    return str(graph.add("Concat", seen, axis=-1))


def _queries(graph: Graph, weights: Weights, at: str, normed: str) -> list[str]:
    """Queries, keys and values of a layer, in one product."""
    parts = [weights.matrix(f"{at}/{part}_proj/MatMul_output_0") for part in "qkv"]
    wide = graph.product(normed, Matrix.beside(parts))
    return list(graph.add("Split", [wide], 3, axis=-1))


def _bias(weights: Weights, node: str) -> Any:
    return weights.floats(node, 0)
