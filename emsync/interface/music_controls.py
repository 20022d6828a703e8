"""The page's controls of mood and music, by the setting that each turns."""

import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface.music_words import with_signs
from emsync.settings import LONGEST_TEXT, RANGES, MusicSettings, Settings, choices_of
from emsync.text import one_line

LARGEST_SEED = int(RANGES["seed"].high)
GROUPS = MusicSettings.groups
OWN_CHORDS = "its own"
"""Stands in the field of the chords while it is empty and no piece is shown."""


def of_mood(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the mood, beside its editor."""
    return {
        "mood.valence_arousal_range": gr.Slider(
            0.1,
            1.0,
            value=defaults.mood.valence_arousal_range,
            step=0.05,
            label="Mood intensity (range r)",
            info="Larger is more extreme. The paper uses 0.8.",
        ),
    }


def paper_switch(defaults: Settings) -> gr.Checkbox:
    """Return the switch between the method of the paper and ours."""
    return gr.Checkbox(
        value=defaults.music.method == "free",
        label="As in the paper",
        info="Algorithm 1 as published: note by note, without a plan of chords, and wilder.",
        elem_id="em-paper",
    )


def tempo_field(defaults: Settings) -> gr.Textbox:
    """Return one field for the two bounds of the tempo; a `gr.Number` cannot be empty."""
    return gr.Textbox(
        value=tempo_text(defaults.music),
        label="Beats a minute",
        placeholder="by mood; 92; 80–100",
        max_length=40,
        max_lines=1,
        scale=2,
        min_width=180,
        elem_id="em-tempo",
    )


def tempo_bounds(text: str) -> tuple[float | None, float | None]:
    """Return the bounds of the tempo that a text asks for: "92", "80–100", "80–", "–100", or "".

    Raises:
        EmsyncError: it is nothing of the kind, or out of range.
    """
    slow, dash, fast = (part.strip() for part in re.sub("[-–—]", "–", text).partition("–"))
    bounds = (slow, fast if dash else slow)
    if not all(re.fullmatch(r"(\d{1,3}([.]\d{1,3})?)?", bound, re.ASCII) for bound in bounds):
        raise EmsyncError(
            f"The tempo must be one number or two {RANGES['music.slowest']}, such as 92 or 80–100, "
            f"not “{one_line(text, 40)}”."
        )
    slowest, fastest = (float(bound) if bound else None for bound in bounds)
    return slowest, fastest


def tempo_text(music: MusicSettings) -> str:
    """Return the bounds of the tempo as a text; the inverse of `tempo_bounds`."""
    slowest, fastest = (
        "" if bound is None else f"{bound:g}" for bound in (music.slowest, music.fastest)
    )
    return slowest if slowest == fastest else f"{slowest}–{fastest}"


_LATE = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Seconds that are offered; less than an eighth goes unnoticed."""
WORDED = ("music.tonic", "music.mode")
"""Settings whose words depend on the composer."""
_LABELS = {
    "music.style": "Style",
    "music.density": "Density",
    "music.tonic": "Key",
    "music.mode": "Mode",
    "music.metre": "Metre",
}


def of_plan(defaults: Settings) -> dict[str, Any]:
    """Return the controls of what is planned before the notes: what kind of music it is to be."""
    named: dict[str, Any] = {}
    for row in (("music.style", "music.density"), ("music.tonic", "music.mode")):
        with gr.Row():
            named |= {name: _choice(name, defaults) for name in row}
    return named


def of_metre(defaults: Settings) -> dict[str, Any]:
    """Return the control of the metre, beside that of the tempo."""
    return {"music.metre": _choice("music.metre", defaults)}


def of_melody(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the melody and the chords."""
    music = defaults.music
    named: dict[str, Any] = {}
    named["music.melody"] = gr.Checkbox(value=music.melody, label="With a melody")
    named["music.chords"] = gr.Textbox(
        value=music.chords,
        label="Chords",
        info="Such as Am | F C | G, a bar between two strokes; they go round. Empty: its own.",
        placeholder=OWN_CHORDS,
        max_length=LONGEST_TEXT,
        lines=3,
        max_lines=8,
        elem_id="em-chords",
    )
    named["music.leitmotif"] = gr.Textbox(
        value=music.leitmotif,
        label="Bring the theme back at",
        info="Moments of the film, such as 0:12 1:05: in those scenes your theme returns, or "
        "without one the first melody. Empty: wherever the form brings it.",
        placeholder="0:12 1:05",
        max_length=LONGEST_TEXT,
        elem_id="em-leitmotif",
    )
    return named


def words_of(
    name: str, known: Sequence[str] | None = None, key_by_mood: bool = False
) -> list[tuple[str, str]]:
    """Return the words that a setting may be, each after what it is called; "auto" comes first.

    Args:
        name: of the setting, such as "music.mode".
        known: those of them that are offered; None for all.
        key_by_mood: whether the mood chooses a key that is left open.
    """
    any_will_do = name == "music.metre" or (name == "music.tonic" and not key_by_mood)
    words = [
        ("Any" if any_will_do else "By mood", word)
        if word == "auto"
        else (with_signs(word[0].upper() + word[1:]), word)
        for word in choices_of(name)
        if known is None or word in known
    ]
    return sorted(words, key=lambda one: one[1] != "auto")


def _choice(name: str, defaults: Settings) -> gr.Dropdown:
    value = attrgetter(name)(defaults)
    return gr.Dropdown(words_of(name), value=value, label=_LABELS[name], min_width=100)


def of_instruments(defaults: Settings) -> dict[str, Any]:
    """Return the controls of how many instruments play, and which."""
    music = defaults.music
    return {
        "music.instruments": gr.Radio(
            [("Fewer", "fewer"), ("More", "more")],
            value=music.instruments,
            label="Instruments",
            info="What the music is asked for: fewer or more of the five groups.",
        ),
        "music.groups": gr.CheckboxGroup(
            [(name.capitalize(), name) for name in GROUPS],
            value=list(music.groups),
            label="Groups that may play",
            info="Without guitar and piano there are no strong chords on the cuts.",
        ),
    }


def of_cuts(defaults: Settings) -> dict[str, Any]:
    """Return the control of how near to a cut a chord has to come."""
    return {
        "music.sensitivity": gr.Slider(
            0.1,
            3.0,
            value=defaults.music.sensitivity,
            step=0.1,
            label="Closeness to cuts (ξ, s)",
            info="A strong chord this close to a cut is a hit. The paper uses 1 s.",
        )
    }


def of_versions(defaults: Settings) -> dict[str, Any]:
    """Return the control of how many pieces are composed at once."""
    return {
        "music.candidates": gr.Slider(
            1,
            4,
            value=defaults.music.candidates,
            step=1,
            label="Versions",
            info="Composed side by side, to choose from. Each takes a little longer.",
        )
    }


def of_seed(defaults: Settings) -> dict[str, Any]:
    """Return the control of the seed."""
    return {
        "seed": gr.Number(
            value=defaults.seed,
            precision=0,
            minimum=0,
            maximum=LARGEST_SEED,
            label="Seed",
            info="Same seed, same music.",
            elem_id="em-seed",
        )
    }


def of_reading(defaults: Settings) -> dict[str, Any]:
    """Return the controls of how a film is read, whoever composes; for those who know the paper."""
    return {
        "mood.mode": gr.Radio(
            [("Mean of the emotions", "mean"), ("Drawn from them", "draw")],
            value=defaults.mood.mode,
            label="From emotions to a mood",
            info="A draw gives another mood with every seed.",
        ),
        "mood.undecided": gr.Radio(
            [("Neutral", "neutral"), ("The mean of all six, as in the paper", "mean")],
            value=defaults.mood.undecided,
            label="Where the reading cannot tell",
        ),
        "cuts.threshold": gr.Slider(
            0.05,
            0.95,
            value=defaults.cuts.threshold,
            step=0.01,
            label="Cut threshold",
            info="How much a picture has to change to be a cut. The paper uses 0.27.",
        ),
        "cuts.minimum_gap": gr.Slider(
            0.5,
            20,
            value=float(defaults.cuts.minimum_gap),
            step=0.5,
            label="Least time between cuts (seconds)",
            info="Cuts that follow sooner are not aimed at. The paper uses 4 s.",
        ),
    }


def of_sampling(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the sampling, for those who know what they do."""
    music = defaults.music
    return {
        "music.temperature": gr.Slider(
            0.5,
            2.0,
            value=music.temperature,
            step=0.05,
            label="Temperature",
            info="Lower is safer, higher is wilder. The paper's own model is drawn from at 1.35.",
        ),
        "music.top_p": gr.Slider(
            0.1,
            1.0,
            value=music.top_p,
            step=0.05,
            label="Top-p",
            info="Only the likeliest tokens whose probabilities sum to this are drawn from. "
            "The paper's own model is drawn from at 0.6.",
        ),
        "music.guidance": gr.Slider(
            0.0,
            3.0,
            value=music.guidance,
            step=0.1,
            label="Guidance towards the mood",
            info="1 is the model as it is; any other takes twice as long.",
        ),
        "music.openings": gr.Slider(
            1,
            32,
            value=music.openings,
            step=1,
            label="Openings",
            info="So many beginnings are tried; the one nearest to the mood goes on.",
        ),
        "music.redraws": gr.Slider(
            0,
            4,
            value=music.redraws,
            step=1,
            label="Further tries",
            info="While even the best piece has faults.",
        ),
        "music.harmony": gr.Slider(
            0,
            10,
            value=music.harmony,
            step=0.5,
            label="Pull towards the chords",
            info="How strongly notes of the planned chords are preferred, in nats.",
        ),
        "music.late_tolerance": gr.Dropdown(
            [
                ("The paper’s own rule", ""),
                *((f"{seconds:g} s", seconds) for seconds in _LATE),
            ],
            value="" if music.late_tolerance is None else music.late_tolerance,
            label="A chord may be late by",
            info="With “As in the paper” on: so late it keeps the beat and still meets its cut.",
        ),
        "music.end_on_chord": gr.Checkbox(
            value=music.end_on_chord,
            label="End on a chord",
            info="Ask for a last strong chord shortly before the film ends.",
        ),
        "music.compare_untold": gr.Checkbox(
            value=music.compare_untold,
            label="Also compose it without the cuts",
            info="From the same seed, to compare how many are hit. Takes longer.",
        ),
    }


def of_primer(defaults: Settings) -> dict[str, Any]:
    """Return the control of how much of a MIDI file is gone on from, beside the file."""
    return {
        "music.primer_seconds": gr.Slider(
            1,
            60,
            value=defaults.music.primer_seconds,
            step=1,
            label="Seconds of the MIDI file",
            info="So much of its end is gone on from, if you give one.",
        )
    }
