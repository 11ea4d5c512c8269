"""What every engine in a process of ours leaves undone, and says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput, EngineError, ModelMissing
from tests.contract.speech import silence


class Refusals:
    """A class of tests with these needs the fixture `engine`, and `make`, which makes another one."""

    make: Callable[..., Any]

    def test_silence_costs_no_decoding(self, engine: Any) -> None:
        assert engine.transcribe(Call(), silence(3))["attempts"] == 0

    def test_more_than_two_minutes_are_refused(self, engine: Any) -> None:
        with pytest.raises(BadEngineInput):
            engine.transcribe(Call(), silence(121))

    def test_a_language_the_model_does_not_speak(self) -> None:
        with pytest.raises(EngineError) as refused:
            self.make(language="de").load()
        assert "multilingual" in refused.value.hint

    def test_no_directory_is_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing) as missing:
            self.make(model=str(tmp_path / "nowhere")).load()
        assert missing.value.hint
        assert str(tmp_path) in missing.value.message
