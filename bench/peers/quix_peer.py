"""The ``plain`` job in Quix Streams: one topic in, its stateful API, one topic out.

State is pickled, because Quix's own JSON would read instants back as text. All else is as Quix has
it by default: RocksDB, a changelog topic, at least once, a checkpoint every 5 s.
"""

import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quixstreams import Application, State
from quixstreams.models import TopicConfig
from quixstreams.state.rocksdb import RocksDBOptions

from app.supervisor import READY
from bench.peers import plain
from bench.peers.plain_rules import Record
from schemas import topics

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
    **more: Any,
) -> Application:
    """Return the application that decides the topic ``source`` of ``stream`` into ``target``.

    more: other settings of Quix.
    """
    app = Application(
        broker_address=broker,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=state_dir,
        rocksdb_options=RocksDBOptions(dumps=pickle.dumps, loads=pickle.loads),
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
    """Decide ``transitions`` into ``notifications`` until ended."""
    with tempfile.TemporaryDirectory() as folder:
        app = application(
            os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            topics.TRANSITIONS,
            topics.TRANSITIONS,
            topics.NOTIFICATIONS,
            state_dir=Path(folder),
        )
        sys.stdout.write(READY.decode() + "\n")
        sys.stdout.flush()
        app.run()


if __name__ == "__main__":
    main()
