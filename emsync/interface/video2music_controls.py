"""The page's controls of what only Video2Music can be asked for, by the setting that each turns."""

from typing import Any

import gradio as gr

from emsync.settings import Settings

_OWN = "music.video2music."
_SECONDS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)


def of_cuts(defaults: Settings) -> dict[str, Any]:
    """Return the control of what happens on cuts."""
    return {
        f"{_OWN}accents": gr.Checkbox(
            value=defaults.music.video2music.accents,
            label="Strike a chord on every cut",
            info="Off: as published. Chords then change on whole seconds, whatever is cut.",
            elem_id="em-accents",
        )
    }


def of_chords(defaults: Settings) -> dict[str, Any]:
    """Return the control of the chords to begin with."""
    return {
        f"{_OWN}primer": gr.Textbox(
            value=defaults.music.video2music.primer,
            label="First chords",
            info="One a second, as in C major or A minor: C Am F G. They move to the key.",
            placeholder="the tonic",
            max_length=400,
            max_lines=1,
            elem_id="em-first-chords",
        )
    }


def of_experts(defaults: Settings) -> dict[str, Any]:
    """Return the controls of its rules and of what it looks at, for those who know the paper."""
    own = defaults.music.video2music
    return {
        f"{_OWN}pattern": gr.Radio(
            [
                ("Loudness", "published"),
                ("Loudness, busier", "published-generate"),
                ("Note density, as in the paper", "paper"),
            ],
            value=own.pattern,
            label="Arpeggios follow",
            info="The two published scripts go by loudness, each with its own steps.",
        ),
        f"{_OWN}velocity": gr.Radio(
            [("As published", "published"), ("Linear, as in the paper", "paper")],
            value=own.velocity,
            label="From loudness to velocity",
        ),
        f"{_OWN}smooth_emotion": gr.Slider(
            0,
            10,
            value=own.smooth_emotion,
            step=1,
            label="Smooth the emotion (seconds)",
            info="0, as published; the paper: 5.",
        ),
        f"{_OWN}repeats": gr.Slider(
            1,
            16,
            value=own.repeats,
            step=1,
            label="Longest chord (seconds)",
            info="Published: 2.",
        ),
        f"{_OWN}silence": gr.Checkbox(value=own.silence, label="Allow seconds without a chord"),
        f"{_OWN}transpose": gr.Checkbox(
            value=own.transpose,
            label="Move the notes to the key",
            info="Off: all stays in C major or A minor, as one of the published scripts does.",
        ),
        f"{_OWN}mood_counts": gr.Checkbox(
            value=own.mood_counts,
            label="Your mood counts",
            info="A mood other than the film’s replaces the emotion seen. Off: as published.",
        ),
        f"{_OWN}clip_every": gr.Dropdown(
            [
                ("What this machine can do", ""),
                *((f"{one} s" + (", as published" if one == 1 else ""), one) for one in _SECONDS),
            ],
            value="" if own.clip_every is None else own.clip_every,
            label="A picture for CLIP every",
            info="Where the weights look at pictures.",
        ),
        f"{_OWN}most_on_cpu": gr.Slider(
            1,
            60,
            value=own.most_on_cpu,
            step=1,
            label="Pictures for CLIP on a CPU, at most",
        ),
    }
