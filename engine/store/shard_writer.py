"""ShardWriter: the pictures of one video, appended to files one after the other.

It keeps nothing but the index of the open shard in memory. A file is made new, never opened again,
so two writers never share one. The folder is made once: where it is gone, so are pictures, and no
further one is written.
"""

import json
from pathlib import Path
from typing import BinaryIO

from fewframes.errors import CorruptStoreError
from fewframes.store import shard_format as form
from fewframes.store.codecs import PictureCodec


class ShardWriter:
    """Appends pictures to an array in a new folder; nothing can be read before `close`."""

    def __init__(self, folder: Path, height: int, width: int, codec: PictureCodec) -> None:
        import xxhash

        self.folder, self.size, self.codec = folder, (height, width), codec
        self.slots = 0
        self.digests: dict[str, tuple[int, str]] = {}
        """Bytes and xxh3-128 of each finished shard, by its path below the folder."""
        self._index = form.empty_index()
        self._file: BinaryIO | None = None
        self._digest = xxhash.xxh3_128()
        self._written = 0
        folder.mkdir(exist_ok=True)

    def append(self, data: bytes) -> int:
        """Writes one picture, as the array's codec has encoded it; gives its slot.

        Raises:
            ValueError: It is of another codec, or of another size.
            FileExistsError: Another writer is at work in this folder.
            CorruptStoreError: The folder is gone, with pictures that were written.
        """
        try:
            self.codec.check(data, self.size)
        except ValueError as error:
            raise ValueError(
                f"slot {self.slots} {error}, but the array holds {self.codec.name} pictures of "
                f"{self.size[0]}x{self.size[1]}; all pictures of a video are alike"
            ) from error
        if self._file is None:
            self._file = self._new_shard().open("xb", buffering=1 << 18)
        size = len(data) + form.CHECKSUM_BYTES
        self._index[self.slots % form.SHARD_FRAMES] = (self._written, size)
        self._write(self._file, data)
        self._write(self._file, form.checksum(data))
        self.slots += 1
        if self.slots % form.SHARD_FRAMES == 0:
            self._close_shard(self._file)
        return self.slots - 1

    def close(self) -> None:
        """Finishes the last shard and writes the array's ``zarr.json``."""
        if self._file is not None:
            self._close_shard(self._file)
        size = {"height": self.size[0], "width": self.size[1]}
        facts = form.array_metadata(slots=self.slots, **size, codec=self.codec)
        (self.folder / "zarr.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def abandon(self) -> None:
        """Closes the open file, if there is one, without an index."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _new_shard(self) -> Path:
        """Makes the folders of the next shard, one by one: none that was there before."""
        path = self.folder / form.shard_path(self.slots // form.SHARD_FRAMES)
        made = path.parents[3 if not self.slots else 2 :: -1]
        try:
            for folder in made:
                folder.mkdir()
        except FileNotFoundError:
            raise CorruptStoreError(
                f"{self.slots} pictures were written and are gone: another program has been in the "
                "folder of unfinished work; index the film again"
            ) from None
        return path

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        self._digest.update(data)
        self._written += len(data)

    def _close_shard(self, file: BinaryIO) -> None:
        self._write(file, form.encode_index(self._index))
        file.close()
        path = form.shard_path((self.slots - 1) // form.SHARD_FRAMES)
        self.digests[path] = (self._written, self._digest.hexdigest())
        self._digest.reset()
        self._index = form.empty_index()
        self._file, self._written = None, 0
