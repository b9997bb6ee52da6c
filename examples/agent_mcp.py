"""A model that looks through MCP: ``python examples/agent_mcp.py STORE QUESTION --url http://…``.

Starts ``fewframes mcp STORE``, offers its tools to the model behind any server with OpenAI's chat
interface, and makes the calls that the model asks for with the official MCP client. Nothing here
knows what the tools are. Needs ``pip install 'fewframes[mcp]'``.
"""

import argparse
import asyncio
import json
import sys

from agent import ask
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult


def parts_of(result: CallToolResult) -> list[dict]:
    """Makes OpenAI's parts of what an MCP tool has given."""
    return [
        {"type": "text", "text": part.text}
        if part.type == "text"
        else {
            "type": "image_url",
            "image_url": {"url": f"data:{part.mime_type};base64,{part.data}"},
        }
        for part in result.content
    ]


async def converse(
    client: ClientSession, question: str, *, url: str, model: str, turns: int = 8
) -> str:
    """Lets a model call tools until it answers."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
            },
        }
        for tool in (await client.list_tools()).tools
    ]
    messages = [{"role": "user", "content": question}]
    for _ in range(turns):
        body = {"model": model, "messages": messages, "tools": tools}
        said = await asyncio.to_thread(ask, url, body)
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            function = call["function"]
            result = await client.call_tool(function["name"], json.loads(function["arguments"]))
            content = parts_of(result)  # what went wrong is a line of text, too
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    return "no answer"


async def run(
    store: str, question: str, *, url: str, model: str, options: tuple[str, ...] = ()
) -> str:
    """Starts the server and lets a model look."""
    arguments = ["-m", "fewframes", "mcp", store, *options]
    server = StdioServerParameters(command=sys.executable, args=arguments)
    async with stdio_client(server) as streams, ClientSession(*streams) as client:
        await client.initialize()
        return await converse(client, question, url=url, model=model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("question")
    parser.add_argument("--url", default="https://api.openai.com/v1")
    parser.add_argument("--model", default="gpt-4.1")
    chosen = parser.parse_args()
    options = ("--max-frames", "64")
    said = run(chosen.store, chosen.question, url=chosen.url, model=chosen.model, options=options)
    print(asyncio.run(said))
