"""``changeover decide``: the logs of one device through the core, without Kafka."""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO

import click
import msgspec

from app import rules_file, settings
from app.cli.instants import INSTANT
from edge.config import CONFIG_NAME, ConfigError, load
from edge.merge import merged
from edge.parse import LOGS, Bad, ParsedLine, parsed
from edge.stamp import Stamper
from edge.stamp import State as StampState
from schemas import codec, topics
from schemas.decision import Decision
from tables.fold import State, fold
from tables.policy import Policies
from tables.rules import Rule, RulesError

STREAMS = (topics.TRANSITIONS, topics.PROBES)


class Replay:
    """The logs in a folder, decided. lines, malformed: how many there were of each."""

    def __init__(self, directory: Path, device: str, tz: tzinfo = UTC) -> None:
        """Stand ready to read the logs of ``device`` in ``directory``; ``tz`` is for bare times."""
        self.lines = 0
        self.malformed = 0
        self._directory = directory
        self._device = device
        self._tz = tz

    def decisions(
        self, rules: tuple[Rule, ...], until: datetime | None = None, bar: Any = None
    ) -> list[Decision]:
        """Return all decisions up to the latest instant of any log, or ``until`` if that is later.

        They are sorted by instant, then rule, then order of deciding.
        """
        policies = {stream: Policies(rules, stream).of(self._device) for stream in STREAMS}
        states = dict.fromkeys(STREAMS, State())
        stamper = Stamper(self._device, "decide", StampState(epoch="decide"))
        decided: list[Decision] = []

        def take(stream: str, event: Any) -> None:
            if stream in states:
                states[stream], decisions = fold(policies[stream], states[stream], event)
                decided.extend(decisions)

        latest = until
        for at, line in merged(*(self._read(log, bar) for log in LOGS)):
            for stream, event in stamper.line(line, at):
                take(stream, event)
            latest = at if latest is None else max(at, latest)
        if latest is not None:
            for stream in STREAMS:
                for each, event in stamper.tick(stream, latest):
                    take(each, event)
        return sorted(decided, key=lambda decision: (decision.at, decision.rule))

    def _read(self, log: str, bar: Any) -> Iterator[ParsedLine]:
        try:
            file = (self._directory / log).open("rb")
        except FileNotFoundError:
            return
        with file:
            yield from self._parse(log, file, bar)

    def _parse(self, log: str, file: BinaryIO, bar: Any) -> Iterator[ParsedLine]:
        for number, raw in enumerate(file, 1):
            if bar is not None:
                bar.update(len(raw))
            if not raw.endswith(b"\n"):  # it is still being written: a tail would wait too
                click.echo(f"{file.name}:{number}: the line has no end yet, left out", err=True)
                return
            for line, _ in parsed(log, number, raw.removesuffix(b"\n"), self._tz):
                self.lines += 1
                if isinstance(line, Bad):
                    self.malformed += 1
                    click.echo(f"{self._directory / log}:{number}: {line.reason}", err=True)
                else:
                    yield line


@click.command(name="decide")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--device", help="Whose logs they are; else as notifications.config there says.")
@click.option("--rules", type=click.Path(), help="A rules file instead of the default rules.")
@click.option("--until", type=INSTANT, help="Let time run on to this instant.")
@click.option("--summary", is_flag=True, help="Print how many of each kind for each rule instead.")
@click.option("--json", "as_json", is_flag=True, help="With --summary: as JSON.")
def decide(
    directory: Path,
    device: str | None,
    rules: str | None,
    until: datetime | None,
    summary: bool,
    as_json: bool,
) -> None:
    """Print every decision on the four logs in DIRECTORY, one JSON a line.

    Rules that notifications.config there lists replace those of the same name. Lines that do not
    parse go to standard error, with their count.

    \b
    changeover decide /var/log/changeover --until 2026-01-01T00:00:00Z
    """
    sizes = [path.stat().st_size for log in LOGS if (path := directory / log).is_file()]
    if not sizes:
        raise click.UsageError(f"{directory} holds none of {', '.join(LOGS)}")
    name, tz, own = _device(directory, device)
    try:
        in_force = replaced(rules_file.load(rules or settings.read().rules), own)
    except (RulesError, settings.SettingsError) as error:
        raise click.UsageError(str(error)) from None
    started = perf_counter()
    replay = Replay(directory, name, tz)
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=sum(sizes), file=sys.stderr, hidden=hidden) as bar:
        decided = replay.decisions(in_force, until, None if hidden else bar)
    seconds = perf_counter() - started
    if summary:
        _summarise(decided, replay, seconds, as_json)
    else:
        for decision in decided:
            click.echo(codec.encode(decision))
    if replay.malformed:
        click.echo(f"{replay.malformed} malformed of {replay.lines} lines", err=True)


def replaced(rules: tuple[Rule, ...], own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return ``rules`` with those that the device decides by itself, ``own``, in their places."""
    names = {rule.name for rule in own}
    return (*(rule for rule in rules if rule.name not in names), *own)


def _device(directory: Path, device: str | None) -> tuple[str, tzinfo, tuple[Rule, ...]]:
    file = directory / CONFIG_NAME
    if not file.exists():
        return device or directory.resolve().name, UTC, ()
    try:
        config = load(file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return device or config.device, config.zone, config.rules


def _summarise(decided: list[Decision], replay: Replay, seconds: float, as_json: bool) -> None:
    counts = Counter((decision.rule, decision.kind) for decision in decided)
    rate = round(replay.lines / seconds) if seconds else 0
    rules: dict[str, dict[str, int]] = {}
    for (rule, kind), count in sorted(counts.items()):
        rules.setdefault(rule, {})[kind] = count
    if as_json:
        totals = {"rules": rules, "lines": replay.lines, "malformed": replay.malformed}
        click.echo(msgspec.json.encode({**totals, "lines_per_second": rate}))
        return
    for rule, kinds in rules.items():
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        click.echo(f"{rule:26} {told}")
    click.echo(f"{replay.lines} lines in {seconds:.1f} s, {rate} a second")
