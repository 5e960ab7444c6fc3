"""The Faust tables that keep the states of the machines, one for each agent that has any."""

from app.stream import apps
from schemas import topics

supply = apps.table(apps.decide, topics.SUPPLY_TABLE, topics.TRANSITIONS)
energy = apps.table(apps.decide, topics.ENERGY_TABLE, topics.PROBES)
liveness = apps.table(apps.decide, topics.LIVENESS_TABLE, topics.LIVENESS)
recipients = apps.table(apps.route, topics.RECIPIENTS_TABLE, topics.NOTIFICATIONS)
outboxes = apps.table(apps.deliver, topics.OUTBOXES_TABLE, topics.DELIVERIES)
