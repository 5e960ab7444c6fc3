"""What a chaos left behind, compared with what its devices told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from schemas import codec, handover, topics
from schemas.decision import Decision
from tables.entries import Entry
from tables.intake import raised, take
from tables.rulebook import Rulebook
from tables.rules import parse
from tests import naive
from tests.chaos.fleet import STREAMS, Device, mishaps
from tests.end_to_end.machine import Machine

RULES = Path(__file__).parent / "rules.toml"


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did, and what it found. wrong: sentences; none is as it should be."""

    seed: int
    faults: dict[str, int]
    mishaps: dict[str, int]
    events: int
    copies_of_events: int
    decisions: int
    copies_of_decisions: int
    gaps: int
    states: int
    slowest_stop_s: float = 0.0
    wrong: list[str] = []


def decide(devices: Sequence[Device], wrong: list[str]) -> tuple[dict[str, bytes], set[str]]:
    """Return what ``devices`` told decides by itself, by id, and the ids of the gaps.

    What befell nothing but copies is compared with the second implementation too.
    """
    rules, expected, gaps = parse(RULES.read_text(), RULES.name), dict[str, bytes](), set[str]()
    for device in devices:
        for stream in STREAMS:
            book, entry = Rulebook(stream, rules), Entry()
            decisions: list[Decision] = []
            for event in device.told[stream]:
                after, more = take(book, entry, event, 0)
                gap = raised(entry, after, event, stream, 0)
                gaps |= set() if gap is None else {gap.id}
                entry, decisions = after, decisions + handover.decided(more)
            expected |= {each.id: codec.encode(each) for each in decisions}
            mine = tuple(each for each in rules if each.stream == stream)
            seen = sorted(decisions, key=lambda each: (each.at, each.rule))
            if device.calm and seen != naive.decisions(
                mine, device.name, stream, device.told[stream]
            ):
                wrong.append(f"{device.name} {stream}: the second implementation disagrees")
    return expected, gaps


def check(
    house: Machine, devices: Sequence[Device], faults: Mapping[str, int], seed: int
) -> Outcome:
    """Return what became of what ``devices`` told; nothing happens any more, and workers run."""
    wrong: list[str] = []
    audit, verified = house.audit(codes=(0, 1)), house.verify()
    recorded = house.values(topics.NOTIFICATIONS)
    by_id: dict[str, bytes] = {}
    twice = [each for each in recorded if by_id.setdefault(identity(each), each) != each]
    decisions = {id_: value for id_, value in by_id.items() if decision(value)}
    fixed = {id_: value for id_, value in decisions.items() if not ruled(value)}
    expected, gaps = decide(devices, wrong)
    expected = {id_: value for id_, value in expected.items() if not ruled(value)}
    written = {
        msgspec.json.decode(each)["id"] for each in house.values(topics.LIVENESS) if gap(each)
    }
    wrong += [f"another with this id: {each!r}" for each in twice]
    wrong += [f"audit: {each}" for each in audit["differences"]]
    wrong += [f"tables: {each}" for each in verified["differences"]]
    wrong += [f"not decided: {expected[each]!r}" for each in expected.keys() - fixed.keys()]
    wrong += [f"not expected: {fixed[each]!r}" for each in fixed.keys() - expected.keys()]
    wrong += [f"differs: {fixed[each]!r}" for each in fixed.keys() & expected.keys()
              if fixed[each] != expected[each]]  # fmt: skip
    wrong += [f"gap {each}" for each in gaps ^ written]
    told = sum(len(each) for device in devices for each in device.told.values())
    applied = sum(map(house.count, STREAMS)) - audit["duplicates"]
    if applied != told:
        wrong.append(f"{told} events were told, {applied} applied")
    return Outcome(
        seed=seed,
        faults=dict(faults),
        mishaps=dict(mishaps(devices)),
        events=told,
        copies_of_events=audit["duplicates"],
        decisions=len(decisions),
        copies_of_decisions=len(recorded) - len(by_id),
        gaps=len(gaps),
        states=verified["states"],
        wrong=wrong,
    )


def decision(record: bytes) -> bool:
    """Tell whether it is one; what became of them is only compared by the audit."""
    return record.startswith(b'{"type":"decision"')


def ruled(decision: bytes) -> bool:
    """Tell whether it is of a rule that changed meanwhile: only the audit knows those."""
    return b'"rule":"changing"' in decision or b'"stream":"liveness"' in decision


def identity(decision: bytes) -> str:
    return str(msgspec.json.decode(decision)["id"])


def gap(record: bytes) -> bool:
    return b'"type":"gap"' in record
