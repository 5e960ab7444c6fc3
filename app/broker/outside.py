"""A second port of a broker, for clients behind a wire."""

from collections.abc import Mapping
from typing import NamedTuple


class Outside(NamedTuple):
    """A second port to listen on, and the one by which its clients reach it.

    users: passwords by name, for SASL PLAIN; empty: nobody has to say who it is.
    """

    port: int
    reached_by: int
    users: Mapping[str, str] = {}

    @property
    def protocol(self) -> str:
        """Return Kafka's name of how it is secured."""
        return "SASL_PLAINTEXT" if self.users else "PLAINTEXT"

    @property
    def logins(self) -> str:
        """Return the properties that name the users."""
        if not self.users:
            return ""
        known = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return (
            "listener.name.outside.sasl.enabled.mechanisms=PLAIN\n"
            f"listener.name.outside.plain.sasl.jaas.config={module} required {known};\n"
        )
