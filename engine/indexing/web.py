"""Web: a film on a web server, by plain requests of HTTP.

1. Its address is used as it is: user and password go into the header they belong in, the query,
   which may be a signature, is sent as it was given. Neither is ever shown (`naming.plain`).
2. Each request is a GET, for a part or for all, since a signed address is signed for that alone.
   The first part says how large the film is. A server that gives no parts is read from the start.
3. No more is read than the server has announced, and it must announce it.
4. A broken connection goes on where it was, if it is still the same version of the film.
5. A redirect may lead to another path of the same server, or from its HTTP to its HTTPS; to another
   server where the environment names its host in ``FEWFRAMES_REDIRECTS`` (hosts or patterns such as
   ``*.example.org``, separated by spaces); from HTTPS to HTTP never.
"""

import base64
import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

from fewframes.errors import (
    FewframesError,
    StaleIndexError,
    StoreAwayError,
    UnreachableStoreError,
    UnreadableMediaError,
)
from fewframes.indexing.web_opener import SENT_AS_IT_IS, TIMEOUT_SECONDS, opener
from fewframes.naming import plain, shown
from fewframes.store.object_store import ObjectFacts

BLOCK_BYTES = 1 << 20
MOST_DIGITS = 18
"""Of a size."""
TRIES = 5
"""How often a transfer may break off before the server counts as away."""
GONE, BUSY = (404, 410), (408, 425, 429)
BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class WebServer:
    """The server of one address; ``key`` is what follows the host in it."""

    base: str
    """Scheme, user, password, host and port."""

    def facts(self, key: str) -> ObjectFacts:
        """Says what a film is; FileNotFoundError where there is none."""
        with self._asked(key, {"Range": "bytes=0-0"}) as answer:
            return self._facts(key, answer)

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Gives parts (start, length) of a film."""
        return [self._part(key, start, length) for start, length in spans]

    def blocks(self, key: str, facts: ObjectFacts) -> Iterator[bytes]:
        """Gives a film in blocks; StaleIndexError where it is no longer that of ``facts``."""
        at, broken = 0, 0
        while at < facts.size:
            began = at
            try:
                for block in self._rest(key, at, facts):
                    at += len(block)
                    yield block
            except BROKEN as error:
                if isinstance(error, FewframesError | FileNotFoundError):
                    raise
                broken = 1 if at - began >= BLOCK_BYTES else broken + 1
                if broken == TRIES:
                    raise self._away(key, f"the transfer broke off {TRIES} times") from error

    def _rest(self, key: str, at: int, facts: ObjectFacts) -> Iterator[bytes]:
        """The blocks from a byte on, as far as one answer brings them; no more than announced."""
        with self._asked(key, {"Range": f"bytes={at}-{facts.size - 1}"}) as answer:
            if self._facts(key, answer) != facts:
                words = f"{self._shown(key)!r} was changed while it was fetched; index it again"
                raise StaleIndexError(words)
            _skip(answer, at - _begin_of(answer))
            left = facts.size - at
            while left:
                block = answer.read(min(BLOCK_BYTES, left))
                if not block:
                    raise http.client.IncompleteRead(b"", left)
                left -= len(block)
                yield block

    def _part(self, key: str, start: int, length: int) -> bytes:
        part = {"Range": f"bytes={start}-{start + length - 1}"}
        with self._asked(key, part) as answer, self._told(key):
            _skip(answer, start - _begin_of(answer))
            return bytes(answer.read(length))

    def _facts(self, key: str, answer: Any) -> ObjectFacts:  # noqa: ANN401 (of http.client)
        """Reads the size from ``Content-Range: bytes 0-0/SIZE``, or of a whole from its length."""
        head = answer.headers
        said = head.get("Content-Length")
        if answer.status == http.client.PARTIAL_CONTENT:
            said = head.get("Content-Range", "").rpartition("/")[2]
        if not str(said).isdecimal() or len(str(said)) > MOST_DIGITS:
            raise UnreachableStoreError(
                f"{self._shown(key)!r} comes without its size, so nobody knows when to stop; "
                "fetch it yourself and name the file"
            )
        return ObjectFacts(int(str(said)), _changed_ns(head), head.get("ETag"))

    @contextmanager
    def _asked(self, key: str, headers: dict[str, str]) -> Iterator[Any]:
        """Sends a request, and closes the connection after its answer has been used."""
        with self._told(key):
            answer = opener().open(_request(f"{self.base}/{key}", headers), timeout=TIMEOUT_SECONDS)
        with answer:
            yield answer

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Turns what goes wrong into this package's own errors, none of which shows a secret."""
        try:
            yield
        except FewframesError:
            raise
        except urllib.error.HTTPError as error:
            error.close()
            raise self._answered(key, error) from None
        except (ValueError, *BROKEN) as error:
            raise self._failed(key, error) from None

    def _answered(self, key: str, error: urllib.error.HTTPError) -> Exception:
        """What the status of an answer means."""
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return self._empty(key, error.headers)
        if error.code in GONE:
            return FileNotFoundError(f"{self._shown(key)!r} is not there")
        if error.code in BUSY or error.code >= http.client.INTERNAL_SERVER_ERROR:
            return self._away(key, f"status {error.code}")
        return UnreachableStoreError(
            f"{self._shown(key)!r} is refused: status {error.code}; check the address and its "
            "signature, and name a private object by its store (s3://bucket/key)"
        )

    def _failed(self, key: str, error: Exception) -> Exception:
        """What it means that there was no answer."""
        reason = getattr(error, "reason", error)
        if isinstance(error, ValueError | http.client.InvalidURL):
            words = f"{self._shown(key)!r} leads to no address: {reason}; check it"
            return UnreadableMediaError(plain(words))
        if isinstance(reason, ssl.SSLCertVerificationError):
            words = f"{self._shown(key)!r} has a certificate that does not hold: {reason}"
            return UnreachableStoreError(plain(words))
        return self._away(key, plain(str(reason)))

    def _empty(self, key: str, headers: Message) -> Exception:
        """What no part can be had of is an empty film, or has changed."""
        if headers.get("Content-Range", "").endswith("/0"):
            return UnreadableMediaError(f"{self._shown(key)!r} is empty (0 bytes)")
        return StaleIndexError(f"{self._shown(key)!r} is shorter than it was; index it again")

    def _away(self, key: str, why: str) -> StoreAwayError:
        return StoreAwayError(f"{self._shown(key)!r} cannot be reached: {why}")

    def _shown(self, key: str) -> str:
        return shown(f"{self.base}/{key}")


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """Makes a request; of the address only what HTTP cannot send is written otherwise."""
    address = url.partition("#")[0]
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    clean = f"{scheme}://{host}{slash}{quote(path, safe=SENT_AS_IT_IS, errors='surrogateescape')}"
    request = urllib.request.Request(clean, headers={"Accept-Encoding": "identity", **headers})
    if at:
        secret = base64.b64encode(unquote(user).encode()).decode("ascii")
        request.add_header("Authorization", f"Basic {secret}")
    return request


def _begin_of(answer: Any) -> int:  # noqa: ANN401 (of http.client)
    """Which byte of the film an answer begins with."""
    if answer.status != http.client.PARTIAL_CONTENT:
        return 0
    said = re.match(r"bytes (\d{1,18})-", answer.headers.get("Content-Range", ""))
    if not said:
        raise http.client.HTTPException("it does not say which part of the film it sends")
    return int(said[1])


def _skip(answer: Any, count: int) -> None:  # noqa: ANN401 (of http.client)
    """Reads over the bytes of an answer that come before those that were asked for."""
    if count < 0:
        raise http.client.HTTPException("it sends another part of the film than was asked for")
    while count:
        block = answer.read(min(BLOCK_BYTES, count))
        if not block:
            raise http.client.IncompleteRead(b"", count)
        count -= len(block)


def _changed_ns(headers: Message) -> int:
    """The time of ``Last-Modified``; 0 where there is none that can be read."""
    try:
        return int(parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()) * 10**9
    except (ValueError, OverflowError):
        return 0
