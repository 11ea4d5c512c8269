"""Is the microphone well, and when is it opened again: pure, so every time here is said, not waited for."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.audio.local.health import Drift, EarCheck, HealthPolicy, Reopening
from services.audio.local.plugged import unless_plugged

LOOK = 0.25


def run(check: EarCheck, begin: float, seconds: float, *, frames: bool = True, still: bool = False) -> list[str]:
    """What each look says while frames of 40 ms come, or do not."""
    seen, looked, still_s = [], begin, 0.0
    for step in range(round(seconds / 0.04)):
        now = begin + step * 0.04
        if frames:
            check.frame(now, 0.04)
        if still:
            still_s += 0.04
            check.still(still_s)
        elif frames:
            check.still(0.0)
        if now - looked >= LOOK:
            looked = now
            seen.append(check.look(now, every_s=LOOK))
    return seen


class TestEarCheck:
    def test_frames_make_it_healthy(self) -> None:
        check = EarCheck(100.0, HealthPolicy())
        assert check.look(100.25, every_s=LOOK) == "starting"
        assert set(run(check, 100.25, 2)) == {"healthy"}
        assert check.was_healthy

    def test_a_stall_is_seen_within_two_seconds(self) -> None:
        check = EarCheck(100.0, HealthPolicy())
        run(check, 100.0, 5)
        seen = run(check, 105.0, 2, frames=False)
        assert "stalled" in seen
        assert seen.index("stalled") * LOOK < 1.5

    def test_one_that_never_delivers_is_given_time_first(self) -> None:
        check = EarCheck(100.0, HealthPolicy())
        seen = run(check, 100.0, 4, frames=False)
        assert seen[:10] == ["starting"] * 10
        assert seen[-1] == "stalled"

    def test_silence_counts_only_after_sound(self) -> None:
        dead = EarCheck(100.0, HealthPolicy())
        assert run(dead, 100.0, 10, still=True)[-1] == "silent"
        assert not dead.was_healthy, "a microphone that never worked would be opened again for ever"
        muted = EarCheck(100.0, HealthPolicy())
        run(muted, 100.0, 5)
        seen = run(muted, 105.0, 5, still=True)
        assert seen[:8] == ["healthy"] * 8
        assert seen[-1] == "silent"
        assert muted.was_healthy

    def test_sound_again_is_health_again(self) -> None:
        check = EarCheck(100.0, HealthPolicy())
        run(check, 100.0, 5, still=True)
        assert run(check, 105.0, 1)[-1] == "healthy"

    def test_a_daemon_that_was_held_up_does_not_blame_the_microphone(self) -> None:
        check = EarCheck(100.0, HealthPolicy())
        run(check, 100.0, 5)
        assert check.look(115.0, every_s=LOOK) == "healthy"
        # When nothing had piled up meanwhile, it is seen all the same.
        assert "stalled" in run(check, 115.0, 2, frames=False)


class TestReopening:
    def test_pauses_grow_to_a_limit_and_are_jittered(self) -> None:
        least = Reopening(random=lambda: 0.0)
        most = Reopening(random=lambda: 1.0)
        pauses = [least.pause_s() for _ in range(12)]
        assert pauses == sorted(pauses)
        assert pauses[0] == pytest.approx(0.2)
        assert pauses[-1] == pytest.approx(48.0)
        assert most.pause_s() == pytest.approx(0.3)

    def test_a_microphone_that_never_works_is_no_storm(self) -> None:
        reopening = Reopening(random=lambda: 0.5)
        now, openings = 0.0, 0
        while now < 3600:
            now += HealthPolicy().first_within_s + LOOK
            reopening.lasted(0.0, delivered=False)
            now += reopening.pause_s()
            openings += 1
        assert openings < 80

    def test_only_lasting_health_starts_over(self) -> None:
        reopening = Reopening(random=lambda: 0.5)
        for _ in range(5):
            reopening.pause_s()
        reopening.lasted(3.0, delivered=False)
        assert reopening.pause_s() > 4
        reopening.lasted(30.0, delivered=True)
        assert reopening.pause_s() == pytest.approx(0.25)

    def test_a_loose_plug_is_never_waited_for_long(self) -> None:
        reopening = Reopening(random=lambda: 0.5)
        for _ in range(50):
            reopening.lasted(2.0, delivered=True)
            assert reopening.pause_s() <= 4


@pytest.mark.virtual_time
class TestPlugged:
    async def test_without_change_the_pause_lasts(self) -> None:
        began = asyncio.get_running_loop().time()
        await unless_plugged(48.0, look=lambda: "0 [PCH]")
        assert asyncio.get_running_loop().time() - began == pytest.approx(48.0)

    async def test_a_card_that_comes_ends_it(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await unless_plugged(48.0, look=lambda: "0 [PCH]" if loop.time() < began + 9.5 else "0 [PCH] 1 [Headset]")
        assert loop.time() - began == pytest.approx(10.0)

    async def test_no_pause_looks_at_nothing_for_long(self) -> None:
        await unless_plugged(0.0)


class TestDrift:
    @pytest.mark.parametrize("ppm", [-400.0, 0.0, 35.0, 2000.0])
    def test_it_is_seen_through_the_jitter_of_arrival(self, ppm: float) -> None:
        rng = random.Random(7)
        drift = Drift()
        for frame in range(1, 400 * 25):
            made = frame * 0.04 / (1 + ppm / 1e6)
            drift.take(1000.0 + made + rng.expovariate(1 / 0.005), frame * 640)
        assert drift.ppm == pytest.approx(ppm, abs=5)

    def test_it_is_not_guessed_from_little_nor_over_a_gap(self) -> None:
        drift = Drift()
        for second in range(60):
            drift.take(float(second), second * 16_000)
            assert (drift.ppm is None) == (second < 40)
        drift.lose()
        assert drift.ppm is None
