"""Where settings come from, which source wins, and what is said of those that cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from solo.errors import SoloError
from solo.settings import (
    DEFAULT_PORT,
    MachineSettings,
    SettingsInvalid,
    SettingUnknown,
    default_state_dir,
    known_variables,
    load,
    settings_class,
    variable,
)

pytestmark = pytest.mark.usefixtures("bare_settings")


class EarSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str = "good"
    threads: int = Field(default=2, ge=1, le=8)
    words: tuple[str, ...] = ()


KIND: Any = settings_class({"ear": EarSettings})


def env_file(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


def config_file(bare: Path, text: str) -> None:
    (bare / "state" / "solo.toml").write_text(text, encoding="utf-8")


class TestHierarchy:
    def test_defaults(self) -> None:
        settings = load(KIND)
        assert (settings.port, settings.ear) == (DEFAULT_PORT, EarSettings())

    @pytest.mark.parametrize(
        ("sources", "expected"),
        [
            ({"flag", "env", ".env", "file"}, 1001),
            ({"env", ".env", "file"}, 1002),
            ({".env", "file"}, 1003),
            ({"file"}, 1004),
            (set(), DEFAULT_PORT),
            ({"flag", "file"}, 1001),
            ({"env", "file"}, 1002),
            ({"flag", ".env"}, 1001),
        ],
    )
    def test_flags_environment_env_file_file_defaults(
        self, sources: set[str], expected: int, bare_settings: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if "env" in sources:
            monkeypatch.setenv("SOLO_PORT", "1002")
        if ".env" in sources:
            env_file("SOLO_PORT=1003\n")
        if "file" in sources:
            config_file(bare_settings, "port = 1004\n")
        assert load(KIND, {"port": 1001} if "flag" in sources else {}).port == expected

    @pytest.mark.parametrize(
        ("sources", "expected"),
        [
            ({"flag", "env", ".env", "file"}, ("flag", 3, ("x",))),
            ({"env", ".env", "file"}, ("env", 3, ("x",))),
            ({".env", "file"}, (".env", 3, ("x",))),
            ({"file"}, ("file", 4, ("x",))),
        ],
    )
    def test_field_by_field_within_a_section(
        self, sources: set[str], expected: Any, bare_settings: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if "env" in sources:
            monkeypatch.setenv("SOLO_EAR__ENGINE", "env")
        if ".env" in sources:
            env_file("SOLO_EAR__ENGINE=.env\nSOLO_EAR__THREADS=3\n")
        config_file(bare_settings, '[ear]\nengine = "file"\nthreads = 4\nwords = ["x"]\n')
        ear = load(KIND, {"ear": {"engine": "flag"}} if "flag" in sources else {}).ear
        assert (ear.engine, ear.threads, ear.words) == expected

    def test_the_file_is_that_of_the_state_directory(self, tmp_path: Path, bare_settings: Path) -> None:
        config_file(bare_settings, "port = 1004\n")
        other = tmp_path / "other"
        other.mkdir()
        (other / "solo.toml").write_text("port = 1005\n", encoding="utf-8")
        assert load(KIND).port == 1004
        assert load(KIND, {"state_dir": other}).port == 1005
        assert load(KIND, {"state_dir": other}).state_dir == other
        (tmp_path / "work" / "solo.toml").write_text("port = 1006\n", encoding="utf-8")
        assert load(KIND).port == 1004

    def test_the_state_directory_named_in_the_env_file(
        self, tmp_path: Path, bare_settings: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config_file(bare_settings, "port = 1004\n")
        monkeypatch.delenv("SOLO_STATE_DIR")
        env_file(f"SOLO_STATE_DIR={tmp_path / 'state'}\n")
        assert load(KIND).port == 1004

    def test_nothing_is_needed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("SOLO_STATE_DIR")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
        assert load(KIND).state_dir == default_state_dir()

    def test_a_section_as_one_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_EAR", '{"threads": 5}')
        assert load(KIND).ear == EarSettings(threads=5)

    def test_a_list_in_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_EAR__WORDS", '["alexa", "computer"]')
        assert load(KIND).ear.words == ("alexa", "computer")

    def test_a_command_may_know_only_the_machine(self, bare_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_EAR__THREADS", "3")
        env_file("SOLO_EAR__ENGINE=x\nSOLO_PORT=1003\n")
        config_file(bare_settings, '[ear]\nengine = "file"\n')
        assert load(MachineSettings, strict=False).port == 1003

    def test_other_programs_lines_in_the_env_file_are_not_ours(self) -> None:
        env_file("DATABASE_URL=postgres://elsewhere\nPORT=3000\nSOLO_PORT=1003\n")
        assert load(KIND).port == 1003


class TestUnknown:
    @pytest.mark.parametrize("source", ["env", ".env", "file"])
    @pytest.mark.parametrize(
        ("name", "toml", "meant"),
        [
            ("SOLO_PROT", "prot = 1\n", "SOLO_PORT"),
            ("SOLO_EAR__THREDS", "[ear]\nthreds = 1\n", "SOLO_EAR__THREADS"),
            ("SOLO_EARS__THREADS", "[ears]\nthreads = 1\n", "SOLO_EAR__THREADS"),
        ],
    )
    def test_is_named_with_a_suggestion(
        self, source: str, name: str, toml: str, meant: str, bare_settings: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if source == "env":
            monkeypatch.setenv(name, "1")
        elif source == ".env":
            env_file(f"{name}=1\n")
        else:
            config_file(bare_settings, toml)
        with pytest.raises(SettingUnknown) as caught:
            load(KIND)
        line = caught.value.line()
        said = name.partition("__")[0] if (source, name) == ("file", "SOLO_EARS__THREADS") else name
        assert line.startswith(f"there is no setting {said}.")
        if said == name:
            assert f"Did you mean {meant}?" in line
        assert "\n" not in line

    def test_without_anything_like_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_ZZZZZZZZZZZZ", "1")
        with pytest.raises(SettingUnknown, match="there is no setting SOLO_ZZZZZZZZZZZZ") as caught:
            load(KIND)
        assert ".env.example lists every setting" in caught.value.hint


class TestInvalid:
    @pytest.mark.parametrize("source", ["flag", "env", ".env", "file"])
    @pytest.mark.parametrize(
        ("name", "toml", "flag", "value"),
        [
            ("SOLO_PORT", "port = 99999\n", {"port": 99999}, "99999"),
            ("SOLO_PORT", 'port = "many"\n', {"port": "many"}, "many"),
            ("SOLO_EAR__THREADS", "[ear]\nthreads = 99\n", {"ear": {"threads": 99}}, "99"),
            ("SOLO_LOG_LEVEL", 'log_level = "loud"\n', {"log_level": "loud"}, "loud"),
        ],
    )
    def test_is_one_line_that_names_it(
        self,
        source: str,
        name: str,
        toml: str,
        flag: dict[str, Any],
        value: str,
        bare_settings: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if source == "env":
            monkeypatch.setenv(name, value)
        elif source == ".env":
            env_file(f"{name}={value}\n")
        elif source == "file":
            config_file(bare_settings, toml)
        with pytest.raises(SettingsInvalid) as caught:
            load(KIND, flag if source == "flag" else {})
        line = caught.value.line()
        assert re.match(rf"{name} cannot be '?{value}'?: ", line), line
        assert "\n" not in line

    @pytest.mark.parametrize(
        "text",
        ["port = \n", "[ear\n", "port = 1\nport = 2\n", "\x00", "= 3"],
        ids=["value", "table", "twice", "nul", "key"],
    )
    def test_a_file_that_is_no_toml(self, text: str, bare_settings: Path) -> None:
        config_file(bare_settings, text)
        with pytest.raises(SettingsInvalid, match=r"solo\.toml") as caught:
            load(KIND)
        assert "\n" not in caught.value.line()

    def test_a_file_that_is_no_text(self, bare_settings: Path) -> None:
        (bare_settings / "state" / "solo.toml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(SettingsInvalid) as caught:
            load(KIND)
        assert "\n" not in caught.value.line()

    def test_a_section_that_is_no_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_EAR", "{threads")
        with pytest.raises(SettingsInvalid) as caught:
            load(KIND)
        assert "\n" not in caught.value.line()

    def test_a_section_that_is_a_value(self, bare_settings: Path) -> None:
        config_file(bare_settings, "ear = 3\n")
        with pytest.raises(SettingsInvalid, match="SOLO_EAR cannot be 3"):
            load(KIND)

    def test_every_one_is_a_solo_error(self) -> None:
        assert issubclass(SettingsInvalid, SoloError)
        assert issubclass(SettingUnknown, SoloError)


class TestNames:
    def test_of_a_nested_setting(self) -> None:
        assert variable(["ear", "threads"]) == "SOLO_EAR__THREADS"

    def test_of_all(self) -> None:
        known = known_variables(KIND)
        assert known["SOLO_PORT"] == "port"
        assert known["SOLO_EAR__THREADS"] == "ear.threads"
        assert set(known) >= {"SOLO_STATE_DIR", "SOLO_EAR__ENGINE", "SOLO_EAR__WORDS"}
        assert "SOLO_EAR" not in known

    def test_settings_are_frozen(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            load(KIND).port = 1
