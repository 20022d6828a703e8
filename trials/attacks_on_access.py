"""Attacks on who may ask for what: routes, calls, other sites, the password, and the log."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gradio_client.exceptions import AppError

from emsync.benchmarks.load import App, connect, score
from trials.site import (
    FILE,
    FILM_NAME,
    HUB_TOKEN,
    PASSWORD,
    QUICK,
    REPOSITORY,
    Site,
    ask,
    expect,
    film,
    refused,
    upload,
)
from trials.trial import case

_EVIL = "http://evil.example"


def other_routes(site: Site, folder: Path) -> str:
    """Ask for every route that Gradio has, and some that servers often have."""
    import gradio
    from gradio.routes import App as GradioApp

    with gradio.Blocks() as page:
        pass
    page.config = page.get_config_file()
    needed = re.compile(
        r"/(login|config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout)?/?|"
        r"/(assets|static)/.*|/gradio_api/((info|app_id|reset)/?|startup-events|theme\.css|cancel|"
        r"upload|upload_progress|queue/(join|data)|file=.*|heartbeat/.*|"
        r"run/predict|(run|api|call|call/v2)/score/?|call/(v2/)?score/x)"
    )
    closed = 0
    listed = GradioApp.create_app(page).openapi()["paths"]
    found = {re.sub(r"\{\w+\}", "x", path.replace("{api_name}", "score")) for path in listed}
    expect(len(found) > 60, f"only {len(found)} routes were found")
    found |= {"/docs", "/redoc", "/openapi.json", "/metrics", "/.env", "/admin", "/gradio_api/mcp/"}
    found |= {
        "/gradio_api/run/on_compose",
        "/gradio_api/call/on_compose",
        "//",
        "/gradio_api//upload",
    }
    for path in sorted(found):
        if not needed.fullmatch(path):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                refused(ask(site.free, path, method), f"{method} {path}", 404)
            closed += 1
    return f"{closed} of {len(found)} routes are closed"


def names_of_calls(site: Site, folder: Path) -> str:
    """Call functions that the page has and nobody is to call."""
    told = ask(site.free, "/gradio_api/info").json
    named = sorted(told["named_endpoints"])
    expect(named == ["/again", "/score"], f"named: {named}")
    expect(not told["unnamed_endpoints"], "there are calls without a name")
    functions = ask(site.free, "/config").json["dependencies"]
    of_the_page = {"on_film", "on_compose", "on_cancel", "on_forget", "on_unload"}
    lacking = of_the_page - {function["api_name"] for function in functions}
    expect(not lacking, f"the page has no functions of these names: {lacking}")
    for function in functions:
        data = [None] * len(function["inputs"])
        message = {"data": data, "fn_index": function["id"]}
        answer = ask(site.free, "/gradio_api/queue/join", "POST", message)
        refused(answer, f"function {function['id']} without a page", 400)
        if function["api_name"] in of_the_page:
            answer = ask(site.free, "/gradio_api/run/predict", "POST", message)
            refused(answer, f"function {function['id']} without a page", 500)
    return "/score and nothing else"


def strange_messages(site: Site, folder: Path) -> str:
    """Send messages that are no JSON, too deep, or about other things."""
    join = "/gradio_api/queue/join"
    deep: Any = None
    for _ in range(500):
        deep = [deep]
    wrong: list[object] = [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff\xfe",
        b'{"data":' * 50_000,
        b"1e999999",
    ]
    wrong += [{"data": [], "session_hash": name} for name in ("x" * 65, 5, ["x"], {"a": 1})]
    wrong += [{"data": deep}, {"data": [{"path": 5}]}, {"data": [{"path": "/etc\0/passwd"}]}]
    for message in wrong:
        answer = ask(site.free, join, "POST", message)
        refused(answer, repr(message)[:60], 400, 403)
    expect(b"detail" in ask(site.free, join, "POST", b"{").body, "it is not said what is wrong")
    refused(ask(site.free, "/gradio_api/heartbeat/" + "x" * 65), "a long name of a page", 400)
    return "each gets a sentence"


def takes_of_others(site: Site, folder: Path) -> str:
    """Look for results of others: they are not told, listed or guessed."""
    client = connect(site.free.url, folder / "received")
    try:
        token = score(client, film(folder), QUICK)[4]
    finally:
        client.close()
    expect(len(token) >= 24, f"the token {token} is short")
    told = "".join(ask(site.free, path).body.decode() for path in ("/", "/config"))
    expect(token not in told and FILM_NAME not in told, "the page tells of others' takes")
    (place,) = site.root.glob(f"request-{token}/*/*.mp4")
    expect(ask(site.free, f"{FILE}{place}".replace(" ", "%20")).status == 200, "it is not served")
    near = token[:-1] + ("y" if token.endswith("x") else "x")
    for other in (place.parent, place.parent.parent, str(place).replace(token, near)):
        refused(ask(site.free, f"{FILE}{other}".replace(" ", "%20")), str(other), 403)
    return "not told, not listed, not guessed"


def other_origins(site: Site, folder: Path) -> str:
    """Ask as a page of another site would."""
    place = upload(site.free, "a.mp4", b"some film").json[0]
    origins = [_EVIL, "null", "https://huggingface.co", "http://localhost:1", "http://127.0.0.1:1"]
    for origin in origins:
        for path in ("/", "/config", "/gradio_api/info", f"{FILE}{place}", "/nothing"):
            for method in ("GET", "OPTIONS"):
                answer = ask(
                    site.free, path, method, Origin=origin, Access_Control_Request_Method="POST"
                )
                told = [name for name in answer.headers if name.startswith("access-control")]
                expect(not told, f"{origin} is told {told} for {path}")
    for origin in (_EVIL, "null", "https://huggingface.co"):
        answer = ask(site.free, "/gradio_api/queue/join", "POST", {"data": []}, Origin=origin)
        refused(answer, f"a message from {origin}", 403)
        refused(upload(site.free, "a.mp4", b"x", Origin=origin), f"an upload from {origin}", 403)
    for other in ("cross-site", "same-site"):
        refused(upload(site.free, "a.mp4", b"x", Sec_Fetch_Site=other), other, 403)
        for path in (f"{FILE}{place}", "/gradio_api/queue/data?session_hash=a", "/logout"):
            refused(ask(site.free, path, Sec_Fetch_Site=other), f"{other} {path}", 403)
    visit = ask(site.free, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    expect(visit.status == 200, "a link from elsewhere does not lead to the page")
    own = upload(site.free, "a.mp4", b"x", Origin=site.free.url, Sec_Fetch_Site="same-origin")
    expect(own.status == 200, "the page itself may not upload")
    return "nothing is told to them, and nothing taken from them"


def other_names(site: Site, folder: Path) -> str:
    """Ask by names that are made to mean this machine."""
    port = site.free.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "127.1"):
        for path in ("/", "/config", f"{FILE}/etc/passwd"):
            refused(ask(site.free, path, Host=host), f"{path} at {host!r}", 400, 403)
    for host in (f"localhost:{port}", "LOCALHOST", f"127.0.0.1:{port}", "[::1]:1", "localhost."):
        expect(ask(site.free, "/", Host=host).status == 200, f"{host} is refused")
    return "a name that is made to mean this machine is refused"


def headers_of_answers(site: Site, folder: Path) -> str:
    """Look for the headers that browsers need to protect the page."""
    place = upload(site.free, "a.mp4", b"some film").json[0]
    for path in ("/", "/config", "/nothing", f"{FILE}{place}", "/gradio_api/heartbeat/x"):
        told = ask(site.free, path).headers
        for name, value in {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "private, no-store",
        }.items():
            expect(told.get(name) == value, f"{path}: {name} is {told.get(name)}")
        expect("geolocation=()" in told["permissions-policy"], f"{path}: permissions")
        policy = told["content-security-policy"]
        expect("default-src 'none'" in policy, f"{path}: {policy}")
        expect("frame-ancestors" in policy and "*" not in policy, f"{path}: {policy}")
    first, second = (ask(site.free, "/").headers["content-security-policy"] for _ in range(2))
    scripts = re.findall(r"script-src ([^;]*)", first)[0]
    expect("'unsafe-inline'" not in scripts, "scripts in HTML may run")
    expect(first != second, "the number of the page's scripts is always the same")
    return "all there"


def without_password(site: Site, folder: Path) -> str:
    """Ask for everything without the password."""
    refused(upload(site.locked, "a.mp4", b"x"), "upload", 401)
    paths = ["/config", "/gradio_api/info", "/gradio_api/heartbeat/x", "/gradio_api/app_id"]
    paths += [f"{FILE}{REPOSITORY}/examples/README.md", "/gradio_api/call/score/x"]
    paths += ["/gradio_api/queue/data?session_hash=x", "/gradio_api/upload_progress?upload_id=x"]
    for path in paths:
        refused(ask(site.locked, path), path, 401)
        forged = "; ".join(f"access-token-{kind}x=None" for kind in ("", "unsecure-"))
        refused(ask(site.locked, path, Cookie=forged), path, 401)
    for path in ("queue/join", "cancel", "reset", "run/score", "call/score", "call/v2/score"):
        message = {"data": [], "session_hash": "x"}
        refused(ask(site.locked, f"/gradio_api/{path}", "POST", message), path, 401)
    page = ask(site.locked, "/").body.decode()
    expect('"auth_required":true' in page, "the page does not ask for the password")
    expect("em-compose" not in page and PASSWORD not in page, "the page is told before")
    return "nothing but the question for it"


def wrong_passwords(site: Site, folder: Path) -> str:
    """Guess the password, in turn and at once."""

    def attempt(word: str, user: str = "emsync", place: str = "203.0.113.9") -> int:
        body = urlencode({"username": user, "password": word}).encode()
        kind = "application/x-www-form-urlencoded"
        answer = ask(site.locked, "/login", "POST", body, Content_Type=kind, X_Forwarded_For=place)
        return answer.status

    began = time.monotonic()
    expect(attempt("wrong", place="203.0.113.8") == 400, "a wrong password is right")
    expect(time.monotonic() - began > 0.9, "a wrong password is refused at once")
    expect(attempt(PASSWORD, "else", "203.0.113.8") == 400, "any name will do")
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda word=word: statuses.append(attempt(word)))
        for word in map(str, range(10))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(set(statuses) == {400}, f"wrong ones: {statuses}")
    expect(attempt(PASSWORD) == 429, "whoever has guessed ten times may go on")
    expect(attempt(PASSWORD, place="203.0.113.10") == 200, "and everybody else has to wait too")
    at_once = _held_back(site.locked, 25)
    expect(at_once.count(400) <= 10, f"25 that came at the same moment: {at_once}")
    return "a second each, and after ten of them ten minutes"


def _held_back(app: App, count: int) -> list[int]:
    """Return the statuses of wrong passwords whose last byte comes only after all were begun."""
    host, _, port = app.url.partition("://")[2].partition(":")
    body = urlencode({"username": "emsync", "password": "wrong"}).encode()
    head = (
        f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nX-Forwarded-For: 203.0.113.11\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    lines = [socket.create_connection((host, int(port)), 20) for _ in range(count)]
    for line in lines:
        line.sendall(head + body[:-1])
    time.sleep(0.5)
    for line in lines:
        line.sendall(body[-1:])
    statuses = []
    for line in lines:
        with line:
            statuses.append(int(line.recv(100).split()[1]))
    return statuses


def secrets_in_log(site: Site, folder: Path) -> str:
    """Look into the log for passwords, tokens, links and names of films."""
    broken = folder / f"{FILM_NAME} broken.mp4"
    broken.write_bytes(b"no film")
    received = folder / "received"
    for app in (site.free, site.locked):
        password = PASSWORD if app is site.locked else None
        before = len(app.log.read_text())
        client = connect(app.url, received, password)
        try:
            scored, _, _, _, token, _ = score(client, film(folder), QUICK)
            expect(Path(scored).stat().st_size > 1000, "no film came back")
            with suppress(AppError):
                score(client, broken, QUICK)
        finally:
            client.close()
        ask(app, f"/?take={token}&password={quote(PASSWORD)}")
        ask(app, f"{FILE}/x/{HUB_TOKEN}")
        said = app.log.read_text()
        for secret in (PASSWORD, HUB_TOKEN, token, FILM_NAME, "POST ", "GET "):
            expect(secret not in said, f"the log says {secret!r}")
        # Of others' nonsense Gradio does write one.
        expect("Traceback" not in said[before:], f"the log says {said[before:][-2000:]}")
        command = Path(f"/proc/{app.process.pid}/cmdline")
        if command.exists():
            expect(PASSWORD.encode() not in command.read_bytes(), "it is among the arguments")
    return "no password, token, link or name of a film; and whoever has the password gets a film"


def nonsense_about_access(site: Site, folder: Path) -> str:
    """Start the app with nonsense about who may come."""
    for variables, word in (
        ({"EMSYNC_PASSWORD": "short"}, "at least"),
        ({"EMSYNC_USER": "me"}, "both or neither"),
        ({"EMSYNC_FRAMES": "javascript:x; script-src *"}, "origins"),
    ):
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=REPOSITORY,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        expect(done.returncode == 1 and word in done.stderr, f"{variables}: {done.stderr}")
        expect("short" not in done.stderr and "Traceback" not in done.stderr, done.stderr)
    return "a sentence, and no start"


CASES = [
    case("routes nobody needs", other_routes, 30),
    case("calls nobody is to make", names_of_calls, 30),
    case("messages that are none", strange_messages, 30),
    case("takes of others", takes_of_others, 60),
    case("pages of other origins", other_origins, 30),
    case("other names for this machine", other_names, 30),
    case("headers", headers_of_answers, 30),
    case("no password", without_password, 30),
    case("wrong passwords", wrong_passwords, 30),
    case("secrets in the log", secrets_in_log, 90),
    case("nonsense about who may come", nonsense_about_access, 30),
]
