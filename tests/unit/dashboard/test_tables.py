"""The tables' rows: units, order, and that nothing of the daemon's becomes Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dashboard.look import outcome_colour, state_colour
from dashboard.status import Bus, Engine, Loop, Mailbox, Problem, Service, Status
from dashboard.tables import badge, drops, loop_note, mailbox_rows, memory_rows, memory_spec, service_rows

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
SAMPLE = Status.model_validate_json((Path(__file__).parent / "status.json").read_text("utf-8"))


def test_a_service_with_an_engine() -> None:
    assert service_rows(SAMPLE.services, NOW)[3] == {
        "Service": "**` llm `**",
        "State": ":green-badge[ready]",
        "Engine": "` llama.cpp ` · ` SmolLM2-135M-Instruct Q4_1 `",
        "Memory": "389 MiB",
        "pid": "4223",
        "Ready after": "2.3 s",
        "In state": "30 min 34 s",
        "Restarts": "0",
        "Last error or note": "–",
    }


def test_a_failed_service_shows_its_error_before_its_note() -> None:
    error = Problem(code="engine.died", message="It **died**.", at=datetime(2026, 11, 21, 12, 29, 1, tzinfo=UTC))
    row = service_rows([Service(name="stt", state="failed", restarts=5, last_error=error, note="retired")], NOW)[0]
    assert row["State"] == ":red-badge[failed]"
    assert row["Last error or note"] == "` It **died**. ` ` [engine.died] ` · 12:29:01 · ` retired `"
    assert (row["Engine"], row["Memory"], row["pid"], row["Ready after"]) == ("–", "–", "–", "–")


def test_an_unknown_state_is_grey_and_a_strange_one_is_no_badge() -> None:
    assert badge("hibernating") == ":gray-badge[hibernating]"
    assert badge("no_wake") == ":gray-badge[no wake]"
    assert badge("x] <b>") == "` x] <b> `"
    assert badge("") == ""
    assert (state_colour("degraded"), outcome_colour("no_speech")) == ("orange", "gray")


def test_memory_is_ordered_by_size_and_leaves_room_for_labels() -> None:
    rows = memory_rows(SAMPLE)
    assert [row["part"].split("\t")[1] for row in rows[:-1]] == ["llm", "stt", "tts", "daemon", "wake"]
    assert [row["part"] for row in rows[:-1]] == sorted(row["part"] for row in rows[:-1])
    assert rows[0] == {"part": "00\tllm", "mebibytes": 389.0, "size": "389 MiB", "group": "Engine child"}
    assert rows[3]["group"] == "Daemon"
    assert rows[-1]["part"] == rows[0]["part"] and rows[-1]["mebibytes"] > 389


def test_memory_without_measurements_has_no_rows() -> None:
    unmeasured = Service(name="stt", state="starting", engine=Engine(engine="faster-whisper"))
    assert memory_rows(Status(version="0", state="starting", services=(unmeasured,))) == []


def test_the_memory_drawing_holds_no_data() -> None:
    assert "data" not in memory_spec(200)


def test_mailboxes_that_lose_come_first() -> None:
    boxes = (
        Mailbox(owner="a", kind="K", limit=9, waiting=0, dropped=0),
        Mailbox(owner="b", kind="K", limit=None, waiting=8, dropped=0),
        Mailbox(owner="c", kind="K", limit=1200, waiting=0, dropped=2),
    )
    rows = mailbox_rows(Bus(mailboxes=boxes))
    assert [row["Reader"] for row in rows] == ["` c `", "` b `", "` a `"]
    assert [row["Limit"] for row in rows] == ["1\u202f200", "–", "9"]


def test_where_messages_were_lost() -> None:
    assert drops(Bus(published=1500)) == "of 1\u202f500 published"
    lost = Bus(dropped=2, mailboxes=(Mailbox(owner="*w*", kind="K", dropped=2), Mailbox(owner="a", kind="K")))
    assert drops(lost) == "most: ` *w* `"


def test_a_blocked_loop_is_mentioned() -> None:
    calm = Status(version="0", state="ready", loop=Loop(lag_ms=0.4, max_lag_ms=12))
    blocked = Status(version="0", state="ready", loop=Loop(lag_ms=0.4, max_lag_ms=1420, blocked=2))
    assert (loop_note(calm), loop_note(blocked)) == ("worst 12 ms", "worst 1420 ms, blocked 2×")
