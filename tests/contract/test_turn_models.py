"""What every turn model promises, asked of the fake and of the real one."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.turns.service import Waits, wait_of
from solo.isolation.engine import BadEngineInput, ModelCorrupt, ModelMissing
from tests.contract.child import Child
from tests.contract.speech import RATE, say, silence

SMART_TURN = "services.turns.adapters.smart_turn:SmartTurn"
MODEL = os.environ.get("TEST_TURN_MODEL")
"""A Smart Turn v3 file; it comes with pipecat-ai, which nothing else of Solo needs."""
HAS_MODEL = MODEL is not None or importlib.util.find_spec("pipecat") is not None
NO_MODEL = "no Smart Turn model: install pipecat-ai, or name a file by TEST_TURN_MODEL"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "fake": ("services.turns.adapters.fake:FakeTurnModel", {}),
    "smart-turn": (SMART_TURN, {"model": MODEL}),
}


@pytest.fixture(
    scope="class",
    params=["fake", pytest.param("smart-turn", marks=pytest.mark.skipif(not HAS_MODEL, reason=NO_MODEL))],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Child]:
    adapter, options = CASES[request.param]
    with Child(adapter, **options) as child:
        yield child


class TestTurnModel:
    def test_load_says_what_it_is(self, engine: Child) -> None:
        assert engine.info["engine"]
        assert engine.info["model"]

    def test_who_has_finished_is_told_from_who_is_in_the_middle(self, engine: Child) -> None:
        whole = say("What is the capital of France?")
        finished = engine("judge", whole + silence(0.2))
        cut = engine("judge", whole[: int(0.9 * RATE) * 2])
        assert 0 <= cut < finished <= 1
        assert finished > 0.5

    @pytest.mark.parametrize("seconds", [0, 0.05, 8, 20])
    def test_any_length(self, engine: Child, seconds: float) -> None:
        assert 0 <= engine("judge", silence(seconds)) <= 1

    def test_an_odd_byte_is_refused(self, engine: Child) -> None:
        with pytest.raises(BadEngineInput):
            engine("judge", b"abc")


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as raised, Child(SMART_TURN, model=str(tmp_path / "none.onnx")):
        pass
    assert "turns.model" in str(raised.value.hint)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no model")
    with pytest.raises(ModelCorrupt), Child(SMART_TURN, model=str(file)):
        pass


def test_certainty_waits_less() -> None:
    waits = Waits(sure=200, unsure=480, unfinished=1200)
    assert [wait_of(value, waits) for value in (1.0, 0.75, 0.5, 0.49, 0.0)] == [200, 340, 480, 1200, 1200]
