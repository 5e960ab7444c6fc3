"""``python -m bench [NAME]…``: run the benches, say what they found, keep it in results.json."""

import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from bench import core, delivery, device, latency, state, worker
from bench.measure import Result

RESULTS = Path(__file__).parent / "results.json"
BENCHES: dict[str, Callable[[], list[Result]]] = {
    "core": core.core,
    "bytes": core.bytes_,
    "frameworks": worker.frameworks,
    "worker": worker.worker,
    "streams": worker.streams,
    "recovery": state.recovery,
    "memory": state.memory,
    "latency": latency.latency,
    "scale": worker.scale,
    "tail": device.tail,
    "device": device.memory,
    "texts": device.texts,
    "outbox": delivery.decisions,
    "emails": delivery.emails,
    "sms": delivery.sms,
    "push": delivery.push,
    "restart": delivery.restart,
}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def main(names: tuple[str, ...]) -> None:
    """Run the benches NAME, or all of them: core, bytes, frameworks, worker, …"""
    unknown = set(names) - BENCHES.keys()
    if unknown:
        raise click.UsageError(f"no bench {min(unknown)}; there are {', '.join(BENCHES)}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic has no leader at once
    click.echo(machine())
    found: list[Result] = []
    for name in names or BENCHES:
        click.echo(f"{name}: {(BENCHES[name].__doc__ or '').splitlines()[0]}", err=True)
        for result in BENCHES[name]():
            click.echo(result.line())
            found.append(result)
    keep(found)


class Kept(msgspec.Struct):
    """What results.json holds: the last figure of each name."""

    results: list[Result]


def keep(found: list[Result]) -> None:
    """Put ``found`` in the place of earlier figures of those names."""
    kept = {}
    if RESULTS.exists():
        earlier = msgspec.json.decode(RESULTS.read_bytes(), type=Kept)
        kept = {each.name: each for each in earlier.results}
    kept |= {each.name: each for each in found}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(Kept(list(kept.values())))))


def machine() -> str:
    """Return what the figures were measured on."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} x {', '.join(models) or platform.machine()}, {memory:.0f} GB, "
        f"Python {platform.python_version()}, Linux {platform.release()}"
    )


if __name__ == "__main__":
    main()
