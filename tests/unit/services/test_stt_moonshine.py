"""Moonshine's pure parts: its list of tokens, and matrices of 8-bit numbers."""

from __future__ import annotations

import numpy as np
import pytest

from services.stt.adapters.moonshine.tokens import Tokens
from services.stt.adapters.moonshine.weights import Matrix


def listed(*tokens: bytes) -> bytes:
    """As the file has them."""
    content = b""
    for token in (b"<unk>", b"<s>", b"</s>", *tokens):
        size = len(token)
        content += bytes([size]) if size < 0x80 else bytes([size % 0x80 + 0x80, size // 0x80])
        content += token
    return content


class TestTokens:
    def test_text(self) -> None:
        tokens = Tokens(listed("▁Turn".encode(), "▁it".encode(), b".", "é".encode()[:1], "é".encode()[1:]))
        assert tokens.text([1, 3, 4, 5, 2]) == "Turn it."
        assert tokens.text([3, 6, 7]) == "Turné"
        assert tokens.text([]) == ""

    def test_numbers_that_are_no_token_are_nothing(self) -> None:
        assert Tokens(listed(b"a")).text([3, 99, 32_767]) == "a"

    def test_half_a_letter_is_no_failure(self) -> None:
        assert Tokens(listed("é".encode()[:1])).text([3]) == "�"

    def test_a_long_token(self) -> None:
        assert Tokens(listed(b"x" * 300, b"y")).text([3, 4]) == "x" * 300 + "y"

    @pytest.mark.parametrize(
        ("old", "new"),
        [("See you to-morrow.", "See you tomorrow."), ("To-day", "Today"), ("up-to-date", "up-to-date")],
    )
    def test_old_spelling(self, old: str, new: str) -> None:
        assert Tokens(listed(old.encode())).text([3]) == new

    @pytest.mark.parametrize("content", [b"", b"\x05abc", listed()[:-1], b"\x81", b"\x01a\x01b\x01c"])
    def test_what_is_no_list(self, content: bytes) -> None:
        with pytest.raises(ValueError, match="token"):
            Tokens(content)


class TestMatrix:
    def test_floats_become_the_nearest_numbers(self) -> None:
        floats = np.random.default_rng(7).normal(0, [[1, 10, 0.01]], (64, 3)).astype(np.float32)
        matrix = Matrix.of(floats)
        assert np.abs(matrix.floats() - floats).max(axis=0) == pytest.approx(matrix.scale / 2, rel=0.2)

    def test_a_column_of_zeros(self) -> None:
        assert (Matrix.of(np.zeros((4, 2), np.float32)).floats() == 0).all()

    def test_side_by_side_each_keeps_its_scale(self) -> None:
        parts = [
            Matrix(np.full((2, 3), 5, np.int8), np.array([0.5], np.float32), np.array([1], np.int8)),
            Matrix(np.full((2, 1), 7, np.int8), np.array([2.0], np.float32), np.array([-3], np.int8)),
        ]
        both = Matrix.beside(parts)
        assert both.floats().tolist() == [[2, 2, 2, 20]] * 2

    def test_turned(self) -> None:
        matrix = Matrix(np.array([[1, 2, 3]], np.int8), np.array([1.0], np.float32), np.array([0], np.int8))
        assert matrix.turned.floats().tolist() == [[1], [2], [3]]
