"""MCP: the tools of a session, offered by a server, for agents with Model Context Protocol.

``fewframes mcp STORE`` serves one store over standard input and output.

1. A client names videos by their ids, which `list_videos` gives by the page; it can name no file.
2. Each video has one session (`fewframes.agents.open_sessions`), so nothing is decoded twice while
   it is remembered; what is looked at can be logged, and replayed.
3. Zooming needs the films, which the server's owner names.
4. Whatever a client sends, it gets an answer of bounded size, in which no path of this machine is.
"""

import base64
import json
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from fewframes.agents import tools
from fewframes.agents.open_sessions import OpenSessions
from fewframes.agents.tools import Tool
from fewframes.decode.batch import FrameBatch
from fewframes.errors import FewframesError, MissingBackendError
from fewframes.indexing.discovery import find_films
from fewframes.store.catalogue_rows import id_bytes
from fewframes.store.layout import quoted, unquoted
from fewframes.store.store import Store, open_store

MOST_LISTED = 200
"""Videos of one page of a list."""
LONGEST_ID = 4096
"""Letters of an id; no system has longer paths."""
MOST_BYTES = 16 << 20
"""Bytes of the JPEGs of one answer."""
MOST_WORDS = 2000
"""Letters of a sentence about a mistake."""
QUOTED = "quoted:"
"""Stands before an id in percent signs, where letters of it cannot be sent as they are."""
NOT_SENT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Letters that end a line, or are not text."""
VIDEO: tools.Schema = {
    "type": "string",
    "maxLength": LONGEST_ID,
    "description": "id of a video, as list_videos gives it",
}
LIST = Tool(
    "The videos there are, and how long they are, a page at a time: the last line of a page says "
    "how to ask for the next one.",
    {
        "limit": tools.number_from("integer", 1, MOST_LISTED, "how many videos; 100 if left out"),
        "cursor": {**VIDEO, "description": "the id that the page before ended with"},
    },
)
Line = tuple[str, bytes | None]
"""A line of text, and the JPEG behind it if there is one."""


class StoreTools:
    """The tools for the videos of a store, and answers to calls; many threads may share it."""

    def __init__(
        self,
        store: Store,
        *,
        max_frames: int | None = None,
        films: Mapping[str, Path] | None = None,
        log: Path | None = None,
        hidden: Iterable[Path] = (),
        **limits: Any,  # noqa: ANN401 (those of `OpenSessions`)
    ) -> None:
        """Begins; ``hidden`` are paths of which no more than the name may reach a client."""
        self.store = store
        self.sessions = OpenSessions(store, max_frames=max_frames, films=films, log=log, **limits)
        self.tools = {"list_videos": LIST} | {
            name: Tool(
                tool.description, {"video": VIDEO, **tool.properties}, ("video", *tool.required)
            )
            for name, tool in tools.TOOLS.items()
            if name != "zoom" or films
        }
        known = [*hidden, *(films or {}).values(), *([log] if log else [])]
        self._folders = sorted(
            {f"{folder}/" for path in known for folder in _parents(path)}, key=len
        )

    def answer(self, name: str, arguments: Mapping[str, Any]) -> tuple[list[Line], bool]:
        """Gives the lines of an answer, and whether they say that the call was wrong."""
        try:
            return self.call(name, arguments), False
        except (FewframesError, ValueError, KeyError, IndexError) as error:
            words = str(error.args[0] if isinstance(error, KeyError) else error)
        except Exception as error:  # of which a client is to know no more than that it was
            traceback.print_exc(file=sys.stderr)
            words = (
                f"the server failed at this call ({type(error).__name__}); its owner can see why"
            )
        return [(self._without_paths(words), None)], True

    def call(self, name: str, arguments: Mapping[str, Any]) -> list[Line]:
        """Gives the lines of an answer.

        Raises FewframesError, ValueError, KeyError or IndexError, in words that a model can be
        given but for the paths in them.
        """
        if name not in self.tools:
            known = ", ".join(self.tools)
            raise ValueError(f"there is no tool {tools.as_shown(name)}; tools: {known}")
        values = tools.checked_arguments(name, self.tools[name], arguments)
        if name == "list_videos":
            return [(line, None) for line in self._page(**values)]
        with self.sessions.use(self._id_of(values.pop("video"))) as opened:
            lines = _told(tools.call(opened.session, name, values))
            notice = opened.take_notice()
        return [(notice, None), *lines] if notice else lines

    def _page(self, limit: int = 100, cursor: str | None = None) -> list[str]:
        """The lines of a page of the list, by the catalogue: no video is opened for it."""
        after = b"" if cursor is None else id_bytes(self._id_of(cursor))
        rows = self.store.lines(["id", "duration_seconds"])
        found = list(islice((row for row in rows if id_bytes(row["id"]) > after), limit + 1))
        lines = [f"{sendable(row['id'])}: {_length(row['duration_seconds'])}" for row in found]
        if not lines:
            return ["there are no videos" if cursor is None else "there are no more videos"]
        if len(found) > limit:
            next_page = json.dumps({"limit": limit, "cursor": sendable(found[limit - 1]["id"])})
            lines[limit:] = [f"there are more videos; call list_videos with {next_page}"]
        return lines

    def _id_of(self, sent: str) -> str:
        """The id that a client has sent; one that was sent `quoted` is read, if it is that."""
        try:
            sent.encode()
        except UnicodeEncodeError as error:
            shown = tools.as_shown(sent)
            raise ValueError(f"{shown} is no id; list_videos gives the ids") from error
        is_quoted = sent.startswith(QUOTED) and sent not in self.store
        return unquoted(sent.removeprefix(QUOTED)) if is_quoted else sent

    def _without_paths(self, words: str) -> str:
        """Words without the folders of absolute paths, in letters that can be sent, bounded."""
        for folder in reversed(self._folders):
            words = words.replace(folder, "")
        words = re.sub(r"(?<![\w.~%-])/+(?:[^\s'\"/]+/+)+", "", words[: 4 * MOST_WORDS])
        words = words.encode("utf-8", "backslashreplace").decode("utf-8")
        return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]}…"


def sendable(video_id: str) -> str:
    r"""Gives an id as a client is told it: as it is, or quoted where letters cannot be sent.

    >>> sendable("day 1/case_07"), sendable("caf\udce9"), sendable("two\nlines")
    ('day 1/case_07', 'quoted:caf%E9', 'quoted:two%0Alines')
    """
    return QUOTED + quoted(video_id) if NOT_SENT.search(video_id) else video_id


def _parents(path: Path) -> Iterable[Path]:
    """The folders that a path lies in, as it was given and as it is, but for the root."""
    for one in (path.absolute(), path.resolve()):
        yield from (folder for folder in one.parents if folder != folder.parent)


def _length(seconds: float | None) -> str:
    return "its record is damaged" if seconds is None else f"{seconds:.3f} s"


def _told(batch: FrameBatch) -> list[Line]:
    """The frames of a batch as lines; ValueError where they are more than an answer may hold."""
    files, numbers = batch.jpeg(quality=tools.QUALITY), batch.frame_numbers.tolist()
    size = sum(map(len, files))
    if size > MOST_BYTES:
        raise ValueError(
            f"{len(files)} pictures are {size} bytes, more than the {MOST_BYTES} of an answer; "
            f"ask for fewer with k={max(1, len(files) * MOST_BYTES // size)}"
        )
    rows = zip(batch.seconds.tolist(), numbers, files, strict=True)
    return [(f"Frame {number} at {at:.3f} s:", file) for at, number, file in rows]


def serve(
    store: Path,
    *,
    max_frames: int | None = None,
    films: Sequence[Path] = (),
    log: Path | None = None,
) -> None:
    """Serves a store over standard input and output until the client hangs up.

    ``films`` are files, or folders as they were indexed; each step is a line of JSON in ``log``.
    Raises MissingBackendError where the MCP SDK is not installed.
    """
    try:
        import anyio
        from mcp.server.stdio import stdio_server
    except ImportError as error:
        raise MissingBackendError(
            "an MCP server needs the MCP SDK, which is not installed; pip install 'fewframes[mcp]'"
        ) from error
    store_tools = StoreTools(
        open_store(store), max_frames=max_frames, films=find_films(films), log=log, hidden=[store]
    )
    server = _server(store_tools)

    async def run() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)


def _server(store_tools: StoreTools) -> Any:  # noqa: ANN401 (the SDK's)
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel.server import Server

    async def list_tools(_context: Any, _request: Any) -> Any:  # noqa: ANN401
        known = tools.described(store_tools.tools, "input_schema")
        return types.ListToolsResult(tools=[types.Tool(**facts) for facts in known])

    async def call_tool(_context: Any, request: Any) -> Any:  # noqa: ANN401
        work = partial(store_tools.answer, request.name, dict(request.arguments or {}))
        lines, is_error = await anyio.to_thread.run_sync(work)
        return types.CallToolResult(content=_parts(lines), is_error=is_error)

    return Server("fewframes", on_list_tools=list_tools, on_call_tool=call_tool)


def _parts(rows: list[Line]) -> list[Any]:
    """Lines of text and pictures as the SDK has them."""
    import mcp_types as types

    parts: list[Any] = []
    for words, file in rows:
        parts.append(types.TextContent(type="text", text=words))
        if file is not None:
            data = base64.b64encode(file).decode("ascii")
            parts.append(types.ImageContent(type="image", data=data, mime_type="image/jpeg"))
    return parts
