"""What was acknowledged is in PostgreSQL: a process killed right behind the answer has lost nothing of it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from services.skills.spec import SCHEMA
from services.skills.timers.store import TimerStore
from solo.bus import Bus
from tests import postgres
from tests.stubs.skills_house import Listener, TestClock, skills_house

PROCESS = """
import asyncio, sys
from pathlib import Path
from services.skills.timers.store import TimerStore
from solo.bus import Bus
from solo.storage import Address, Database
from tests.stubs.skills_house import skills_house

async def main():
    database = Database()
    await database.open(Address.read(Path(sys.argv[1])))
    async with skills_house(Bus(), store=TimerStore(database)) as house:
        number = 0
        while True:
            number += 1
            said = await house.say(f"set a timer for {number + 1000} seconds", profile=f"somebody {number // 50}")
            assert said.say.endswith("starting now."), said
            print(number, flush=True)

asyncio.run(main())
"""


async def test_killed_behind_the_answer(tmp_path: Path) -> None:
    async with postgres.database(tmp_path / "state", (SCHEMA,)) as database:
        assert database.address is not None
        database.address.write(tmp_path)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        acknowledged = 0
        while acknowledged < 120:
            acknowledged = int(await process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        acknowledged = max([acknowledged, *map(int, rest.split())])
        await process.wait()
        lengths = {round(entry.length_s) for entry in await TimerStore(database).all()}
        assert set(range(1001, 1001 + acknowledged)) <= lengths


async def test_a_restart(tmp_path: Path) -> None:
    clock = TestClock()
    async with postgres.database(tmp_path, (SCHEMA,)) as database:
        async with skills_house(Bus(), clock=clock, store=TimerStore(database)) as house:
            await house.say("set a tea timer for 3 minutes")
            await house.say("set a pizza timer for 20 minutes")
            await house.say("pause the pizza timer")
    clock.boot = "second"
    clock.set_by(600)  # the machine was off
    async with postgres.database(tmp_path, (SCHEMA,)) as database:
        async with skills_house(Bus(), clock=clock, store=TimerStore(database), listener=Listener()) as house:
            (said,) = await house.listener.hears(1)
            assert said == "Your tea timer ran out seven minutes ago."
            (pizza,) = [timer for timer in await house.timers() if timer.name == "pizza"]
            assert pizza.state == "paused"
            assert 1195 < pizza.left_s <= 1200
            assert (await house.say("stop")).control == "stop"
            while len(await TimerStore(database).all()) > 1:
                await asyncio.sleep(0.01)
