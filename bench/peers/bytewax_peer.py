"""The ``plain`` job as a Bytewax dataflow: payloads from a list, encoded decisions to a list."""

from collections.abc import Sequence

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from bench.peers import plain
from bench.peers.plain_rules import Record

BATCH = 500  # payloads in one step of the source, as one fetch from a broker would bring


def dataflow(
    stream: str, payloads: Sequence[bytes], out: list[bytes], batch: int = BATCH
) -> Dataflow:
    """Return the dataflow that decides ``payloads`` of ``stream`` into ``out``.

    A device's decisions come in order; those of different devices in any.
    """
    rules = plain.load_rules(stream)

    def step(state: Record | None, event: Record) -> tuple[Record, list[Record]]:
        state = plain.new_state() if state is None else state
        return state, plain.decide_one(rules, state, event)

    flow = Dataflow(f"peer_{stream}")
    source = op.input("payloads", flow, TestingSource(payloads, batch_size=batch))
    events = op.flat_map_batch("decode", source, plain.events)
    keyed = op.key_on("device", events, lambda event: event["device"])
    decisions = op.stateful_flat_map("decide", keyed, step)
    encoded = op.map("encode", decisions, lambda item: plain.encode(item[1]))
    op.output("decisions", encoded, TestingSink(out))
    return flow


def decide(stream: str, payloads: Sequence[bytes], batch: int = BATCH) -> list[bytes]:
    """Return the encoded decisions on ``payloads`` of ``stream``; one worker on this thread."""
    out: list[bytes] = []
    run_main(dataflow(stream, payloads, out, batch))
    return out
