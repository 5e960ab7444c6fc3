"""Is a device set up so that it can do its work: configuration, folders, ports, permissions."""

import asyncio
import getpass
import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec
import serial

from edge.clock import synchronised
from edge.config import Config
from edge.internet import parse_target, reachable
from edge.parse import ACTIVE_LOG, LOGS
from edge.sim800.port import BROKEN
from edge.spool_file import in_use

ANSWERS_S = 5.0


class Verdict(StrEnum):
    """Good, to be looked at, or in the way."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, and what is the matter with it."""

    what: str
    verdict: Verdict
    says: str


OK, WARNING, WRONG = Verdict


async def check(file: Path, config: Config) -> AsyncIterator[Finding]:
    """Yield what is found about ``config``, which stands in ``file``."""
    yield Finding("configuration", OK, f"device {config.device}")
    for finding in (*_secrets(file, config), *_logs(config), *_spool(config), *_texts(config)):
        yield finding
    for broker in config.brokers:
        yield await _broker(broker)
    for text in config.internet.targets:
        right = await reachable([parse_target(text)], ANSWERS_S)
        says = "answers rightly" if right else "does not answer as it should"
        yield Finding(f"internet {text}", OK if right else WARNING, says)
    if not config.internet.targets:
        yield Finding("internet", WARNING, "no targets: only the broker's word counts")
    yield modem_found(config)
    if synchronised():
        yield Finding("clock", OK, "synchronised")
    else:
        yield Finding("clock", WARNING, "nobody keeps it right: install chrony, or the like")


def _secrets(file: Path, config: Config) -> Iterator[Finding]:
    if config.modem is not None and config.modem.pin and file.stat().st_mode & stat.S_IROTH:
        yield Finding("configuration", WARNING, f"everybody may read the PIN: chmod o-r {file}")


def _logs(config: Config) -> Iterator[Finding]:
    if not config.logs.is_dir():
        yield Finding("logs", WRONG, f"there is no folder {config.logs}; make it, or name another")
        return
    for log in LOGS:
        path = config.logs / log
        if log == ACTIVE_LOG and not os.access(path if path.exists() else config.logs, os.W_OK):
            yield Finding(log, WRONG, f"cannot be written: look at {path}")
        elif not path.exists():
            yield Finding(log, WARNING if log != ACTIVE_LOG else OK, "is not there yet")
        elif not path.is_file() or not os.access(path, os.R_OK):
            yield Finding(log, WRONG, f"cannot be read: look at {path}")
        else:
            yield Finding(log, OK, f"{path.stat().st_size:,} bytes")


def _spool(config: Config) -> Iterator[Finding]:
    folder = config.spool.parent
    if not folder.is_dir() or config.spool.is_dir():
        what = f"there is no folder {folder}" if not folder.is_dir() else f"{config.spool} is one"
        yield Finding("spool", WRONG, f"{what}; name a file, in a folder that is there")
        return
    if not os.access(folder, os.W_OK):
        says = f"{folder} cannot be written by {_user()}: look at its owner"
        yield Finding("spool", WRONG, says)
        return
    free = shutil.disk_usage(folder).free
    if free < config.spool_limit:
        yield Finding("spool", WARNING, f"{free / 1e6:,.0f} MB are free, less than its limit")
    try:
        running = "; an edge is running" if in_use(config.spool) else ""
        yield Finding("spool", OK, f"{config.spool}{running}")
    except OSError as error:
        says = f"{error.filename}: {error.strerror} for {_user()}: look at its owner"
        yield Finding("spool", WRONG, says)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # of a user without a name; OSError from Python 3.13 on
        return f"user {os.getuid()}"


def _texts(config: Config) -> Iterator[Finding]:
    if config.numbers and config.modem is None:
        yield Finding("texts", WRONG, "there are numbers and no [modem]: nobody can be texted")
    elif config.modem is not None and not config.numbers:
        yield Finding("texts", WARNING, "there is a modem and no numbers: nobody is texted")
    elif config.numbers:
        rules = ", ".join(rule.name for rule in config.rules)
        yield Finding("texts", OK, f"{len(config.numbers)} number(s); decided here: {rules}")


async def _broker(broker: str) -> Finding:
    host, _, port = broker.rpartition(":")
    try:
        async with asyncio.timeout(ANSWERS_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError) as error:
        reason = str(error) or f"no answer within {ANSWERS_S:g} s"
        return Finding(f"broker {broker}", WRONG, f"does not connect: {reason}")
    writer.close()
    return Finding(f"broker {broker}", OK, "connects")


def modem_found(config: Config) -> Finding:
    """Return what is found about the modem's port."""
    if config.modem is None:
        return Finding("modem", OK, "there is none")
    path = Path(config.modem.port)
    if not path.is_char_device():
        says = "no serial port" if path.exists() else "not there"
        return Finding("modem", WRONG, f"{path} is {says}; look at ls /dev/serial/by-id")
    if not os.access(path, os.R_OK | os.W_OK):
        return Finding("modem", WRONG, f"{path} may not be used: add the user to group dialout")
    try:
        serial.Serial(config.modem.port, config.modem.baud, exclusive=True).close()
    except (*BROKEN, ValueError) as error:
        used = "lock" in str(error).lower()
        says = "is in use, maybe by the edge that runs" if used else f"cannot be opened: {error}"
        return Finding("modem", WARNING if used else WRONG, f"{path} {says}")
    return Finding("modem", OK, f"{path} opens")


def checked(file: Path, config: Config) -> list[Finding]:
    """Return all that is found about ``config``, which stands in ``file``."""

    async def all_of() -> list[Finding]:
        return [finding async for finding in check(file, config)]

    return asyncio.run(all_of())
