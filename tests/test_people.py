"""Many people at once, and programs as users: the running app, asked by `gradio_client`."""

import json
import math
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import REPOSITORY, App, cpu_seconds, open_page, running_app, wait_for
from conftest import Films

from emsync.benchmarks.load import (
    AppSampler,
    PageSampler,
    Remains,
    Run,
    Visit,
    connect,
    main,
    own_films,
    score,
    score_at_once,
    table,
    what_is_wrong,
)
from emsync.film.probe import probe
from emsync.interface.studio import MOST_TAKES
from emsync.process.files import digest

QUICK = {"music": {"openings": 1}}
"""Nothing is tried out first: about half the work."""
SECONDS = (3.0, 3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 6.0)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture
def client(app: App, tmp_path: Path) -> Iterator[Any]:
    """A program that uses the app."""
    made = connect(app.url, tmp_path / "received")
    yield made
    made.close()


def lasting(films: Films, seconds: float) -> Path:
    """A film of this length that shows and says a number of its own."""
    return films.render(
        f"lasting {seconds}.mp4",
        "-f", "lavfi", "-i", f"testsrc2=s=160x120:d={seconds}:r=25",
        "-f", "lavfi", "-i", f"sine=frequency={int(seconds * 100)}:d={seconds}:r=44100",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
    )  # fmt: skip


def post(address: str, content: object) -> Any:
    """What comes back for a JSON message."""
    request = urllib.request.Request(
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def report_of(visit: Visit) -> dict[str, Any]:
    return dict(json.loads(visit.files[3].read_text()))


def visited(film: Path, seconds: float = 1.0, problem: str = "") -> Visit:
    return Visit(film, 1, problem, seconds)


# The command ------------------------------------------------------------------------------------


def test_everybody_is_sent_with_a_film_of_their_own(films: Films, tmp_path: Path) -> None:
    own = own_films([films.plain(), films.uneven()], 5, tmp_path)
    assert [path.name for path in own[:3]] == [
        "person 1 plain.mp4", "person 2 uneven.mkv", "person 3 plain.mp4",
    ]  # fmt: skip
    assert len({path.name for path in own}) == 5
    assert digest(own[0]) != digest(own[2])  # so that each has to be looked at
    assert probe(own[0]).duration == probe(own[2]).duration == probe(films.plain()).duration


def test_the_figures_are_those_that_were_taken() -> None:
    pages, looks = PageSampler("http://nowhere"), AppSampler(0, Path("nowhere"))
    pages.seconds = [number / 1000 for number in range(1, 102)]
    looks.bytes, looks.bytes_together, looks.looking = 900_000_000, 1_100_000_000, 1
    hers, his = Path("hers.mp4"), Path("his.mp4")
    run = Run([visited(hers, 12.34), visited(his, math.inf, "Nothing came.")], pages, looks)
    run.left = Remains(("request-1",), ())
    rows = [" ".join(line.split()) for line in table(run).splitlines()]
    assert {
        "tried 2", "right 1", "wrong 1", "first result after 12.3 s", "last after 12.3 s",
        "answers of the page 101: median 0.051 s, 95 % within 0.096 s, longest 0.101 s",
        "peak memory 0.90 GB (1.10 GB with FFmpeg)",
        "FFmpegs at once 1 looking at films, 0 writing them",
        "left over folders: 1, processes: 0",
    } < {*rows}  # fmt: skip
    assert table(run).endswith("his.mp4: Nothing came.")


@pytest.mark.parametrize(
    "arguments",
    [["--people", "0"], ["--people", "many"], ["--seconds-between-looks", "nan"], ["a", "b"]],
)
def test_the_command_refuses_nonsense(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_the_command_says_when_something_is_not_there(
    tmp_path: Path, films: Films, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--film", str(tmp_path / "none.mp4")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    # Nobody listens at this address.
    assert main(["http://127.0.0.1:9", "--people", "1", "--film", str(films.plain())]) == 1
    printed = capsys.readouterr().out
    assert "wrong 1" in " ".join(printed.split())


# One program ------------------------------------------------------------------------------------


def test_a_program_gets_what_the_command_gives(client: Any, films: Films, tmp_path: Path) -> None:
    film = lasting(films, 4.2)
    asked = {"sensitivity": 0.5, "instruments": "fewer", "openings": 1}
    settings = {"seed": 5, "music": asked}
    video, midi, wav, report, token, pages = score(client, film, settings)
    assert Path(pages).suffix == ".musicxml" and "<score-partwise" in Path(pages).read_text()
    assert what_is_wrong(film, 5, (Path(video), Path(midi), Path(wav), Path(report))) == ""
    assert probe(Path(video)).duration == pytest.approx(4.2, abs=1 / 25)
    with wave.open(wav) as sound:
        assert (sound.getnframes(), sound.getframerate()) == (int(4.2 * 44_100), 44_100)
    used = json.loads(Path(report).read_text())["settings"]
    assert (used["seed"], used["music"]["sensitivity"]) == (5, 0.5)
    assert used["music"]["instruments"] == "fewer"

    again = score(client, film, settings)
    assert again[4] != token
    assert Path(again[1]).read_bytes() == Path(midi).read_bytes()

    by_command = tmp_path / "by command.mid"
    options = ["--seed", "5", "--sensitivity", "0.5", "--instruments", "fewer"]
    options += ["--openings", "1", "--quiet"]
    options += ["-o", str(tmp_path / "by command.mp4"), "--midi", str(by_command)]
    subprocess.run(
        [sys.executable, "-m", "emsync", str(film), *options],
        cwd=REPOSITORY,
        check=True,
        timeout=300,
    )
    assert by_command.read_bytes() == Path(midi).read_bytes()


def test_moods_of_the_program_are_composed_for(client: Any, films: Films) -> None:
    moods = [[0, 0.8, 0.6], [1.5, -0.5, -0.4]]
    report = score(client, lasting(films, 3.0), QUICK, moods)[3]
    curve = json.loads(Path(report).read_text())["mood"]["curve"]
    told = [[stretch["start"], stretch["valence"], stretch["arousal"]] for stretch in curve]
    assert told == moods


@pytest.mark.parametrize(
    ("film", "settings", "moods", "sentence"),
    [
        (True, {"music": {"temperature": 99}}, None, "music.temperature must be"),
        (True, {"musik": {}}, None, "musik"),
        (True, "loud", None, "settings"),
        (True, {"music": {"primer": "secret.mid"}}, None, "may not be set here"),
        (True, None, [[1, 0, 0]], "Moods are a list of"),
        (True, None, {"valence": 1}, "Moods are a list of"),
        (True, None, [[0, 0, 0], [600, 0, 0]], "the film lasts only"),
        (False, None, None, "Give a film."),
        (None, None, None, "is not a film that can be read"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(
    app: App,
    client: Any,
    films: Films,
    tmp_path: Path,
    film: bool | None,
    settings: object,
    moods: object,
    sentence: str,
) -> None:
    from gradio_client.exceptions import AppError

    nonsense = tmp_path / "nonsense.mp4"
    nonsense.write_text("no film at all\n" * 100)
    sent = {True: lasting(films, 3.0), False: None, None: nonsense}[film]
    before = set(app.request_folders())
    with pytest.raises(AppError) as refused:
        score(client, sent, settings, moods)
    assert sentence in str(refused.value)
    assert str(refused.value)[-1] in ".?"
    # Neither the film nor the folder of a take stays behind, even if the program goes on.
    assert set(app.request_folders()) == before
    assert "Traceback" not in app.log.read_text()


def test_a_call_that_is_given_up_stops_the_work(app: App, films: Films, client: Any) -> None:
    """Nobody knows its token: nothing of it is worth keeping. The Python client cannot give up what
    the app has begun; that for browsers sends what is sent here."""
    from gradio_client import handle_file

    before = set(app.request_folders())
    film = films.silent(60, 25, "640x360")
    work = client.submit(handle_file(film), None, None, api_name="/score")
    wait_for(lambda: len(set(app.request_folders()) - before) == 2, 30)
    (number,) = (key for key, one in client.endpoints.items() if one.api_name == "/score")
    event = work.communicator.event_id
    message = {"session_hash": client.session_hash, "fn_index": number, "event_id": event}
    post(f"{app.url}/gradio_api/cancel", message)
    # The film goes with the next sweep, as it was in use when the call ended.
    wait_for(lambda: len(set(app.request_folders()) - before) == 1, 20)
    before_pause = cpu_seconds(app.process.pid)
    time.sleep(1)
    assert cpu_seconds(app.process.pid) - before_pause < 0.3


@pytest.mark.slow
def test_one_program_can_ask_for_many_films(
    app: App, films: Films, client: Any, tmp_path: Path
) -> None:
    """More than a page keeps, and all at once: every link works."""
    from gradio_client import handle_file

    some = [tmp_path / f"film {number}.mp4" for number in range(MOST_TAKES + 1)]
    for path in some:
        shutil.copyfile(lasting(films, 3.0), path)
    works = [client.submit(handle_file(film), QUICK, None, api_name="/score") for film in some]
    made = [work.result(120) for work in works]
    reports = [json.loads(Path(files[3]).read_text()) for files in made]
    assert [report["film"]["name"] for report in reports] == [film.name for film in some]
    folders = {folder.name: folder for folder in app.request_folders()}
    for files in made:
        (scored,) = folders[f"request-{files[4]}"].glob("*/*.mp4")
        assert digest(scored) == digest(Path(files[0]))


def test_plain_http_without_a_session_mixes_nothing_up(app: App, films: Films) -> None:
    """Somebody without `gradio_client` posts and waits; two of them at once are two."""
    some = [lasting(films, seconds) for seconds in SECONDS[:2]]
    names: list[str] = ["", ""]

    def ask(place: int) -> None:
        sent = subprocess.run(
            ["curl", "-s", "-F", f"files=@{some[place]}", f"{app.url}/gradio_api/upload"],
            capture_output=True,
            check=True,
        )
        film = {"path": json.loads(sent.stdout)[0], "meta": {"_type": "gradio.FileData"}}
        made = post(f"{app.url}/gradio_api/run/score", {"data": [film, QUICK, None]})
        report = made["data"][3]
        with urllib.request.urlopen(report["url"], timeout=20) as answer:
            names[place] = json.load(answer)["film"]["name"]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [film.name for film in some]


# Many people ------------------------------------------------------------------------------------


@pytest.mark.slow  # 35 s, and `python -m emsync.benchmarks.load` does the same
def test_eight_people_at_once_each_get_their_own_film(
    app: App, films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [lasting(films, seconds) for seconds in SECONDS]
    before = set(app.request_folders())
    with PageSampler(app.url) as pages, AppSampler(app.process.pid, app.temporary) as looks:
        visits = score_at_once(app.url, own, tmp_path, QUICK)
    with capsys.disabled():
        print("\n" + table(Run(visits, pages, looks)))

    assert [visit.problem for visit in visits] == [""] * 8
    for visit, film, seconds in zip(visits, own, SECONDS, strict=True):
        told = report_of(visit)["film"]
        assert (told["name"], told["sha256"]) == (film.name, digest(film))
        assert float(probe(visit.files[0]).duration) == pytest.approx(seconds, abs=1 / 25)
    assert len({visit.token for visit in visits}) == 8
    assert len({digest(visit.files[1]) for visit in visits}) == 8

    # The page is there for everybody meanwhile, though all this is one process.
    # How quickly it answers is printed, and by `python -m emsync.benchmarks.load`.
    assert pages.seconds and pages.unanswered == 0
    if sys.platform == "linux":
        # One film is looked at, and one is composed for and written, at any time.
        assert (looks.looking, looks.encoding) == (1, 1)
        assert 0 < looks.bytes < 2.5e9
    # One folder holds the film, one the take; both stay for the hour.
    made = set(app.request_folders()) - before
    assert len(made) == 2 * 8
    assert {f"request-{visit.token}" for visit in visits} < {folder.name for folder in made}
    assert "Traceback" not in app.log.read_text()


def test_a_film_that_two_people_bring_is_looked_at_once(
    app: App, films: Films, tmp_path: Path
) -> None:
    same = [tmp_path / "hers.mp4", tmp_path / "his.mp4"]
    film = films.silent(seconds=4)
    for path in same:
        shutil.copyfile(film, path)
    one, other = map(report_of, score_at_once(app.url, same, tmp_path, QUICK))
    assert [one["film"]["name"], other["film"]["name"]] == ["hers.mp4", "his.mp4"]
    assert one["seconds_per_stage"]["scenes"] == other["seconds_per_stage"]["scenes"]
    assert one["seconds_per_stage"]["compose"] != other["seconds_per_stage"]["compose"]


def test_the_token_is_a_link_to_the_scored_film(
    app: App, films: Films, browser: Any, tmp_path: Path
) -> None:
    program = connect(app.url, tmp_path)
    film = lasting(films, 3.0)
    token = score(program, film, QUICK)[4]
    program.close()  # the app hears of it within its heartbeat, half a second here
    with open_page(browser, f"{app.url}/?take={token}") as visit:
        visit.page.wait_for_selector("#em-stage video[src]", timeout=20_000)
        visit.page.wait_for_function(
            "document.querySelector('#em-stage video').readyState >= 1", timeout=20_000
        )
        seconds = visit.page.evaluate("document.querySelector('#em-stage video').duration")
        assert seconds == pytest.approx(3, abs=1 / 25)
        assert visit.complaints == []
