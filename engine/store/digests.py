"""Digests: the xxh3-128 of whole files on a disk, in bounded memory."""

import os
from pathlib import Path
from typing import BinaryIO

from fewframes.store.untrusted import open_regular

BLOCK_BYTES = 1 << 20


def digest_file(path: Path) -> str:
    """Gives the xxh3-128 of a whole file as hexadecimal digits."""
    with path.open("rb") as file:
        return _digest_of(file)


def digest_own(path: Path) -> str:
    """Gives the xxh3-128 of a file of a store; OSError for a link and for what is no file."""
    with os.fdopen(open_regular(path), "rb") as file:
        return _digest_of(file)


def _digest_of(file: BinaryIO) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
