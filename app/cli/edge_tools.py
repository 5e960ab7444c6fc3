"""``changeover edge status``, ``check`` and ``test-sms``: a device looked at by its owner."""

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from edge.check import Verdict, checked, modem_found
from edge.config import CONFIG_NAME, Config, ConfigError, load
from edge.config_sections import NUMBER
from edge.control import NotRunningError, ask
from edge.status import EdgeStatus
from edge.texting import READY_S, settings, text_once

config_option = click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CONFIG_NAME,
    show_default=True,
    help="The device's configuration.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
TEXT = "This is a test: {device} can text you."


@click.command()
@config_option
@json_option
def status(file: Path, as_json: bool) -> None:
    """Say how the edge on this machine is doing.

    Exit code 1: none is running. 2: the command or the configuration is wrong.
    """
    config = loaded(file)
    try:
        answer = asyncio.run(ask(config.spool, {"ask": "status"}))
    except NotRunningError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)))
        return
    found = msgspec.convert(answer, EdgeStatus)
    for name, value in _lines(found):
        click.echo(f"{name:10} {value}")


@click.command()
@config_option
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check configuration, folders, ports and permissions.

    Exit code 1: something is wrong, and the device cannot do its work. 2: the configuration cannot
    be read.
    """
    config = loaded(file)
    findings = checked(file, config)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)))
    else:
        for each in findings:
            click.echo(f"{each.verdict:8} {each.what:28} {each.says}")
        counts = Counter(each.verdict for each in findings)
        click.echo(f"{counts[Verdict.WRONG]} wrong, {counts[Verdict.WARNING]} to be looked at")
    sys.exit(any(each.verdict is Verdict.WRONG for each in findings))


@click.command(name="test-sms")
@click.argument("number")
@click.option("--text", help="What it says instead of that it is a test.")
@config_option
@json_option
def test_sms(number: str, text: str | None, file: Path, as_json: bool) -> None:
    """Text NUMBER by the device's modem, now; through the running edge if there is one.

    \b
    changeover edge test-sms +2348012345678

    Exit code 1: it was not sent, or nobody knows.
    """
    if not NUMBER.fullmatch(number):
        raise click.BadParameter(f"{number} is not a number, as in +2348012345678")
    if text is not None and not text.strip():
        raise click.BadParameter("there is nothing to text", param_hint="--text")
    config = loaded(file)
    body = text or TEXT.format(device=config.device)
    try:
        result = asyncio.run(ask(config.spool, {"ask": "text", "number": number, "text": body}))
    except NotRunningError:
        if config.modem is None:
            raise click.UsageError(f"{file}: there is no [modem]") from None
        finding = modem_found(config)
        if finding.verdict is not Verdict.OK:
            raise click.ClickException(f"modem: {finding.says}") from None
        click.echo(f"no edge is running: opening the modem, for at most {READY_S:g} s", err=True)
        result = asyncio.run(text_once(settings(config.modem, config.spool), number, body))
    reason = f" ({result['reason']})" if result["reason"] else ""
    click.echo(msgspec.json.encode(result) if as_json else f"{result['outcome']}{reason}")
    sys.exit(result["outcome"] != "sent")


def loaded(file: Path) -> Config:
    """Return the configuration in ``file``.

    Raises:
        UsageError: it is wrong.
    """
    try:
        return load(file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _lines(found: EdgeStatus) -> list[tuple[str, Any]]:
    """Return the names and values that people want to see."""
    online = {True: "online", False: "offline", None: "not known yet"}[found.online]
    trouble = f"; {found.trouble}" if found.trouble else ""
    lines = [
        ("device", f"{found.device}, {found.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("source", found.source or "not known yet"),
        ("internet", online),
        ("spool", f"{found.waiting:,} records wait, {found.bytes:,} bytes"),
        ("shipped", f"{found.shipped:,} records since its start{_last(found)}{trouble}"),
        ("firing", ", ".join(found.firing) or "nothing"),
    ]
    if found.soc_pct is not None:
        lines.insert(2, ("battery", f"{found.soc_pct:g} %"))
    if found.malformed:
        lines.append(("malformed", f"{found.malformed:,}, the newest {found.bad}"))
    for each in found.pending:
        left = "nobody is texted" if each.due_s is None else _due(each.due_s)
        lines.append(("pending", f"{each.rule} {each.kind} of {each.at:%H:%M:%S}: {left}"))
    lines.append(("texts", f"{found.texts} to send, {found.claims} were left to it to text so far"))
    modem = found.modem
    if modem is not None:
        signal = "" if modem.signal_dbm is None else f", {modem.signal_dbm} dBm"
        balance = "" if modem.balance is None else f", {modem.balance}"
        trouble = f": {modem.trouble}" if modem.trouble else ""
        lines.append(("modem", f"{modem.state}{signal}{balance}{trouble}"))
    return lines


def _due(seconds: float) -> str:
    left = timedelta(seconds=max(0, round(seconds)))
    return f"texted in {left} if the servers do not take it"


def _last(found: EdgeStatus) -> str:
    if found.last_shipped is None:
        return ""
    ago = round((datetime.now(UTC) - found.last_shipped).total_seconds())
    return f", the last {max(0, ago)} s ago"
