"""The playground: who may ask its server, what a text becomes, saving, native training, and a browser that plays."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hostile_cases import make_files, read_cases
from page_browser import browser, needs_browser, wait_for
from safetensors.numpy import load
from tiny_run import make_runs, program, snsim

from snsim.page.play.compiler import Compiler
from snsim.page.play.server import Playground, PlayServer
from snsim.page.play.worker import compile_request
from snsim.run_folder import open_run

ROOT = Path(__file__).resolve().parents[1]
XOR = """(net mine (layer input 2) (layer h 2) (layer output 1) (connect input h (full)) (connect h output (full)))
(train mine (data (examples [[0 0] [0 1] [1 0] [1 1]] [[-1] [1] [1] [-1]])) (correct quadrant) (epsilon 0.5)
  (passes 20))
"""


@contextmanager
def serving(playground: Playground) -> Iterator[PlayServer]:
    server = PlayServer(playground)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        playground.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.sn"
    path.write_text(XOR)
    return path


@pytest.fixture
def server(file: Path) -> Iterator[PlayServer]:
    with serving(Playground(str(file), XOR, file)) as server:
        yield server


def send(
    server: PlayServer,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, content and headers of the answer. A body is posted as JSON from the page's own origin."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    usual = {} if body is None else {"Origin": f"http://127.0.0.1:{server.server_port}"}
    address = f"/{server.token if token is None else token}/{path}"
    with closing(connection):
        connection.request("GET" if body is None else "POST", address, content, {**usual, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


def ask(server: PlayServer, path: str, body: object = None) -> dict[str, Any]:
    status, content, _ = send(server, path, body)
    assert status == 200, (status, content)
    return json.loads(content)


# ---- Who may ask -----------------------------------------------------------------------------------------------------


def test_only_the_page_itself_may_ask(server: PlayServer, file: Path) -> None:
    port, body = server.server_port, {"text": "changed"}
    assert send(server, "start")[0] == 200
    assert send(server, "start", token="")[0] == 404
    assert send(server, "start", token=server.token[:-1] + "%C3%A9")[0] == 404
    assert send(server, "start", token=server.token + "x")[0] == 404
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{port}"},  # a name that was pointed to this machine
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},  # the frame that shows a net
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert send(server, "start", headers=headers)[0] == 403, headers
        assert send(server, "save", body, headers)[0] == 403, headers
    assert send(server, "save", body, {"Origin": ""})[0] == 403
    assert send(server, "save", b"x", {"Content-Length": "4000001"})[0] == 413
    assert send(server, "save", b"", {"Content-Length": "1" + "0" * 40})[0] == 413
    for damaged in (b"", b"{", b"[" * 100_000, b"[]", b"\xff", b'{"text"'):
        assert send(server, "save", damaged)[0] == 400, damaged[:9]
    assert send(server, "save", {**body, "name": "/etc/passwd"})[0] == 400
    for path in ("page/x", "play.py", "../mine.sn", "%2e%2e/mine.sn", "page/..%2f..", "gallery/x/y"):
        assert send(server, path)[0] == 404, path
    assert file.read_text() == XOR


def test_answers_are_for_this_page_alone(server: PlayServer) -> None:
    for path in ("", "play.css", "play.js", "start"):
        _, _, headers = send(server, path)
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
    page = ask(server, "compile", {"text": XOR})["page"]
    # A frame without an origin: it can neither read nor ask anything of the server.
    policy = send(server, page)[2]["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy


def test_the_address_that_a_browser_is_started_with_opens_once(server: PlayServer) -> None:
    """Its command line can be read by others, so it holds another token than the requests."""
    entrance = server.entrance.split("/")[3]
    assert entrance != server.token
    status, _, headers = send(server, "", token=entrance)
    assert status == 303 and headers["Location"] == f"/{server.token}/"
    assert send(server, "", token=entrance)[0] == 404


def test_no_python_file_of_the_current_folder_is_run(file: Path) -> None:
    for module in ("numpy", "json", "snsim", "llvmlite"):
        (file.parent / f"{module}.py").write_text(f"open({str(file.parent / 'ran')!r}, 'w')")
    with serving(Playground(str(file), XOR, file)) as server:
        assert ask(server, "compile", {"text": XOR})["page"]
        assert ask(server, "train", {"text": XOR})["run"]
        events(server)
    assert not (file.parent / "ran").exists()


def test_the_server_is_bound_to_this_machine(server: PlayServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 24  # 144 random bits


# ---- What a text becomes ---------------------------------------------------------------------------------------------


def test_a_text_becomes_faults_or_a_page(server: PlayServer) -> None:
    good = ask(server, "compile", {"text": XOR + '(print "hello")'})
    assert not good["faults"] and good["printed"] == '"hello"\n'
    status, page, _ = send(server, good["page"])
    assert status == 200 and b"Content-Security-Policy" in page and b"<title>mine" in page
    assert "page" not in ask(server, "compile", {"text": XOR.replace("(full)", "(ful)")})
    # What the server's processes answer, in this one.
    bad = compile_request({"name": "mine.sn", "text": XOR.replace("(full)", "(ful)")})
    assert bad["page"] is None
    places = [(1, match.start() + 2) for match in re.finditer(r"\(full\)", XOR)]
    assert [(fault["line"], fault["column"]) for fault in bad["faults"]] == [places[0], (1, places[1][1] - 1)]
    assert all("^" in fault["text"] and "hint" in fault["text"] for fault in bad["faults"])
    assert compile_request({"text": "(net n (layer input 2)"})["faults"][0]["line"] == 1
    assert "declares no training" in compile_request({"text": ""})["faults"][0]["message"]


def test_a_text_that_never_ends_or_dies_harms_nothing(file: Path) -> None:
    playground = Playground(str(file), XOR, file, chosen={"seconds": 0.2})
    with serving(playground) as server:
        for text in ("(while t)", "(setq l ()) (while t (setq l (cons 1 l)))", "(matrix 900000000 900000000)"):
            assert any(fault["severity"] == "error" for fault in ask(server, "compile", {"text": text})["faults"]), text
        worker = playground.compiler._ready
        assert worker is not None
        worker.kill()  # as the system does where memory is short
        assert "ended the process" in ask(server, "compile", {"text": XOR})["faults"][0]["message"]
        assert ask(server, "compile", {"text": XOR})["page"]


def test_a_text_that_takes_too_long_is_ended() -> None:
    compiler = Compiler(seconds=0)
    reply = compiler.compile({"name": "mine.sn", "text": XOR})
    compiler.close()
    assert reply is not None and "not compiled after 0 seconds" in reply["faults"][0]["message"]


def test_a_newer_text_replaces_one_that_is_compiled(server: PlayServer) -> None:
    old: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: old.append(ask(server, "compile", {"text": "(while t)"})))
    thread.start()
    while server.playground.compiler._busy is None:
        time.sleep(0.01)
    assert ask(server, "compile", {"text": XOR})["page"]
    thread.join()
    assert old == [{"replaced": True}]


def test_included_files_are_found_beside_the_text_and_nowhere_else(server: PlayServer, file: Path) -> None:
    inner = file.parent / "inner"
    inner.mkdir()
    net, _, training = XOR.partition("\n")
    (inner / "net.sn").write_text(net)
    text = '(include "{}")' + training
    assert ask(server, "compile", {"text": text.format("inner/net.sn")}).get("page")
    for name in ("/etc/passwd", "../other.sn"):
        assert not compile_request({"name": str(file), "text": text.format(name)})["page"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted({case.kind for case in read_cases() if case.main is not None}))
def test_hostile_texts_are_answered(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text of the corpus gets faults or a page, and the server lives."""
    made = make_runs(tmp_path / "made")
    cases = [case for case in read_cases() if case.kind == kind and case.main is not None]
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        if case.runs:
            for run in ("tiny", "one"):
                (folder / run).symlink_to(made / run)
        make_files(folder, case.files)
        monkeypatch.chdir(folder)
        path = folder / str(case.main)
        content = path.read_bytes() if path.is_file() else b""
        if len(content) > 1_000_000:
            continue
        text = content.decode("utf-8", "replace")
        with serving(Playground(str(path), text, path)) as server:
            reply = ask(server, "compile", {"text": text})
            assert reply.get("page") or reply["faults"], case.title
            for fault in reply["faults"]:
                assert "Traceback" not in fault["text"] and "\x1b" not in fault["text"], case.title
            assert send(server, "start")[0] == 200, case.title


# ---- Saving, training, watching --------------------------------------------------------------------------------------


def test_a_text_is_saved_to_its_own_file_alone(server: PlayServer, file: Path) -> None:
    assert ask(server, "save", {"text": "; new\n"}) == {"saved": "mine.sn"}
    assert file.read_text() == "; new\n"
    net = ask(server, "gallery/xor")
    assert net["text"] == (ROOT / "nets" / "xor.sn").read_text()
    assert "102" in " ".join(ask(server, "gallery/lecun89")["about"])  # the test misses of the paper
    file.write_text("; by an editor\n")
    assert "has changed on the disk" in ask(server, "save", {"text": "; lost"})["faults"][0]["message"]
    assert ask(server, "start")["text"] == file.read_text() == "; by an editor\n"
    assert ask(server, "save", {"text": "; again\n"}) == {"saved": "mine.sn"}
    assert send(server, "save", {"text": "; other", "name": net["name"]})[0] == 404  # a net of the gallery
    assert file.read_text() == "; again\n"
    server.playground.file = None  # as for a net of the gallery
    assert "not overwritten" in ask(server, "save", {"text": ""})["faults"][0]["message"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"; a\r\n; b\r\n", b"; c\r\n; d\r\n"),
        (b"\xef\xbb\xbf; a\r\n; b\n; c\r\n", b"\xef\xbb\xbf; c\r\n; d\r\n"),  # as Notepad writes it
        (b"; a\r; b\r", b"; c\r; d\r"),
        (b"; a\n; b\r\n; c\n", b"; c\n; d\n"),
        (b"", b"; c\n; d\n"),
    ],
)
def test_a_saved_file_keeps_its_line_ends(file: Path, before: bytes, after: bytes) -> None:
    file.write_bytes(before)
    with serving(Playground(str(file), XOR, file)) as server:
        assert "\r" not in ask(server, "start")["text"]
        for ends in ("\n", "\r\n"):  # a browser may send either
            assert ask(server, "save", {"text": f"; c{ends}; d{ends}"}) == {"saved": "mine.sn"}
            assert file.read_bytes() == after


def events(server: PlayServer) -> list[tuple[str, dict[str, Any]]]:
    """The events of a run until its end."""
    lines = send(server, "events")[1].decode().split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    values = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    return [(name, value) for name, value in zip(names, values, strict=True) if name != "wait"]


def test_a_native_training_becomes_a_run_folder(server: PlayServer) -> None:
    reply = ask(server, "train", {"text": XOR})
    assert reply == {"run": "runs/mine", "data": "examples of the file"} or reply["run"] == "runs/mine"
    told = events(server)
    run = open_run("runs/mine")
    assert [value for name, value in told if name == "pass"] == list(run.passes) and told[-1] == ("end", {"faults": []})
    assert run.is_finished and len(run.passes) == 20
    weights = load(send(server, "weights")[1])
    assert {name: array.tolist() for name, array in weights.items()} == {
        name: array.tolist() for name, array in run.snapshot.parameters.items()
    }
    assert "error" in str(ask(server, "train", {"text": "(net n"})["faults"])
    assert "declares no training" in str(ask(server, "train", {"text": ""})["faults"])


@pytest.mark.slow
def test_a_run_is_watched_while_another_process_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.sn").write_text(program().replace("(passes 4)", "(passes 100000000)"))
    command = [sys.executable, "-m", "snsim", "run", "tiny.sn", "--only", "tiny", "--quiet", "--watch"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ)
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "watch it at" in line)
        host, _, rest = line.split("http://")[1].strip().partition("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", f"/{rest}start")
        assert json.loads(connection.getresponse().read())["run"] == "runs/tiny"
        connection.request("GET", f"/{rest}events")
        answer = connection.getresponse()
        first = [answer.readline() for _ in range(2)]
        assert first[0] == b"event: pass\n" and json.loads(first[1].removeprefix(b"data: "))["pass"] == 1
        process.terminate()
        assert answer.read().rstrip().endswith(b'event: end\ndata: {"faults": []}')
        connection.close()
    finally:
        process.terminate()
        process.communicate()


def test_a_training_ends_with_its_server(file: Path) -> None:
    playground = Playground(str(file), XOR, file)
    assert playground.train(XOR.replace("(passes 20)", "(passes 100000000)"), str(file))["run"]
    trainer = playground.trainer
    assert trainer is not None and not trainer.has_ended
    playground.close()
    trainer._process.wait(60)
    assert len(open_run("runs/mine").passes) < 100_000_000  # saved, and can be resumed


def test_a_damaged_log_is_told(tmp_path: Path) -> None:
    folder = make_runs(tmp_path) / "tiny"
    (folder / "passes.jsonl").write_text("{]\n")
    with serving(Playground(str(folder), "", None, folder)) as server:
        ((name, value),) = events(server)
        assert name == "fault" and "passes.jsonl" in value["text"]


def test_a_finished_run_is_shown(tmp_path: Path) -> None:
    folder = make_runs(tmp_path) / "tiny"
    with serving(Playground(str(folder), "", None, folder)) as server:
        start = ask(server, "start")
        assert start["run"] == str(folder) and not start["can_save"] and start["page"]["page"]
        assert len(events(server)) == 5


def test_wrong_calls_say_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words, said in (
        (["nothing"], "nothing"),
        (["nothing.sn"], "nothing.sn"),
        (["lecun89", "--port", "70000"], "largest is 65,535"),
    ):
        code, _, err = snsim("play", *words, "--no-open")
        assert code in (1, 2) and said in err and "hint" in err, words


# ---- A browser -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_browser
def test_playing_in_a_browser(server: PlayServer) -> None:
    """Learn at once, a fault with its caret, a mended text learns again, a native training; no console message."""
    with browser() as driver:
        driver.get(server.address)
        wait_for(driver, "document.getElementById('state').textContent.includes('ready')", 60)
        page = driver.find_element("id", "page")
        driver.switch_to.frame(page)
        wait_for(driver, "document.body.dataset.ready === 'true' && snsimPage.at.pass === 20", 60)
        driver.switch_to.default_content()
        change = "const t = document.getElementById('text'); t.value = t.value.replace(arguments[0], arguments[1]);"
        change += "t.dispatchEvent(new Event('input'));"
        driver.execute_script(change, "(full)", "(ful)")
        wait_for(driver, "!document.getElementById('faults').hidden", 60)
        assert "^^^" in driver.find_element("id", "faults").text
        assert driver.find_element("css selector", "#lines .error").text == "1"
        driver.execute_script(change, "(ful)", "(full)")
        wait_for(driver, "document.getElementById('state').textContent.includes('ready')", 60)
        assert driver.execute_script("return document.getElementById('faults').hidden")
        driver.find_element("id", "train").click()
        wait_for(driver, "document.getElementById('state').textContent.includes('has ended')", 60)
        assert len(driver.find_elements("css selector", "#passes tr")) == 20
        assert [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]] == []
        size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
