"""Whatever happens in whatever order: never two starts of one service at once, counts add up, the end is in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solo.bus import Bus
from solo.supervision import Context, Intensity, State
from solo.virtual_time import VirtualTimeLoop
from tests.stubs.services import spec, supervised

NAMES = ("one", "two", "three", "four")


@dataclass
class Puppet:
    """A service that does what the sequence says, and writes down what the supervisor did with it."""

    name: str
    alive: int = 0
    most_alive: int = 0
    starts: int = 0
    crashes: int = 0
    orders: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    ended: list[str] = field(default_factory=list)

    async def run(self, ctx: Context) -> None:
        self.starts += 1
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        stopping = asyncio.ensure_future(ctx.stopping.wait())
        try:
            while not stopping.done():
                order = asyncio.ensure_future(self.orders.get())
                await asyncio.wait([order, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not order.done():
                    order.cancel()
                elif order.result() == "ready":
                    ctx.ready()
                else:
                    self.crashes += 1
                    raise ValueError("told to")
            self.ended.append(self.name)
        finally:
            stopping.cancel()
            self.alive -= 1


steps = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(["ready", "crash"]), st.sampled_from([0.0, 0.01, 0.5, 5.0, 70.0])
    ),
    max_size=25,
)
holdings = st.tuples(
    st.just(()),
    st.sampled_from([(), ("one",)]),
    st.sampled_from([(), ("one",), ("two",), ("one", "two")]),
    st.sampled_from([(), ("three",), ("one",)]),
)


async def play(sequence: list[tuple[str, str, float]], holds: tuple[tuple[str, ...], ...]) -> None:
    bus = Bus()
    ended: list[str] = []
    puppets = {name: Puppet(name) for name in NAMES}
    specs = [
        spec(name, puppets[name].run, holds=held, intensity=Intensity(crashes=1000), ready_within=1e9)
        for name, held in zip(NAMES, holds, strict=True)
    ]
    async with supervised(bus, *specs) as house:
        for name, order, pause in sequence:
            puppets[name].orders.put_nowait(order)
            await asyncio.sleep(pause)
            for puppet in puppets.values():
                assert puppet.most_alive <= 1, f"{puppet.name} was started while it ran"
            running = {state.name for state in house.supervisor.services() if state.state is State.READY}
            for other in specs:
                if other.name in running and pause:
                    assert running.issuperset(other.holds), f"{other.name} is ready without {other.holds}"
        await asyncio.sleep(0.001)  # what was ordered last is done
        for puppet in puppets.values():
            puppet.ended = ended
        restarts = {state.name: state.restarts for state in house.supervisor.services()}
        alive = [name for name in NAMES if puppets[name].alive]
        house.stop.set()
        await asyncio.wait([house.task])
    assert all(state.state is State.STOPPED for state in house.supervisor.services())
    assert all(puppet.alive == 0 for puppet in puppets.values())
    assert ended == [name for name in reversed(NAMES) if name in alive]
    for name, held in zip(NAMES, holds, strict=True):
        puppet = puppets[name]
        if not held:  # nothing but its own crashes restarts it
            assert restarts[name] == puppet.crashes
        assert restarts[name] >= puppet.crashes
        assert puppet.starts <= restarts[name] + 1


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(sequence=steps, holds=holdings)
def test_random_lives(sequence: list[tuple[str, str, float]], holds: tuple[tuple[str, ...], ...]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(play(sequence, holds))
