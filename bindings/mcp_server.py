"""MCP: the looks of a session as tools of a server, for agents with Model Context Protocol.

``fewframes mcp STORE`` serves one store over standard input and output. A client names videos by
their ids; it can name no file. Each video has one session, so nothing is decoded twice; what is
looked at can be logged, and replayed. Zooming needs the films, which the server's owner names.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from fewframes.decode.frames import FrameBatch
from fewframes.errors import FewframesError, MissingBackendError
from fewframes.runs.finding import find_films
from fewframes.serve.session import Session
from fewframes.serve.tools import TOOLS, Schema, call
from fewframes.storage.store import Store, open_store

QUALITY = 85
VIDEO: Schema = {"type": "string", "description": "id of a video, as list_videos gives it"}


class Looks:
    """The sessions of a store's videos, and what their tools give."""

    def __init__(
        self,
        store: Store,
        *,
        max_frames: int | None = None,
        films: Mapping[str, Path] | None = None,
        log: Path | None = None,
    ) -> None:
        self.store, self.max_frames, self.films, self.log = store, max_frames, films or {}, log
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def session(self, video: str) -> Session:
        """Gives the session of a video; KeyError where there is no such video."""
        with self._lock:
            if video not in self._sessions:
                film = self.films.get(video)
                self._sessions[video] = Session(
                    self.store[video], max_frames=self.max_frames, film=film
                )
            return self._sessions[video]

    def schemas(self) -> dict[str, tuple[str, Schema]]:
        """Describes each tool: words, and the JSON schema of its arguments."""
        listed: dict[str, tuple[str, Schema]] = {
            "list_videos": ("The videos there are, and how long they are.", _closed({}, []))
        }
        for name, tool in TOOLS.items():
            if name != "zoom" or self.films:
                properties = {"video": VIDEO, **tool.properties}
                listed[name] = (tool.description, _closed(properties, ["video", *tool.required]))
        return listed

    def call(self, name: str, arguments: dict[str, Any]) -> list[tuple[str, bytes | None]]:
        """Gives lines of text, each with the JPEG behind it if there is one.

        Raises ValueError or KeyError, in words that a model can be given.
        """
        if name == "list_videos":
            lines = (f"{v.id}: {v.duration_seconds:.3f} s" for v in self.store.values())
            return [(line, None) for line in lines]
        if name not in self.schemas():
            raise ValueError(f"there is no tool {name!r}; tools: {', '.join(self.schemas())}")
        rest = dict(arguments)
        video = rest.pop("video", None)
        if not isinstance(video, str):
            raise ValueError(f"{name} needs 'video', the id of a video")
        session = self.session(video)
        batch = call(session, name, rest)
        self._note(video, session)
        return _told(batch)

    def _note(self, video: str, session: Session) -> None:
        """Writes a session's last step, and what it has decoded so far, as a line of the log."""
        if self.log is None:
            return
        with self._lock, self.log.open("a") as file:
            step = asdict(session.history[-1])
            print(json.dumps({"video": video, **step, "decoded": session.decoded}), file=file)


def _closed(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _told(batch: FrameBatch) -> list[tuple[str, bytes | None]]:
    files, numbers = batch.jpeg(quality=QUALITY), batch.frame_numbers.tolist()
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
    looks = Looks(open_store(store), max_frames=max_frames, films=find_films(films), log=log)
    server = _server(looks)

    async def run() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)


def _server(looks: Looks) -> Any:  # noqa: ANN401 (the SDK's)
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel.server import Server

    async def list_tools(_context: Any, _request: Any) -> Any:  # noqa: ANN401
        listed = looks.schemas().items()
        return types.ListToolsResult(
            tools=[
                types.Tool(name=name, description=words, input_schema=schema)
                for name, (words, schema) in listed
            ]
        )

    async def call_tool(_context: Any, request: Any) -> Any:  # noqa: ANN401
        work = partial(looks.call, request.name, dict(request.arguments or {}))
        try:
            rows = await anyio.to_thread.run_sync(work)
        except (FewframesError, ValueError, KeyError, IndexError) as error:
            words = str(error.args[0] if isinstance(error, KeyError) else error)
            return types.CallToolResult(content=_parts([(words, None)]), is_error=True)
        return types.CallToolResult(content=_parts(rows))

    return Server("fewframes", on_list_tools=list_tools, on_call_tool=call_tool)


def _parts(rows: list[tuple[str, bytes | None]]) -> list[Any]:
    """Lines of text and pictures as the SDK has them."""
    import mcp_types as types

    parts: list[Any] = []
    for words, file in rows:
        parts.append(types.TextContent(type="text", text=words))
        if file is not None:
            data = base64.b64encode(file).decode("ascii")
            parts.append(types.ImageContent(type="image", data=data, mime_type="image/jpeg"))
    return parts
