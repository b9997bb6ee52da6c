"""A model that looks for itself: ``python examples/agent.py STORE VIDEO QUESTION --url http://…``.

Speaks to any server with OpenAI's chat interface (OpenAI, vLLM, SGLang, llama.cpp). The model
asks for looks at the video; each answer is pictures with their times. Needs fewframes alone.
"""

import argparse
import json
import os
import urllib.request

import fewframes as ff
from fewframes.agents import answer, openai_tools


def ask(url: str, body: dict) -> dict:
    """Sends one chat request, and gives the model's message."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["choices"][0]["message"]


def run(session: ff.Session, question: str, *, url: str, model: str, turns: int = 8) -> str:
    """Lets a model look until it answers."""
    messages = [{"role": "user", "content": question}]
    for _ in range(turns):
        said = ask(url, {"model": model, "messages": messages, "tools": openai_tools()})
        messages.append(said)
        if not said.get("tool_calls"):
            return said["content"]
        for call in said["tool_calls"]:
            function = call["function"]
            try:
                content = answer(session, function["name"], function["arguments"]).content
            except (ValueError, IndexError, KeyError) as error:
                content = str(error)  # the model is told what was wrong
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    return "no answer"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("video")
    parser.add_argument("question")
    parser.add_argument("--url", default="https://api.openai.com/v1")
    parser.add_argument("--model", default="gpt-4.1")
    chosen = parser.parse_args()
    session = ff.Session(ff.open(chosen.store)[chosen.video], max_frames=64)
    print(run(session, chosen.question, url=chosen.url, model=chosen.model))
    for step in session.log():
        print(step["action"], step["arguments"], [round(s, 2) for s in step["seconds"]])
