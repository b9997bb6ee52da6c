"""Sessions and tools through which agents look at a video, within a budget."""

from fewframes.agents.open_sessions import OpenSessions
from fewframes.agents.scoring import scores_in
from fewframes.agents.session import Session, Step
from fewframes.agents.tools import TOOLS, Tool, answer, anthropic_tools, call, openai_tools

__all__ = [
    "TOOLS",
    "OpenSessions",
    "Session",
    "Step",
    "Tool",
    "answer",
    "anthropic_tools",
    "call",
    "openai_tools",
    "scores_in",
]
