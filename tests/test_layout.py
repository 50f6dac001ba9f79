"""The layout: what is read stays, a second time changes nothing, and the gallery is laid out so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.errors import Source
from snsim.formatter.format import formatted
from snsim.language.printer import show
from snsim.language.reader import read_forms

ROOT = Path(__file__).resolve().parents[1]
LAID_OUT = sorted([*(ROOT / "nets").rglob("*.sn"), *(ROOT / "examples").rglob("*.sn")])


def forms(text: str) -> list[str]:
    return [show(form) for form, _ in read_forms(Source("<test>", text))]


@pytest.mark.parametrize("path", LAID_OUT, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_gallery_is_laid_out(path: Path) -> None:
    text = path.read_text()
    assert formatted(Source(str(path), text)) == text


BLANKS = st.sampled_from(
    [
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\n  ",
        "\n\n\n",
        " ; a remark\n",
        "\n;; above\n   ",
        "\n\n     ; far\n",
        " ;one\n ;two\n",
        " #? old help\n",
    ]
)
ATOMS = st.sampled_from(
    [
        "x",
        "-",
        "h1",
        "1.50",
        "-3",
        "1e-3",
        '"a text"',
        '"of two \\\nlines"',
        "|Barred x|",
        ":a:b",
        "[1 2]",
        "[[1 2][3  4]]",
        "[f 0.5 1]",
        "[a x (y)]",
        "#[ x (y) #]",
        "[@ 3]",
        "()",
        "net",
        "a-rather-long-name-that-fills-the-line-soon",
    ]
)
HEADS = st.sampled_from(["net", "train", "table", "layer", "connect", "de", "let", "if", "from", "foo", "3", ""])
SIGNS = st.sampled_from(["", "", "", "", "'", "`", "~", "`'"])


@st.composite
def lists(draw: st.DrawFn, parts: st.SearchStrategy[str]) -> str:
    text = draw(SIGNS) + "(" + draw(st.sampled_from(["", "", "", " ", "\n; first\n"])) + draw(HEADS)
    for part in draw(st.lists(parts, max_size=5)):
        text += draw(BLANKS) + part
    return text + draw(st.sampled_from(["", "", "", " ", "\n", " ; last\n"])) + ")"


PROGRAMS = st.lists(st.tuples(BLANKS, st.recursive(ATOMS, lists, max_leaves=12)), max_size=3).map(
    lambda pairs: "".join(blank + form for blank, form in pairs)
)


@settings(max_examples=500, deadline=None)
@given(PROGRAMS, st.sampled_from(["", "\n", " ; the end", "\n\n;;; the end\n"]))
def test_any_program_keeps_its_forms_and_remarks(program: str, end: str) -> None:
    text = program + end
    once = formatted(Source("<test>", text))
    assert forms(once) == forms(text)
    assert formatted(Source("<test>", once)) == once
    assert sorted(remarks(once)) == sorted(remarks(text))
    assert all(line == line.rstrip() for line in once.split("\n") if "\\" not in line)


def remarks(text: str) -> list[str]:
    """The comments; none of the strings and names above has a sign that begins one."""
    return [line[line.index(sign) :].rstrip() for line in text.split("\n") for sign in ("#?", ";") if sign in line]


def test_what_it_makes_of_a_hasty_text() -> None:
    hasty = """;;; hasty
(net  n (layer input (4 4)) ; the picture
   (layer output 2)
     (layer (h1
   h2) (2 2 2) )   (connect input h1 (mask 3 3)(step 1)   )

   ; out
 (connect h1 output (full))
   (connect  (input h2) output   (full) )  ; again
 )
(table t  (x -)
     (- x) )
(train n (data digits)(passes 3)  (update lm (mu 0.05) (gamma 0.05)) (epsilon (steps (5e-4 2) (2e-4 3))) (seed 1 2 3 4)
)"""
    assert (
        formatted(Source("<test>", hasty))
        == """;;; hasty
(net n (layer input (4 4))  ; the picture
  (layer output 2)
  (layer (h1
           h2) (2 2 2)) (connect input h1 (mask 3 3) (step 1))

  ; out
  (connect h1 output         (full))
  (connect (input h2) output (full)))      ; again
(table t (x -)
  (- x))
(train n
  (data digits)
  (passes 3)
  (update lm (mu 0.05) (gamma 0.05))
  (epsilon (steps (5e-4 2) (2e-4 3)))
  (seed 1 2 3 4))
"""
    )


def test_a_text_that_reads_itself_is_left_alone() -> None:
    text = '(printf (read-string "~@"))   plain   text @\n'
    assert formatted(Source("<test>", text)) == text


def test_the_command(tmp_path: Path) -> None:
    def fmt(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "snsim", "fmt", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            input=given.get("text"),
        )

    (tmp_path / "a.sn").write_text("(print   1\n)")
    (tmp_path / "b.sn").write_text("(print 1)\n")
    assert fmt("--check", ".").returncode == 1 and (tmp_path / "a.sn").read_text() == "(print   1\n)"
    assert "+(print 1)" in fmt("--diff", "a.sn").stdout
    assert fmt("a.sn", "b.sn").stdout == "a.sn formatted\n"
    assert (tmp_path / "a.sn").read_text() == "(print 1)\n" and fmt("--check", ".").returncode == 0
    assert fmt("-", text="(  print 2 )").stdout == "(print 2)\n"
    assert fmt("--check", "-", text="(print 2)\n").returncode == 0
    ugly = fmt("--check", "-", text="(  print 2 )")
    assert ugly.returncode == 1 and ugly.stdout == "<stdin> is not formatted: snsim fmt -\n"
    (tmp_path / "c.sn").write_text("(print 1")
    broken = fmt("c.sn")
    assert broken.returncode == 1 and "never closed" in broken.stderr and (tmp_path / "c.sn").read_text() == "(print 1"
