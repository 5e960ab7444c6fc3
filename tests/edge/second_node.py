"""A second broker in the cluster of another: a partition's leader can move."""

import re
from pathlib import Path

from app.broker.node import Node


class SecondNode(Node):
    """A broker without a controller, in the cluster whose first broker keeps itself in ``first``.

    That one runs, and outlives this one.
    """

    def __init__(self, home: Path, port: int, first: Path) -> None:
        """Keep everything in ``home/broker`` and listen on ``port`` of the loopback."""
        super().__init__(home, port)
        self._first = first / "broker"

    def _cluster(self) -> str:
        return _value(self._first / "data" / "meta.properties", "cluster.id")

    def _properties(self, data: Path, controller: int) -> Path:
        file = super()._properties(data, controller)
        whole = self._folder / file
        voters = _value(self._first / "server.properties", "controller.quorum.voters")
        changed = {
            "process.roles": "broker",
            "node.id": "2",
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{self.servers}",
        }
        text = whole.read_text()
        for name, value in changed.items():
            text = re.sub(rf"^{re.escape(name)}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        whole.write_text(text)
        return file


def _value(file: Path, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}=(.*)$", file.read_text(), re.MULTILINE)
    if found is None:
        raise KeyError(name)
    return found[1]
