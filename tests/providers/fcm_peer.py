"""A stand-in for Firebase Cloud Messaging and Google's sign-in, by TLS, on this machine."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from googleapiclient import discovery_cache

from tests.chaos.faults import Faults
from tests.providers.http_peer import AFTER, HANGS_S, listening

PROJECT = "changeover-tests"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
# A fault before a message was taken.
BEFORE: dict[str, tuple[int, str] | str] = {
    "later": (429, "QUOTA_EXCEEDED"),
    "broken": (500, "INTERNAL"),
    "drops before": "drop",
}
GARBAGE = {  # what proxies may make of an answer
    "garbage": (200, b"<html>"),
    "a list": (200, b"[]"),
    "nothing": (200, b""),
    "other bytes": (400, b'{"error": "\xff\xfe"}'),
    "odd details": (503, b'{"error": {"status": "UNAVAILABLE", "details": ["?"]}}'),
}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
DOCUMENT = Path(discovery_cache.__file__).parent / "documents" / "fcm.v1.json"


class Peer:
    """What it was asked, and how it answers, by the address.

    An answer is a status with FCM's own code, as (404, "UNREGISTERED"), or a word: hang, drop, or
    a key of GARBAGE.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.answers: dict[str, tuple[int, str] | str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.asked = Counter[str]()
        self.signed_in = 0
        self.sign_in_status = 200
        self.headers = {"Retry-After": "7"}
        self.api = ""
        self._connections = set[asyncio.Transport]()
        self._hung = asyncio.Event()

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Sign a service account in."""
        self._see(request)
        self.signed_in += 1
        if self.sign_in_status >= 400:
            error = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(error, status=self.sign_in_status)
        return web.json_response({"access_token": "let-me-in", "expires_in": 3600})

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or fail as it was told."""
        self._see(request)
        body = await request.json()
        assert request.headers["Authorization"] == "Bearer let-me-in"
        self.bodies.append(body)
        address = body["message"].get("token") or body["message"]["fid"]
        self.asked[address] += 1
        key = body["message"]["android"]["collapse_key"]
        fault = self.faults.next(key)
        answer = BEFORE.get(fault) or self.answers.get(address, "")
        if not answer:
            self.faults.taken[key] += 1
            answer = AFTER.get(fault, "")
        if answer == "hangs":
            await asyncio.sleep(HANGS_S)
        if answer == "hang":
            await self._hung.wait()
        if answer == "drop" and request.transport is not None:
            request.transport.abort()
        if isinstance(answer, str) and answer in GARBAGE:
            status, said = GARBAGE[answer]
            return web.Response(status=status, body=said)
        if isinstance(answer, tuple):
            return self._error(*answer)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{len(self.bodies)}"})

    def _see(self, request: web.Request) -> None:
        if isinstance(request.transport, asyncio.Transport):
            self._connections.add(request.transport)

    def _error(self, status: int, code: str) -> web.Response:
        details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
        error = {
            "code": status,
            "message": "no\x07",
            "status": STATUS.get(status, "UNKNOWN"),
            "details": details,
        }
        return web.json_response({"error": error}, status=status, headers=self.headers)

    def let_go(self) -> None:
        """Answer what hangs."""
        self._hung.set()

    def cut(self) -> None:
        """Cut every connection."""
        for each in self._connections:
            each.abort()


@asynccontextmanager
async def fcm(context: ssl.SSLContext, faults: Faults | None = None) -> AsyncIterator[Peer]:
    """Enter with a stand-in that listens on a port of its own. faults: what it does by chance."""
    peer = Peer(faults or Faults(0, {}))
    send = f"/v1/projects/{PROJECT}/messages:send"
    async with listening(
        web.post(send, peer.send), web.post("/token", peer.token), context=context
    ) as peer.api:
        try:
            yield peer
        finally:
            peer.let_go()
            peer.cut()


def service_account(api: str) -> str:
    """Return the key of a service account that signs in at ``api``, made anew."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "tests",
            "private_key": pem.decode(),
            "client_email": f"tests@{PROJECT}.iam.gserviceaccount.com",
            "token_uri": f"{api}/token",
        }
    )


def camel(name: str) -> str:
    """Return the name in protobuf's JSON of a field that is called ``name`` in its .proto."""
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)


class Judge:
    """Google's own description of what FCM takes.

    The SDK writes fields as in the .proto, which parsers of protobuf's JSON take too, and Android's
    priority in small letters, as FCM's guide does.
    """

    def __init__(self) -> None:
        """Read it from the package that brings it."""
        self._schemas = msgspec.json.decode(DOCUMENT.read_bytes())["schemas"]

    def faults(self, value: Any, schema: dict[str, Any], place: str = "body") -> list[str]:
        """Return where ``value`` is not what ``schema`` says."""
        if "$ref" in schema:
            return self.faults(value, self._schemas[schema["$ref"]], place)
        kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
        kind = kinds.get(schema["type"])
        if kind is not None and not isinstance(value, kind):
            return [f"{place} is no {schema['type']}"]
        if "enum" in schema and value.upper() not in schema["enum"]:
            return [f"{place} is {value!r}"]
        if schema["type"] == "array":
            return [each for item in value for each in self.faults(item, schema["items"], place)]
        if schema["type"] != "object":
            return []
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        found = [
            f"{place}.{name} is unknown" for name in value if not (others or camel(name) in known)
        ]
        for name, each in value.items():
            of = known.get(camel(name), others)
            found += self.faults(each, of, f"{place}.{name}") if of else []
        return found

    def request(self, body: dict[str, Any]) -> list[str]:
        """Return where ``body`` is not a request to send."""
        return self.faults(body, {"$ref": "SendMessageRequest"})
