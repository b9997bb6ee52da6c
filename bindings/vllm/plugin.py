"""A plug-in of vLLM: videos of a store by address, ``fewframes://STORE/VIDEO?k=64&start=10&end=90``.

1. vLLM calls `register` when it starts (entry point ``vllm.general_plugins``). It adds a connector
   and a video loader, both named "fewframes".
2. ``VLLM_MEDIA_CONNECTOR=fewframes`` lets a ``video_url`` part of a request hold such an address.
   Without it, the loader takes ``data:video/fewframes;base64,…`` of an address, with
   ``media_io_kwargs={"video": {"video_backend": "fewframes"}}``.
3. Frames are chosen and read in the server, at the size asked for, and told to the model with
   their true times. An address may give `MOST_BYTES` of pixels at most.

Only stores directly in the folder that ``FEWFRAMES_VLLM_ROOT`` names are read, and of a store only
what lies in it: a link that leads out of it is refused. Without the variable every address is.
``FEWFRAMES_VLLM_MODEL`` says which model is served, such as "qwen3-vl".

Sources: vLLM 0.33, ``vllm/plugins``, ``vllm/multimodal/media/connector.py`` and ``video.py``.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from fewframes.agents.tools import as_shown
from fewframes.arrays import U8
from fewframes.media.sizes import fitted_size
from fewframes.models.runtimes import RUNTIMES
from fewframes.selection.selection import Selection, select
from fewframes.store.layout import LONGEST_NAME, MARKER, VIDEOS, folder_name
from fewframes.store.recipes import canonical_json
from fewframes.store.store import open_store
from fewframes.store.video import Video
from fewframes.times import as_seconds

NAME = "fewframes"
SCHEME = "fewframes:"
ROOT, MODEL = "FEWFRAMES_VLLM_ROOT", "FEWFRAMES_VLLM_MODEL"
MOST_FRAMES = 768
"""Frames of one address, the most that Qwen-VL models were trained with."""
MOST_BYTES = 1 << 30
"""Bytes of RGB that one address may give: 768 frames of 448x252, each twice, are half of it. A
model that fuses two frames may get each twice, and is counted so. Reading takes as much again."""
LONGEST = 16384
"""Letters of an address."""
LONGEST_VALUE = 100
"""Letters of one value behind its question mark."""
NUMBERS: Mapping[str, tuple[Callable[[str], float], float, float]] = {
    "k": (int, 1, MOST_FRAMES),
    "size": (int, 1, 16384),
    "start": (as_seconds, 0, math.inf),
    "end": (as_seconds, 0, math.inf),
}
"""Numbers that may stand behind the question mark, with the least and the largest of each."""
TEXTS = ("policy", "model", "group")
"""Texts that may. ``group`` is the digest of the video's record: the connector adds it, so that
vLLM's caches, which go by the address, know a video indexed anew."""


@dataclass(frozen=True, slots=True)
class Address:
    """What an address asks for.

    >>> Address.read("fewframes://corpus.zarr/day%201/case_07?k=16&start=2.5")
    Address(store='corpus.zarr', video='day 1/case_07', options={'k': 16, 'start': 2.5})
    """

    store: str
    video: str
    options: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> "Address":
        """Reads an address; ValueError says what is wrong with it."""
        if len(text) > LONGEST:
            raise ValueError(f"an address of {len(text)} letters is too long; {LONGEST} may be")
        parts = urlsplit(text)
        store, video = parts.netloc, unquote(parts.path.removeprefix("/"))
        has_surrogates = re.search("[\ud800-\udfff]", text) is not None  # which no file name has
        is_name = re.fullmatch(r"\w[\w.-]*", store) and len(os.fsencode(store)) <= LONGEST_NAME
        if parts.scheme != NAME or not is_name or not video or has_surrogates:
            raise ValueError(
                f"{text[:80]!r} is no address; write fewframes://STORE/VIDEO?k=64, where STORE is "
                "the name of a store in the server's folder"
            )
        options: dict[str, Any] = {}
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            if key not in (*NUMBERS, *TEXTS) or key in options:
                names = ", ".join((*NUMBERS, *TEXTS))
                raise ValueError(
                    f"{key[:40]!r} may not be asked for, or not twice; allowed: {names}"
                )
            options[key] = _value(key, value)
        return cls(store, video, options)

    @property
    def span(self) -> tuple[float, float] | None:
        """The seconds asked for; None for all."""
        if not self.options.keys() & {"start", "end"}:
            return None
        return self.options.get("start", 0.0), self.options.get("end", math.inf)

    def pinned(self) -> str:
        """The address with the digest of the video's record; raises as `load` does."""
        options = {**self.options, "group": _group(_video(self))}
        query = "&".join(f"{key}={quote(str(value))}" for key, value in options.items())
        return f"{SCHEME}//{self.store}/{quote(self.video)}?{query}"


def load(text: str) -> tuple[U8, dict[str, Any]]:
    """Reads the frames of an address, ``[n, h, w, 3] u8``, and the metadata that vLLM passes on.

    Raises:
        ValueError: The address is none, the server does not allow it, or no such video is there.
    """
    address = Address.read(text)
    video = _video(address)
    if address.options.get("group") not in (None, _group(video)):
        raise ValueError(f"video {video.id!r} has been indexed anew; ask again")
    model = f"vllm:{address.options.get('model') or os.environ.get(MODEL, '')}"
    if model not in RUNTIMES:
        names = ", ".join(name[5:] for name in RUNTIMES if name.startswith("vllm:"))
        raise ValueError(
            f"model={model[5:45]!r} is not known; pass &model=, or set {MODEL} on the server, to "
            f"one of {names}"
        )
    chosen = _chosen(video, address)
    size = address.options.get("size")
    _check_bytes(len(chosen), fitted_size(video.frame_size, size) or video.frame_size, model)
    batch = video.read(rows=chosen.rows, size=size)
    ((frames, facts),) = batch.to(model).arguments["multi_modal_data"]["video"]
    return frames, facts


def _value(key: str, text: str) -> float | str:
    """A value of an address, within its limits."""
    if len(text) > LONGEST_VALUE:
        raise ValueError(f"{key}={text[:40]!r}… has {len(text)} letters; {LONGEST_VALUE} may be")
    if key in TEXTS:
        return text
    kind, low, high = NUMBERS[key]
    try:
        value = kind(text)
    except ValueError as error:
        raise ValueError(f"{key}={text[:40]!r} is no number") from error
    if not low <= value <= high:
        upto = f"from {low:g} to {high:g}" if high < math.inf else f"of {low:g} or more"
        raise ValueError(f"{key}={text[:40]} must be a number {upto}")
    return value


def _chosen(video: Video, address: Address) -> Selection:
    """The frames that an address asks for, one at least; no picture is read."""
    budget, policy = address.options.get("k", 32), address.options.get("policy", "adaptive")
    chosen = select(video.table, budget=budget, policy=policy, span=address.span)
    if not len(chosen):
        raise ValueError(
            f"no frame of {video.id!r} is indexed from {address.options.get('start', 0):g} to "
            f"{address.options.get('end', math.inf):g} s; it is {video.duration_seconds:.3f} s long"
        )
    return chosen


def _check_bytes(pictures: int, size: tuple[int, int], model: str) -> None:
    """Refuses more pixels than an address may give, before any is read."""
    height, width = size
    each = height * width * 3 * (2 if RUNTIMES[model].fuses else 1)
    if pictures * each > MOST_BYTES:
        most = MOST_BYTES // each
        raise ValueError(
            f"{pictures} frames of {height}x{width} are {pictures * each} bytes for this model, "
            f"more than the {MOST_BYTES} of an address; pass a smaller size="
            + (f", or k={most}" if most else "")
        )


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
            try:
                return load(data.decode())
            except UnicodeDecodeError as error:
                raise ValueError("an address is text in UTF-8, and these bytes are none") from error

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
    shown = as_shown(address.video)
    folder = (Path(root) / address.store).resolve()
    if folder.parent != Path(root).resolve() or not folder.is_dir():
        raise ValueError(f"there is no store {address.store!r}")
    try:
        _check_inside(folder, address.video)
        store = open_store(folder)
        if address.video not in store:  # a KeyError of the store's would name others
            raise ValueError(f"there is no video {shown} in {address.store!r}")
        video_id = store.id_of(address.video)
        _check_inside(folder, video_id)
        return store[video_id]
    except (OSError, KeyError) as error:  # which name paths, or others
        raise ValueError(f"video {shown} of {address.store!r} cannot be read") from error


def _check_inside(store: Path, video: str) -> None:
    """Refuses a video of which a file, or a folder on the way to it, is a link out of its store.

    Each folder is looked at before anything in it. Whoever may write in the store while it is read
    can still put a link there.
    """
    home = store / VIDEOS / folder_name(video)
    for path in chain((store / MARKER, store / VIDEOS, home), home.rglob("*")):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(store):
            raise ValueError(
                f"{path.relative_to(store).as_posix()!r} of {store.name!r} is a link that leads "
                "out of the store; its owner may copy there what it leads to"
            )


def _group(video: Video) -> str:
    """What tells this group of the video from any other: a digest of its record."""
    import xxhash

    return xxhash.xxh3_64_hexdigest(canonical_json([video.facts, video.commit.files]))
