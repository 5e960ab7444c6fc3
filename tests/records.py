"""Records as aiokafka hands them over."""

from aiokafka.structs import ConsumerRecord

from app.stream.batches import KafkaRecord


def fetched(key: bytes | None, value: bytes | None, offset: int, timestamp: int = 0) -> KafkaRecord:
    """Return a record of partition 1 of topic ``t``."""
    record: KafkaRecord = ConsumerRecord("t", 1, offset, timestamp, 1, key, value, None, 0, 0, ())
    return record
