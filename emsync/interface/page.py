"""The page, put together: what stands on it, what happens on it, and the call for programs."""

import gradio as gr

from emsync.interface.api import offer_again, offer_score
from emsync.interface.events import Events
from emsync.interface.examples import examples
from emsync.interface.layout import foot, lay_out
from emsync.interface.states import States
from emsync.interface.studio import Studio
from emsync.interface.theme import TITLE


def build(studio: Studio) -> gr.Blocks:
    """Build the page, with everything connected; nothing is started."""
    samples = examples()
    blocks = gr.Blocks(title=f"{TITLE}: music for your film", analytics_enabled=False)
    studio.also_sweep(States(blocks).forget)
    with blocks:
        page = lay_out(studio.settings, studio.host, samples)
        offer_score(studio)
        offer_again(studio)
        foot()
        Events(page, studio, samples).connect(blocks)
    return blocks
