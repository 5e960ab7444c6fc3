"""The topics: created as ``schemas.topics`` says, checked when they exist."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from app.broker.errors import BrokerError, ClusterUnreachableError, TopicMismatchError
from app.kafka import ReadError, administering, consuming, partition_counts
from schemas.duration import Duration
from schemas.topics import FOR_EVER, TOPICS, Topic

REPLICAS = 3  # where there are as many brokers
SAFE_REPLICAS = 2


async def ensure(servers: str, partitions: int) -> None:
    """Return when every topic exists with ``partitions`` partitions and its configuration.

    Raises:
        ClusterUnreachableError: no broker answers at ``servers``.
        TopicMismatchError: a topic exists with other partitions or another configuration.
        BrokerError: the cluster refused to create a topic.
    """
    with _reaching():
        async with administering(servers) as admin:
            existing = await _create(admin, partitions)
            await _check(admin, existing, partitions)


async def _create(admin: AIOKafkaAdminClient, partitions: int) -> list[Topic]:
    brokers = len((await admin.describe_cluster())["brokers"])
    replicas = min(REPLICAS, brokers)
    safe = {"min.insync.replicas": str(min(SAFE_REPLICAS, replicas))}
    wanted = [
        NewTopic(topic.name, partitions, replicas, topic_configs={**topic.config, **safe})
        for topic in TOPICS
    ]
    response = await admin.create_topics(wanted)
    refused = {name: for_code(code) for name, code, *_ in response.topic_errors if code}
    messages = {name: rest for name, _, *rest in response.topic_errors}
    for name, error in refused.items():
        if error is not TopicAlreadyExistsError:
            raise BrokerError(
                f"topic {name} could not be created: {error.__name__} {messages[name]}"
            )
    return [topic for topic in TOPICS if topic.name in refused]


async def _check(admin: AIOKafkaAdminClient, existing: list[Topic], partitions: int) -> None:
    if not existing:
        return
    for described in await admin.describe_topics([topic.name for topic in existing]):
        found = len(described["partitions"])
        if found != partitions:
            raise TopicMismatchError(
                f"topic {described['topic']} has {found} partitions, not {partitions}: set "
                f"CHANGEOVER_PARTITIONS={found}, or use a cluster in which it is not yet there"
            )
    for topic in existing:
        config = await _config(admin, topic)
        for key, wanted in topic.config.items():
            if config[key] != wanted:
                raise TopicMismatchError(
                    f"topic {topic.name} has {key}={config[key]}, not {wanted}: "
                    "alter it with kafka-configs"
                )


async def _config(admin: AIOKafkaAdminClient, topic: Topic) -> Mapping[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, dict.fromkeys(topic.config))
    (response,) = await admin.describe_configs([resource])
    (described,) = response.resources
    return {name: value for name, value, *_ in described[4]}  # code, message, type, name, entries


class Described(msgspec.Struct, frozen=True):
    """One of our topics as it is. kept: ``compact``, or for how long."""

    name: str
    partitions: int
    records: int
    kept: str


async def describe(servers: str) -> list[Described]:
    """Return those of our topics that exist.

    Raises:
        ClusterUnreachableError: no broker answers at ``servers``.
    """
    with _reaching():
        found = await partition_counts(servers)
    counts = {topic.name: found[topic.name] for topic in TOPICS if topic.name in found}
    if not counts:
        return []
    records: Counter[str] = Counter()
    async with consuming(servers, list(counts)) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        for partition, first in (await consumer.beginning_offsets(consumer.assignment())).items():
            records[partition.topic] += ends[partition] - first
    return [
        Described(topic.name, counts[topic.name], records[topic.name], _kept(topic))
        for topic in TOPICS
        if topic.name in counts
    ]


def _kept(topic: Topic) -> str:
    if topic.compacted:
        return "newest of each key"
    return (
        "for ever"
        if topic.retention_ms == FOR_EVER
        else str(Duration(milliseconds=topic.retention_ms))
    )


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except ReadError as error:
        raise ClusterUnreachableError(str(error)) from None
