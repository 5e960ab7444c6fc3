"""What is known of a modem and of the texts given to it."""

from enum import StrEnum
from pathlib import Path

import msgspec


class State(StrEnum):
    """How far it is."""

    ABSENT = "absent"
    INITIALISING = "initialising"
    SEARCHING = "searching"
    READY = "ready"
    RESTING = "resting"


class Status(msgspec.Struct):
    """What is known. signal_dbm: None is unknown. trouble: what stands in the way, or empty.

    resets: how often it was brought back. balance: as the network says it.
    """

    state: State = State.ABSENT
    trouble: str = ""
    signal_dbm: int | None = None
    resets: int = 0
    balance: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the modem is, and how to use it. balance: the USSD code that asks for it.

    pins: the file that keeps which PIN a SIM refused; None: only as long as we run.
    """

    port: str
    baud: int = 115_200
    pin: str | None = None
    balance: str | None = None
    pins: Path | None = None


class Outcome(StrEnum):
    """What became of a text."""

    SENT = "sent"
    UNKNOWN = "unknown"  # it may have been sent
    NOT_SENT = "not_sent"  # it may be tried again
    FAILED = "failed"  # it never will be


class Result(msgspec.Struct, frozen=True):
    """What became of a text. references: of its parts, as reports name them.

    retry_in_s: when it is worth trying again. route_down: nothing can be sent by this SIM.
    """

    outcome: Outcome
    references: tuple[int, ...] = ()
    reason: str = ""
    retry_in_s: float = 0.0
    route_down: bool = False
