"""Decoding step by step: the same logits as whole passes, the same piece in any company."""

import errno
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from emsync.errors import Cancelled, EmsyncError
from emsync.evaluation.speed import markdown, speed
from emsync.music.midi import write_midi
from emsync.music.notes import TICK_SECONDS, Note
from emsync.music.transformer import kernel, stepping
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import load, save
from emsync.music.transformer.decoding import (
    DRAWS_PER_SKETCH,
    TOKENS_REMEMBERED,
    DecodedPiece,
    Drawing,
    Mark,
    generate,
)
from emsync.music.transformer.model import (
    Conditioning,
    KeyValueCache,
    MusicTransformer,
    Positions,
    TransformerSettings,
)
from emsync.music.transformer.primer import read_primer_tokens
from emsync.music.transformer.rows import LONGEST_NOTES, Brief, MoodChange, Row
from emsync.music.transformer.stepping import (
    CompiledStepper,
    RowStepper,
    SlotStepper,
    Stepper,
    stepper_for,
)
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

NAN = math.nan
PUBLISHED = MusicSettings(temperature=1.35, top_p=0.6)
"""As the published code draws: random weights say more that way."""


def small(
    positions: Positions = "rotary",
    conditioning: Conditioning = "continuous-token",
    context: int = 72,
    halves: bool = True,
    shape: tuple[int, int, int] = (4, 64, 96),
) -> MusicTransformer:
    """A model with weights that half precision holds exactly, or not; `shape`: heads, widths."""
    torch.manual_seed(1)
    model = MusicTransformer(
        TransformerSettings(positions, 2, *shape, context, conditioning=conditioning)
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
        if halves:
            parameter.data = parameter.data.half().float()
    return model.eval()


def draw(model: MusicTransformer, *briefs: Brief, **settings: object) -> list[DecodedPiece]:
    music = replace(PUBLISHED, **settings)  # type: ignore[arg-type]
    return generate(model, briefs, music, CancelToken(), silent_share)


@pytest.mark.parametrize(
    ("positions", "way", "shape"),
    [
        ("rotary", "compiled", (4, 64, 96)),
        ("rotary", "compiled", (2, 44, 90)),
        ("rotary", "singles", (4, 64, 96)),
        ("rotary", "slots", (4, 64, 96)),
        ("relative", "halves", (4, 64, 96)),
        ("relative", "singles", (4, 64, 96)),
        ("relative", "slots", (4, 64, 96)),
    ],
)
@pytest.mark.parametrize(
    "conditioning", ["none", "discrete-token", "continuous-token", "continuous-concatenated"]
)
def test_steps_give_what_whole_passes_give(
    positions: Positions,
    conditioning: Conditioning,
    way: str,
    shape: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pieces of different lengths, one of which ends early and one that is read in anew."""
    model = small(positions, conditioning, halves=way in ("compiled", "halves"), shape=shape)
    tolerance = 2e-5
    if way == "compiled":  # it keeps keys and values as halves
        tolerance = 5e-4  # of the nearest half, where two are as near but for rounding
        extend = KeyValueCache.extend
        monkeypatch.setattr(
            KeyValueCache,
            "extend",
            lambda cache, layer, keys, values: extend(
                cache, layer, keys.half().float(), values.half().float()
            ),
        )
    tokens = torch.randint(1, v.SIZE, (3, 70))
    offsets = 10 * torch.rand(3, 70)
    offsets[1, 5:9] = NAN
    moods = torch.tensor([[0.3, NAN], [-1.0, 1.0], [0.5, 0.2]])
    with torch.inference_mode():
        stepper: Stepper
        if way == "compiled":
            stepper = stepper_for(model, 3)
            assert isinstance(stepper, CompiledStepper)
        else:
            stepper = SlotStepper(model) if way == "slots" else RowStepper(model, 3)
        if isinstance(stepper, RowStepper) and torch.backends.quantized.engine == "x86":
            assert stepper.halves == (way == "halves")
        cache = model.new_cache(3) if way == "compiled" else None
        whole = model(tokens, offsets, moods, cache)[:, model.settings.prefix :]

        def read_in(row: int, end: int) -> None:
            mood = (float(moods[row, 0]), float(moods[row, 1]))
            logits = stepper.read_in(
                row, tokens[row, :end].tolist(), offsets[row, :end].tolist(), mood
            )
            torch.testing.assert_close(logits, whole[row, end - 1], atol=tolerance, rtol=0)

        ends = [5, 1, 20]
        for row, end in enumerate(ends):
            read_in(row, end)
        while rows := [row for row in range(3) if ends[row] < (50, 70, 70)[row]]:
            logits = stepper.step(
                rows,
                [int(tokens[row, ends[row]]) for row in rows],
                [float(offsets[row, ends[row]]) for row in rows],
            )
            for row, found in zip(rows, logits, strict=True):
                torch.testing.assert_close(found, whole[row, ends[row]], atol=tolerance, rtol=0)
                ends[row] += 1
            if ends[1] == 30:
                read_in(1, 30)
    assert ends == [50, 70, 70]


@pytest.mark.parametrize(
    ("positions", "way", "shape"),
    [
        ("rotary", "compiled", (4, 64, 96)),
        ("rotary", "compiled", (2, 44, 90)),
        ("rotary", "singles", (4, 64, 96)),
        ("relative", "halves", (4, 64, 96)),
        ("relative", "singles", (4, 64, 96)),
    ],
)
def test_a_step_is_the_same_to_the_last_bit_in_any_company(
    positions: Positions, way: str, shape: tuple[int, int, int]
) -> None:
    model = small(positions, halves=way != "singles", shape=shape)
    stepper = CompiledStepper if way == "compiled" else RowStepper
    tokens = torch.randint(1, v.SIZE, (7, 40)).tolist()
    with torch.inference_mode():
        together, alone = stepper(model, 7), stepper(model, 1)
        for row in range(7):
            together.read_in(row, tokens[row][: 3 + row], [0.4 * row] * (3 + row), (0.1, NAN))
        found = [
            together.step(range(7), [t[at] for t in tokens], [0.3 * row for row in range(7)])
            for at in range(10, 40)
        ]
        for row in range(7):
            alone.read_in(0, tokens[row][: 3 + row], [0.4 * row] * (3 + row), (0.1, NAN))
            for at in range(10, 40):
                (logits,) = alone.step([0], [tokens[row][at]], [0.3 * row])
                assert torch.equal(logits, found[at - 10][row])


def test_a_full_context_is_refused() -> None:
    model = small(context=12)
    with torch.inference_mode():
        stepper = stepper_for(model, 2)
        stepper.read_in(0, [v.BAR] * 9, [8.0] * 9, (0.1, 0.1))
        stepper.read_in(1, [v.BAR] * 2, [8.0] * 2, (0.1, 0.1))
        stepper.step([0, 1], [v.BAR] * 2, [8.0] * 2)
        with pytest.raises(ValueError, match="full"):
            stepper.step([1, 0], [v.BAR] * 2, [8.0] * 2)


def test_every_half_is_widened_exactly_and_halved_again() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.int16)
    finite = np.isfinite(halves.view(np.float16))

    @njit
    def both(halves, singles, back):  # type: ignore[no-untyped-def]
        for i in range(len(halves)):
            singles[i] = kernel._widened(halves[i]) * kernel._UP
            back[i] = kernel._halved(singles[i])

    singles, back = np.empty(2**16, np.float32), np.empty_like(halves)
    both(halves, singles, back)
    assert np.array_equal(singles[finite], halves.view(np.float16)[finite].astype(np.float32))
    assert np.array_equal(singles[finite], back.view(np.float16)[finite].astype(np.float32))


def test_a_number_becomes_the_nearest_half() -> None:
    generator = np.random.default_rng(0)
    numbers = (generator.standard_normal(20_000) * 10.0 ** generator.uniform(-4, 4, 20_000)).astype(
        np.float32
    )
    numbers = np.append(numbers[abs(numbers) > 2.0**-14], [65519, 65520, -1e9]).astype(np.float32)

    @njit
    def halve(numbers, out):  # type: ignore[no-untyped-def]
        for i in range(len(numbers)):
            out[i] = kernel._halved(numbers[i])

    out = np.empty(len(numbers), np.int16)
    halve(numbers, out)
    expected = np.clip(numbers, -65504, 65504).astype(np.float16)
    assert np.array_equal(out.view(np.float16), expected)


def compiled_in_a_process(cache: Path) -> Path:
    """Have a new process compile the step and keep it in the folder `cache`."""
    module = "emsync.music.transformer.kernel"
    done = subprocess.run(
        [sys.executable, "-c", f"import {module} as k; k.compiled_step(); print('compiled')"],
        cwd=Path(__file__).resolve().parents[1],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout == "compiled\n", done.stderr
    return cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled_in_a_process(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("ending", ["nbc", pytest.param("nbi", marks=pytest.mark.slow)])
def test_a_damaged_cache_keeps_nobody_from_composing(
    ending: str, cache: Path, tmp_path: Path
) -> None:
    """What was kept of the compiled step is cut off; the next process does without."""
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    (kept,) = tmp_path.rglob(f"*.{ending}")
    kept.write_bytes(kept.read_bytes()[:100])
    compiled_in_a_process(tmp_path)


def test_where_nothing_can_be_kept_the_step_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[bool] = []

    def njit(signature: object, cache: bool = False, **options: object) -> object:
        def compiled(function: object) -> object:
            tried.append(cache)
            if cache:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function

        return compiled

    monkeypatch.setattr(kernel, "njit", njit)
    assert kernel.compiled_step.__wrapped__() is kernel._step
    assert tried == [True, False]


@pytest.mark.parametrize("kind", ["shipped", "rotary", "relative"])
def test_a_piece_is_the_same_in_any_company(kind: str) -> None:
    """The context fills up many times, or a mood changes; the companions are shorter or longer."""
    if kind == "shipped":
        model, seconds = load().model, 8.0
    else:
        model = small("rotary") if kind == "rotary" else small("relative", halves=False)
        with torch.no_grad():
            model.head.bias[v.FIRST_SHIFT : v.FIRST_NOTE] -= 1.5
        seconds = 40.0
    briefs = [
        Brief(0.4, -0.2, (4.0, 11.0), seconds, 7),
        Brief(-0.9, 0.9, (), seconds / 4, 8),
        Brief(NAN, NAN, (3.0,), seconds / 2, 9, (MoodChange(seconds / 4, 0.1, 0.7),)),
    ]
    together = draw(model, *briefs)
    if kind != "shipped":
        assert len(together[0].tokens) > 1500 > 20 * model.settings.context
    assert [draw(model, brief)[0] for brief in briefs[1:]] == together[1:]
    assert draw(model, briefs[2], briefs[0])[1] == together[0]


def test_a_new_mood_changes_what_follows_and_nothing_before() -> None:
    model = small(context=256)
    brief = Brief(0.8, 0.8, (6.0,), 16.0, 3)
    changed = replace(brief, changes=(MoodChange(8.0, -0.9, -0.9),))
    (steady,), (turned,) = draw(model, brief), draw(model, changed)
    ticks = np.cumsum([v.shift_ticks(token) for token in steady.tokens])
    reached = int((ticks * TICK_SECONDS < 8.0).sum()) + 1
    assert turned.tokens[:reached] == steady.tokens[:reached]
    assert turned.tokens[reached:] != steady.tokens[reached:]
    unheard = replace(brief, changes=(MoodChange(99.0, -0.9, -0.9),))
    assert draw(model, unheard) == [steady]
    at_once = replace(brief, valence=0.0, changes=(MoodChange(0.0, 0.8, 0.8),))
    assert draw(model, at_once) == [steady]


def test_a_new_mood_is_read_with_the_last_tokens_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[tuple[int, tuple[float, float]]] = []
    original = Stepper.read_in

    def spy(self, row, tokens, offsets, mood, harmonies=None):  # type: ignore[no-untyped-def]
        assert len(tokens) == len(offsets)
        read.append((len(tokens), mood))
        return original(self, row, tokens, offsets, mood, harmonies)

    monkeypatch.setattr(Stepper, "read_in", spy)
    changes = (MoodChange(3.0, 0.5, 0.5), MoodChange(3.001, 0.1, NAN), MoodChange(6.0, 0.2, 0.2))
    brief = Brief(0.8, 0.8, (), 9.0, 3, changes)
    (piece,) = draw(small(context=1216), brief)
    ticks = np.cumsum([v.shift_ticks(token) for token in piece.tokens]) * TICK_SECONDS
    # The tokens so far and the BAR before them, or the last of them, and the instrument count.
    at = [min(int((ticks < one.seconds).sum()) + 1, TOKENS_REMEMBERED) + 1 for one in changes[1:]]
    assert [length for length, _ in read] == [2, *at]
    assert [mood for _, mood in read] == [(0.8, 0.8), (0.1, NAN), (0.2, 0.2)]


def test_changes_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="one after the other"):
        Brief(0.0, 0.0, (), 9.0, 0, (MoodChange(5.0, 0.0, 0.0), MoodChange(5.0, 0.1, 0.0)))


def test_guidance_is_the_difference_that_the_mood_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    brief = Brief(0.7, -0.4, (), 6.0, 5)
    seen: list[torch.Tensor] = []
    original = CompiledStepper.step

    def spy(self, rows, tokens, offsets, harmonies=None):  # type: ignore[no-untyped-def]
        seen.append(original(self, rows, tokens, offsets, harmonies))
        return seen[-1]

    monkeypatch.setattr(CompiledStepper, "step", spy)
    (plain,) = draw(model, brief)
    assert all(len(logits) == 1 for logits in seen)
    seen.clear()
    (guided,) = draw(model, brief, guidance=3.0)
    assert all(len(logits) == 2 for logits in seen)
    assert guided.tokens != plain.tokens
    seen.clear()
    (unconditional,) = draw(model, brief, guidance=0.0)
    (not_given,) = draw(model, replace(brief, valence=NAN, arousal=NAN))
    assert unconditional.tokens == not_given.tokens
    other = replace(brief, seed=6, seconds=8.0)
    assert draw(model, other, brief, guidance=3.0)[1] == guided


def test_more_pieces_than_slots_are_decoded_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    briefs = [Brief(0.1 * i, 0.0, (), 2.0 + 0.1 * i, i) for i in range(5)]
    monkeypatch.setattr(stepping, "SLOTS", 4)
    monkeypatch.setattr("emsync.music.transformer.decoding.most_rows", lambda model: 4)
    monkeypatch.setattr(
        "emsync.music.transformer.decoding.stepper_for", lambda model, rows: SlotStepper(model)
    )
    shares: list[float] = []
    pieces = generate(model, briefs, replace(PUBLISHED, guidance=1.5), CancelToken(), shares.append)
    assert [len(piece.tokens) > 10 for piece in pieces] == [True] * 5
    assert shares == sorted(shares) and 0 < shares[0] < 0.4 < shares[-1] <= 1
    # Slots and rows round differently, but the first draws agree.
    rows = [draw(model, brief, guidance=1.5)[0] for brief in briefs]
    assert [p.tokens[:10] for p in pieces] == [p.tokens[:10] for p in rows]


@pytest.mark.parametrize("slots", [None, 2])
def test_pieces_that_are_left_and_taken_up_again_are_the_same(
    slots: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order, beside whatever others, and also after being given up."""
    model, settings = small(), PUBLISHED
    changes = (MoodChange(2.5, -0.7, 0.2),)
    briefs = [Brief(0.4, 0.1, (2.0,), 3.0 + i, i, changes) for i in range(3)]
    if slots is not None:
        monkeypatch.setattr(stepping, "SLOTS", slots)
        monkeypatch.setattr("emsync.music.transformer.decoding.most_rows", lambda model: slots)
        monkeypatch.setattr(
            "emsync.music.transformer.decoding.stepper_for", lambda model, rows: SlotStepper(model)
        )
    whole = generate(model, briefs, settings, CancelToken(), silent_share)

    drawing = Drawing(model, briefs, settings)
    shares: list[float] = []
    drawing.draw([2, 0], CancelToken(), shares.append, until=1.5)
    begun = [drawing.piece(number).tokens for number in range(3)]
    assert len(begun[0]) > 10 and len(begun[1]) == 1 and len(begun[2]) > 10
    assert all(whole[i].tokens[: len(begun[i])] == begun[i] for i in range(3))
    cancelled = CancelToken()
    with pytest.raises(Cancelled):
        drawing.draw([0], cancelled, lambda share: cancelled.cancel())
    drawing.draw([1], CancelToken(), shares.append, beside=[0, 2])
    assert drawing.piece(1) == whole[1]
    drawing.draw([0, 1, 2], CancelToken(), shares.append)
    assert [drawing.piece(number) for number in range(3)] == whole
    assert drawing.tokens == sum(len(piece.tokens) for piece in whole)
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize("in_turn", [False, True])
def test_the_music_is_shown_while_it_is_drawn(
    in_turn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first piece until it is finished, then the next; and looking on changes nothing."""
    model = small()
    briefs = [Brief(0.4, 0.1, (), seconds, 5) for seconds in (6.0, 4.0, 9.0)]
    if in_turn:
        monkeypatch.setattr(stepping, "SLOTS", 1)
        monkeypatch.setattr("emsync.music.transformer.decoding.most_rows", lambda model: 1)
        monkeypatch.setattr(
            "emsync.music.transformer.decoding.stepper_for", lambda model, rows: SlotStepper(model)
        )
    pieces = draw(model, *briefs)
    shown: list[tuple[int, ...]] = []
    again = generate(
        model, briefs, PUBLISHED, CancelToken(), silent_share, lambda _, seen: shown.append(seen)
    )
    assert again == pieces
    lengths = [len(piece.tokens) for piece in pieces]
    drawn = [range(2, length + 1, DRAWS_PER_SKETCH) for length in lengths]
    if in_turn:
        expected = [pieces[i].tokens[:end] for i in range(3) for end in drawn[i]]
    else:
        assert lengths[1] < lengths[0] < lengths[2], "the second piece never comes first"
        expected = [
            pieces[0 if end <= lengths[0] else 2].tokens[:end]
            for end in range(2, lengths[2] + 1, DRAWS_PER_SKETCH)
        ]
    assert shown == expected


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_piece_can_go_back_and_on_in_another_way(guidance: float) -> None:
    """Also where its context was read in anew, and then moods changed, after the mark."""
    changes = (MoodChange(3.0, -0.5, 0.5), MoodChange(5.0, 0.5, -0.5))
    briefs = [Brief(0.5, 0.5, (1.0, 2.5, 6.0), 16.0, seed, changes=changes) for seed in (0, 1)]
    asked, cancel = replace(PUBLISHED, guidance=guidance), CancelToken()
    model = small()

    def drawn(*steps: float) -> tuple[Drawing, list[Mark]]:
        drawing, marks = Drawing(model, briefs, asked), []
        for until in steps:
            drawing.draw([0], cancel, silent_share, until=until, beside=[1])
            marks.append(drawing.mark(0))
        return drawing, marks

    for until in (0.0, 2.0, 3.0, 4.0, 5.0, 12.0):
        drawing, (mark, end) = drawn(until, math.inf)
        assert end.tokens[: len(mark.tokens)] == mark.tokens
        # With the seed that it had there, the generator having drawn as often, it is the same.
        again, (there,) = drawn(until)
        assert there == mark
        state = again.row(0).generator.get_state()
        drawing.go_back(0, mark, 0)
        assert drawing.mark(0) == mark and drawing.row(0).seconds == again.row(0).seconds
        drawing.row(0).generator.set_state(state)
        drawing.draw([0], cancel, silent_share)
        assert drawing.mark(0).tokens == end.tokens
        drawing.go_back(0, mark, 12345)
        drawing.draw([0], cancel, silent_share)
        other = drawing.mark(0)
        assert other.tokens[: len(mark.tokens)] == mark.tokens and other.tokens != end.tokens
        assert drawing.row(0).finished


def test_what_is_shown_of_a_long_piece_grows_with_its_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emsync.music.transformer.decoding.DRAWS_PER_SKETCH", 2)
    monkeypatch.setattr("emsync.music.transformer.decoding.GROWTH_PER_SKETCH", 1 / 8)
    shown: dict[float, list[int]] = {}
    for seconds in (6.0, 24.0):
        brief = Brief(0.0, 0.0, (), seconds, 0)
        sketches: list[tuple[int, ...]] = []

        def show(number: int, tokens: tuple[int, ...], kept: list[Any] = sketches) -> None:
            kept.append(tokens)

        (piece,) = generate(small(), [brief], PUBLISHED, CancelToken(), silent_share, show)
        shown[seconds] = [len(tokens) for tokens in (*sketches, piece.tokens)]
    short, long = shown.values()
    assert long[:5] == short[:5] == [2, 4, 6, 8, 10]
    growth = long[-1] / short[-1]
    assert growth > 2
    assert sum(long) / sum(short) < 1.5 * growth, "the square of it if shown every two draws"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.01, 30.0), max_size=12),
    st.lists(st.one_of(st.just(v.CHORD), st.integers(1, 125).map(v.shift_token)), max_size=80),
    st.sampled_from([None, 0.125, 0.5]),
)
def test_the_next_boundary_is_the_nearest_that_is_open_and_ahead(
    boundaries: list[float], tokens: list[int], tolerance: float | None
) -> None:
    asked = replace(PUBLISHED, late_tolerance=tolerance)
    row = Row(Brief(0.0, 0.0, tuple(sorted(boundaries)), 60.0, 0), asked, (v.BAR,))
    for token in tokens:
        ahead = [row.announced[number] - row.seconds for number in row.open_boundaries]
        expected = min((offset for offset in ahead if offset >= 0), default=math.inf)
        assert row.offset == pytest.approx(expected, abs=1e-7)
        coming = [at for at in row.open_boundaries.values() if at > row.seconds]
        landed = row.landing(token)
        if tolerance is not None and (ticks := v.shift_ticks(landed)) and coming:
            assert row.seconds + ticks * TICK_SECONDS < min(coming) + max(tolerance, 0.01)
        row.take(landed, 9)


def test_boundaries_that_are_past_are_not_looked_at_again() -> None:
    """450 cuts in half an hour: what a token costs must not grow with those behind."""

    class Counting(dict[int, float]):
        looks = 0

        def __getitem__(self, number: int) -> float:
            Counting.looks += 1
            return super().__getitem__(number)

    row = Row(Brief(0.0, 0.0, tuple(4.0 * i for i in range(451)), 1800.0, 0), PUBLISHED, (v.BAR,))
    row.announced = Counting(row.announced)
    draws = 0
    while not row.finished:
        assert 0 <= row.offset <= 4
        row.take(row.landing(v.shift_token(100)), 9)
        draws += 1
    assert draws > 2000 and Counting.looks < 6 * draws


def test_the_oldest_of_several_stuck_notes_is_ended_first() -> None:
    row = Row(Brief(0.0, 0.0, (), 60.0, 0), PUBLISHED, (v.BAR,))
    old, new = v.note_token("bass", 40, True), v.note_token("bass", 30, True)
    for token in (old, v.shift_token(1), new):
        row.take(token, 9)
    for _ in range(math.ceil(LONGEST_NOTES["bass"]) + 1):
        row.take(v.shift_token(125), 9)
    allowed = []
    for _ in range(2):
        no, forced = row.forbidden()
        assert forced and (~no).sum() == 1
        allowed.append(int((~no).argmax()))
        row.take(allowed[-1], 9)
    assert allowed == [v.note_token("bass", 40, False), v.note_token("bass", 30, False)]


def test_a_note_may_be_ended_only_while_it_sounds() -> None:
    row = Row(Brief(0.0, 0.0, (), 60.0, 0), PUBLISHED, (v.BAR,))
    on, off = (v.note_token("piano", 60, on) for on in (True, False))
    states = []
    for token in (None, on, v.shift_token(9), on, off, v.shift_token(9), off):
        if token is not None:
            row.take(token, 9)
        no, _ = row.forbidden()
        states.append((not no[on], not no[off]))
    assert states == [
        (True, False),
        (False, False),  # not in the step in which it began
        (True, True),
        (False, True),  # begun anew: the off ends the one before
        (False, False),
        (True, True),
        (True, False),
    ]


@pytest.mark.parametrize("positions", ["rotary", "relative"])
def test_a_model_that_was_never_filled_is_complete_once_loaded(
    positions: Positions, tmp_path: Path
) -> None:
    model = small(positions)
    save(model, tmp_path, {})
    loaded = load(tmp_path).model
    tokens, offsets = torch.randint(1, v.SIZE, (1, 9)), torch.full((1, 9), 3.0)
    with torch.inference_mode():
        whole, again = (one(tokens, offsets, torch.zeros(1, 2)) for one in (model, loaded))
    assert torch.equal(whole, again)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_speed_is_measured_at_the_contexts_that_the_model_has() -> None:
    found = speed(small(context=512), contexts=(32, 512, 1216), repeats=3)
    assert [one.context for one in found] == [32, 512]
    assert all(one.cached > 0 and one.naive > 0 for one in found)
    assert all(one.ratio == pytest.approx(one.naive / one.cached) for one in found)
    table = markdown(found).splitlines()
    assert len(table) == 4 and f"| {found[1].ratio:.0f} × |" in table[3]


# Groups and primers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups", [("piano",), ("drums", "bass"), ("strings",), ("guitar", "drums")]
)
def test_only_the_groups_that_may_play_are_heard(groups: tuple[str, ...]) -> None:
    (piece,) = draw(small(), Brief(0.2, 0.1, (2.0, 5.0), 8.0, 3), groups=groups)
    heard = {v.note_of(token)[0] for token in piece.tokens if v.is_note(token)}
    assert heard and heard <= set(groups)
    if not {"piano", "guitar"} & set(groups):
        assert v.CHORD not in piece.tokens


@pytest.mark.parametrize("groups", [(), ("kazoo",)])
def test_somebody_has_to_play(groups: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        draw(small(), Brief(0.0, 0.0, (), 2.0, 0), groups=groups)


def test_a_primer_is_gone_on_from_and_is_no_part_of_the_piece() -> None:
    model = small()
    primer = (v.BAR, v.note_token("piano", 60, True), v.shift_token(60),
              v.note_token("piano", 60, False), v.shift_token(60))  # fmt: skip
    plain, primed = (
        draw(model, Brief(0.0, 0.0, (1.0,), 6.0, 0, primer=before))[0] for before in ((), primer)
    )
    assert plain.tokens != primed.tokens
    assert primed.tokens[0] == v.BAR
    assert sum(map(v.shift_ticks, primed.tokens)) * TICK_SECONDS < 8


@pytest.mark.parametrize("length", [4, 30, 34])
def test_a_primer_may_fill_half_the_context(length: int) -> None:
    model = small()  # a context of 72
    primer = tuple([v.BAR, v.shift_token(20)] * (length // 2))
    (piece,) = draw(model, Brief(0.0, 0.0, (1.0, 4.0), 10.0, 0, primer=primer))
    assert sum(map(v.shift_ticks, piece.tokens)) * TICK_SECONDS >= 10


def test_a_midi_file_becomes_a_primer(tmp_path: Path) -> None:
    notes = [Note("piano", 60 + n % 5, n / 2, n / 2 + 0.4, 80) for n in range(80)]
    notes += [Note("drums", 38, n / 2, n / 2 + 0.1, 80) for n in range(80)]
    write_midi(notes, tmp_path / "song.mid", Fraction(40), 120.0)
    primer = read_primer_tokens(tmp_path / "song.mid", 500, 10.0)
    seconds = sum(map(v.shift_ticks, primer)) * TICK_SECONDS
    assert primer[0] == v.BAR and primer.count(v.BAR) == 5
    assert seconds == pytest.approx(10.0, abs=0.02)
    assert len(read_primer_tokens(tmp_path / "song.mid", 20, 10.0)) == 20
    for name, content in (("words.mid", b"no music"), ("empty.mid", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EmsyncError, match=name):
            read_primer_tokens(tmp_path / name, 500, 10.0)
    write_midi([], tmp_path / "silent.mid", Fraction(4))
    with pytest.raises(EmsyncError, match="no notes"):
        read_primer_tokens(tmp_path / "silent.mid", 500, 10.0)
