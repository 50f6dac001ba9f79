"""Mutate texts, run folders and data files, and hold snsim to what it promises of any input.

    python tests/fuzz.py --seconds 60 --seed 1 --keep FOLDER

An input fails if a command ends by an exception that is not the project's, tells a fault without its place, takes more
than 2 GB of memory or 10 s of CPU, or writes beside its folder. Input number N of a seed is always the same one,
whatever the time: `--only TARGET:N` runs it again. A failing input is made as small as it can be, and kept with the
command that shows the failure.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contained import BYTES, SECONDS, Containment, Outcome
from data_folder import REFERENCE
from hostile_cases import make_files, read_cases
from random_nets import random_net, random_text
from tiny_run import make_runs

from snsim.language.procedures import Primitive
from snsim.program import lisp_functions
from snsim.runtime.settings import FUNCTIONS, UNSET
from snsim.runtime.settings import NUMBERS as NUMBERS_OF_THE_LIBRARY
from snsim.sn28.net.kernels import KERNELS as KERNEL_TABLE

ROOT = Path(__file__).resolve().parents[1]
MAX = 60_000  # bytes of a text that is mutated
MAIN = "a.sn"

# ---- Texts -------------------------------------------------------------------------------------------------------

NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "0.5",
    "1e9",
    "-1e300",
    "1e400",
    "3e38",
    "1e-400",
    "999999999999999999999",
    "07",
    ".",
    "2147483648",
    "16777217",
    "100",
    "nan",
    "1e",
    "+-1",
)
ATOMS = (
    "()",
    "[]",
    "[1 2]",
    "[[1 2] [3 4]]",
    "nil",
    "t",
    '""',
    '"a"',
    "a",
    ",v",
    ",@l",
    "'x",
    "`(a ,b)",
    "|a b|",
    ":a",
    "#[1]",
    "(full)",
    "(mask 3 3)",
    "(net a)",
    "(layer a 1)",
    '(include "a.sn")',
    "~",
    "\u202e",
    "\x1b",
    "\0",
    "é",
    "𝒳",
    "\r",
    "\f",
    "\n",
    ";",
    "#!",
    "|",
    '"',
    "^x",
    "é" * 300,
    "x" * 3000,
)
_TOKEN = re.compile(r"""\s+|;[^\n]*|"(?:[^"\\\n]|\\.)*"|\|[^|\n]*\||[()\[\]'`,@]|[^\s()\[\]'`,@"|;]+""")


def tokens(text: str) -> list[str]:
    return re.findall(_TOKEN, text) or [text]


def spans(parts: Sequence[str]) -> list[tuple[int, int]]:
    """First and last token of each list of a text."""
    found, opened = [], []
    for number, part in enumerate(parts):
        if part in "([":
            opened.append(number)
        elif part in ")]" and opened:
            found.append((opened.pop(), number))
    return found


def mutate_text(text: str, draw: random.Random, others: Sequence[str], lightly: bool = False) -> bytes:
    """Change a text in one to four places: its tokens, its lists, pieces of another text, or its bytes.

    `lightly`: so that most texts can still be run.
    """
    parts = tokens(text)
    for _ in range(draw.choice((1, 1, 2) if lightly else (1, 1, 1, 2, 2, 4))):
        draw.choice(LIGHT if lightly and draw.random() < 0.8 else CHANGES)(parts, draw, others)
    content = "".join(parts)[:MAX].encode("utf-8", "surrogatepass")
    return mutate_bytes(content, draw) if draw.random() < (0.03 if lightly else 0.15) else content


def _at(parts: Sequence[str], draw: random.Random, kind: Callable[[str], bool] = lambda part: True) -> int:
    places = [number for number, part in enumerate(parts) if kind(part)]
    return draw.choice(places) if places else draw.randrange(max(1, len(parts)))


def _set_number(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    parts[_at(parts, draw, lambda part: part[0].isdigit() or part[0] in "-.")] = draw.choice(NUMBERS)


def _set_atom(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    parts[_at(parts, draw, lambda part: not part.isspace() and part not in "()[]")] = draw.choice(ATOMS)


def _swap_words(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    one, other = (_at(parts, draw, lambda part: part[0].isalpha()) for _ in range(2))
    parts[one], parts[other] = parts[other], parts[one]


def _borrow_word(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    words = [part for part in tokens(draw.choice(others)[:5000]) if part[0].isalpha()]
    if words:
        parts[_at(parts, draw, lambda part: part[0].isalpha())] = draw.choice(words)


def _of_list(parts: list[str], draw: random.Random) -> tuple[int, int]:
    found = spans(parts)
    return draw.choice(found) if found else (0, len(parts) - 1)


def _delete_list(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    first, last = _of_list(parts, draw)
    del parts[first : last + 1]
    parts or parts.append(" ")


def _repeat_list(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    first, last = _of_list(parts, draw)
    parts[last + 1 : last + 1] = [" ", *parts[first : last + 1]] * draw.choice((1, 1, 2, 50))


def _move_list(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    first, last = _of_list(parts, draw)
    piece = parts[first : last + 1]
    place, end = _of_list(parts, draw)
    parts[place : end + 1] = piece


def _borrow_list(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    theirs = tokens(draw.choice(others)[:20_000])
    first, last = _of_list(theirs, draw)
    place, end = _of_list(parts, draw)
    parts[place : place if draw.random() < 0.5 else end + 1] = [*theirs[first : last + 1], " "]


def _wrap(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    first, last = _of_list(parts, draw)
    times = draw.choice((1, 1, 1, 10, 300, 600))
    parts.insert(last + 1, draw.choice((")", "]", " x)", " 1)")) * times)
    parts.insert(first, draw.choice(("(", "[", "'(", "(list ", "(+ 1 ", "(progn ", "(-x ")) * times)


def _drop_token(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    del parts[_at(parts, draw)]
    parts or parts.append(" ")


def _cut(parts: list[str], draw: random.Random, others: Sequence[str]) -> None:
    del parts[_at(parts, draw) + 1 :]


CHANGES = (
    _set_number,
    _set_number,
    _set_number,
    _set_atom,
    _set_atom,
    _swap_words,
    _borrow_word,
    _borrow_word,
    _delete_list,
    _repeat_list,
    _move_list,
    _borrow_list,
    _borrow_list,
    _wrap,
    _drop_token,
    _cut,
)
LIGHT = (_set_number, _set_number, _set_number, _set_number, _delete_list, _repeat_list)


# ---- Bytes -------------------------------------------------------------------------------------------------------


def mutate_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip bits, set, cut, double and insert bytes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(7)
        if kind < 2 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 2 and at < len(data):
            data[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 3:
            del data[at : at + draw.choice((1, 4, 100))]
        elif kind == 4:
            data[at:at] = data[at : at + draw.choice((1, 8, 200))] * draw.choice((1, 1, 20))
        elif kind == 5:
            data[at:at] = bytes(draw.randrange(256) for _ in range(draw.choice((1, 4, 8))))
        elif len(data) > 8:
            at = min(at, len(data) - 4)
            data[at : at + 4] = draw.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0"))
    return bytes(data)


# ---- Targets -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """Files, and a command on them."""

    files: dict[str, bytes]
    command: tuple[str, ...]
    changed: str  # the file that was mutated
    runs: str = ""  # the run folder that is there too, before the files are written


_CLAUSES = (
    "(batch 2)",
    "(batch all sum)",
    "(theta 0.1)",
    "(dropout 0.2 l0)",
    "(input-noise 0.1)",
    "(order shuffled)",
    "(stage (prune 0.2) (passes 1))",
    "(forget-inv 2.4)",
    "(constant 0.1)",
    "(seed 1 2)",
    "(ensemble 0 2)",
    "(test-set 1 3)",
    "(epsilon 0.001 l1)",
    "(stage (epsilon 0.01 l1) (passes 1))",
    '(note "x")',
    "(correct hamming 0.5)",
    "(correct sgn 0 0)",
    "(cost mean-square)",
    "(cost thlms 0.5)",
    "(fan-in lines)",
)
_RULES = (
    "sgd",
    "sgd (alpha 0.9) (decay 0.01)",
    "lm (mu 0.05) (gamma 0.05)",
    "newton (mu 0.1)",
    "adamw",
    "conjugate-gradient",
    "lm (mu 0.02) (curvature 3)",
)


def random_training(seed: int) -> str:
    """A net of random_nets.py with a training of one pass over four patterns."""
    draw = random.Random(seed)
    net = random_net(seed)

    def matrix(units: int) -> str:
        return (
            "["
            + " ".join("[" + " ".join(f"{draw.uniform(-1, 1):.1f}" for _ in range(units)) + "]" for _ in range(4))
            + "]"
        )

    rule = draw.choice(_RULES)
    rate = "" if rule.startswith("conj") else " (epsi-inv 0.1)"
    batch = " (batch all sum)" if rule.startswith("conj") else ""
    clauses = [clause for clause in draw.sample(_CLAUSES, draw.randrange(4)) if not (batch and "batch" in clause)]
    return (
        f"{random_text(seed)}\n(train random (data (examples {matrix(net.layers[0].units)} "
        f"{matrix(net.layers[-1].units)}))\n  (update {rule}){rate}{batch} {' '.join(clauses)} (passes 1))\n"
    )


class Corpus:
    """What is mutated."""

    def __init__(self, folder: Path):
        texts = [
            path
            for name in ("nets", "examples/sn28", "tests/nets", "tests/errors", "tests/hostile/files")
            for path in sorted((ROOT / name).rglob("*.sn"))
        ]
        self.declared = [path.read_text(encoding="utf-8") for path in texts if "sn28" not in path.parts]
        self.acting = [path.read_text(encoding="utf-8") for path in texts if "sn28" in path.parts]
        if REFERENCE is not None:
            programs = sorted((REFERENCE / "sn28-programs").glob("*.sn"))
            self.acting += [path.read_text(encoding="utf-8") for path in programs]
        self.runs = make_runs(folder / "runs")
        self.declared += [(self.runs / "tiny.sn").read_text()]
        self.small = [self.declared[-1], *map(random_training, range(60))]
        self.arrays = self._array_files(folder)
        self.all = self.declared + self.acting
        self.words = sorted(
            (entry.name, primitive.least, primitive.most)
            for entry in lisp_functions()
            if isinstance(primitive := getattr(entry.value, "primitive", entry.value), Primitive)
        )

    @staticmethod
    def _array_files(folder: Path) -> list[tuple[str, str, bytes]]:
        """Name, text that reads it, and content: of the cases of the corpus that have a file of numbers. Those that
        are read are in it many times."""
        found = []
        for case in read_cases():
            if case.kind == "arrays" and case.command[0] == "run":
                place = folder / "arrays"
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make_files(place, case.files)
                for path in sorted(place.iterdir()):
                    if (
                        path.suffix != ".sn"
                        and path.name != "t.mat"
                        and path.is_file()
                        and not path.is_symlink()
                        and 0 < path.stat().st_size < MAX
                        and (place / MAIN).is_file()
                    ):
                        found += [(path.name, (place / MAIN).read_text(), path.read_bytes())] * (1 if case.code else 8)
        return found


def _text_target(*commands: str) -> Callable[[Corpus, random.Random], Input]:
    def make(corpus: Corpus, draw: random.Random) -> Input:
        text = mutate_text(draw.choice(corpus.all), draw, corpus.all)
        return Input({MAIN: text}, tuple(draw.choice(commands).split(" ")), MAIN)

    return make


def _reader(corpus: Corpus, draw: random.Random) -> Input:
    """Text that has less to do with a program: for the reader alone."""
    if draw.random() < 0.3:
        signs = "()[]'`,@|\";#.:-+ \n\t0123456789eaxé\u202e\0\\"
        text = "".join(draw.choice(signs) for _ in range(draw.randrange(200))).encode()
    else:
        text = mutate_bytes(draw.choice(corpus.all).encode()[:4000], draw)
    return Input({MAIN: text}, ("show", MAIN, "--stage", "forms", "--seconds", "5"), MAIN)


def _run(corpus: Corpus, draw: random.Random) -> Input:
    text = mutate_text(draw.choice(corpus.small), draw, corpus.small, True)
    engine = draw.choice(("native", "native", "reference"))
    more = ("--dtype", "float64") if draw.random() < 0.3 else ()
    return Input(
        {MAIN: text},
        (
            "run",
            MAIN,
            "--passes",
            "1",
            "--quiet",
            "--offline",
            "--seconds",
            "5",
            "--megabytes",
            "20",
            "--engine",
            engine,
            *more,
        ),
        MAIN,
    )


def _sn28(corpus: Corpus, draw: random.Random) -> Input:
    text = mutate_text(draw.choice(corpus.acting), draw, corpus.all, True)
    return Input({MAIN: text}, ("run", MAIN, "--quiet", "--offline", "--seconds", "4", "--megabytes", "20"), MAIN)


_PRELUDE = """(libload "sn28/sn28new")
(seed 1)
(setq pattern-matrix [[-1 -1] [1 -1] [-1 1] [1 1]])
(setq desired-matrix [[-1] [1] [1] [-1]])
(ensemble 0 2)
(test-set 3 3)
(alloc-net 10 20)
(build-net '((in 2) (hidden 2) (out 1)) '((in hidden) (hidden out)))
(forget 1)
(epsi 0.3)
(defvar m (copy-matrix [[1 2] [3 4]]))
(defvar v [1 2 3])
(defvar long (range 1 300))
(defvar o (array 2))
(o 0 '(a))
(defclass kind object first second)
(defvar object-of (new kind))
(de f (x) (* 2 x))
(defvar cb (new-codebook 4 2))
(new-window 0 0 99 99 "w")
"""
KERNELS = sorted(KERNEL_TABLE)
VARIABLES = (*NUMBERS_OF_THE_LIBRARY, *FUNCTIONS, *UNSET, "m", "in", "out")
_VALUES = (  # of each kind that an argument can have
    "()",
    "t",
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "3",
    "7",
    "100",
    "1e300",
    "-1e300",
    "3e38",
    "1e-300",
    "2147483648",
    '""',
    '"a"',
    '"f"',
    '"%d %s"',
    '"1.5"',
    "'a",
    "'in",
    "'(1 2)",
    "'(a b)",
    "'(1 . 2)",
    "'((1 2) (3 4))",
    "'(())",
    "in",
    "hidden",
    "out",
    "net-struc",
    "m",
    "v",
    "long",
    "o",
    "object-of",
    "kind",
    "f",
    "(lambda (x) x)",
    "(lambda () 1)",
    "cb",
    "pattern-matrix",
    "desired-matrix",
    "(matrix 2 2 2)",
    "(matrix 1)",
    "(int-matrix 2)",
    "[[1 2 3]]",
    "(nlf-tanh 1 1)",
    "car",
    "window",
    "(- 1e300 (* 9 1e299))",
    "age",
    "pre-syn",
    "'pattern-matrix",
    "(htable)",
    '"(a|b)+"',
    "(lambda (x) x)",
    "'(0 0 9 9)",
    "object",
    "'((a . 1))",
)


def _calls(corpus: Corpus, draw: random.Random) -> Input:
    """Words of SN-2.8 and of the Lisp with arguments of any kind, after variables of the library with any value."""
    lines = []
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        lines.append(f"(setq {draw.choice(VARIABLES)} {draw.choice(_VALUES)})")
    for _ in range(draw.choice((1, 1, 2, 3))):
        name, least, most = draw.choice(corpus.words)
        number = draw.randint(least, least + 3 if most is None else most)
        wild = [draw.choice(_VALUES[3:15] if draw.random() < 0.4 else _VALUES) for _ in range(number)]
        lines.append(f"({name}{''.join(' ' + value for value in wild)})")
    text = _PRELUDE.replace("sn28new", draw.choice(KERNELS)) + "\n".join(lines) + "\n"
    return Input(
        {MAIN: text.encode()}, ("run", MAIN, "--quiet", "--offline", "--seconds", "4", "--megabytes", "20"), MAIN
    )


def _runs(corpus: Corpus, draw: random.Random) -> Input:
    """Damages of tests/damaged_runs.py, as files that differ from those of the run; then bytes of one file."""
    name = draw.choice(("tiny", "one"))
    path = draw.choice([path for path in sorted((corpus.runs / name).rglob("*")) if path.is_file()])
    relative = path.relative_to(corpus.runs).as_posix()
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl", ".sn") and draw.random() < 0.6:
        content = mutate_text(content.decode(), draw, [content.decode(), *corpus.declared])
    else:
        content = mutate_bytes(content, draw)
    command = draw.choice(
        (
            f"report {name}",
            f"reject {name}",
            f"plot curves {name} -o c.svg",
            f"plot weights {name} -o w.svg",
            f"run --resume {name} --quiet",
            f"plot maps {name} -o m.svg",
        )
    )
    return Input({relative: content}, tuple(command.split(" ")), relative, name)


def _data(corpus: Corpus, draw: random.Random) -> Input:
    name, text, content = draw.choice(corpus.arrays)
    changed = mutate_bytes(content, draw)
    files = {MAIN: text.encode(), name: changed, "t.mat": b".MAT 2 4 1\n1 -1 1 -1\n"}
    more = ("--initial", name) if name.startswith("w.") else ()
    return Input(files, ("run", MAIN, "--passes", "1", "--quiet", "--offline", *more), name)


TARGETS: dict[str, Callable[[Corpus, random.Random], Input]] = {
    "reader": _reader,
    "check": _text_target(f"check {MAIN} --seconds 5"),
    "show": _text_target(
        *(f"show {MAIN} --seconds 5{more}" for more in ("", " --stage net", " --stage plan", " --stage llvm"))
    ),
    "fmt": _text_target(f"fmt {MAIN}", f"fmt {MAIN} --check"),
    "run": _run,
    "sn28": _sn28,
    "calls": _calls,
    "runs": _runs,
    "data": _data,
}


# ---- Judging -----------------------------------------------------------------------------------------------------

_HEAD = re.compile(r"^(?P<place>.+?:\d+:\d+: )?error: (?P<message>.*)$", re.M)
_WHOLE = re.compile(r"^and [\d,]+ more faults?|declares no training")  # of a text as a whole


def failure(given: Input, outcome: Outcome) -> str:
    """What is wrong with the end of a command, in one line; empty if nothing is."""
    if outcome.code == 70 or "Traceback (most" in outcome.text:
        trace = outcome.err.strip().split("\nThis is a fault")[0].strip().split("\n")
        where = [line.strip() for line in trace if line.startswith("  File")]
        return f"exception: {trace[-1][:100]} in {re.sub(r'.*snsim/', '', where[-1]) if where else '?'}"
    if outcome.code == -24:
        return f"more than {SECONDS} s of CPU"
    if outcome.code == -14:
        return "waits without end"
    if outcome.code < 0 or outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code}"
    if outcome.bytes > BYTES:
        return f"{outcome.bytes >> 20} MB"
    if "Warning:" in outcome.err:
        return f"warning of Python: {outcome.err.strip()[-100:]}"
    heads = list(_HEAD.finditer(outcome.err))
    if outcome.code and not heads and given.command[0] != "fmt":
        return "fails without a fault"
    for head in heads:
        names = (given.changed, given.changed.rsplit("/")[0], Path(given.changed).name)
        if (
            not head["place"]
            and not any(name in head["message"] for name in names)
            and not _WHOLE.search(head["message"])
        ):
            return f"fault without a place: {head['message'][:100]}"
    return ""


class Fuzzer:
    """Runs inputs in contained processes, one at a time."""

    def __init__(self, seed: int, folder: Path, server: Containment):
        self.seed, self._server = seed, server
        self.corpus = Corpus(folder)
        self._place = folder / "box" / "here"

    def input(self, target: str, number: int) -> Input:
        return TARGETS[target](self.corpus, random.Random(f"{self.seed} {target} {number}"))

    def judge(self, given: Input) -> str:
        """Why the input fails; empty if it does not."""
        shutil.rmtree(self._place.parent, ignore_errors=True)
        self._place.mkdir(parents=True)
        if given.runs:
            shutil.copytree(self.corpus.runs / given.runs, self._place / given.runs)
        for name, content in given.files.items():
            path = self._place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        why = failure(given, self._server.run(given.command, self._place))
        beside = [path.name for path in self._place.parent.iterdir() if path.name != "here"]
        return why or (f"writes beside its folder: {beside}" if beside else "")

    def smaller(self, given: Input, why: str, most: int = 150) -> Input:
        """A smaller input that fails in the same way, found with at most so many runs."""
        kind = _kind(why)
        content = given.files[given.changed]
        text = given.changed.endswith((".sn", ".json", ".jsonl"))
        parts: list[bytes] = (
            [part.encode("utf-8", "surrogateescape") for part in tokens(content.decode("utf-8", "surrogateescape"))]
            if text
            else [content[at : at + 1] for at in range(len(content))]
        )
        size = max(1, len(parts) // 2)
        while size and most:
            at = 0
            while at < len(parts) and most:
                fewer = parts[:at] + parts[at + size :]
                tried = Input({**given.files, given.changed: b"".join(fewer)}, given.command, given.changed, given.runs)
                most -= 1
                if _kind(self.judge(tried)) == kind:
                    parts, given = fewer, tried
                else:
                    at += size
            size //= 2
        return given


def _kind(why: str) -> str:
    """The failure without its numbers and names, so that each is told once."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "", why)


def keep(folder: Path, name: str, given: Input, why: str, corpus: Corpus) -> None:
    """Write a failing input into a folder of its own, with what to do with it."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if given.runs:
        shutil.copytree(corpus.runs / given.runs, place / given.runs)
    for path, content in given.files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
    (place / "README").write_text(f"{why}\n\ncd {place} && python -m snsim {' '.join(given.command)}\n")


def fuzz(
    seconds: float,
    seed: int,
    kept: Path | None,
    targets: Sequence[str],
    only: int | None = None,
    first: int = 0,
    most: float = float("inf"),
) -> int:
    """Run inputs of the targets in turn until the time is over, or `most` of each were run; print figures; return the
    number of failures."""
    counts, seen = dict.fromkeys(targets, 0), dict[str, int]()
    with tempfile.TemporaryDirectory() as place, Containment(Path(place) / "cache") as server:
        fuzzer = Fuzzer(seed, Path(place), server)
        end, number = time.monotonic() + seconds, first if only is None else only
        while time.monotonic() < end and (number < first + most if only is None else number == only):
            for target in targets:
                given = fuzzer.input(target, number)
                counts[target] += 1
                why = fuzzer.judge(given)
                if not why:
                    continue
                seen[_kind(why)] = seen.get(_kind(why), 0) + 1
                if seen[_kind(why)] > 1:
                    continue
                print(
                    f"FAILED {target}:{number}: {why}\n  again: python tests/fuzz.py --seed {seed} "
                    f"--only {target}:{number}",
                    flush=True,
                )
                small = fuzzer.smaller(given, why)
                print(
                    f"  snsim {' '.join(small.command)}   with {small.changed}: {small.files[small.changed][:300]!r}",
                    flush=True,
                )
                if kept is not None:
                    keep(kept, f"{target}-{seed}-{number}", small, why, fuzzer.corpus)
            number += 1
    figures = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    print(
        f"seed {seed}: {sum(counts.values()):,} inputs ({figures}); {sum(seen.values())} failures of {len(seen)} kinds"
    )
    for kind, count in seen.items():
        print(f"  {count} x {kind}")
    return sum(seen.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that fail")
    parser.add_argument("--target", choices=list(TARGETS), action="append", help="one target; may be repeated")
    parser.add_argument("--only", metavar="TARGET:N", help="one input")
    given = parser.parse_args()
    if given.only:
        target, _, number = given.only.partition(":")
        return int(fuzz(600, given.seed, given.keep, [target], int(number)) > 0)
    return int(fuzz(given.seconds, given.seed, given.keep, given.target or list(TARGETS), None, given.first) > 0)


if __name__ == "__main__":
    sys.exit(main())
