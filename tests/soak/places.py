"""Where stores of the tests lie: a folder, or a URL of an S3 server on loopback."""

import logging
import os
import shutil
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from strays import strew_below

from fewframes.store.folder import FolderStore
from fewframes.store.object_backend import ObjectStoreBackend
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.staging import ATTEMPTS


@contextmanager
def served(cache: Path) -> Iterator[Any]:
    """Runs an S3 server, which obstore finds by the environment, as a moto `ThreadedMotoServer`."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    only = mock.patch.object(DomainDispatcherApplication, "get_backend_for_host", return_value="s3")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    names = {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "FEWFRAMES_CACHE": str(cache),
    }
    try:
        with only, mock.patch.dict(os.environ, names):  # else each request looks for its service
            yield running
    finally:
        running.stop()


def new_bucket() -> str:
    """Makes a bucket on the server that the environment names; gives its URL."""
    name = f"b{uuid.uuid4().hex[:12]}"
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", method="PUT")
    with urllib.request.urlopen(request):
        return f"s3://{name}"


def keys(where: AnyStore) -> list[str]:
    """All files of a store, but for the locks and folders of attempts at work on a disk."""
    store = resolve_store(where)
    if isinstance(store, FolderStore):
        files = (path for path in store.path.rglob("*") if path.is_file())
        found = (path.relative_to(store.path).as_posix() for path in files)
        return sorted(key for key in found if not key.startswith(f"{ATTEMPTS}/"))
    assert isinstance(store, ObjectStoreBackend)
    return sorted(entry.key for entry in store.objects.listed(""))


def clear(where: Path | str) -> None:
    """Removes a store with all that is in it."""
    if isinstance(where, Path):
        shutil.rmtree(where)
    else:
        resolve_store(where).delete_below("")


def strew_over(where: Path | str) -> int:
    """Strews foreign files over a store on a disk; by URL nobody puts any."""
    return strew_below(where) if isinstance(where, Path) else 0
