"""The ``plain`` job in Quix Streams: one topic in, its stateful API, one topic out.

State is pickled, because Quix's own JSON would read instants back as text. All else is as Quix has
it by default: RocksDB, a changelog topic, at least once, a checkpoint every 5 s.
"""

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quixstreams import Application, State
from quixstreams.models import TopicConfig
from quixstreams.state.rocksdb import RocksDBOptions

from bench.peers import plain
from bench.peers.plain_rules import Record

STATE = "state"


def step(rules: Record) -> Callable[[bytes, State], list[bytes]]:
    """Return the function that decides one payload with the state of its device."""

    def decided(payload: bytes, state: State) -> list[bytes]:
        (event,) = plain.events([payload])
        held = state.get(STATE)
        if held is None:
            held = plain.new_state()
        decisions = plain.decide_one(rules, held, event)
        state.set(STATE, held)
        return [plain.encode(decision) for decision in decisions]

    return decided


def application(
    broker: str,
    stream: str,
    source: str,
    target: str,
    *,
    state_dir: Path,
    group: str = "quix-peer",
    partitions: int = 4,
    records: int = 0,
    **more: Any,
) -> Application:
    """Return the application that decides the topic ``source`` of ``stream`` into ``target``.

    records: stop after so many; 0 is never. more: other settings of Quix.
    """
    seen = 0

    def count(_topic: str, _partition: int, _offset: int) -> None:
        nonlocal seen
        seen += 1
        if seen == records:
            app.stop()

    app = Application(
        broker_address=broker,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=state_dir,
        rocksdb_options=RocksDBOptions(dumps=pickle.dumps, loads=pickle.loads),
        on_message_processed=count,
        loglevel="WARNING",
        **more,
    )
    config = TopicConfig(num_partitions=partitions, replication_factor=1)
    raw = {"key_deserializer": "bytes", "value_deserializer": "bytes", "config": config}
    written = {"key_serializer": "bytes", "value_serializer": "bytes", "config": config}
    frame = app.dataframe(app.topic(source, **raw))
    frame = frame.apply(step(plain.load_rules(stream)), stateful=True, expand=True)
    frame.to_topic(app.topic(target, **written))
    return app


def main() -> None:
    """Decide one topic into another until ended, or until ``--records`` are decided."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--stream", required=True, choices=("transitions", "probes"))
    parser.add_argument("--source", required=True, help="topic of events")
    parser.add_argument("--target", required=True, help="topic of decisions")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--group", default="quix-peer")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--records", type=int, default=0)
    told = parser.parse_args()
    app = application(
        told.broker,
        told.stream,
        told.source,
        told.target,
        state_dir=told.state_dir,
        group=told.group,
        partitions=told.partitions,
        records=told.records,
    )
    app.run()


if __name__ == "__main__":
    main()
