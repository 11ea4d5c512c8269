"""A cross-encoder of a few kilobytes: its logit grows with the share of the query's words that are in the text."""

from __future__ import annotations

from pathlib import Path

SEPARATOR = 102
LAST_MARK = 1036
"""Up to it the ids of BERT are marks and punctuation, behind it words."""
_PARTS_GIVEN = "part = Identity (token_type_ids)"
_PARTS_FOUND = f"""
    separator = Constant <value_int = {SEPARATOR}> ()
    is_end = Equal (input_ids, separator)
    ends = Cast <to = 7> (is_end)
    ends_before = CumSum <exclusive = 1> (ends, one)
    part = Min (ends_before, one)
"""


def tiny_reranker(folder: Path, *, types: bool = True, positions: int = 2048, outputs: int = 1) -> Path:
    """The ONNX file, without a tokenizer: any of BERT's fits. Padding that is not masked spoils the logit.

    `types`: it asks which part of the pair a token is of; otherwise the first separator tells it. `positions`: how many
    tokens it can take. `outputs`: numbers a pair; a reranker has one.
    """
    import onnx
    import onnx.parser

    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    model = onnx.parser.parse_model(f"""
<ir_version: 8, opset_import: ["": 17]>
reranker ({", ".join(f"int64[n, t] {name}" for name in names)}) => (float[n, {outputs}] logits)
<float[{positions}] places = {{{", ".join("0" * positions)}}}>
{{
    one = Constant <value_int = 1> ()
    axis_1 = Constant <value_ints = [1]> ()
    axis_2 = Constant <value_ints = [2]> ()
    {_PARTS_GIVEN if types else _PARTS_FOUND}
    last_mark = Constant <value_int = {LAST_MARK}> ()
    is_word = Greater (input_ids, last_mark)
    word = Cast <to = 7> (is_word)
    real = Mul (attention_mask, word)
    first_part = Sub (one, part)
    asked_ids = Mul (real, first_part)
    told_ids = Mul (real, part)
    asked = Cast <to = 1> (asked_ids)
    told = Cast <to = 1> (told_ids)
    down = Unsqueeze (input_ids, axis_2)
    across = Unsqueeze (input_ids, axis_1)
    is_same = Equal (down, across)
    same = Cast <to = 1> (is_same)
    told_across = Unsqueeze (told, axis_1)
    matches = Mul (same, told_across)
    in_text = ReduceMax <axes = [2], keepdims = 0> (matches)
    found = Mul (asked, in_text)
    found_words = ReduceSum <keepdims = 1> (found, axis_1)
    asked_words = ReduceSum <keepdims = 1> (asked, axis_1)
    least = Constant <value_float = 1.0> ()
    words = Max (asked_words, least)
    share = Div (found_words, words)
    steep = Constant <value_float = 8.0> ()
    middle = Constant <value_float = 4.0> ()
    raised = Mul (share, steep)
    logit = Sub (raised, middle)
    numbers = CumSum <exclusive = 1> (attention_mask, one)
    at_places = Gather (places, numbers)
    nothing = ReduceSum <keepdims = 1> (at_places, axis_1)
    placed = Add (logit, nothing)
    padding = Constant <value_int = 0> ()
    is_padding = Equal (input_ids, padding)
    padded = Cast <to = 7> (is_padding)
    unmasked = Mul (padded, attention_mask)
    mistakes = Cast <to = 1> (unmasked)
    mistaken = ReduceSum <keepdims = 1> (mistakes, axis_1)
    masked = Sub (placed, mistaken)
    logits = Concat <axis = 1> ({", ".join(["masked"] * outputs)})
}}
""")
    onnx.checker.check_model(model, full_check=True)
    file = folder / "model.onnx"
    onnx.save(model, str(file))
    return file
