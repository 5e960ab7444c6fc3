"""The decision core as plain Python: orjson, dicts and datetimes.

It decides what the core decides on transitions, readings, contexts and ticks. It has no clock
events, pulses, numbers per device or rules that change, and does not validate what it reads.
"""

import hashlib
import operator
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bench.peers.plain_rules import CONTEXT, Record, load_rules

__all__ = ["decide", "decide_one", "encode", "events", "load_rules", "new_state"]

RUNS = 8
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MEASURED = ("power_w", "energy_wh", "battery_v", "soc_pct", "drained_mwh", "drained_wh")
UNKNOWN = dict.fromkeys((*CONTEXT, "online", *MEASURED))
COUNTS = dict.fromkeys(("missing", "duplicates", "late", "rollbacks", "behind"), 0)
CLEAR = {
    **dict.fromkeys(("since", "clearing", "rearm_at", "last")),
    "firing": False,
    "told": False,
    "suppressed": 0,
}


def events(payloads: Iterable[bytes]) -> list[Record]:
    """Return the events in ``payloads``, their instants parsed."""
    decoded = [orjson.loads(payload) for payload in payloads]
    for event in decoded:
        event["ts"] = datetime.fromisoformat(event["ts"]).astimezone(UTC)
    return decoded


def encode(decision: Record) -> bytes:
    """Return ``decision`` as it is written to the topic."""
    return orjson.dumps(decision, option=orjson.OPT_UTC_Z)


def new_state() -> Record:
    """Return the state of a device of which nothing is known."""
    alerts: dict[str, Record] = {}
    begun = {"epoch": "", "seq": 0, "runs": [], "horizon": None, "rolled": False, "at": None}
    return {**begun, **COUNTS, "facts": {**UNKNOWN, "named": []}, "alerts": alerts}


def decide(rules: Record, states: dict[str, Record], event: Record) -> list[Record]:
    """Return the decisions that ``event`` reveals, and bring its device's state up to date."""
    device = event["device"]
    if device not in states:
        states[device] = new_state()
    return decide_one(rules, states[device], event)


def decide_one(rules: Record, state: Record, event: Record) -> list[Record]:
    """Do as ``decide`` with the ``state`` of the event's device."""
    if not _admitted(state, event):
        return []
    at, facts, alerts = event["ts"], state["facts"], state["alerts"]
    if state["at"] is not None and at < state["at"]:
        state["late"] += 1
        at = state["at"]
    state["at"] = at
    ticked = event["type"] == "tick"
    if not ticked:
        _observe(facts, rules["stream"], event)
    decisions: list[Record] = []
    for rule in rules["rules"]:
        alert = alerts.get(rule["name"])
        signal = None if ticked else _signal(rule, facts)
        if alert is None:
            if not signal:
                continue
            alert = alerts[rule["name"]] = {**CLEAR, "counts": {}, "cause": {}}
        decisions += _elapse(rule, event["device"], alert, at)
        if signal is not None:
            _signalled(rule, alert, at, signal, facts)
            decisions += _elapse(rule, event["device"], alert, at, floor=at)
    decisions.sort(key=operator.itemgetter("at"))  # those of one instant stay ordered by rule
    return decisions


def _admitted(state: Record, event: Record) -> bool:
    """Return whether ``event`` is to be applied; count it, and what is missing before it."""
    seq, last = event["seq"], state["seq"]
    same, known = event["epoch"] == state["epoch"], event["run"] in state["runs"]
    if same and known and seq <= last:
        state["duplicates"] += 1
        return False
    if not same:
        state["missing"] += seq - 1
        state.update(epoch=event["epoch"], runs=[], horizon=state["at"], rolled=False)
    elif seq <= last:
        state["rollbacks"] += 1
        state.update(horizon=state["at"], rolled=True)
    else:
        state["missing"] += seq - last - 1
    if event["run"] not in state["runs"]:
        state["runs"] = [*state["runs"], event["run"]][-RUNS:]
    state["seq"] = seq
    if state["horizon"] is not None:
        if event["ts"] > state["horizon"]:
            state.update(horizon=None, rolled=False)
        elif state["rolled"] or event.get("backlog"):
            state["behind"] += 1
            return False
    return True


def _observe(facts: Record, stream: str, event: Record) -> None:
    before = facts["source"]
    if event["source"] is not None:
        facts["source"], facts["in_window"] = event["source"], event["in_window"]
    facts["due"] = event["due"]
    if event["online"] is not None:
        facts["online"] = event["online"]
    seen = (event["from"], event["to"]) if event["type"] == "transition" else (facts["source"],)
    for source in seen:
        if source is not None and source not in facts["named"]:
            facts["named"].append(source)
    if stream == "probes":
        _accumulate(facts, before, event)


def _accumulate(facts: Record, before: str | None, event: Record) -> None:
    source = facts["source"]
    if source == "inverter" and before != "inverter":
        facts["drained_mwh"] = 0
    if event["type"] == "reading":
        facts["power_w"], facts["energy_wh"] = float(event["power_w"]), float(event["energy_wh"])
        for field in ("battery_v", "soc_pct"):
            if event.get(field) is not None:
                facts[field] = float(event[field])
        if facts["drained_mwh"] is not None and source == "inverter":
            facts["drained_mwh"] += round(event["energy_wh"] * 1_000)
    if source is not None and source != "inverter":
        facts["power_w"], facts["drained_mwh"] = 0.0, 0
    drained = facts["drained_mwh"]
    facts["drained_wh"] = None if drained is None else drained / 1_000


def _holds(condition: Record, facts: Record) -> bool | None:
    """Return whether ``condition`` holds; None when that is unknown."""
    if "field" in condition:
        value = facts[condition["field"]]
        if value is None and (condition["field"] != "in_window" or facts["source"] is None):
            return None  # a source without a window is known to have none
        return bool(condition["compare"](value, condition["operand"]))
    decisive = "any" in condition
    verdicts = [_holds(part, facts) for part in condition["any" if decisive else "all"]]
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def _signal(rule: Record, facts: Record) -> bool | None:
    """Return whether the condition of ``rule`` holds; None if it is as it was."""
    if rule["needs"] is not None and rule["needs"] not in facts["named"]:
        return None
    verdict = _holds(rule["when"], facts)
    if rule["clear_when"] is None or verdict:
        return verdict
    return False if _holds(rule["clear_when"], facts) else None


def _signalled(rule: Record, alert: Record, at: datetime, signal: bool, facts: Record) -> None:
    if signal and alert["since"] is None:
        if alert["last"] != at:
            alert["counts"] = {}
        cause = {field: facts[field] for field in rule["cause"]}
        alert.update(since=at, last=at, told=False, cause=cause)
    elif signal:
        alert["clearing"] = None
    elif not alert["firing"]:
        alert["since"] = None
    elif alert["clearing"] is None:
        alert["clearing"] = at


def _deadline(rule: Record, alert: Record) -> Any:
    if alert["since"] is None:
        return None
    if not alert["firing"]:
        return alert["since"] + rule["for"]
    if alert["clearing"] is not None:
        return alert["clearing"] + rule["clear_for"]
    return alert["rearm_at"] if rule["repeat"] or not alert["told"] else None


def _elapse(
    rule: Record, device: str, alert: Record, until: datetime, floor: datetime | None = None
) -> Iterator[Record]:
    """Yield what the deadlines up to ``until`` decide, none of it before ``floor``."""
    while (due := _deadline(rule, alert)) is not None and due <= until:
        yield _decided(rule, device, alert, due if floor is None else max(due, floor))


def _decided(rule: Record, device: str, alert: Record, at: datetime) -> Record:
    """Return what the deadline of ``alert`` decides ``at`` this instant, and change it so."""
    episode, suppressed = alert["since"], alert["suppressed"]
    if not alert["firing"]:
        armed = alert["rearm_at"] is None or at >= alert["rearm_at"]
        kind = "fired" if armed else "suppressed"
    elif alert["clearing"] is not None:
        kind = "resolved" if alert["told"] else "suppressed_resolved"
    else:
        kind = "repeated" if alert["told"] else "fired"
    if kind in ("fired", "repeated"):
        alert.update(firing=True, told=True, rearm_at=at + rule["reset"], suppressed=0)
    elif kind == "suppressed":
        suppressed += 1
        alert.update(firing=True, suppressed=suppressed)
    else:
        alert.update(since=None, firing=False, clearing=None)
    ordinal = alert["counts"].get(kind, 0)
    alert["counts"][kind] = ordinal + 1
    began = (episode - EPOCH) // MICROSECOND
    named = "\x1f".join((device, rule["name"], str(began), kind, str(ordinal)))
    return {
        "type": "decision",
        "v": 1,
        "core": 1,
        "id": hashlib.sha256(named.encode()).hexdigest()[:32],
        "device": device,
        "rule": rule["name"],
        "kind": kind,
        "at": at,
        "episode": episode,
        "suppressed": suppressed,
        "severity": rule["severity"],
        "stream": rule["stream"],
        "cause": alert["cause"],
    }
