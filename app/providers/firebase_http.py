"""What carries the requests of Firebase's SDK: kept connections of aiohttp in one event loop.

The SDK's own client tries 500 and 503 four times more, and its connections (httpcore) take 6 ms of
CPU for a request where a hundred are under way. This one has its form and does neither.
"""

import os
import ssl
from pathlib import Path

import aiohttp
import httpx
import msgspec
from firebase_admin._http_client import METRICS_HEADERS

BAD = 400
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # as the sign-in, which goes by requests


class Error(msgspec.Struct):
    """What was wrong: google.rpc.Status."""

    status: str = ""
    message: str = ""
    details: list[dict[str, object]] = []


class Refused(msgspec.Struct):
    """An answer that is an error, as Google's APIs write one."""

    error: Error


class Http:
    """Asks once, and waits no longer than two time-outs. One event loop uses it.

    token: signs requests in.
    """

    def __init__(self, timeout_s: float, ca: str) -> None:
        """Make one. ca: a file of certificates to trust, or empty: those that are well known."""
        self.token = ""
        self._timeout = aiohttp.ClientTimeout(
            total=2 * timeout_s, sock_connect=timeout_s, sock_read=timeout_s
        )
        self._context = _trusting(ca or next(filter(None, map(os.environ.get, BUNDLES)), ""))
        self._proxies = not ca  # a place of our own is reached directly
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, url: str, headers: dict[str, str], json: object
    ) -> httpx.Response:
        """Return the answer to one request: a JSON object.

        Raises:
            httpx.ConnectError: nothing was asked.
            httpx.HTTPStatusError: the answer is an error.
            httpx.RequestError: it may have been done.
        """
        if self._session is None:  # within the loop that uses it
            self._session = self._opened()
        asked = httpx.Request(method, url)
        signed = headers | METRICS_HEADERS | {"Authorization": f"Bearer {self.token}"}
        try:
            async with self._session.request(method, url, headers=signed, json=json) as answer:
                said = await answer.text(errors="replace")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise httpx.ConnectError(str(error), request=asked) from error
        except (aiohttp.ClientError, OSError, LookupError) as error:
            raise httpx.ReadError(str(error) or "no answer in time", request=asked) from error
        after = {name: value for name, value in answer.headers.items() if name == "Retry-After"}
        refused = answer.status >= BAD
        readable = _is(Refused if refused else dict[str, object], said)
        if refused and not readable:
            said = ""  # a proxy's, which the SDK would stumble over: the status says what it means
        reply = httpx.Response(answer.status, headers=after, text=said, request=asked)
        reply.raise_for_status()
        if not readable:
            raise httpx.DecodingError("the answer is no JSON object", request=asked)
        return reply

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context)
        return aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, trust_env=self._proxies
        )


def _trusting(place: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates at ``place``, or those that are well known."""
    if place and Path(place).is_dir():
        return ssl.create_default_context(capath=place)
    known = ssl.create_default_context(cafile=place) if place else True
    return httpx.create_ssl_context(verify=known)


def _is(shape: object, said: str) -> bool:
    try:
        msgspec.json.decode(said, type=shape)
    except msgspec.DecodeError:
        return False
    return True
