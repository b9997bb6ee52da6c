"""Web opener: what sends a request of HTTP, follows redirects by the rules, and ends its waits.

An answer has to begin within `ANSWER_SECONDS`, however its head comes: a server that sends a byte
now and then, or says "100 Continue" for ever, is given up.
"""

import http.client
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from fewframes.errors import UnreachableStoreError
from fewframes.naming import shown

TIMEOUT_SECONDS = 30.0
"""For each read, and for the connection."""
ANSWER_SECONDS = 60.0
"""From a request to the end of the answer's head."""
MOST_HOPS = 10
REDIRECTS = "FEWFRAMES_REDIRECTS"
PORTS = {"http": 80, "https": 443}
SENT_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))


@contextmanager
def _ends(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Ends a connection whose answer does not begin in time; reading from it then fails."""

    def end() -> None:
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(ANSWER_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Connection(http.client.HTTPConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        with _ends(self):
            return super().getresponse()


class _SafeConnection(_Connection, http.client.HTTPSConnection):
    """The same by TLS."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SafeConnection, req)


class _Redirects(urllib.request.BaseHandler):
    """Follows a redirect where the rules allow it, without the password of another server.

    The library's own follower would read the whole body first, however long it is.
    """

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: Any,  # noqa: ANN401 (of http.client)
        code: int,
        _msg: str,
        headers: Message,
    ) -> Any:  # noqa: ANN401 (what the opener gives)
        """Asks where the answer leads to."""
        with fp:
            lead = headers.get("Location")
            hops = getattr(req, "hops", 0) + 1
            if lead is None or hops > MOST_HOPS:
                words = "without an end" if lead else "without saying where to"
                raise UnreachableStoreError(f"{shown(req.full_url)!r} leads on {words} ({code})")
            new = urljoin(req.full_url, quote(lead, safe=SENT_AS_IT_IS))
            _check_lead(req.full_url, new)
        request = urllib.request.Request(new, headers=dict(req.headers))
        request.hops = hops  # type: ignore[attr-defined]
        if not _is_same(urlsplit(req.full_url), urlsplit(new)):
            request.remove_header("Authorization")
        return self.parent.open(request, timeout=TIMEOUT_SECONDS)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _check_lead(old: str, new: str) -> None:
    """Refuses a redirect to where the rules do not allow it."""
    there, where = urlsplit(new), f"{shown(old)!r} leads"
    if urlsplit(old).scheme == "https" and there.scheme != "https":
        raise UnreachableStoreError(
            f"{where} from HTTPS to {shown(new)!r}; name that address if it is to be trusted"
        )
    if not (_is_same(urlsplit(old), there) or _is_allowed(there.hostname)):
        raise UnreachableStoreError(
            f"{where} to another server, {there.hostname!r}; name that address, or allow its "
            f"host: {REDIRECTS}={there.hostname}"
        )


def _is_same(old: SplitResult, new: SplitResult) -> bool:
    """Whether an address is on the same server: host and port, or its HTTPS after its HTTP."""
    ports = [part.port or PORTS.get(part.scheme) for part in (old, new)]
    is_upgrade = ports == [80, 443] and (old.scheme, new.scheme) == ("http", "https")
    return old.hostname == new.hostname and (ports[0] == ports[1] or is_upgrade)


def _is_allowed(host: str | None) -> bool:
    patterns = os.environ.get(REDIRECTS, "").split()
    return any(fnmatchcase(host or "", pattern) for pattern in patterns)


def opener() -> urllib.request.OpenerDirector:
    """What opens HTTP and HTTPS, through the proxies of the environment, and nothing else."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        _Http,
        _Https,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        made.add_handler(handler())
    return made
