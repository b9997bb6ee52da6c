"""Films on web servers: what is sent is bounded, where it comes from is said, secrets are kept."""

import base64
import contextlib
import re
import sys
import threading
import time
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.cli.main import main
from fewframes.errors import (
    StaleIndexError,
    StoreAwayError,
    UnreachableStoreError,
    UnreadableMediaError,
)
from fewframes.files.probing import identify
from fewframes.indexing import web, web_opener
from fewframes.indexing.fetching import on_disk, size_of, source_of, stamp_of
from fewframes.indexing.inputs import find_inputs
from fewframes.media.timeline_cache import cache_home
from fewframes.naming import plain, shown

pytestmark = pytest.mark.slow

BYTES = bytes(i * i % 251 for i in range(1 << 16)) * 48
SIGNED = "X-Amz-Signature=ab%2Fcd/e+f=&a=b%20c;d,~&empty=&sig=s3cr3t-s1g/"
WHEN = "Sat, 21 Nov 2026 20:00:00 GMT"


class Films(BaseHTTPRequestHandler):
    """A web server with films; a test names what is odd about it."""

    data = BYTES
    gives_parts = True
    etag: str | None = '"one"'
    says_size = True
    needs: str | None = None
    leads: dict[str, str] = {}  # noqa: RUF012
    breaks_after: int | None = None
    swells_to: bytes | None = None
    more = b""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        if self.path in self.leads:
            self.send_response(302)
            self.send_header("Location", self.leads[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.needs and self.headers.get("Authorization") != self.needs:
            self.send_error(401)
        elif "gone" in self.path:
            self.send_error(404)
        else:
            self.give()

    def give(self):
        data = self.data
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        is_part = bool(found) and self.gives_parts
        first, last = map(int, found.groups()) if is_part else (0, len(data) - 1)
        if self.swells_to is not None and last > 0:
            data, last = self.swells_to, len(self.swells_to) - 1
        last = min(last, len(data) - 1)
        self.send_response(206 if is_part else 200)
        if self.says_size:
            self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Last-Modified", WHEN)
        if self.etag:
            self.send_header("ETag", self.etag)
        if is_part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        body = data[first : last + 1]
        if self.breaks_after is not None and len(body) > self.breaks_after:
            self.wfile.write(body[: self.breaks_after])
            self.close_connection = True
            return
        self.wfile.write(body + self.more)

    def do_HEAD(self):
        self.send_error(403)  # a signature is for GET alone

    def log_message(self, *_):
        pass


@contextmanager
def serving(*, kind=None, **odd):
    """The address of a server with what is odd, and what was asked of it."""
    handler = type("Odd", (kind or Films,), odd)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.seen = True, []
        server.handle_error = lambda *_: None  # a client may leave
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", server.seen
        server.shutdown()


@pytest.fixture(autouse=True)
def no_obstore(monkeypatch):
    """The extra for object stores is not installed, and no proxy is between."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize("gives_parts", [True, False])
@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_film_is_fetched_without_the_extra(gives_parts, etag):
    with serving(gives_parts=gives_parts, etag=etag) as (place, _):
        url = f"{place}/films/a%20b.mp4"
        assert size_of(url) == len(BYTES)
        with on_disk(url) as file:
            assert file.read_bytes() == BYTES
            assert file.name == "a%20b.mp4"
            there, here = source_of(url), identify(file)
            facts = (there.size_bytes, there.mtime_ns, there.edges_xxh3)
            assert facts == (here.size_bytes, here.mtime_ns, here.edges_xxh3)
            assert stamp_of(url) == [here.size_bytes, here.mtime_ns]


@pytest.mark.parametrize("gives_parts", [True, False])
def test_no_more_is_read_than_a_server_has_announced(gives_parts):
    odd = {"data": BYTES[:39_000], "more": BYTES, "gives_parts": gives_parts}
    with serving(**odd) as (place, _), on_disk(f"{place}/a.mp4") as file:
        assert file.read_bytes() == BYTES[:39_000]


def test_a_film_that_has_grown_since_it_was_announced_is_not_read_on():
    """It announces 39 kB first; when it is fetched, a hundred times as much."""
    with serving(data=BYTES[:39_000], swells_to=BYTES) as (place, _):
        fetched = on_disk(f"{place}/a.mp4")
        with pytest.raises(StaleIndexError, match="was changed while it was fetched"):
            fetched.__enter__()
    assert list((cache_home() / "films" / ".attempts").iterdir()) == []


def test_a_store_that_gives_more_than_it_has_announced_is_not_read_on(monkeypatch):
    with serving() as (place, _):
        facts = web.WebServer(place).facts("a.mp4")
        monkeypatch.setattr(web.WebServer, "blocks", lambda *_: repeat(bytes(1 << 20)))
        monkeypatch.setattr(web.WebServer, "facts", lambda *_: facts._replace(size=39_000))
        fetched = on_disk(f"{place}/a.mp4")
        with pytest.raises(StaleIndexError, match="gave more than the 39000 bytes announced"):
            fetched.__enter__()


def test_a_film_that_does_not_say_its_size_is_refused():
    with (
        serving(says_size=False, gives_parts=False) as (place, _),
        pytest.raises(UnreachableStoreError, match="comes without its size"),
    ):
        size_of(f"{place}/a.mp4")


def test_a_transfer_that_breaks_off_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr(web, "BLOCK_BYTES", 100_000)
    with serving(breaks_after=1_000_000) as (place, seen):
        with on_disk(f"{place}/a.mp4") as file:
            assert file.read_bytes() == BYTES
        assert len(seen) == 1 + 4  # what it is, and its bytes in four goes
    with serving(breaks_after=0) as (place, _), pytest.raises(StoreAwayError, match="broke off 5"):
        on_disk(f"{place}/a.mp4").__enter__()


def test_a_film_that_changes_while_it_is_fetched_is_refused(monkeypatch):
    monkeypatch.setattr(web, "BLOCK_BYTES", 100_000)
    with serving(breaks_after=1_000_000) as (place, _):
        server = web.WebServer(place)
        facts = server.facts("a.mp4")
        with pytest.raises(StaleIndexError, match="was changed while it was fetched"):
            list(server.blocks("a.mp4", facts._replace(etag='"two"')))


def test_a_server_that_does_not_answer_is_away(monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT_SECONDS", 0.2)
    quiet = threading.Event()
    with serving(do_GET=lambda _: quiet.wait(30)) as (place, _):
        with pytest.raises(StoreAwayError, match=r"a\.mp4' cannot be reached: timed out"):
            size_of(f"{place}/a.mp4")
        quiet.set()
    with pytest.raises(StoreAwayError, match="cannot be reached"):
        size_of("http://127.0.0.1:9/a.mp4")


def test_a_redirect_stays_on_the_server():
    with serving() as (other, request):
        leads = {"/here.mp4": "/there.mp4", "/out.mp4": f"{other}/a.mp4?sig=s3cr3t"}
        with serving(leads=leads) as (place, _):
            assert size_of(f"{place}/here.mp4") == len(BYTES)
            words = rf"leads to another server, '127\.0\.0\.1'.*{web_opener.REDIRECTS}=127\.0\.0\.1"
            with pytest.raises(UnreachableStoreError, match=words) as caught:
                size_of(f"{place}/out.mp4")
            assert "s3cr3t" not in str(caught.value)
        assert request == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "example.org 127.*"])
def test_a_redirect_leads_where_the_user_allows_without_the_password(monkeypatch, allowed):
    monkeypatch.setenv(web_opener.REDIRECTS, allowed)
    with serving() as (other, request):
        secret = "Basic " + base64.b64encode(b"me:p@ss w\xc3\xb6rd").decode()
        with serving(leads={"/out.mp4": f"{other}/a.mp4"}, needs=secret) as (place, _):
            host = place.removeprefix("http://")
            assert size_of(f"http://me:p%40ss%20w%C3%B6rd@{host}/out.mp4") == len(BYTES)
        assert request == [("/a.mp4", None)]


@pytest.mark.parametrize("lead", ["http://a:b:c/x.mp4", "http://[x/a.mp4", "http://a:99999/y"])
def test_a_redirect_to_no_address_is_one_sentence(lead):
    with serving(leads={"/a.mp4": lead}) as (place, _):
        with pytest.raises((UnreadableMediaError, UnreachableStoreError)) as caught:
            size_of(f"{place}/a.mp4")
        assert not isinstance(caught.value, StoreAwayError)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("http://a/x", "http://a/y", True),
        ("http://a/x", "https://a/y", True),
        ("http://a/x", "http://a:8080/y", False),
        ("http://a/x", "http://b/y", False),
        ("https://a/x", "https://a:443/y", True),
        ("http://a:8080/x", "https://a/y", False),
    ],
)
def test_what_is_the_same_server(old, new, is_same):
    assert web_opener._is_same(web_opener.urlsplit(old), web_opener.urlsplit(new)) is is_same


def test_redirects_come_to_an_end():
    leads = {"/a.mp4": "/b.mp4", "/b.mp4": "/a.mp4"}
    with serving(leads=leads) as (place, seen):
        with pytest.raises(UnreachableStoreError, match="leads on without an end"):
            size_of(f"{place}/a.mp4")
        assert len(seen) == web_opener.MOST_HOPS + 1


@pytest.mark.parametrize("new", ["http://a.org/y", "ftp://a.org/y", "file:///etc/passwd"])
def test_https_never_leads_to_what_is_not(monkeypatch, new):
    monkeypatch.setenv(web_opener.REDIRECTS, "*")
    with pytest.raises(UnreachableStoreError, match="leads from HTTPS to") as caught:
        web_opener._check_lead("https://me:s3cr3t@a.org/x?s3cr3t", new)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.slow
def test_a_password_is_used_and_shown_nowhere(films, tmp_path):
    secret = "Basic " + base64.b64encode(b"me:s3cr3t").decode()
    with serving(data=films("x264_uneven").read_bytes(), needs=secret) as (place, seen):
        host = place.removeprefix("http://")
        url = f"http://me:s3cr3t@{host}/films/a.mp4"
        args = ["index", url, f"http://me:s3cr3t@{host}/gone/b.mp4", "-o", str(tmp_path / "s")]
        for log in ("plain", "json"):
            said = CliRunner().invoke(main, [*args, "--size", "64", "--log", log])
            assert said.exit_code == 3, said.output
            assert "s3cr3t" not in said.output
            assert f"http://{host}/gone/b.mp4' does not exist" in said.output
        assert secret in {given for _, given in seen}
        wrong = CliRunner().invoke(main, ["index", url.replace("s3", "w3"), *args[3:]])
        assert "refused: status 401" in wrong.output
        assert "w3cr3t" not in wrong.output
    assert list(ff.open(tmp_path / "s")) == ["a.mp4"]
    _check_kept(tmp_path, "s3cr3t")


@pytest.mark.slow
def test_a_signature_is_sent_as_it_is_and_kept_nowhere(films, tmp_path):
    with serving(data=films("x264_uneven").read_bytes()) as (place, seen):
        url = f"{place}/films/day 1/a.mp4?{SIGNED}"
        assert list(find_inputs([url])) == ["a.mp4"]
        (tmp_path / "films.csv").write_text(f'path,id\n"{url}",\n"{url}",mine\n')
        assert list(find_inputs([f"@{tmp_path}/films.csv"])) == ["films/day 1/a.mp4", "mine"]
        report = ff.index(url, tmp_path / "s", size=64)
        assert [(one.video_id, one.status) for one in report.outcomes] == [("a.mp4", "ok")]
        assert {path for path, _ in seen} == {f"/films/day%201/a.mp4?{SIGNED}"}
        assert ff.index(url, tmp_path / "s", size=64).outcomes[0].status == "done"
        said = CliRunner().invoke(
            main, ["index", f"{place}/gone?{SIGNED}", "-o", str(tmp_path / "t")]
        )
    assert ff.open(tmp_path / "s")["a"].facts["source"]["name"] == "a.mp4"
    assert "s3cr3t" not in said.output
    (tmp_path / "films.csv").unlink()
    _check_kept(tmp_path, "s3cr3t-s1g")


def _check_kept(folder, secret):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert secret.encode() not in path.read_bytes(), path
        assert secret not in str(path)


@pytest.mark.slow
def test_a_command_that_takes_no_url_does_not_show_its_password():
    for command in ("probe", "sample", "verify"):
        said = CliRunner().invoke(main, [command, "https://me:s3cr3t@host/a.mp4?sig=s1g"])
        assert said.exit_code != 0
        assert "s3cr3t" not in said.output
        assert "s1g" not in said.output


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:p@ss@host/a.mp4", "https://host/a.mp4"),
        ("https://host/a b.mp4?sig=x y", "https://host/a b.mp4"),
        ("https://host/a.mp4#part", "https://host/a.mp4"),
        ("s3://bucket/day#1/who?.mp4", "s3://bucket/day#1/who?.mp4"),
        ("s3://key:secret@bucket/a.mp4", "s3://bucket/a.mp4"),
    ],
)
def test_how_addresses_are_shown(url, words):
    assert shown(url) == words
    assert plain(f"{url!r} fails") == f"{words!r} fails"


class Endless(Films):
    """A server that never comes to the end of its head."""

    def do_GET(self):
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.01)


def test_an_answer_that_never_begins_is_given_up(monkeypatch):
    monkeypatch.setattr(web_opener, "ANSWER_SECONDS", 0.3)
    with serving(kind=Endless) as (place, _):
        began = time.monotonic()
        with pytest.raises((StoreAwayError, UnreachableStoreError)):
            web.WebServer(place).facts("a.mp4")
        assert time.monotonic() - began < web_opener.TIMEOUT_SECONDS


class Shifted(Films):
    """A server that sends another part than was asked for."""

    def send_header(self, name, value):
        if name == "Content-Range":
            value = re.sub(r"bytes \d+", "bytes 7", value)
        super().send_header(name, value)


def test_another_part_than_was_asked_for_is_not_taken():
    with (
        serving(kind=Shifted) as (place, _),
        pytest.raises((StoreAwayError, UnreachableStoreError)),
    ):
        web.WebServer(place).ranges("a.mp4", [(3, 5)])


@pytest.mark.parametrize("when", ["Mon, 01 Jan 2020 00:00:00 +99999999999999999999999", "now", ""])
def test_a_time_that_cannot_be_read_is_none(when):
    headers = Message()
    headers["Last-Modified"] = when
    assert web._changed_ns(headers) == 0
