"""Random damage to what strangers can send: ``python -m trials.fuzz [SECONDS] [--seed N]``.

Films and MIDI files are damaged byte by byte and read where the app reads them, in a process apart;
an input stays in the pool if what is said of it was not said before. Texts are damaged byte by byte
and value by value, and stay in the pool if they reach a line, coming from another, that none before
them has reached. With the same seed the same inputs come in the same order; how many of them come
depends on the time.
"""

import argparse
import copy
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from emsync.film.film import from_plain
from emsync.music.transformer.vocabulary import SIZE
from emsync.process import child
from trials import hostile_text, lures, seeds
from trials.trial import Wrong

_SECONDS = 20.0
"""That one input may take which is read apart."""
_LONGEST = 100.0
"""Seconds for one with all that the app does; a film alone may be looked at for a minute."""
_AGAIN_SECONDS = 30.0
_ROUNDS = 150
"""Inputs that one process reads before another takes its place."""
_POOL = 400
_LARGEST = 200_000
_NUMBERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31,
            2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
_WORDS = (b"null", b"true", b"NaN", b"1e999", b"-1", b"{}", b"[]", b'""', b'"\\ud800"', b"[[[[",
          b'":"', b",", b"0.5", b"9" * 30, b"1/3", b"music.top_p", b"none", b"piano:4",
          b"\xff", b"\0", b"\xed\xa0\x80", b'"emsync_preset": 1,')  # fmt: skip


@dataclass
class Tally:
    """What came of the inputs of one target."""

    tried: int = 0
    accepted: int = 0
    died: int = 0
    """Inputs that ended the process apart; the app makes a sentence of it."""
    wrong: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """What is fed.

    Attributes:
        name: of it.
        share: of the time.
        sound: inputs to begin with.
        change: damages an input; gets another one of the pool as well.
        attempt: gives one in: the kind of answer, "read" or a sentence without its figures;
            `Wrong` and all other exceptions are wrong.
        raw: bytes by which an input can be given in again.
        traced: modules whose lines guide; none where the answer does.
    """

    name: str
    share: float
    sound: list[Any]
    change: Callable[[random.Random, Any, Any], Any]
    attempt: Callable[[Any], str]
    raw: Callable[[Any], bytes]
    traced: tuple[str, ...] = ()


# Damage -----------------------------------------------------------------------------------------


def damaged(dice: random.Random, data: bytes, other: bytes, words: bool = False) -> bytes:
    """Return some bytes with a few faults in them.

    Args:
        dice: says which.
        data: what is damaged.
        other: something of which parts are put in.
        words: whether words of JSON are put in.
    """
    made = bytearray(data)
    # Names of boxes and chunks stand where the structure is.
    named = [match.start() for match in re.finditer(rb"[a-zA-Z]{4}", data[:20_000])]
    for _ in range(1 << dice.randint(0, 4)):
        if not made:
            made += bytes([dice.randrange(256)])
        at = dice.randrange(len(made))
        if named and dice.random() < 0.5:
            at = max(0, min(len(made) - 1, dice.choice(named) + dice.randint(-8, 16)))
        kind = dice.randrange(9 if words else 8)
        length = dice.randint(1, 1 << dice.randint(0, 8))
        if kind == 0:
            made[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            made[at] = dice.randrange(256)
        elif kind == 2:
            size = dice.choice((1, 2, 4, 8))
            value = dice.choice(_NUMBERS) % (1 << 8 * size)
            made[at : at + size] = value.to_bytes(size, dice.choice(("big", "little")))
        elif kind == 3:
            del made[at : at + length]
        elif kind == 4:
            made[at:at] = made[at : at + length] * dice.randint(1, 4)
        elif kind == 5 and other:
            begin = dice.randrange(len(other))
            made[at:at] = other[begin : begin + length]
        elif kind == 6 and other:
            begin = dice.randrange(len(other))
            made[at : at + length] = other[begin : begin + length]
        elif kind == 7 and dice.random() < 0.1:
            del made[at:]
        elif kind == 8:
            made[at : at + dice.choice((0, 1, length))] = dice.choice(_WORDS)
    return bytes(made[:_LARGEST])


def changed(dice: random.Random, value: Any, other: Any) -> Any:
    """Return a value of JSON with other values, or parts of another one, at a few places."""
    made = copy.deepcopy(value)
    for _ in range(dice.randint(1, 3)):
        place = dice.choice(list(hostile_text.places(made)))
        if dice.random() < 0.3:
            part = other
            for key in dice.choice(list(hostile_text.places(other))):
                part = part[key]
            odd = copy.deepcopy(part)
        elif dice.random() < 0.4:
            odd = dice.choice((dice.uniform(-2, 2), dice.randint(-5, 700), dice.random() * 1e6))
        else:
            odd = copy.deepcopy(dice.choice(hostile_text.ODD))
        made = hostile_text.altered(made, place, odd)
    return made


def _text(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """Return a text of JSON with faults in its bytes or in its values."""
    if dice.random() < 0.7:
        with suppress(ValueError, RecursionError, IndexError, TypeError):
            parsed, second = json.loads(data), json.loads(other)
            made = json.dumps(changed(dice, parsed, second)).encode()
            if len(made) < _LARGEST:
                return made
    return damaged(dice, data, other, words=True)


def _asked(dice: random.Random, asked: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    made = dict(asked)
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(list(made) or ["seed"])
        text = dice.choice([*made.values(), *other.values(), ""])
        if dice.random() < 0.2:
            name = damaged(dice, name.encode(), b"music.", True).decode("utf-8", "replace")
        if dice.random() < 0.8:
            text = damaged(dice, text.encode(), b"1,0.5:e/", True).decode("utf-8", "replace")
        made[name] = text
    return made


def _numbers(dice: random.Random, numbers: list[int], other: list[int]) -> list[int]:
    made = list(numbers)
    for _ in range(dice.randint(1, 8)):
        at = dice.randint(0, len(made))
        kind = dice.randrange(4)
        if kind == 0:
            made[at:at] = [dice.choice((dice.randrange(SIZE), dice.choice(_NUMBERS), -1))]
        elif kind == 1:
            del made[at : at + dice.randint(1, 9)]
        elif kind == 2:
            begin = dice.randint(0, len(other))
            made[at:at] = other[begin : begin + dice.randint(1, 30)]
        else:
            dice.shuffle(made)
    return made[:3000]


# Apart ------------------------------------------------------------------------------------------


class Reader:
    """A process that reads one file after another, as the app's own ones read one each."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._process: subprocess.Popen[bytes] | None = None
        self._rounds = 0

    def ask(self, path: Path) -> dict[str, Any]:
        """Return its answer, or {"died": status} if it ended, or {"late": seconds} if it hung."""
        if self._process is None or self._rounds >= _ROUNDS:
            self.close()
            self._rounds = 0
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-m", "trials.reader", self._kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child.environment(),
                start_new_session=True,
            )
        self._rounds += 1
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        late = threading.Timer(_SECONDS, process.kill)
        began = time.monotonic()
        late.start()
        try:
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            late.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status, seconds = process.wait(), time.monotonic() - began
        self.close()
        return {"late": seconds} if seconds > 0.9 * _SECONDS else {"died": status}

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()


def _apart(reader: Reader, path: Path, data: bytes) -> str:
    path.write_bytes(data)
    answer = reader.ask(path)
    if "refused" in answer:
        return re.sub(r"[\d.,]+", "0", answer["refused"])
    if "film" in answer:
        film = from_plain(answer["film"], path)
        if not (0 < film.duration <= 600 and film.frame_count > 0 < film.width * film.height):
            raise Wrong(f"it is taken for a film: {film}")
        return f"read {film.video_codec} {film.has_audio} {film.rotation} {film.pixel_format}"
    if "notes" in answer:
        return f"read {answer['notes']}"
    if answer.get("died", 0) < 0:  # by a signal; else it ended by a fault of ours
        return f"died {answer['died']}"
    raise Wrong(str(answer))


# Targets ----------------------------------------------------------------------------------------


def _analysed(path: Path, folder: Path) -> str:
    """Do all that the app does with a film but compose for it, in this process."""
    return re.sub(r"[\d.,]+", "0", lures.looked_at(path, folder))


def _targets(folder: Path, readers: dict[str, Reader]) -> Iterator[Target]:
    films = [seeds.film(name, folder, 0.5).read_bytes() for name in seeds.FILMS]
    films += [seeds.movie(b"png ", (64, 48), [seeds.png(64, 48)] * 5), seeds.avc(64, 48)]
    songs = [seeds.midi(seeds.melody(16)), seeds.midi(seeds.melody(4), seeds.melody(4), form=1)]
    path = folder / "input"

    def judge(read: Callable[[Path, Path], str]) -> Callable[[bytes], str]:
        def attempt(data: bytes) -> str:
            path.write_bytes(data)
            return read(path, folder)

        return attempt

    yield Target("film", 0.3, films, damaged,
                 lambda data: _apart(readers["film"], path, data), bytes)  # fmt: skip
    yield Target("analysis", 0.2, films, damaged, judge(_analysed), bytes)
    yield Target("midi", 0.15, songs, damaged,
                 lambda data: _apart(readers["midi"], path, data), bytes)  # fmt: skip
    preset = json.dumps(hostile_text.example_preset(folder)).encode()
    yield Target("preset", 0.1, [preset], _text, judge(hostile_text.preset), bytes,
                 ("emsync.presets", "emsync.text"))  # fmt: skip
    yield Target("report", 0.1, [json.dumps(hostile_text.example_report()).encode()], _text,
                 judge(hostile_text.report), bytes,
                 ("emsync.report.read", "emsync.presets"))  # fmt: skip
    other = {"music.top_p": "0.7", "music.groups": "piano,bass", "cuts.minimum_gap": "7/3",
             "sound.programs": "piano:4", "music.compare_untold": "true", "seed": "3",
             "music.late_tolerance": "none", "sound.loudness": "lufs",
             "__theme": "dark"}  # fmt: skip
    yield Target("address", 0.05, [other], _asked, lambda asked: hostile_text.query(asked, folder),
                 lambda asked: json.dumps(asked).encode(), ("emsync.presets",))  # fmt: skip
    yield Target("mood", 0.05, [hostile_text.example_mood()], changed,
                 lambda value: hostile_text.mood(value, folder),
                 lambda value: json.dumps(value).encode(),
                 ("emsync.interface.mood_editor",))  # fmt: skip
    dice = random.Random(1)
    yield Target("tokens", 0.05, [[dice.randrange(SIZE) for _ in range(200)]], _numbers,
                 hostile_text.tokens, lambda numbers: json.dumps(numbers).encode(),
                 ("emsync.music.transformer.tokens",))  # fmt: skip


class _Late(BaseException):
    """No `Exception`, lest it be taken for a fault of a file by what it interrupts."""


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise `Wrong` in what takes longer. Only a main thread can be interrupted, by an alarm."""
    if not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        where = f" in {Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else ""
        raise _Late(f"it takes longer than the {seconds:g} s that are allowed{where}")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again and again, for what Python calls by itself swallows all exceptions.
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Late as late:
        raise Wrong(str(late)) from None
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _followed(files: frozenset[str], reached: set[tuple[str, int, int]]) -> Iterator[None]:
    """Note which lines follow which in some files."""
    if not files:
        yield
        return

    def outer(frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if name not in files:
            return None
        last = frame.f_lineno

        def inner(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            reached.add((name, last, frame.f_lineno))
            last = frame.f_lineno
            return inner

        return inner

    before = sys.gettrace()
    sys.settrace(outer)
    try:
        yield
    finally:
        sys.settrace(before)


def fuzz(
    target: Target, seconds: float, seed: int, found: Path, rounds: int | None = None
) -> Tally:
    """Feed one target for so long, or so often; what is wrong is written to `found`.

    Sound inputs come first, whatever the time, and have to be read. `rounds` are those after them.
    """
    dice, tally = random.Random(f"{seed}-{target.name}"), Tally()
    files = frozenset(str(sys.modules[name].__file__) for name in target.traced)
    pool, known = list(target.sound), set[Any]()
    deadline = time.monotonic() + seconds
    waiting = list(target.sound)
    most = len(waiting) + (rounds or 0)
    while waiting or (time.monotonic() < deadline if rounds is None else tally.tried < most):
        sound = bool(waiting)
        value = waiting.pop() if sound else target.change(dice, *dice.choices(pool, k=2))
        reached: set[tuple[str, int, int]] = set()
        problem = answer = ""
        try:
            with in_time(_LONGEST), _followed(files, reached):
                answer = target.attempt(value)
            if sound and not answer.startswith("read"):
                raise Wrong(f"a sound input is not read: {answer}")
        except Wrong as wrong:
            problem = str(wrong)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        tally.tried += 1
        tally.accepted += answer.startswith("read")
        tally.died += answer.startswith("died")
        if problem or answer.startswith("died"):
            name = f"{target.name}-{seed}-{tally.tried}"
            (found / name).write_bytes(target.raw(value))
            if problem:
                tally.wrong.append(found / name)
                print(f"WRONG  {found / name}: {problem[:300]}", flush=True)
        fresh = reached - known if files else {answer} - known
        if fresh and not problem:
            known |= fresh
            pool.append(value)
            del pool[len(target.sound) : -_POOL]
    return tally


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m trials.fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=120.0, help="in all (120)")
    parser.add_argument("--seed", type=int, help="another one each time if none is given")
    parser.add_argument("--only", help="one target")
    parser.add_argument("--rounds", type=int, help="damaged inputs of each, whatever the time")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    found = Path(tempfile.mkdtemp(prefix="fuzz-found-"))
    print(f"seed {seed}", flush=True)
    readers = {kind: Reader(kind) for kind in ("film", "midi")}
    total = Tally()
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            targets = [
                one for one in _targets(Path(folder), readers) if options.only in (None, one.name)
            ]
            if not targets:
                parser.error(f"there is no target {options.only}")
            whole = sum(one.share for one in targets)
            for target in targets:
                seconds = options.seconds * target.share / whole
                tally = fuzz(target, seconds, seed, found, options.rounds)
                wrong = len(tally.wrong)
                print(
                    f"{target.name:8} {tally.tried:8} tried, {tally.tried - wrong} right "
                    f"({tally.accepted} read, {tally.died} ended the process apart), {wrong} wrong",
                    flush=True,
                )
                total.tried += tally.tried
                total.wrong += tally.wrong
    finally:
        for reader in readers.values():
            reader.close()
        if any(found.iterdir()):
            print(f"inputs that were wrong, or ended the process apart: {found}")
        else:
            found.rmdir()
    wrong = len(total.wrong)
    print(f"fuzz: {total.tried} tried, {total.tried - wrong} right, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
