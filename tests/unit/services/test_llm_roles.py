"""Which role answers what, which model plays it, and that a choice outlives a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.llm.failures import UnknownModel
from services.llm.roles import FILE, Roles, role_of
from services.messages.language import Complete, Role, Task
from services.messages.pool import UseModel
from solo.bus import Bus
from solo.isolation.engine import BadEngineInput
from solo.state_dir import StateDirUnusable
from solo.supervision import State
from tests.stubs.llm_pool import PICTURE, pooled
from tests.stubs.runners import PlayedMaking, ask

FALLBACKS: dict[Role, tuple[Role, ...]] = {"logic": ("dialog",), "dialog": ("fast", "dialog")}


def roles(folder: Path, **bound: str) -> Roles:
    made = Roles(bound, "", FALLBACKS, folder)  # type: ignore[arg-type]
    made.read()
    return made


@pytest.mark.parametrize(
    ("question", "role"),
    [
        (ask(), "dialog"),
        (ask(role="fast"), "fast"),
        (ask(role="fast", task="polish"), "dialog"),
        (PICTURE, "vision"),
        (PICTURE.model_copy(update={"role": "logic", "task": "draft"}), "vision"),
    ],
)
def test_the_role_of_a_question(question: Complete, role: Role) -> None:
    assert role_of(question) == role


@pytest.mark.parametrize(
    ("task", "role"), [("draft", "logic"), ("polish", "dialog"), ("caption", "vision"), ("summary", "fast")]
)
def test_the_role_of_a_task(task: Task, role: Role) -> None:
    assert role_of(ask(task=task)) == role


class TestBindings:
    def test_unset_is_the_default_but_for_vision(self, tmp_path: Path) -> None:
        one = roles(tmp_path, logic="thinker")
        assert [one.bound(role) for role in ("dialog", "logic", "fast", "vision")] == ["", "thinker", "", None]

    def test_chains(self, tmp_path: Path) -> None:
        one = roles(tmp_path)
        assert one.chain("logic") == ("logic", "dialog")
        assert one.chain("dialog") == ("dialog", "fast")
        assert one.chain("vision") == ("vision",)

    async def test_a_choice_holds_over_a_restart(self, tmp_path: Path) -> None:
        await roles(tmp_path, logic="thinker").choose("logic", "other")
        await roles(tmp_path).choose("fast", "quick")
        again = roles(tmp_path, logic="thinker")
        assert (again.bound("logic"), again.bound("fast")) == ("other", "quick")
        await again.choose("logic", "")
        assert roles(tmp_path, logic="thinker").bound("logic") == "thinker"
        assert (tmp_path / FILE).stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"dialog": 7, "cook": "x"}', "\x00", '"dialog"'])
    def test_a_file_that_cannot_be_read_is_left_alone(self, tmp_path: Path, text: str) -> None:
        (tmp_path / FILE).write_text(text)
        assert roles(tmp_path).bound("dialog") == ""
        assert (tmp_path / FILE).read_text() == text

    async def test_a_choice_that_cannot_be_kept_is_not_made(self, tmp_path: Path) -> None:
        one = roles(tmp_path / "gone")
        with pytest.raises(StateDirUnusable):
            await one.choose("logic", "other")
        assert one.bound("logic") == ""


class TestUse:
    """Over the bus; these models load in no time, since files are written in real time."""

    @pytest.fixture
    def making(self) -> PlayedMaking:
        making = PlayedMaking()
        for name in ("small", "other", "http://host/v1#m"):
            making.model(name, load_s=0, token_s=0.001)
        return making

    async def test_the_next_question_is_answered_by_it(self, bus: Bus, tmp_path: Path, making: PlayedMaking) -> None:
        async with pooled(bus, tmp_path, making=making, listed=["other"]) as pool:
            state = await bus.request(UseModel(role="logic", model="OTHER.gguf"), within=5)
            assert (state.model, state.answering, state.state) == ("other", "other", "ok")
            assert (await pool.complete(role="logic")).end.model == "other"
            assert (await bus.request(UseModel(role="logic", model=""), within=5)).model == "small"

    async def test_of_dialog_it_is_loaded_and_stays(self, bus: Bus, tmp_path: Path, making: PlayedMaking) -> None:
        async with pooled(bus, tmp_path, making=making, listed=["other"]) as pool:
            assert (await bus.request(UseModel(role="dialog", model="other"), within=5)).state == "loading"
            await pool.house.reaches("llm", State.READY)
            answer = await pool.complete(lane="voice")
            assert (answer.end.model, answer.end.role) == ("other", "dialog")
            assert pool.service.engine is not None
            assert pool.service.engine.model == "other"
        async with pooled(Bus(), tmp_path, making=PlayedMaking(dict(making.models)), listed=["other"]) as pool:
            assert (await pool.complete()).end.model == "other"

    async def test_a_server(self, bus: Bus, tmp_path: Path, making: PlayedMaking) -> None:
        async with pooled(bus, tmp_path, making=making) as pool:
            url = "http://host/v1#m"
            await bus.request(UseModel(role="vision", model=url), within=5)
            assert (await pool.complete(PICTURE)).end.model == url
            with pytest.raises(BadEngineInput):
                await bus.request(UseModel(role="fast", model="http://host/v1"), within=5)

    async def test_what_nobody_knows_is_refused(self, bus: Bus, tmp_path: Path, making: PlayedMaking) -> None:
        async with pooled(bus, tmp_path, making=making) as pool:
            with pytest.raises(UnknownModel):
                await bus.request(UseModel(role="dialog", model="none"), within=5)
            assert (await pool.role("dialog")).model == "small"
            assert not (tmp_path / FILE).exists()
