"""How events are connected, and of which page they come."""

from typing import Any

import gradio as gr

QUIETLY: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
WORK = QUIETLY | {"concurrency_limit": None}
"""Of events that may wait: the studio has queues of its own, so that who waits can see the queue
and leave it."""
EACH_TIME = WORK | {"trigger_mode": "multiple"}
"""Of events that may come twice and then both count; what is impossible is refused."""


def page_of(request: gr.Request) -> str:
    """Return Gradio's name of the open page.

    Raises:
        gradio.Error: a program calls what only the page may.
    """
    if not request.session_hash:
        raise gr.Error("Programs call /score.", print_exception=False)
    return str(request.session_hash)
