"""Engines in real child processes: what they may do, how they end, and that nobody else is hurt."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from solo.bus import Bus, DeadlineExceeded, Request
from solo.bus.context import deadline_after, until
from solo.isolation import confine
from solo.isolation.engine import (
    BadEngineInput,
    EngineDied,
    EngineError,
    EngineHung,
    EngineNotStarted,
    InputQuarantined,
)
from solo.isolation.pending import CREDIT
from solo.isolation.process import EngineProcess, EngineSpec
from solo.supervision import Context
from tests.stubs.services import spec as service_spec
from tests.stubs.services import supervised

pytestmark = [
    pytest.mark.daemon_loop,
    pytest.mark.skipif(sys.platform != "linux", reason="the confinement tested here is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
MB = 1024**2


def engine_spec(kind: str = "Echo", **options: Any) -> EngineSpec:
    return EngineSpec(adapter=f"tests.stubs.engines:{kind}", python_path=(str(ROOT),), **options)


@asynccontextmanager
async def running(kind: str = "Echo", **options: Any) -> AsyncIterator[EngineProcess]:
    async with EngineProcess(engine_spec(kind, **options)).running() as engine:
        yield engine


async def dies(
    engine_options: dict[str, Any], provoke: Callable[[EngineProcess], Any]
) -> tuple[BaseException, EngineDied]:
    """What the asker got, and what the block of the engine raised."""
    asked: list[BaseException] = []
    try:
        async with running(**engine_options) as engine:
            try:
                await provoke(engine)
            except EngineDied as error:
                asked.append(error)
            await asyncio.Event().wait()
    except* EngineDied as group:
        (died,) = group.exceptions
    assert isinstance(died, EngineDied)
    return asked[0], died


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_zombie_is_left() -> Any:
    before = set(psutil.Process().children())  # of other tests, such as a browser's driver
    yield
    assert set(psutil.Process().children()) <= before


class TestAsking:
    @pytest.mark.parametrize("value", [None, True, -1, 1.5, "Bücher ✓", b"\x00\xff" * 1000, [1, [2, {"a": b"b"}]], {}])
    async def test_an_answer_is_the_value(self, value: Any) -> None:
        async with running() as engine:
            assert await engine.call("echo", within=5, value=value) == value

    async def test_a_large_one_both_ways(self) -> None:
        sound = os.urandom(20 * MB)
        async with running() as engine:
            assert await engine.call("echo", within=20, value=sound) == sound

    async def test_it_says_what_it_is(self) -> None:
        async with running(threads=3) as engine:
            state = engine.state()
            assert (state.engine, state.model, state.threads, state.pid) == ("echo", "none", 3, engine.pid)
            assert await engine.call("echo", within=5, value=1) == 1
            async with asyncio.timeout(10):
                while engine.rss_bytes is None:
                    await asyncio.sleep(0.01)
            assert engine.rss_bytes > MB

    async def test_an_expected_failure_is_the_same_error_here(self) -> None:
        async with running() as engine:
            with pytest.raises(BadEngineInput, match=r"^no$"):
                await engine.call("refuse", within=5)
            assert await engine.call("echo", within=5, value=1) == 1

    async def test_a_bug_of_the_adapter_is_named_and_ends_nothing(self) -> None:
        async with running() as engine:
            with pytest.raises(EngineError, match="ValueError: a bug in the adapter"):
                await engine.call("crash", within=5)
            assert await engine.call("echo", within=5, value=1) == 1

    @pytest.mark.parametrize("method", ["nothing", "_fail", "__init__", "steps"])
    async def test_only_public_methods_can_be_called(self, method: str) -> None:
        async with running() as engine:
            with pytest.raises(EngineError, match=rf"has no method {method}"):
                await engine.call(method, within=5)

    async def test_an_answer_that_cannot_be_sent_is_an_error(self) -> None:
        async with running() as engine:
            with pytest.raises(EngineError, match="serialize"):
                await engine.call("unsendable", within=5)
            assert await engine.call("echo", within=5, value=1) == 1

    async def test_what_a_library_prints_is_not_taken_for_an_answer(self) -> None:
        async with running() as engine:
            await engine.call("chatter", within=5)
            assert await engine.call("echo", within=5, value=1) == 1

    async def test_several_at_once_are_each_answered(self) -> None:
        async with running() as engine:
            answers = await asyncio.gather(*(engine.call("echo", within=20, value=number) for number in range(200)))
            assert answers == list(range(200))


class TestStreaming:
    async def test_items_in_order(self) -> None:
        async with running() as engine:
            async with engine.stream("count", within=5, to=1000) as numbers:
                assert [number async for number in numbers] == list(range(1000))

    async def test_the_engine_waits_for_its_consumer(self) -> None:
        async with running("Crowd") as engine:
            async with engine.stream("count", within=5, to=10_000) as numbers:
                assert await anext(numbers) == 0
                ahead = -1
                while ahead != (ahead := await engine.call("progress", within=5)):
                    await asyncio.sleep(0.2)  # until it stands still
                assert ahead <= CREDIT + 1
                assert [await anext(numbers) for _ in range(100)] == list(range(1, 101))

    async def test_leaving_ends_the_engines_work(self) -> None:
        async with running() as engine:
            async with engine.stream("count", within=5, to=1_000_000_000) as numbers:
                await anext(numbers)
            assert await engine.call("progress", within=10) < 100_000

    async def test_an_error_comes_behind_the_items(self) -> None:
        got = []
        async with running() as engine:
            with pytest.raises(BadEngineInput):
                async with engine.stream("count_then_refuse", within=5, to=5) as numbers:
                    async for number in numbers:
                        got.append(number)  # noqa: PERF401  # what came before the error counts
        assert got == [0, 1, 2, 3, 4]

    async def test_a_stall_is_noticed(self) -> None:
        async with running("Crowd") as engine:
            with pytest.raises(DeadlineExceeded, match=r"did not answer stall within 0\.2 s"):
                async with engine.stream("stall", within=0.2) as numbers:
                    async for _ in numbers:
                        pass


class TestDeadlines:
    async def test_of_the_call(self) -> None:
        async with running("Crowd") as engine:
            with pytest.raises(DeadlineExceeded, match=r"echo did not answer wait within 0\.1 s"):
                await engine.call("wait", within=0.1)
            assert await engine.call("echo", within=5, value=1) == 1

    async def test_inherited_from_the_bus(self) -> None:
        async with running("Crowd") as engine:
            with pytest.raises(DeadlineExceeded):
                async with until(deadline_after(0.1), "this test"):
                    await engine.call("wait", within=1000)
            assert await engine.call("was_left", within=10)

    async def test_a_call_that_has_waited_too_long_is_not_begun(self) -> None:
        async with running() as engine:
            busy = asyncio.create_task(engine.call("sleep", within=10, seconds=0.5))
            await asyncio.sleep(0)
            with pytest.raises(DeadlineExceeded):
                await engine.call("hog", within=0.05, size=1)
            await busy
            assert await engine.call("kept", within=5) == 0

    async def test_cancellation_reaches_the_engine(self) -> None:
        async with running("Crowd") as engine:
            asking = asyncio.create_task(engine.call("wait", within=1000))
            async with asyncio.timeout(10):
                while not await engine.call("is_waiting", within=5):
                    await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.wait([asking])
            assert await engine.call("was_left", within=10)


class TestConfinement:
    async def test_the_environment_holds_no_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        secrets = {"SOLO_SECRET": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter2", "HTTPS_PROXY": "http://u:hunter2@p"}
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)
        async with running(threads=3) as engine:
            environment = await engine.call("environment", within=5)
        assert not secrets.keys() & environment.keys()
        assert "hunter2" not in str(environment)
        assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "3"
        assert environment["HF_HUB_OFFLINE"] == "1"
        assert environment["PATH"] == os.environ["PATH"]

    async def test_there_is_no_network(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
            async with running() as engine:
                if engine.info["network"]:
                    assert os.geteuid() != 0
                    pytest.skip("this kernel allows no user namespace")
                assert await engine.call("connect", within=10, port=port) != "connected"
            async with running(no_network=False) as engine:
                assert engine.info["network"]
                assert await engine.call("connect", within=10, port=port) == "connected"

    async def test_it_gives_way_to_the_daemon(self) -> None:
        async with running() as engine:
            assert engine.pid is not None
            assert psutil.Process(engine.pid).nice() > psutil.Process().nice()

    async def test_a_hog_fails_alone(self) -> None:
        async with running(memory_limit=512 * MB) as hog, running(memory_limit=512 * MB) as other:
            assert await hog.call("hog", within=20, size=10 * MB) == 10 * MB
            with pytest.raises(EngineError, match="MemoryError"):
                await hog.call("hog", within=20, size=1024 * MB)
            assert await hog.call("echo", within=5, value=1) == 1
            assert await other.call("echo", within=5, value=1) == 1


class TestDeath:
    @pytest.mark.parametrize(
        ("provoke", "said"),
        [
            (lambda engine: engine.call("segfault", within=20), "was ended by SIGSEGV"),
            (lambda engine: engine.call("exit", within=20, code=3), "ended with exit code 3"),
            (lambda engine: engine.call("exit", within=20, code=0), "ended with exit code 0"),
            (lambda engine: engine.call("kill", within=20, number=int(signal.SIGKILL)), "was ended by SIGKILL"),
            (lambda engine: engine.call("kill", within=20, number=int(signal.SIGABRT)), "was ended by SIGABRT"),
        ],
        ids=["segmentation fault", "exit code", "exit code 0", "SIGKILL", "abort"],
    )
    async def test_answers_the_asker_and_ends_the_block(self, provoke: Any, said: str) -> None:
        asked, died = await dies({}, provoke)
        assert type(asked) is EngineDied
        assert asked is died
        assert said in died.message
        assert "\n" not in died.line()
        assert died.retryable

    async def test_of_all_who_wait(self) -> None:
        asking: list[asyncio.Task[Any]] = []
        with pytest.raises(ExceptionGroup):
            async with running() as engine:
                asking += [asyncio.create_task(engine.call("sleep", within=100, seconds=100)) for _ in range(5)]
                await asyncio.sleep(0.1)
                assert engine.pid is not None
                os.kill(engine.pid, signal.SIGKILL)
                await asyncio.Event().wait()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer) for answer in answers] == [EngineDied] * 5

    async def test_of_a_stream_in_the_middle(self) -> None:
        async def provoke(engine: EngineProcess) -> None:
            async with engine.stream("count", within=5, to=1_000_000) as numbers:
                async for number in numbers:
                    if number == 100:
                        assert engine.pid is not None
                        os.kill(engine.pid, signal.SIGKILL)

        asked, died = await dies({}, provoke)
        assert asked is died

    async def test_its_last_words_are_told(self) -> None:
        _, died = await dies({}, lambda engine: engine.call("say_and_die", within=20, words="out of paper"))
        assert died.message.endswith("it said: out of paper")

    async def test_while_nobody_asks(self) -> None:
        async def provoke(engine: EngineProcess) -> None:
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            await engine.call("sleep", within=20, seconds=10)

        asked, died = await dies({}, provoke)
        assert asked is died

    @pytest.mark.parametrize(
        "garbage",
        [b"\xff" * 64, b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x01\x80", b"\x00\x00\x00\x0b\x81\xa4kind\xa4item"],
        ids=["too long", "no msgpack", "no kind", "no id"],
    )
    async def test_garbage_on_the_pipe_ends_it(self, garbage: bytes) -> None:
        asked, died = await dies({}, lambda engine: engine.call("write", within=20, data=garbage))
        assert asked is died
        assert "frame" in died.message

    async def test_a_service_with_it_crashes_by_name_and_comes_back(self, bus: Bus) -> None:
        async def run(ctx: Context) -> None:
            async with running() as engine:
                ctx.engine = engine.state
                ctx.ready()
                await ctx.answer(AskEcho, lambda question: engine.call("echo", within=5, value=question.value))

        async with supervised(bus, service_spec("echo", run, answers=(AskEcho,), ready_within=30)) as house:
            assert await bus.request(AskEcho(value="one"), within=30) == "one"
            before = house.state("echo").engine
            assert before is not None
            assert before.pid is not None
            os.kill(before.pid, signal.SIGKILL)
            assert await bus.request(AskEcho(value="two"), within=30) == "two"
            after = house.state("echo")
            assert after.engine is not None
            assert after.engine.pid != before.pid
            assert after.restarts == 1
            assert after.last_error is not None
            assert after.last_error.code == "engine.died"


class AskEcho(Request[str]):
    idempotent = True

    value: str


class TestHanging:
    async def test_a_stopped_process_is_noticed(self) -> None:
        async def provoke(engine: EngineProcess) -> None:
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGSTOP)
            await engine.call("echo", within=60, value=1)

        # Heartbeats come every second.
        asked, died = await dies({"hang_after": 2.5}, provoke)
        assert type(asked) is EngineHung
        assert "gave no sign of life for 2.5 s" in died.message

    async def test_a_busy_one_is_not_taken_for_hung(self) -> None:
        async with running(hang_after=1.5) as engine:
            await engine.call("sleep", within=20, seconds=3)

    async def test_one_deaf_to_cancellation_is_ended(self) -> None:
        async def provoke(engine: EngineProcess) -> None:
            with pytest.raises(DeadlineExceeded):
                await engine.call("sleep", within=0.1, seconds=1000)
            await engine.call("echo", within=60, value=1)

        asked, died = await dies({"settle_within": 0.3}, provoke)
        assert type(asked) is EngineHung
        assert "went on for 0.3 s after its work was cancelled" in died.message

    async def test_one_that_settles_in_time_is_not(self) -> None:
        async with running(settle_within=5) as engine:
            with pytest.raises(DeadlineExceeded):
                await engine.call("sleep", within=0.05, seconds=0.3)
            assert await engine.call("echo", within=10, value=1) == 1


class TestLoading:
    async def test_a_failure_carries_code_and_hint(self) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with running(options={"fail": True}):
                raise AssertionError("never loaded")
        (error,) = caught.value.exceptions
        assert type(error) is BadEngineInput
        assert error.line() == "cannot load. Do something. [engine.bad_input]"

    @pytest.mark.parametrize("options", [{"adapter": "tests.stubs.engines:Nothing"}, {"adapter": "no.such:Engine"}])
    async def test_an_adapter_that_is_not_there(self, options: Any) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with EngineProcess(EngineSpec(python_path=(str(ROOT),), **options)).running():
                raise AssertionError("never loaded")
        (error,) = caught.value.exceptions
        assert type(error) is EngineError

    async def test_an_option_that_it_does_not_have(self) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with running(options={"colour": "red"}):
                raise AssertionError("never loaded")
        (error,) = caught.value.exceptions
        assert isinstance(error, EngineError)
        assert "unexpected keyword argument 'colour'" in error.message

    async def test_that_takes_too_long(self) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with running(options={"load_s": 1000.0}, load_within=0.5):
                raise AssertionError("never loaded")
        (error,) = caught.value.exceptions
        assert type(error) is EngineNotStarted
        assert "Echo did not load within 0.5 s" in error.message

    async def test_that_dies(self) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with running("DiesLoading"):
                raise AssertionError("never loaded")
        assert any(isinstance(error, EngineDied) for error in caught.value.exceptions)

    @pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
    async def test_cancelled_while_it_is_started_leaves_nothing(self, steps: int) -> None:
        before = set(psutil.Process().children())
        task = asyncio.create_task(running().__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert set(psutil.Process().children()) <= before

    async def test_cancelled_in_the_middle_leaves_nothing(self) -> None:
        before = set(psutil.Process().children())
        task = asyncio.create_task(running(options={"load_s": 1000.0}).__aenter__())
        async with asyncio.timeout(10):
            while set(psutil.Process().children()) <= before:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])


class TestQuarantine:
    async def test_after_two_deaths_in_a_row_an_input_is_refused(self) -> None:
        options = engine_spec()
        for _ in range(2):
            with pytest.raises(ExceptionGroup):
                async with EngineProcess(options).running() as engine:
                    await engine.call("exit", within=20, code=1)
        async with EngineProcess(options).running() as engine:
            with pytest.raises(InputQuarantined) as caught:
                await engine.call("exit", within=20, code=1)
            assert "Change it" in caught.value.hint
            assert await engine.call("echo", within=5, value=1) == 1

    async def test_success_in_between_forgives(self) -> None:
        options = engine_spec()
        for _ in range(3):
            with pytest.raises(ExceptionGroup, match="unhandled") as caught:
                async with EngineProcess(options).running() as engine:
                    assert await engine.call("echo", within=5, key="the same", value=1) == 1
                    await engine.call("exit", within=20, key="the same", code=1)
            assert {type(error) for error in caught.value.exceptions} == {EngineDied}

    async def test_those_waiting_behind_it_are_innocent(self) -> None:
        options = engine_spec()
        for _ in range(2):
            with pytest.raises(ExceptionGroup):
                async with EngineProcess(options).running() as engine:
                    killer = asyncio.create_task(engine.call("sleep_and_exit", within=20, seconds=0.2, code=1))
                    await asyncio.sleep(0)
                    behind = asyncio.create_task(engine.call("echo", within=20, value="innocent"))
                    await asyncio.gather(killer, behind, return_exceptions=True)
                    await asyncio.Event().wait()
        async with EngineProcess(options).running() as engine:
            assert await engine.call("echo", within=5, value="innocent") == "innocent"
            with pytest.raises(InputQuarantined):
                await engine.call("sleep_and_exit", within=20, seconds=0.2, code=1)


PARENT = """
import asyncio, sys
from solo.isolation.process import EngineProcess, EngineSpec

async def main():
    spec = EngineSpec(adapter="tests.stubs.engines:Echo", python_path=(sys.argv[1],))
    async with EngineProcess(spec).running() as engine:
        busy = asyncio.create_task(engine.call("sleep", within=1000, seconds=1000))
        await asyncio.sleep(0.2)
        print(engine.pid, flush=True)
        await busy

asyncio.run(main())
"""


class TestRemains:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    async def test_no_orphan_when_the_daemon_is_killed(self, number: signal.Signals) -> None:
        with subprocess.Popen([sys.executable, "-c", PARENT, str(ROOT)], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert alive(pid)
            parent.send_signal(number)
            parent.wait()
            await until_gone(pid)

    async def test_not_even_one_that_is_stopped(self) -> None:
        """It cannot see the closed pipe; the kernel ends it."""
        with subprocess.Popen([sys.executable, "-c", PARENT, str(ROOT)], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            os.kill(pid, signal.SIGSTOP)
            parent.kill()
            parent.wait()
            await until_gone(pid)

    async def test_a_busy_child_does_not_hold_up_the_end(self) -> None:
        async with running() as engine:
            busy = asyncio.create_task(engine.call("sleep", within=1000, seconds=1000))
            await asyncio.sleep(0.05)
            busy.cancel()
            await asyncio.wait([busy])
            pid = engine.pid
        assert pid is not None
        assert not alive(pid)

    async def test_ctrl_c_is_for_the_daemon_alone(self) -> None:
        async with running() as engine:
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGINT)
            assert await engine.call("echo", within=5, value=1) == 1
            assert os.getsid(engine.pid) != os.getsid(0)

    async def test_twenty_restarts_leak_nothing(self) -> None:
        def held() -> tuple[int, int]:
            return psutil.Process().num_fds(), len(psutil.Process().threads())

        async def once(number: int) -> None:
            if number % 2:
                await dies({}, lambda engine: engine.call("exit", within=20, code=1))
            else:
                async with running() as engine:
                    await engine.call("echo", within=5, value=1)

        for number in range(2):  # what is made once is made now
            await once(number)
        before = held()
        for number in range(20):
            await once(number)
        await asyncio.sleep(0)
        assert held() <= before


@pytest.mark.skipif(os.geteuid() != 0, reason="others need a kernel that allows user namespaces")
def test_root_can_always_drop_the_network() -> None:
    code = "from solo.isolation import confine; raise SystemExit(0 if confine.drop_network() else 1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_memory_of_a_process_that_is_gone_is_none() -> None:
    assert confine.resident_bytes() > MB
    assert confine.resident_bytes(2**22 + 1) == 0
