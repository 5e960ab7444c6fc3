"""Finds a decision on ``notifications`` by how its id begins."""

from collections.abc import Callable

import click

from app import kafka
from schemas import codec, topics
from schemas.decision import Decision

SHORTEST = 4  # a slip of the keyboard acknowledges nothing


class Found:
    """The decisions whose ids begin so, and the newest of each rule on each device."""

    def __init__(self, begin: str) -> None:
        """Look for ``begin``.

        Raises:
            ClickException: it is too short to be meant.
        """
        if len(begin) < SHORTEST:
            raise click.ClickException(
                f"notification {begin}: give at least {SHORTEST} characters of its id"
            )
        self._begin = begin
        self._found: dict[str, Decision] = {}
        self.newest: dict[tuple[str, str], Decision] = {}

    def one(self, fits: Callable[[Decision], bool] = lambda _: True) -> Decision:
        """Return the one that fits.

        Raises:
            ClickException: there is none, or more than one.
        """
        fitting = [each for each in self._found.values() if fits(each)]
        if len(fitting) != 1:
            what = f"{len(fitting)} begin so; give more of it" if fitting else "there is none"
            raise click.ClickException(f"notification {self._begin}: {what}")
        return fitting[0]

    async def read(self, servers: str) -> "Found":
        """Read all of ``notifications``; return this."""
        async for record in kafka.read(servers, [topics.NOTIFICATIONS]):
            value = codec.decode(codec.notification, record.value)
            if isinstance(value, Decision):
                self.newest[value.device, value.rule] = value
                if value.id.startswith(self._begin):
                    self._found[value.id] = value
        return self
