"""A plug-in of vLLM: videos of a store by address, ``fewframes://STORE/VIDEO?k=64&start=10&end=90``.

1. vLLM calls `register` when it starts (entry point ``vllm.general_plugins``). It adds a connector
   and a video loader, both named "fewframes".
2. ``VLLM_MEDIA_CONNECTOR=fewframes`` lets a ``video_url`` part of a request hold such an address.
   Without it, the loader takes ``data:video/fewframes;base64,…`` of an address, with
   ``media_io_kwargs={"video": {"video_backend": "fewframes"}}``.
3. Frames are chosen and read in the server, and told to the model with their true times.

Only stores directly in the folder that ``FEWFRAMES_VLLM_ROOT`` names are read; without it every
address is refused. ``FEWFRAMES_VLLM_MODEL`` says which model is served, such as "qwen3-vl".

Sources: vLLM 0.33, ``vllm/plugins``, ``vllm/multimodal/media/connector.py`` and ``video.py``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from fewframes.arrays import U8
from fewframes.serve.models import RUNTIMES
from fewframes.storage.recipes import canonical_json
from fewframes.storage.store import open_store
from fewframes.storage.video import Video

NAME = "fewframes"
SCHEME = "fewframes:"
ROOT, MODEL = "FEWFRAMES_VLLM_ROOT", "FEWFRAMES_VLLM_MODEL"
MOST_FRAMES = 768
"""Frames of one address, the most that Qwen-VL models were trained with."""
KINDS: Mapping[str, type[int] | type[float] | type[str]] = {
    "k": int,
    "policy": str,
    "start": float,
    "end": float,
    "size": int,
    "model": str,
    "group": str,
}
"""What may stand behind the question mark. ``group`` is the digest of the video's record: the
connector adds it, so that vLLM's caches, which go by the address, know a video indexed anew."""


@dataclass(frozen=True, slots=True)
class Address:
    """What an address asks for.

    >>> Address.read("fewframes://corpus.zarr/day%201/case_07?k=16&start=2.5")
    Address(store='corpus.zarr', video='day 1/case_07', wishes={'k': 16, 'start': 2.5})
    """

    store: str
    video: str
    wishes: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> "Address":
        """Reads an address; ValueError says what is wrong with it."""
        parts = urlsplit(text)
        store, video = parts.netloc, unquote(parts.path.removeprefix("/"))
        if parts.scheme != NAME or not re.fullmatch(r"\w[\w.-]*", store) or not video:
            raise ValueError(
                f"{text[:80]!r} is no address; write fewframes://STORE/VIDEO?k=64, where STORE is "
                "the name of a store in the server's folder"
            )
        wishes: dict[str, Any] = {}
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            if key not in KINDS or key in wishes:
                names = ", ".join(KINDS)
                raise ValueError(f"{key!r} may not be asked for, or not twice; allowed: {names}")
            try:
                wishes[key] = KINDS[key](value)
            except ValueError as error:
                raise ValueError(f"{key}={value[:40]!r} is no number") from error
        if not 1 <= wishes.get("k", 1) <= MOST_FRAMES:
            raise ValueError(f"k={wishes['k']} must be from 1 to {MOST_FRAMES}")
        return cls(store, video, wishes)

    @property
    def span(self) -> tuple[float, float] | None:
        """The seconds asked for; None for all."""
        start, end = self.wishes.get("start"), self.wishes.get("end")
        return None if start is None and end is None else (start or 0.0, end or float("inf"))

    def pinned(self) -> str:
        """The address with the digest of the video's record; raises as `load` does."""
        wishes = {**self.wishes, "group": _group(_video(self))}
        query = "&".join(f"{key}={quote(str(value))}" for key, value in wishes.items())
        return f"{SCHEME}//{self.store}/{quote(self.video)}?{query}"


def load(text: str) -> tuple[U8, dict[str, Any]]:
    """Reads the frames of an address, ``[n, h, w, 3] u8``, and the metadata that vLLM passes on.

    Raises:
        ValueError: The address is none, the server does not allow it, or no such video is there.
    """
    address = Address.read(text)
    wishes, video = address.wishes, _video(address)
    if wishes.get("group") not in (None, _group(video)):
        raise ValueError(f"video {video.id!r} has been indexed anew; ask again")
    model = f"vllm:{wishes.get('model') or os.environ.get(MODEL, '')}"
    if model not in RUNTIMES:
        names = ", ".join(name[5:] for name in RUNTIMES if name.startswith("vllm:"))
        raise ValueError(
            f"model={model[5:]!r} is not known; pass &model=, or set {MODEL} on the server, to one "
            f"of {names}"
        )
    chosen = video.sample(
        budget=wishes.get("k", 32), policy=wishes.get("policy", "adaptive"), span=address.span
    )
    if size := wishes.get("size"):
        chosen = video.read(frames=chosen.frame_numbers, size=size)
    (given,) = chosen.to(model).arguments["multi_modal_data"]["video"]
    frames, facts = given
    return frames, facts


def register() -> None:
    """Adds the connector and the loader to vLLM; may be called again."""
    from vllm.multimodal.media.connector import MEDIA_CONNECTOR_REGISTRY
    from vllm.multimodal.video import VIDEO_LOADER_REGISTRY

    VIDEO_LOADER_REGISTRY.register(NAME)(_loader())
    MEDIA_CONNECTOR_REGISTRY.register(NAME)(_connector())


def _loader() -> type:
    from vllm.multimodal.video import VideoLoader

    class FewframesLoader(VideoLoader):  # type: ignore[misc]
        """Takes an address as bytes. What vLLM passes beside it, the address decides."""

        @classmethod
        def load_bytes(cls, data: bytes, **_options: Any) -> tuple[U8, dict[str, Any]]:  # noqa: ANN401
            return load(data.decode())

    return FewframesLoader


def _connector() -> type:
    import asyncio

    from vllm.multimodal.media.connector import MediaConnector, global_thread_pool

    class FewframesConnector(MediaConnector):  # type: ignore[misc]
        """Takes addresses of stores beside what the usual connector takes."""

        def load_from_url(self, url: str, media_io: Any, **options: Any) -> Any:  # noqa: ANN401
            if url.startswith(SCHEME):
                return _read(url, media_io)
            return super().load_from_url(url, media_io, **options)

        async def load_from_url_async(self, url: str, media_io: Any, **options: Any) -> Any:  # noqa: ANN401
            if url.startswith(SCHEME):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(global_thread_pool, _read, url, media_io)
            return await super().load_from_url_async(url, media_io, **options)

    return FewframesConnector


def _read(url: str, media_io: Any) -> Any:  # noqa: ANN401 (vLLM's)
    """Reads an address with vLLM's own bookkeeping of decoded bytes."""
    from vllm.multimodal.media.video import VideoMediaIO

    if not isinstance(media_io, VideoMediaIO):
        raise ValueError(f"{url[:80]!r} is a video; send it as video_url")
    media = VideoMediaIO(media_io.image_io, video_backend=NAME)
    return media.load_bytes(Address.read(url).pinned().encode())


def _video(address: Address) -> Video:
    root = os.environ.get(ROOT)
    if not root:
        raise ValueError(
            f"this server allows no store; its owner sets {ROOT} to the folder of the stores"
        )
    folder = (Path(root) / address.store).resolve()
    if folder.parent != Path(root).resolve() or not folder.is_dir():
        raise ValueError(f"there is no store {address.store!r}")
    try:
        return open_store(folder)[address.video]
    except KeyError as error:  # which would name others
        raise ValueError(f"there is no video {address.video!r} in {address.store!r}") from error


def _group(video: Video) -> str:
    """What tells this group of the video from any other: a digest of its record."""
    import xxhash

    return xxhash.xxh3_64_hexdigest(canonical_json([video.facts, video.commit.files]))
