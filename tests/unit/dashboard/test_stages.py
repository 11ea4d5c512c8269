"""The waterfall's arithmetic: cumulative stamps become stages, turns become rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dashboard.look import STAGES
from dashboard.stages import SHOWN, Stage, chart_rows, count_drawn, result, spec, speeds, stages, voices
from dashboard.status import Latency, Turn

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
WAIT, TRANSCRIPTION, TOKEN, AUDIO = STAGES
STAMP = st.none() | st.floats(0, 60_000)


def a_turn(**changes: Any) -> Turn:
    fields = {"turn_id": "t", "at": NOW, "source": "microphone", "heard": "hello", "said": "hi", "outcome": "answered"}
    return Turn.model_validate(fields | changes)


def spoken(end: float) -> dict[str, float]:
    return {"end_of_turn": 250, "transcript": 400, "first_token": 430, "first_audio": end, "voice_to_voice": end + 12}


def test_stages_are_the_differences_of_the_stamps() -> None:
    assert stages(Latency.model_validate(spoken(600))) == [
        Stage(WAIT, 0, 250),
        Stage(TRANSCRIPTION, 250, 400),
        Stage(TOKEN, 400, 430),
        Stage(AUDIO, 430, 600),
    ]


def test_typed_text_starts_at_the_first_token() -> None:
    assert stages(Latency(first_token=96)) == [Stage(TOKEN, 0, 96)]


def test_work_done_while_waiting_costs_nothing() -> None:
    found = stages(Latency(end_of_turn=500, transcript=300, first_token=450, first_audio=620))
    assert found == [Stage(WAIT, 0, 500), Stage(AUDIO, 500, 620)]


def test_a_turn_that_went_nowhere_has_no_stages() -> None:
    assert stages(Latency()) == []


@given(STAMP, STAMP, STAMP, STAMP)
def test_stages_never_overlap_and_reach_the_last_stamp(
    end: float | None, text: float | None, token: float | None, audio: float | None
) -> None:
    found = stages(Latency(end_of_turn=end, transcript=text, first_token=token, first_audio=audio))
    edges = [0.0, *(edge for stage in found for edge in (stage.start, stage.end))]
    assert edges == sorted(edges)
    assert all(stage.start < stage.end for stage in found)
    assert edges[-1] == max((stamp for stamp in (end, text, token, audio) if stamp is not None), default=0)


def test_the_result_is_the_latest_thing_that_a_person_notices() -> None:
    assert result(a_turn(latency_ms=spoken(600))) == "612 ms voice to voice"
    assert result(a_turn(latency_ms={"first_token": 96, "first_audio": 300})) == "300 ms to first audio"
    assert result(a_turn(latency_ms={"first_token": 96})) == "96 ms to first token"
    assert result(a_turn(outcome="failed", latency_ms=spoken(600))) == "failed"
    assert result(a_turn(outcome="no_speech")) == "no speech"


def test_rows_hold_bars_a_label_and_room_for_it() -> None:
    rows = chart_rows([a_turn(latency_ms=spoken(600))], NOW)
    assert [row["stage"] for row in rows] == [*STAGES, None, None]
    label, room = rows[-2:]
    assert (label["start"], label["end"], label["label"]) == (612, 612, "612 ms")
    assert room["end"] > 612 and room["label"] == ""
    assert {row["turn"] for row in rows} == {"00\t12:30:00  hello"}


def test_rows_of_turns_alike_stay_apart_and_in_order() -> None:
    rows = chart_rows([a_turn(latency_ms=spoken(600))] * 12, NOW)
    names = sorted({row["turn"] for row in rows})
    assert len(names) == count_drawn(rows) == SHOWN
    assert names[0].startswith("00\t") and names[-1].startswith("09\t")


def test_turns_without_stages_leave_no_gap() -> None:
    rows = chart_rows([a_turn(), a_turn(latency_ms=spoken(600))], NOW)
    assert count_drawn(rows) == 1
    assert chart_rows([a_turn()], NOW) == []


def test_what_was_heard_cannot_break_out_of_its_label() -> None:
    rows = chart_rows([a_turn(heard="a\tb\nc" + "x" * 99, latency_ms=spoken(600))], NOW)
    assert rows[0]["turn"].count("\t") == 1
    assert rows[0]["turn"].endswith("…") and "a b c" in rows[0]["turn"]


def test_a_failed_turn_says_so_after_its_bar() -> None:
    rows = chart_rows([a_turn(outcome="failed", latency_ms={"end_of_turn": 250})], NOW)
    assert rows[1]["label"] == "failed"


def test_courses_run_from_old_to_new() -> None:
    turns = [a_turn(latency_ms=spoken(float(end)), tokens={"per_second": end}) for end in (300, 200, 100)]
    turns.insert(1, a_turn())
    assert voices(turns) == [112, 212, 312]
    assert speeds(turns) == [100, 200, 300]


def test_the_drawing_names_every_stage_and_holds_no_data() -> None:
    drawing = spec(300)
    scale = drawing["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == STAGES
    assert "data" not in drawing and drawing == spec(300)
