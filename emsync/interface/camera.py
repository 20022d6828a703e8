"""The camera of the page."""

import gradio as gr
from gradio.data_classes import FileData


class Camera(gr.Video):
    """Records a film, which is used as it came.

    Gradio's own would have FFmpeg mirror it and take its sound away, whatever was uploaded in its
    place: without a limit, and out of reach of whoever cancels.
    """

    is_template = True  # the browser shows Gradio's own

    def preprocess(self, payload: FileData | None) -> str | None:
        """Where the recording lies."""
        return None if payload is None else payload.path
