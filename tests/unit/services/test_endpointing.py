"""Has the speaker finished? Decisions from probabilities alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.endpointing import CHUNK_SAMPLES, Decision, Endpointer, EndpointingPolicy

CHUNK_MS = 32
POLICY = EndpointingPolicy(pause_ms=160)
SPEECH, MURMUR, SILENCE = 0.9, 0.4, 0.05


def feed(ends: Endpointer, *runs: tuple[float, int]) -> list[tuple[Decision, int]]:
    """Decisions and the chunk (counted from 1) at which each was made."""
    made: list[tuple[Decision, int]] = []
    for probability, count in runs:
        for _ in range(count):
            decision = ends.feed(probability)
            if decision is not None:
                made.append((decision, ends.position // CHUNK_SAMPLES))
    return made


class TestStart:
    def test_after_96_ms_of_speech(self) -> None:
        ends = Endpointer(POLICY)
        assert feed(ends, (SILENCE, 10), (SPEECH, 3)) == [(Decision.STARTED, 13)]
        assert ends.started_at == 10 * CHUNK_SAMPLES

    def test_a_click_is_no_speech(self) -> None:
        ends = Endpointer(POLICY)
        assert feed(ends, *[(SPEECH, 2), (SILENCE, 1)] * 50) == []
        assert ends.started_at is None

    def test_never_in_silence(self) -> None:
        assert feed(Endpointer(POLICY), (SILENCE, 10_000)) == []

    def test_a_murmur_starts_nothing(self) -> None:
        assert feed(Endpointer(POLICY), (MURMUR, 1000)) == []

    def test_a_murmur_does_not_break_a_start(self) -> None:
        assert feed(Endpointer(POLICY), (SPEECH, 1), (MURMUR, 2)) == [(Decision.STARTED, 3)]

    def test_not_in_the_tail_of_the_wake_word(self) -> None:
        ends = Endpointer(POLICY, ignore_before=8 * CHUNK_SAMPLES)
        assert feed(ends, (SPEECH, 5), (SILENCE, 20)) == []

    def test_speech_that_goes_on_from_the_wake_word_is_whole(self) -> None:
        ends = Endpointer(POLICY, ignore_before=8 * CHUNK_SAMPLES)
        assert feed(ends, (SPEECH, 20)) == [(Decision.STARTED, 9)]
        assert ends.started_at == 0


class TestPause:
    def test_after_160_ms_and_the_end_after_480(self) -> None:
        ends = Endpointer(POLICY)
        made = feed(ends, (SPEECH, 30), (SILENCE, 15))
        assert made == [(Decision.STARTED, 3), (Decision.PAUSED, 35), (Decision.ENDED, 45)]
        assert ends.speech_end == 30 * CHUNK_SAMPLES

    def test_is_announced_once(self) -> None:
        made = feed(Endpointer(POLICY), (SPEECH, 30), (SILENCE, 14))
        assert [decision for decision, _ in made] == [Decision.STARTED, Decision.PAUSED]

    def test_shorter_silence_is_none(self) -> None:
        made = feed(Endpointer(POLICY), *[(SPEECH, 10), (SILENCE, 4)] * 10)
        assert [decision for decision, _ in made] == [Decision.STARTED]

    def test_speech_after_it_resumes(self) -> None:
        ends = Endpointer(POLICY)
        made = feed(ends, (SPEECH, 10), (SILENCE, 6), (SPEECH, 10), (SILENCE, 15))
        assert [decision for decision, _ in made] == [
            Decision.STARTED,
            Decision.PAUSED,
            Decision.RESUMED,
            Decision.PAUSED,
            Decision.ENDED,
        ]
        assert ends.speech_end == 26 * CHUNK_SAMPLES

    def test_a_murmur_in_speech_is_speech_but_not_after_silence(self) -> None:
        ends = Endpointer(POLICY)
        feed(ends, (SPEECH, 10), (MURMUR, 50))
        assert ends.speech_end == 60 * CHUNK_SAMPLES
        feed(ends, (SILENCE, 1), (MURMUR, 3))
        assert ends.speech_end == 60 * CHUNK_SAMPLES


class TestEnd:
    @pytest.mark.parametrize("end_ms", [100, 320, 480, 2000])
    def test_by_the_policy(self, end_ms: int) -> None:
        ends = Endpointer(EndpointingPolicy(end_ms=end_ms, pause_ms=64))
        made = feed(ends, (SPEECH, 10), (SILENCE, 100))
        _, chunk = next(one for one in made if one[0] is Decision.ENDED)
        silence_ms = (chunk - 10) * CHUNK_MS
        assert end_ms <= silence_ms < end_ms + CHUNK_MS

    def test_an_utterance_is_cut_when_it_is_too_long(self) -> None:
        made = feed(Endpointer(EndpointingPolicy(most_ms=3200)), (SPEECH, 200))
        assert made[:2] == [(Decision.STARTED, 3), (Decision.ENDED, 100)]


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=400))
def test_whatever_is_heard_the_order_makes_sense(scores: list[float]) -> None:
    ends = Endpointer(POLICY)
    state = "before"
    for score in scores:
        decision = ends.feed(score)
        if decision is None:
            continue
        allowed = {
            "before": {Decision.STARTED},
            "speech": {Decision.PAUSED, Decision.ENDED},
            "pause": {Decision.RESUMED, Decision.ENDED},
        }
        assert decision in allowed[state]
        if decision is Decision.ENDED:
            break
        state = "pause" if decision is Decision.PAUSED else "speech"
    if ends.started_at is not None:
        assert 0 <= ends.started_at < ends.speech_end <= ends.position
    assert ends.position <= len(scores) * CHUNK_SAMPLES
