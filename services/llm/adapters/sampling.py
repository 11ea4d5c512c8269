"""The choice of the next token, by llama.cpp's own samplers."""

from __future__ import annotations

import ctypes
import secrets
from typing import Any

from services.llm.engine import Sampling, TokenLogprob
from solo.isolation.engine import BadEngineInput

GREEDY_BELOW = 1e-3
"""Temperatures under this choose the likeliest token anyway, and dividing by them overflows 32-bit floats."""
CANDIDATES = 1000
"""Tokens that a draw chooses among where nobody says otherwise. With all 49 152 of SmolLM2 it takes 0.59 ms a token,
with these 0.18 ms, and at temperature 0.8 they leave out 0.07 % of the probability."""
REPEAT_WITHIN = 64
COUNT_WITHIN = 4096
"""Tokens that presence and frequency are counted over."""


class Sampler:
    """One stream's choices. `close` gives its memory back."""

    def __init__(self, lib: Any, vocab: Any, sampling: Sampling, gbnf: str | None = None) -> None:
        """Raises `BadEngineInput` for a grammar that llama.cpp does not take."""
        self._lib = lib
        self._vocab = vocab
        self._chain = self._build(sampling)
        self._grammar: Any = None
        if gbnf is not None:
            self._grammar = lib.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root")
            if not self._grammar:
                self.close()
                raise BadEngineInput("The grammar is not valid GBNF", hint="Check it; its first rule is named root.")
            import numpy

            self._np = numpy
            self._all = numpy.zeros(
                lib.llama_vocab_n_tokens(vocab), dtype=[("id", "<i4"), ("logit", "<f4"), ("p", "<f4")]
            )

    def _build(self, sampling: Sampling) -> Any:
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())

        def add(sampler: Any) -> None:
            lib.llama_sampler_chain_add(chain, sampler)

        repeat = sampling.get("repeat_penalty", 1.0)
        presence, frequency = sampling.get("presence_penalty", 0.0), sampling.get("frequency_penalty", 0.0)
        size = lib.llama_vocab_n_tokens(self._vocab)
        if repeat != 1.0:
            add(lib.llama_sampler_init_penalties(size, REPEAT_WITHIN, repeat, 0.0, 0.0))
        if presence or frequency:
            add(lib.llama_sampler_init_penalties(size, COUNT_WITHIN, 1.0, frequency, presence))
        temperature = sampling.get("temperature", 0.0)
        if temperature < GREEDY_BELOW:
            add(lib.llama_sampler_init_greedy())
            return chain
        add(lib.llama_sampler_init_top_k(sampling.get("top_k", 0) or CANDIDATES))
        if (top_p := sampling.get("top_p", 1.0)) < 1:
            add(lib.llama_sampler_init_top_p(top_p, 1))
        if min_p := sampling.get("min_p", 0.0):
            add(lib.llama_sampler_init_min_p(min_p, 1))
        add(lib.llama_sampler_init_temp(temperature))
        seed = sampling.get("seed")
        # The highest 32-bit number means "draw a seed" to llama.cpp: never pass it on.
        add(lib.llama_sampler_init_dist(secrets.randbits(31) if seed is None else seed % lib.LLAMA_DEFAULT_SEED))
        return chain

    def close(self) -> None:
        for name in ("_chain", "_grammar"):
            if getattr(self, name, None):
                self._lib.llama_sampler_free(getattr(self, name))
                setattr(self, name, None)

    def next(self, context: Any, row: int) -> int:
        """The token after that row of the last step; -1 when the grammar allows none."""
        if self._grammar is None:
            token: int = self._lib.llama_sampler_sample(self._chain, context, row)
            return token
        return self._constrained(context, row)

    def _constrained(self, context: Any, row: int) -> int:
        """First as if there were no grammar, since most tokens fit it, and it is dear to ask it about all of them."""
        lib = self._lib
        logits = lib.llama_get_logits_ith(context, row)
        token = self._choose(logits, constrained=False)
        if not self._fits(token):
            token = self._choose(logits, constrained=True)
        if token >= 0:
            lib.llama_sampler_accept(self._grammar, token)
            lib.llama_sampler_accept(self._chain, token)
        return token

    def _choose(self, logits: Any, *, constrained: bool) -> int:
        lib, every = self._lib, self._all
        every["id"] = self._np.arange(len(every), dtype="<i4")
        every["logit"] = self._np.ctypeslib.as_array(logits, (len(every),))
        every["p"] = 0.0
        found = lib.llama_token_data_array(
            data=every.ctypes.data_as(lib.llama_token_data_p), size=len(every), selected=-1, sorted=False
        )
        if constrained:
            lib.llama_sampler_apply(self._grammar, ctypes.byref(found))
            if not self._np.isfinite(every["logit"]).any():
                return -1
        lib.llama_sampler_apply(self._chain, ctypes.byref(found))
        return int(found.data[found.selected].id)

    def _fits(self, token: int) -> bool:
        lib = self._lib
        one = lib.llama_token_data(id=token, logit=1.0, p=0.0)
        asked = lib.llama_token_data_array(data=ctypes.pointer(one), size=1, selected=-1, sorted=False)
        lib.llama_sampler_apply(self._grammar, ctypes.byref(asked))
        return bool(one.logit == 1.0)


def logprobs(lib: Any, vocabulary: Any, context: Any, row: int, token: int, most: int) -> TokenLogprob:
    """How likely `token` was after that row, and the `most` likeliest tokens there."""
    import numpy

    size = lib.llama_vocab_n_tokens(vocabulary.native)
    logits = numpy.ctypeslib.as_array(lib.llama_get_logits_ith(context, row), (size,)).astype(numpy.float64)
    highest = logits.max()
    total = highest + numpy.log(numpy.exp(logits - highest).sum())

    def text(number: int) -> str:
        return str(vocabulary.text_of(number).decode(errors="replace"))

    top = numpy.argpartition(logits, -most)[-most:] if most else ()
    likeliest = sorted(((float(logits[number] - total), int(number)) for number in top), reverse=True)
    return {
        "token": text(token),
        "logprob": float(logits[token] - total),
        "top": [(text(number), logprob) for logprob, number in likeliest],
    }
