"""llama.cpp takes every grammar that is made or let through here, and agrees on what fits."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
from collections.abc import Iterator
from functools import cache
from multiprocessing.pool import Pool
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.llm.adapters.constrain import BadGrammar, BadSchema, Constraint, constraint
from services.llm.adapters.grammars.gbnf import read
from services.llm.adapters.grammars.walk import Walk
from tests.schemas import SCHEMAS, USUAL

pytestmark = pytest.mark.engine
OWN = (
    'root ::= "yes" | "no"',
    'root  ::= item+\nitem  ::= "- " [^\\r\\n]+ "\\n"\n',
    'root ::= ("ab" | "cde"){2,5} [^a-z]* ("x" root "y" | ".")',
    'root ::= "(" root ")" root | ""',
    r'root ::= [\x41-\u00e4\]\-\\] "\"\\\n\U0001F415"',
)


@cache
def _vocabulary() -> tuple[Any, Any, list[bytes]]:
    """llama.cpp, the packaged model's vocabulary, and the text of every token; in the child only."""
    import llama_cpp

    from services.llm.adapters.llama_cpp import packaged_model

    @llama_cpp.llama_log_callback
    def quiet(*_: object) -> None:
        return None

    _vocabulary.quiet = quiet  # type: ignore[attr-defined]  # llama.cpp keeps calling it
    llama_cpp.llama_log_set(quiet, None)
    options = llama_cpp.llama_model_default_params()
    options.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(packaged_model()).encode(), options)
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    texts = []
    for token in range(llama_cpp.llama_vocab_n_tokens(vocabulary)):
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_token_to_piece(vocabulary, token, buffer, 256, 0, True)
        texts.append(buffer.raw[:length])
    return llama_cpp, vocabulary, texts


def _wander(gbnf: str, seed: int, tokens: int) -> tuple[str, bool]:
    """Text of tokens that llama.cpp allows, chosen at random, and whether it ended by itself."""
    import numpy as np

    lib, vocabulary, texts = _vocabulary()
    grammar = lib.llama_sampler_init_grammar(vocabulary, gbnf.encode(), b"root")
    if not grammar:
        raise ValueError(f"llama.cpp refuses {gbnf}")
    chance = np.random.default_rng(seed)
    layout = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)], align=True)
    candidates = np.zeros(len(texts), layout)
    said = b""
    ended = False
    while tokens and not ended:
        tokens -= 1
        candidates["id"], candidates["logit"] = np.arange(len(texts)), chance.random(len(texts))
        data = candidates.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
        array = lib.llama_token_data_array(data=data, size=len(texts), selected=-1, sorted=False)
        lib.llama_sampler_apply(grammar, ctypes.byref(array))
        token = int(candidates["logit"].argmax())
        if candidates["logit"][token] == -np.inf:
            raise ValueError(f"llama.cpp knows no way on from {said!r}")
        ended = bool(lib.llama_vocab_is_eog(vocabulary, token))
        if not ended:
            lib.llama_sampler_accept(grammar, token)
            said += texts[token]
    lib.llama_sampler_free(grammar)
    return said.decode(errors="ignore"), ended


@pytest.fixture(scope="module")
def child() -> Iterator[Pool]:
    """A process of its own: llama.cpp ends the one it is in where it finds no way on."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def wander(child: Pool, gbnf: str, seed: int, tokens: int = 12) -> tuple[str, bool]:
    return child.apply_async(_wander, (gbnf, seed, tokens)).get(timeout=60)


def _closed(form: Constraint, said: str, ended: bool) -> str:
    end = form.close(said)
    assert end is not None, said
    assert end == "" or not ended
    return said + end


@pytest.mark.parametrize("schema", USUAL, ids=str)
def test_usual_schemas(child: Pool, schema: dict[str, Any]) -> None:
    form = constraint({"json_schema": schema})
    assert form is not None
    for seed in range(3):
        whole = _closed(form, *wander(child, form.gbnf, seed))
        jsonschema.validate(json.loads(whole), schema or {"type": "object"})


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS, st.integers(0, 2**32), st.integers(1, 10))
def test_any_schema(child: Pool, schema: dict[str, Any], seed: int, tokens: int) -> None:
    try:
        form = constraint({"json_schema": schema})
    except BadSchema:
        return
    assert form is not None
    whole = _closed(form, *wander(child, form.gbnf, seed, tokens))
    jsonschema.validate(json.loads(whole), schema or {"type": "object"})


@pytest.mark.parametrize("gbnf", OWN)
def test_grammars_of_users(child: Pool, gbnf: str) -> None:
    form = constraint({"grammar": gbnf})
    assert form is not None
    for seed in range(3):
        whole = _closed(form, *wander(child, gbnf, seed))
        walk = Walk(read(gbnf))
        walk.add(whole)
        assert walk.complete


WORDS = st.sampled_from(
    ['"a"', '"b"', "[a-c]", "[^a]", "other", "(", ")", "|", "*", "+", "?", "{1,2}", "{2}", '""', "."]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=4), st.integers(0, 2**32))
def test_whatever_is_let_through_does_no_harm(child: Pool, root: list[str], other: list[str], seed: int) -> None:
    text = f"root ::= {' '.join(root)}\nother ::= {' '.join(other)}\n"
    try:
        form = constraint({"grammar": text})
    except BadGrammar:
        return
    assert form is not None
    _closed(form, *wander(child, text, seed, 4))
