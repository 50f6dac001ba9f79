"""Text of others in what commands print and write: nothing steers a terminal, a shell, a page or a plot."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny_run import snsim

from snsim import colour, escaping
from snsim.errors import Fault, Source, Span
from snsim.program import read_program

XOR = """(net NAME (layer LAYER 2) (layer out 1) (connect LAYER out (full)))
(train NAME (data (examples [[0 1] [1 0]] [[1] [-1]])) (epsi-inv 0.1) (passes 1) (note NOTE) (seed 0))
"""
STEERING = "a\x1b[31mb\u202ec\nerror: forged\x9b\x7f.sn"


def steers(text: str) -> list[str]:
    """The characters of a text that a terminal must not be given."""
    return [c for c in text if escaping.is_hidden(c) and c not in "\n\t"]


def test_file_names_that_steer_a_terminal_are_shown_escaped(tmp_path: Path) -> None:
    good, bad = tmp_path / STEERING, tmp_path / f"bad{STEERING}"
    good.write_text(XOR.replace("NAME", "x").replace("LAYER", "in").replace("NOTE", '"n"'))
    bad.write_text("(net x (layre a 1))")
    out = tmp_path / "runs\x1b[2J"
    for command in (
        ["check", good],
        ["check", bad],
        ["check", tmp_path / "no\x1b[2Jfile"],
        ["show", good],
        ["run", good, "--out", out],
        ["run", good, "--out", out, "--quiet"],
        ["run", good, "--out", out, "--json"],
        ["fmt", "--check", good],
        ["plot", "net", good, "--text"],
        ["plot", "net", good, "-o", tmp_path / "p\x1b.png"],
        ["run", good, "--only", "\x1b[2J"],
        ["\x1b[2J"],
    ):
        _, told, warned = snsim(*command)
        assert told + warned and not steers(told + warned), command
        assert not any(line.startswith("error: forged") for line in (told + warned).split("\n")), command
        if "--json" in command:
            assert all(json.loads(line) for line in told.split("\n") if line)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_program_steers_no_terminal_and_a_file_keeps_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "p.sn"
    file.write_text('(printf "\\x1b[2Ja\\n")')
    terminal, redirected = Terminal(), io.StringIO()
    read_program(file, port=terminal)
    read_program(file, port=redirected)
    assert terminal.getvalue() == "\\x1b[2Ja\n"
    assert redirected.getvalue() == "\x1b[2Ja\n"


@pytest.mark.parametrize("argument", ["a b", "it's $x `y`", "-x", "", "a\x1bb\n'c\\7", "\u202e1"])
def test_a_printed_command_is_the_one_meant(argument: str) -> None:
    written = escaping.for_shell(["printf", "%s", argument])
    assert not steers(written) and "\n" not in written
    assert subprocess.run(["bash", "-c", written], capture_output=True).stdout.decode() == argument
    if argument.isprintable():
        assert shlex.split(written)[2] == argument


# What the reader takes between bars, and what a shell, a page, Markdown, a plot or the table of Rich takes for its own.
HOSTILE = [
    "<script>alert(1)</script>",
    "x`y",
    "$x$",
    "$\\\\frac{$",
    "a&b^c~d",
    '"it\'s"',
    "[red]",
    "]]>",
    "&amp;",
    "</pre><b>",
    "\u4e2d\U0001f600",
    "*x* [y](z)",
    "-x",
    "50%",
]


def write_hostile(folder: Path) -> Path:
    """Write a file with a net and a training for each hostile name."""
    parts = [
        XOR.replace("NAME", f"|{name}|")
        .replace("LAYER", f"|l{name}|")
        .replace("NOTE", '"{} | `x`"'.format(name.replace("\\", "").replace('"', "'")))
        for name in HOSTILE
    ]
    file = folder / "it's $x.sn"
    file.write_text("".join(parts))
    return file


def test_plots_draw_hostile_names_without_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    for number, name in enumerate(HOSTILE):
        file = tmp_path / f"{number}.sn"
        file.write_text(XOR.replace("NAME", f"|{name}|").replace("LAYER", f"|l{name}|").replace("NOTE", '"n"'))
        code, _told, warned = snsim("plot", "net", file, "-o", tmp_path / f"{number}.svg")
        assert (code, warned) == (0, ""), (name, warned)
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_plots_show_a_name_as_it_is_and_keep_the_numbers_of_the_axes(tmp_path: Path) -> None:
    import matplotlib

    from snsim.plots import style
    from snsim.plots.net import draw

    file = tmp_path / "x.sn"
    file.write_text(XOR.replace("NAME", "|$x$|").replace("LAYER", "|l $y$ & ^|").replace("NOTE", '"n"'))
    before = matplotlib.rcParams["text.parse_math"]
    picture = style.as_svg(draw(read_program(file).own_trainings[0].net)).decode()
    assert "l $y$ &amp; ^" in picture and "$x$" in picture and "\\bf" not in picture
    figure = style.open_figure(style.WIDE, 2)
    axes = figure.add_subplot()
    axes.plot([1, 2], [0.01, 1])
    axes.set_yscale("log")
    axes.set_title("$z$ \x1b")
    curve = style.as_svg(figure).decode()
    assert "$z$ \\x1b" in curve and "mathdefault" not in re.sub("<!--.*?-->", "", curve)
    assert matplotlib.rcParams["text.parse_math"] == before  # a notebook's own plots are left alone


class Elements(HTMLParser):
    """Collects the names of the elements of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert not [key for key, _ in attrs if key.startswith("on")], attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def printed_commands(text: str) -> list[list[str]]:
    """The commands that a text prints for copying, each in its arguments."""
    return [shlex.split(line) for line in text.split("\n") if line.startswith("  snsim ")]


def test_hostile_names_harm_no_page_and_no_command(tmp_path: Path) -> None:
    file = write_hostile(tmp_path)
    for command in (["check", file], ["show", file], ["list"]):
        code, told, warned = snsim(*command)
        assert code == 0 and not steers(told + warned), command
    code, told, warned = snsim("run", file, "--passes", "1", "--out", tmp_path / "runs")
    assert code == 0 and "[red]" in told and not steers(told + warned)
    runs = sorted((tmp_path / "runs").iterdir())
    assert len(runs) == len(HOSTILE)
    plot, *_, show, again = printed_commands(told)
    assert sorted(plot[2:]) == [str(run) for run in runs] and show[2] == again[2] == str(file)
    kept = {"[red]", "<script>alert(1)</script>", "</pre><b>"}
    for run in runs:
        name = json.loads((run / "run.json").read_text())["name"]
        if name not in kept:
            continue
        kept.discard(name)
        code, told, warned = snsim("report", run, "-o", run / "r.html")
        page = Elements()
        page.feed((run / "r.html").read_text())
        assert code == 0 and not page.names & {"script", "b", "red"} and name in page.text, (name, warned)
    assert not kept


def test_hostile_names_keep_the_tables_of_a_study(tmp_path: Path) -> None:
    file = write_hostile(tmp_path)
    code, told, warned = snsim("reproduce", file, "--out", tmp_path / "o", "--jobs", "1")
    assert code == 0 and not steers(told + warned), warned
    page = next((tmp_path / "o").glob("*.md")).read_text()
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")}) == 1, table
    prose = re.sub(r"`+ ?.*?`+(?= \|)", "", re.sub(r"^    .*$", "", page, flags=re.M))
    assert not re.findall(r"(?<!\\)<[a-z/]", prose) and "\\[red\\]" in prose


def test_only_snsim_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours that stand in a name are shown escaped, whether it is painted, beside what is painted, or neither."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    painted = colour.paint("a\x1b[31mb", colour.GREEN, stream=terminal)
    colour.write(f"{painted} \x1b[32mc\n", terminal)
    assert terminal.getvalue() == "\x1b[32ma\\x1b[31mb\x1b[0m \\x1b[32mc\n"
    colour.write(painted, plain := io.StringIO())
    assert plain.getvalue() == "a\\x1b[31mb"
    fault = Fault("no \x1b[7m", Span(Source("\x1b[1mf", "x \x1b[31m y"), 2, 3), hint="\x1b[0m")
    colour.write(colour.painted_fault(fault, terminal), terminal := Terminal())
    assert set(re.findall("\x1b[^m]*m", terminal.getvalue())) == {"\x1b[1;31m", "\x1b[31m", "\x1b[36m", "\x1b[0m"}


@pytest.mark.skipif(shutil.which("iconv") is None, reason="there is no iconv")
@pytest.mark.parametrize("name", ["a.sn", "-l.sn", "it's $x.sn", "\x1b[2J\n.sn", f"{'long' * 50}.sn"])
@pytest.mark.parametrize("encoding", ["utf-16", "latin1"])
def test_the_command_that_a_hint_gives_works(
    name: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes('"\u00e9"'.encode(encoding))
    _, _, warned = snsim("check", "--", name)
    command = re.search("iconv .*", warned)
    assert command is not None and not steers(warned)
    subprocess.run(["bash", "-c", command[0]], capture_output=True, check=True)
    assert Path("NEW.sn").read_text(encoding="utf-8") == '"\u00e9"'
