"""The rounds of asking: when offline, when online, and how often."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from edge.internet import Probe, Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

RIGHT = b"HTTP/1.1 204 No Content\r\n\r\n"
PATIENCE_S = 10.0  # longer than any test takes, shorter than TLS waits for a goodbye
LONG_S = 60.0  # whatever is given so long to answer fails its test if it takes it


class Done(Exception):  # noqa: N818 - no error: the script of a test is over
    """All rounds were played."""


class Rounds:
    """A probe's rounds: each answer is a target's, or what the broker said before it.

    pauses: how long was slept after each round. told: by round, what was told of the internet.
    """

    def __init__(self, script: Sequence[str], takes_s: float = 0) -> None:
        self.script, self.takes_s, self.now_s, self.at = script, takes_s, 0.0, 0
        self.pauses, self.told, self.asked = list[float](), list[tuple[int, bool]](), list[int]()

    def play(self, targets: Sequence[Target]) -> "Rounds":
        self.probe = Probe(
            targets, 15, lambda online: self.told.append((self.at, online)),
            ask=self.ask, sleep=self.sleep, monotonic=lambda: self.now_s,
        )  # fmt: skip
        self._broker()
        with suppress(Done):
            asyncio.run(self.probe.run())
        return self

    async def ask(self, _targets: Sequence[Target]) -> bool:
        self.asked.append(self.at)
        self.now_s += self.takes_s
        return self.script[self.at] == "y"

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds
        self.at += 1
        if self.at == len(self.script):
            raise Done
        self._broker()

    def _broker(self) -> None:
        if "a" in self.script[self.at]:
            self.probe.acknowledged()
        if "f" in self.script[self.at]:
            self.probe.failed()


TARGETS = [Target("192.0.2.1", 53)]


def test_three_silent_rounds_are_offline_and_two_answered_ones_online() -> None:
    rounds = Rounds(["y", "n", "n", "y", "n", "n", "n", "n", "y", "n", "y", "y"]).play(TARGETS)

    assert rounds.told == [(0, True), (6, False), (11, True)]


def test_what_the_broker_took_spares_a_round_of_asking() -> None:
    rounds = Rounds(["n", "n", "a", "n", "af", "n", "f", "n"]).play(TARGETS)

    assert rounds.asked == [0, 1, 3, 5, 6, 7]
    assert rounds.told == [(2, True), (7, False)]


def test_without_targets_only_the_brokers_word_counts() -> None:
    rounds = Rounds(["", "a", "f", "f", "af", "f", "f", "f", "a", "a"]).play([])

    assert rounds.asked == []
    assert rounds.told == [(1, True), (7, False), (9, True)]


def test_without_targets_silence_wakes_nobody() -> None:
    async def run() -> tuple[list[float], list[float]]:
        rounds = Rounds(["", "", "", ""])
        probe = Probe([], 15, lambda _online: None, sleep=rounds.sleep, monotonic=lambda: 0.0)
        running = asyncio.create_task(probe.run())
        for _ in range(10):
            await asyncio.sleep(0)
        silent = list(rounds.pauses)
        probe.acknowledged()
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return silent, rounds.pauses

    assert asyncio.run(run()) == ([15], [15, 15])


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0, 15), (5, 10), (20, 0)])
def test_rounds_begin_every_15_s_however_long_they_take(takes_s: float, pause_s: float) -> None:
    assert Rounds(["n", "n", "n"], takes_s).play(TARGETS).pauses == [pause_s] * 3
