"""The camera of the start page: records a film in the browser and drops it into the drop zone."""

from pathlib import Path

import gradio as gr

_TEMPLATE = """
<video data-part="live" muted playsinline hidden aria-label="What the camera sees"></video>
<p data-part="words" role="status">Nothing leaves this device until you stop the recording.</p>
<div class="keys">
  <button type="button" data-part="key">Turn on the camera</button>
  <button type="button" data-part="off" hidden>Turn it off</button>
</div>
"""

_CSS = """
display: grid; justify-items: center; align-content: center; gap: 8px; min-height: 136px;
padding: 16px; color: var(--body-text-color);
[hidden] { display: none !important; }
video { display: block; max-width: 100%; height: 240px; border-radius: 8px; background: #10151c; }
p { margin: 0; font-size: 14px; text-align: center; }
.keys { display: flex; gap: 8px; }
button { min-height: 40px; padding: 8px 16px; border-radius: 8px; cursor: pointer; font: inherit;
  color: var(--body-text-color); border: 1px solid var(--border-color-primary);
  background: var(--background-fill-primary); }
[data-part="key"] { color: white; background: #0068A6; border-color: #0068A6; font-weight: 600; }
[data-part="key"].recording { background: #B42318; border-color: #B42318;
  font-variant-numeric: tabular-nums; }
button:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
"""


def camera(drop_zone: str, elem_id: str) -> gr.HTML:
    """Return the camera. Gradio's own brings a player of a size that no page needs.

    Args:
        drop_zone: CSS of the field for files that takes what was recorded.
        elem_id: of the camera.
    """
    return gr.HTML(
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
        apply_default_css=False,
        drop_zone=drop_zone,
        elem_id=elem_id,
    )
