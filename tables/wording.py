"""What a device texts by itself, in plain words, from a decision alone. Pure."""

from collections.abc import Callable
from datetime import timedelta

from schemas.decision import Decision, Fact, Kind
from schemas.duration import Duration

NO_TIME = timedelta()
PROBLEMS: dict[str, Callable[[dict[str, Fact]], str]] = {
    "grid_lost": lambda cause: f"the grid is lost, the load is on {_source(cause)}",
    "off_generator": lambda cause: f"the load left the generator and is on {_source(cause)}",
    "source_none": lambda _: "no source carries the load",
    "generator_outside_window": lambda _: "the generator runs outside its hours",
    "generator_failed_to_start": lambda cause: (
        f"the generator is due and did not start, the load is on {_source(cause)}"
    ),
    "inverter_overload": lambda cause: (
        f"the inverter is overloaded at {_number(cause, 'power_w')} W"
    ),
    "inverter_draining": lambda cause: (
        f"{_number(cause, 'drained_wh')} Wh drained since the load went on the inverter"
    ),
    "device_silent": lambda cause: f"nothing is heard of it since {plain(cause.get('heard'))}",
    "gap": lambda cause: f"records were lost on their way ({plain(cause.get('lost_on'))})",
    "battery_low": lambda cause: f"the battery is low at {_number(cause, 'soc_pct')} %",
}


def problem(decision: Decision) -> str:
    """Return what is wrong, in a few words."""
    return PROBLEMS.get(decision.rule, _unworded(decision))(decision.cause)


def text(decision: Decision, clear_for: timedelta = NO_TIME) -> str:
    """Return what is said of ``decision``: what, where, since when, and what was left unsaid.

    clear_for: how long it was gone when it was resolved; so long it did not last.
    """
    since = f"{decision.episode:%Y-%m-%d %H:%M:%S} UTC"
    gone = clear_for if decision.kind is Kind.RESOLVED else NO_TIME
    lasted = lasting(max(NO_TIME, decision.at - decision.episode - gone))
    device, what = printable(decision.device), problem(decision)
    match decision.kind:
        case Kind.RESOLVED:
            told = f"{device}: no longer: {what}. It began {since} and lasted {lasted}."
        case Kind.REPEATED:
            told = f"{device}: still, after {lasted}: {what}, since {since}."
        case _:
            told = f"{device}: {what}, since {since} ({lasted})."
    return told + _unsaid(decision.suppressed)


def lasting(span: timedelta) -> str:
    """Return ``span`` to the second, as Prometheus writes it."""
    return str(Duration(seconds=round(span.total_seconds())))


def printable(text: str) -> str:
    """Return ``text`` from a device without control characters."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _unsaid(suppressed: int) -> str:
    if not suppressed:
        return ""
    episodes = "one episode was" if suppressed == 1 else f"{suppressed} episodes were"
    return f" Since the last message {episodes} suppressed."


def _unworded(decision: Decision) -> Callable[[dict[str, Fact]], str]:
    def unworded(cause: dict[str, Fact]) -> str:
        facts = ", ".join(f"{field} {plain(value)}" for field, value in cause.items())
        return f"{printable(decision.rule)} ({facts})"

    return unworded


def plain(value: Fact) -> str:
    """Return a fact in words."""
    if value is None:
        return "unknown"
    if isinstance(value, tuple):
        return printable("+".join(value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(value) if isinstance(value, str) else f"{value:g}"


def _source(cause: dict[str, Fact]) -> str:
    source = cause.get("source")
    return "no source" if source == "none" else f"the {plain(source)}"


def _number(cause: dict[str, Fact], field: str) -> str:
    return plain(cause.get(field))
