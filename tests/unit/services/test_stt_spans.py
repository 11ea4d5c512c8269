"""Where speech is, and how it is cut: pure, from probabilities."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.stt.adapters.spans import CHUNK, LONGEST_S, RATE, Piece, pieces, speech_s

PER_S = RATE / CHUNK


def chances(*parts: tuple[float, float]) -> list[float]:
    """(seconds, probability), one behind the other."""
    return [chance for seconds, chance in parts for _ in range(round(seconds * PER_S))]


def cut(*parts: tuple[float, float]) -> list[Piece]:
    found = chances(*parts)
    return pieces(found, len(found) * CHUNK)


class TestPieces:
    def test_silence_has_none(self) -> None:
        assert cut((5, 0.1)) == []
        assert pieces([], 0) == []

    def test_speech_keeps_a_little_around_it(self) -> None:
        (piece,) = cut((2, 0.0), (1, 0.9), (2, 0.0))
        ((start, end),) = piece.stretches
        assert 1.5 < start / RATE < 1.7
        assert 3.2 < end / RATE < 3.5

    def test_nothing_reaches_beyond_the_sound(self) -> None:
        (piece,) = cut((1, 0.9))
        assert piece.stretches == ((0, round(PER_S) * CHUNK),)

    def test_a_pause_in_a_sentence_is_kept(self) -> None:
        (piece,) = cut((1, 0.9), (0.5, 0.0), (1, 0.9))
        assert len(piece.stretches) == 1

    def test_a_long_pause_is_left_out_of_the_piece(self) -> None:
        (piece,) = cut((1, 0.9), (3, 0.0), (1, 0.9))
        assert len(piece.stretches) == 2
        assert piece.seconds < 3.5

    def test_doubt_does_not_end_speech(self) -> None:
        (piece,) = cut((1, 0.9), (1, 0.4), (1, 0.9))
        assert len(piece.stretches) == 1
        assert speech_s(chances((1, 0.9), (1, 0.4))) == pytest.approx(2, abs=0.1)

    def test_doubt_does_not_begin_speech(self) -> None:
        assert cut((3, 0.45)) == []

    def test_long_dictation_is_cut_at_its_pauses(self) -> None:
        found = cut(*[(4, 0.9), (1, 0.0)] * 12)
        assert len(found) > 3
        assert all(piece.seconds <= LONGEST_S for piece in found)
        stretches = [stretch for piece in found for stretch in piece.stretches]
        assert len(stretches) == 12
        assert all(before[1] <= after[0] for before, after in pairwise(stretches))

    def test_speech_without_a_pause_is_cut_where_it_is_quietest(self) -> None:
        found = cut((10, 0.95), (0.2, 0.6), (20, 0.95))
        assert len(found) >= 2
        assert all(piece.seconds <= LONGEST_S for piece in found)
        first_end = found[0].stretches[-1][1] / RATE
        assert 9.9 < first_end < 10.4
        assert found[1].stretches[0][0] == found[0].stretches[-1][1], "nothing is lost between them"

    def test_nothing_of_two_minutes_is_lost(self) -> None:
        found = cut((120, 0.9))
        assert sum(piece.seconds for piece in found) == pytest.approx(120, abs=0.1)
