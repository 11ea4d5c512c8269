"""Which recognisers the settings make, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from services.stt import spec
from services.stt.service import STTService
from services.stt.spec import STTSettings, specs
from solo.settings import MachineSettings
from solo.storage import Database


def made(**settings: Any) -> STTService:
    (only,) = specs(STTSettings(**settings), MachineSettings(), cast("Database", None))
    service = only.make()
    assert isinstance(service, STTService)
    return service


def kinds(service: STTService) -> list[str]:
    return [engine.adapter.rpartition(":")[2] for engine in (service.engine, *service.behind)]


@pytest.fixture(autouse=True)
def _settings(bare_settings: Path) -> None:
    """Nothing of this machine."""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["Moonshine", "FasterWhisper"]),
        ({"language": "en"}, ["Moonshine", "FasterWhisper"]),
        ({"language": "de", "model": "whisper-base"}, ["FasterWhisper"]),
        ({"model": "whisper-base"}, ["FasterWhisper"]),
        ({"engine": "faster-whisper"}, ["FasterWhisper"]),
        ({"engine": "faster-whisper", "fallback": ("moonshine",)}, ["FasterWhisper", "Moonshine"]),
        ({"engine": "moonshine", "fallback": ()}, ["Moonshine"]),
        ({"engine": "fake"}, ["FakeSTT"]),
    ],
)
def test_the_order(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: list[str]) -> None:
    monkeypatch.setattr(spec, "find_spec", lambda _: object())
    assert kinds(made(**settings)) == expected


def test_without_moonshines_files_whisper_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "find_spec", lambda _: None)
    assert kinds(made()) == ["FasterWhisper"]


def test_a_directory_of_moonshines_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "encoder_model.ort").touch()
    service = made(model=tmp_path)
    assert kinds(service) == ["Moonshine", "FasterWhisper"]
    assert [engine.options["model"] for engine in (service.engine, *service.behind)] == [str(tmp_path), None]


@pytest.mark.parametrize(("name", "several"), [("whisper-base", True), ("base.en", False)])
def test_the_model_behind(name: str, several: bool) -> None:
    service = made(engine="moonshine", fallback_model=Path(name))
    assert service.behind[0].options["model"] == name
    assert (service.others, service.multilingual) == ((name,), several)


def test_the_packaged_model_behind_has_its_name() -> None:
    assert made(engine="moonshine").others == ("tiny.en",)
