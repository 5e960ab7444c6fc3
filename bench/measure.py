"""Ratios of interleaved rounds: these machines are noisy, so only what runs in turn is compared."""

import gc
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import TypeVar

import click
import msgspec

ROUNDS = 7
T = TypeVar("T")
Timed = Callable[[], float]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. better: ``higher`` or ``lower`` than ``target``; None: there is no target."""

    name: str
    median: float
    min: float
    max: float
    target: float | None
    better: str
    unit: str

    @property
    def met(self) -> bool:
        """Return whether the median is as good as was promised."""
        if self.target is None:
            return True
        return self.median >= self.target if self.better == "higher" else self.median <= self.target

    def line(self) -> str:
        """Return it as people read it."""
        sign = "≥" if self.better == "higher" else "≤"
        wanted = "" if self.target is None else f"  {sign} {self.target:g}"
        mark = "" if self.target is None else "  met" if self.met else "  MISSED"
        spread = f"({self.min:.3g} … {self.max:.3g})"
        return f"{self.name:28} {self.median:8.3g} {self.unit:12} {spread:20}{wanted}{mark}"


def result(name: str, values: list[float], target: float | None, better: str, unit: str) -> Result:
    """Return the figure that ``values``, one for each round, make."""
    return Result(
        name=name,
        median=median(values),
        min=min(values),
        max=max(values),
        target=target,
        better=better,
        unit=unit,
    )


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that ``work`` takes."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def rounds(count: int) -> Iterator[int]:
    """Yield the numbers of so many rounds, and show how far they are."""
    with click.progressbar(range(count), label="rounds") as bar:
        yield from bar


def turns(number: int, *each: T) -> tuple[T, ...]:
    """Return ``each``, the other way round in every second round: neither is always the first."""
    return each[::-1] if number % 2 else each


def ratios(ours: Timed, theirs: Timed) -> list[float]:
    """Return how many times what ``ours`` measures ``theirs`` measures, in each round."""
    found = []
    for number in rounds(ROUNDS):
        mine, other = turns(number, *(each() for each in turns(number, ours, theirs)))
        found.append(other / mine)
    return found
