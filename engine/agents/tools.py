"""Tools: a session's looks as functions that a model may call, and a dispatcher for its calls.

`TOOLS` is the table: what the model is told of each, the JSON schema of its arguments, and the
method of `fewframes.agents.session.Session` behind it. Numbers of frames and sizes are limited, and
nothing names a file. What is wrong with a call is a sentence of bounded length, whatever was sent.
"""

import json
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fewframes.agents.session import Session
from fewframes.decode.batch import FrameBatch, Handover
from fewframes.models.resolutions import shrink_to
from fewframes.times import as_seconds

MOST_FRAMES = 32
"""Frames of one call, whatever a model asks for."""
QUALITY = 85
"""Of the JPEGs that a model is shown."""
LONGEST_SIDE = 1024
"""Longest side of a picture that a call gives; larger stored pictures are shrunk to it."""
MOST_SECONDS = 1e12
"""No time is beyond it: some 30,000 years."""
MOST_SHOWN = 80
"""Letters of a wrong value that a sentence about it repeats."""

Schema = dict[str, Any]


def number_from(kind: str, low: float, high: float, description: str) -> Schema:
    """The schema of a number within bounds; ``kind`` is "number" or "integer"."""
    return {"type": kind, "minimum": low, "maximum": high, "description": description}


SECONDS = number_from("number", 0, MOST_SECONDS, "seconds from the film's start")
COUNT = number_from("integer", 1, MOST_FRAMES, "how many frames")
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call; its name is that of the session's method."""

    description: str
    properties: Mapping[str, Schema]
    required: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The JSON schema of its arguments."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }


TOOLS: dict[str, Tool] = {
    "glance": Tool("Frames of the whole film, so that little is missed.", {"k": COUNT}),
    "look": Tool(
        "Frames between two times, evenly spaced.",
        {"start": SECONDS, "end": SECONDS, "k": COUNT},
        ("start", "end"),
    ),
    "frame_at": Tool("The frame on screen at a time.", {"seconds": SECONDS}, ("seconds",)),
    "find": Tool(
        "Frames that fit a text, or in which a measured signal is strong: sharpness, brightness, "
        "change, changed_area, colour_change.",
        {"query": {"type": "string", "maxLength": 500}, "k": COUNT},
        ("query",),
    ),
    "find_like": Tool(
        "Frames of the whole film that look most like the one on screen at a time.",
        {"seconds": SECONDS, "k": COUNT},
        ("seconds",),
    ),
    "zoom": Tool(
        "A part of the frame on screen at a time, at the film's full resolution. The box is left, "
        "top, right and bottom, as shares of the picture.",
        {
            "seconds": SECONDS,
            "box": {"type": "array", "items": SHARE, "minItems": 4, "maxItems": 4},
        },
        ("seconds", "box"),
    ),
}
"""The looks that a model may ask for."""


def openai_tools() -> list[Schema]:
    """Gives the tools in OpenAI's form (also that of SGLang, vLLM and llama.cpp).

    >>> [tool["function"]["name"] for tool in openai_tools()][:2]
    ['glance', 'look']
    """
    return [{"type": "function", "function": one} for one in described(TOOLS, "parameters")]


def anthropic_tools() -> list[Schema]:
    """Gives the tools in Anthropic's form.

    >>> sorted(anthropic_tools()[0])
    ['description', 'input_schema', 'name']
    """
    return described(TOOLS, "input_schema")


def described(tools: Mapping[str, Tool], schema: str) -> list[Schema]:
    """Gives name, description and, under the key ``schema``, the arguments of each tool."""
    return [
        {"name": name, "description": tool.description, schema: tool.schema}
        for name, tool in tools.items()
    ]


def call(session: Session, name: str, arguments: Mapping[str, Any] | str) -> FrameBatch:
    """Makes the look that a model asks for; ``arguments`` are an object, or its JSON.

    Raises:
        ValueError: There is no such tool, or the arguments are not what its schema says: in words
            that the model can be given.
    """
    if name not in TOOLS:
        raise ValueError(f"there is no tool {as_shown(name)}; tools: {', '.join(TOOLS)}")
    values = checked_arguments(name, TOOLS[name], arguments)
    if name == "zoom":
        values["size"] = LONGEST_SIDE
    batch: FrameBatch = getattr(session, name)(**values)
    if max(batch.frames.shape[1:3], default=0) <= LONGEST_SIDE:
        return batch
    return replace(batch, planes=(np.stack([shrink_to(one, LONGEST_SIDE) for one in batch]),))


def answer(
    session: Session,
    name: str,
    arguments: Mapping[str, Any] | str,
    *,
    runtime: str = "openai",
    quality: int = QUALITY,
) -> Handover:
    """Makes the look, and gives its pictures as message parts of a chat runtime.

    Raises as `call` does.
    """
    return call(session, name, arguments).to(runtime, quality=quality)


def checked_arguments(name: str, tool: Tool, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """Gives arguments of a tool as its schema has them; ``arguments`` are an object, or its JSON.

    Raises ValueError where they are not, in words that the model can be given.

    >>> checked_arguments("glance", TOOLS["glance"], '{"k": 4.0}')
    {'k': 4}
    """
    given = _object(arguments)
    unknown = [key for key in given if key not in tool.properties]
    missing = [key for key in tool.required if key not in given]
    if unknown or missing:
        what = f"has no argument {as_shown(unknown[0])}" if unknown else f"needs {missing[0]!r}"
        raise ValueError(
            f"{name} {what}; its arguments: {', '.join(tool.properties) or 'it has none'}"
        )
    return {key: _checked(name, key, value, tool) for key, value in given.items()}


def as_shown(value: Any) -> str:  # noqa: ANN401 (JSON)
    """Gives a value as a sentence may repeat it: in few letters, however large or deep it is.

    >>> as_shown("x" * 500)[-4:], as_shown(10**9999), as_shown([[[[[[[[1]]]]]]]])
    ("xxx'", 'a value of type int', '[[[[[[[...]]]]]]]')
    """
    try:
        words = _BRIEF.repr(value)
    except (ValueError, RecursionError):  # Python writes no number of so many digits
        words = f"a value of type {type(value).__name__}"
    return words if len(words) <= MOST_SHOWN else f"{words[:MOST_SHOWN]}…"


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = MOST_SHOWN


def _object(arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, ValueError) else "they are nested too deeply"
            raise ValueError(f"the arguments are not JSON: {why}") from error
    if not isinstance(arguments, Mapping):
        raise ValueError("the arguments must be a JSON object")
    return arguments


def _checked(name: str, key: str, value: Any, tool: Tool) -> Any:  # noqa: ANN401 (JSON)
    """A value as its schema has it, or a sentence about it."""
    schema = tool.properties[key]
    kind = schema["type"]
    if kind == "array":
        if not isinstance(value, list | tuple) or len(value) != schema["minItems"]:
            count = schema["minItems"]
            raise ValueError(f"{name}: {key} must be {count} numbers, got {as_shown(value)}")
        return tuple(_number(name, key, one, schema["items"]) for one in value)
    if kind == "string":
        if not isinstance(value, str) or not 0 < len(value) <= schema["maxLength"]:
            raise ValueError(
                f"{name}: {key} must be a text of 1 to {schema['maxLength']} letters, got "
                f"{as_shown(value)}"
            )
        return value
    number = _number(name, key, value, schema)
    return int(number) if kind == "integer" else number


def _number(name: str, key: str, value: Any, schema: Schema) -> float:  # noqa: ANN401 (JSON)
    low, high = schema["minimum"], schema["maximum"]
    if schema is SECONDS and isinstance(value, str) and len(value) <= MOST_SHOWN:
        with suppress(ValueError):  # text such as 00:01:30
            value = as_seconds(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        words = f"a number from {low:g} to {high:g}, got {as_shown(value)}"
        raise ValueError(f"{name}: {key} must be {words}")
    if schema["type"] == "integer" and value != int(value):
        raise ValueError(f"{name}: {key} must be a whole number, got {as_shown(value)}")
    return float(value)
