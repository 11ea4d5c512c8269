"""A GGUF model's vocabulary: text to tokens and back, with special tokens from the template only."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Sequence
from typing import Any

from services.formats.marking import Part, Slot


class Vocabulary:
    """`lib`: the module `llama_cpp`; `model`: its pointer of a loaded model."""

    def __init__(self, lib: Any, model: Any) -> None:
        self._lib = lib
        self.native = lib.llama_model_get_vocab(model)
        self.bos: int = lib.llama_vocab_bos(self.native)
        """Beginning of text; negative when the model has none."""
        self._add_bos = bool(lib.llama_vocab_get_add_bos(self.native)) and self.bos >= 0
        self._specials, self._strips = self._special_tokens()
        self._said: dict[int, bytes] = {}
        longest_first = sorted(self._specials, key=len, reverse=True)
        # Both are asked for every token of every answer.
        self.text_of = functools.lru_cache(maxsize=4096)(self._text_of)
        self.is_end = functools.lru_cache(maxsize=4096)(self._is_end)
        self._length = functools.lru_cache(maxsize=256)(lambda text: len(self.tokenise(text)))
        self._special_text = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def _special_tokens(self) -> tuple[dict[str, int], dict[int, int]]:
        """Tokens that no plain text may produce, by their text; and by token what blanks beside it they swallow."""
        lib, vocab = self._lib, self.native
        attributes = lib.llama_vocab_get_attr
        special = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        strips = lib.LLAMA_TOKEN_ATTR_LSTRIP | lib.LLAMA_TOKEN_ATTR_RSTRIP
        found = [token for token in range(lib.llama_vocab_n_tokens(vocab)) if attributes(vocab, token) & special]
        texts = {lib.llama_vocab_get_text(vocab, token).decode(errors="replace"): token for token in found}
        texts.pop("", None)
        return texts, {token: attributes(vocab, token) & strips for token in found}

    def bos_and_eos(self) -> dict[str, str]:
        """The two tokens as text, named as chat templates expect them."""
        lib, vocab = self._lib, self.native
        numbers = {"bos_token": self.bos, "eos_token": lib.llama_vocab_eos(vocab)}
        return {
            name: lib.llama_vocab_get_text(vocab, token).decode(errors="replace") if token >= 0 else ""
            for name, token in numbers.items()
        }

    def length(self, text: str) -> int:
        """Tokens of a plain text; the last ones asked are remembered, since every turn asks for its history again."""
        return self._length(text)

    def tokenise(self, text: str) -> list[int]:
        """Plain text as tokens; what looks like a special token in it stays plain text."""
        data = text.encode(errors="replace")
        room = len(data) + 8
        while True:
            tokens = (self._lib.llama_token * room)()
            count: int = self._lib.llama_tokenize(self.native, data, len(data), tokens, room, False, False)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def encode(self, parts: Sequence[Part]) -> list[int]:
        """A rendered prompt as tokens: special ones from the template's own text only.

        Between two special tokens, template and contents are tokenised as one text, as they would be in training.
        """
        lib = self._lib
        tokens: list[int] = []
        plain = ""
        strip_next = False

        def flush(strip_last: int = 0) -> None:
            nonlocal plain
            text = plain.lstrip() if strip_next else plain
            text = text.rstrip() if strip_last else text
            if text:
                tokens.extend(self.tokenise(text))
            plain = ""

        for part in parts:
            if isinstance(part, Slot):
                plain += part.text
                continue
            end = 0
            for special in self._special_text.finditer(part):
                plain += part[end : special.start()]
                end = special.end()
                token = self._specials[special[0]]
                flush(self._strips[token] & lib.LLAMA_TOKEN_ATTR_LSTRIP)
                tokens.append(token)
                strip_next = bool(self._strips[token] & lib.LLAMA_TOKEN_ATTR_RSTRIP)
            plain += part[end:]
        flush()
        if self._add_bos and tokens[:1] != [self.bos]:
            tokens.insert(0, self.bos)
        while self._add_bos and tokens[:2] == [self.bos] * 2:
            del tokens[0]
        return tokens

    def say(self, text: str) -> None:
        """A special token that belongs to an answer, such as the one with which a model begins to call a tool."""
        if (token := self._specials.get(text)) is not None:
            self._said[token] = text.encode()
            self.text_of.cache_clear()
            self.is_end.cache_clear()

    def _text_of(self, token: int) -> bytes:
        """The token's bytes: perhaps part of a character; empty for special tokens."""
        if token in self._said:
            return self._said[token]
        buffer = ctypes.create_string_buffer(64)
        length = self._lib.llama_token_to_piece(self.native, token, buffer, 64, 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self._lib.llama_token_to_piece(self.native, token, buffer, -length, 0, False)
        return buffer.raw[:length]

    def same(self, other: Vocabulary) -> bool:
        """The same tokens by the same numbers."""
        lib = self._lib
        count = lib.llama_vocab_n_tokens(self.native)
        if count != lib.llama_vocab_n_tokens(other.native):
            return False
        text = lib.llama_vocab_get_text
        return all(text(self.native, token) == text(other.native, token) for token in range(count))

    def _is_end(self, token: int) -> bool:
        """The answer ends here: the model said so, or it began to write the template's own marks."""
        lib = self._lib
        special = lib.llama_vocab_is_eog(self.native, token) or lib.llama_vocab_is_control(self.native, token)
        return bool(special) and token not in self._said
