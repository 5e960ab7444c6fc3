"""One Apache Kafka node on this machine, and the topics of any cluster."""
