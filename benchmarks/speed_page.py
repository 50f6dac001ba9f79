"""Write the page docs/results/speed.md from the rows of all benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rows import goal_text, is_met, ratio_text, time_text

TITLES = {
    "per_example": "One example at a time",
    "per_example, 2 threads": "One example at a time, PyTorch with two threads",
    "batch": "Batches of 64",
    "batch, 2 threads": "Batches of 64, two threads",
    "seeds": "Many seeds",
    "start": "Start, and whole runs",
    "scaling": "Time against size",
    "page": "In a page",
    "sn28": "Programs of SN-2.8",
    "lush_modules": "LeNet-5 of modules of gblearn2",
}
EXPLAINED = {
    "per_example": "Microseconds for each presentation: forward pass, backward pass, update of all weights.",
    "per_example, 2 threads": "The same by the clock. snsim learns one example at a time on one core, and the limit is "
    "that of one core.",
    "batch": "Microseconds for each pattern, in float32 if not stated otherwise.",
    "batch, 2 threads": "The same by the clock. The limit is that of both threads.",
    "seeds": "Several seeds of one training, each learning one example at a time: the native engine on one core, one "
    "seed after the other, beside the torch engine with all seeds at once (`--together`).",
    "start": "CPU time of commands. The limit is Python with NumPy; for the net of 1989 it is learning alone.",
    "scaling": "Microseconds for each presentation, from 10^3 to 10^7 connections. Windows with weights of their own "
    "and listed connections have no layer in PyTorch.",
    "page": "Microseconds for each presentation in WebAssembly. The limit is that of the JavaScript engine.",
    "sn28": "Microseconds for each presentation of the net of 1989 by programs of 1991. The original's times were "
    "recorded on one core of a Xeon of 2.5 GHz.",
    "lush_modules": "Microseconds for each presentation of a program of Lush. The original's times were recorded on "
    "one core of an AMD EPYC.",
}
HEAD = ("net or command", "what", "time", "fastest rival", "its time", "faster", "limit", "time / limit", "goal")


def page(data: Mapping[str, Any]) -> str:
    """Return the page: question, answer, a table for each benchmark, how sure, command."""
    benchmarks = data["benchmarks"]
    parts = [
        "# Speed\n",
        "How fast does snsim learn, beside PyTorch and beside what the processor allows?\n",
        answer(benchmarks) + "\n",
        f"Measured on one or two cores of: {data['processor']}."
        + (" This was a short run (`--quick`): its figures are rough." if data.get("quick") else "")
        + "\n",
    ]
    for made in benchmarks:
        parts += [f"## {TITLES[made['name']]}\n", EXPLAINED[made["name"]] + "\n", table(made["rows"])]
        parts += [f"- {line}" for line in notes(made["rows"])]
        parts += ["" if parts[-1].startswith("- ") else None, f"    {made['command']}\n"]
    parts += ["## Goals that are missed\n", missed(benchmarks), HOW_SURE]
    return "\n".join(part for part in parts if part is not None)


HOW_SURE = """## How sure

All contenders of a table run in turn in one process, many rounds of all of them, and the least time of each counts. So
a ratio holds on a busy machine too; a time is that of this processor. One thread is measured by CPU time, two by the
clock. Times of learning differ by some 3 % from run to run, those of commands by 5 %. Before anything is timed, the
contenders must compute the same weights: within 1e-4 after ten presentations, within 2e-4 after two batches.

The limit of a net is the greater of two times. One is that of its multiply-adds, at the rate that this processor
reaches with numbers in registers alone. 2 FLOP for each connection forward, 2 for the gradient, 2 for the error of its
source unless that is the input, 2 for the update of each weight; `lm` does the backward part twice. The other is that
of reading all weights once forward, and reading and writing them once backward. Both are measured in the same rounds.

PyTorch is the same net by hand (`benchmarks/by_hand.py`), eager and with `torch.compile`, with `torch.optim.SGD`.
A row is to be 1.1 times faster than PyTorch, and 1.5 times wherever that is at most 0.85 of the limit. Other goals are
those that were set for the row.

## Command

    make bench

It measures all of this in about a quarter of an hour, and writes this page from `docs/results/data/benchmarks.json`.
`make bench BENCH_ARGS=--quick` is a run of some minutes.
"""


def answer(benchmarks: Iterable[Mapping[str, Any]]) -> str:
    """Return the answer in a sentence or two."""
    by_name = {made["name"]: [r for r in made["rows"] if "failed" not in r] for made in benchmarks}
    sentences = []
    alone = torch_ratios(by_name.get("per_example", []))
    if alone:
        sentences.append(
            f"One example at a time, snsim learns {ratio_text(min(alone))} to {ratio_text(max(alone))} times as fast "
            "as PyTorch on one core."
        )
    in_batches = [r for r in by_name.get("batch", []) if "float64" not in r["what"]]
    for what, verb in (("learn", "learns"), ("evaluate", "evaluates")):
        ratios = torch_ratios([r for r in in_batches if r["what"].startswith(what)])
        if ratios:
            sentences.append(
                f"In batches of 64, it {verb} {ratio_text(min(ratios))} to {ratio_text(max(ratios))} times as fast."
            )
    judged = [r for rows in by_name.values() for r in rows if r["goal"] and is_met(r) is not None]
    met = sum(is_met(r) is True for r in judged)
    sentences.append(f"{met} of {len(judged)} rows with a goal reach it.")
    return " ".join(sentences)


def torch_ratios(rows: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return, for each row with PyTorch among its rivals, the time of the fastest PyTorch divided by that of snsim."""
    ratios = []
    for made in rows:
        times = [time for rival, time in made["rivals"].items() if rival.startswith("PyTorch")]
        if times:
            ratios.append(min(times) / made["time"])
    return ratios


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table of Markdown, with a column of notes where rows have different ones."""
    measured = [made for made in rows if "failed" not in made]
    ends = [(made["note"] or "-",) if has_column_of_notes(rows) else () for made in measured]
    lines = [(*HEAD, *(("note",) if has_column_of_notes(rows) else ()))]
    lines.append((":--", ":--", "--:", ":--", "--:", "--:", "--:", "--:", ":--", ":--")[: len(lines[0])])
    lines += [(*line_of(made), *end) for made, end in zip(measured, ends)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def has_column_of_notes(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({made["note"] for made in rows if "failed" not in made} - {""}) > 1


def line_of(made: Mapping[str, Any]) -> tuple[str, ...]:
    unit, rival = made["unit"], made["rival"]
    return (
        made["name"],
        made["what"],
        time_text(made["time"], unit),
        "-" if rival is None else rival,
        "-" if rival is None else time_text(made["rivals"][rival], unit),
        ratio_text(made["faster"]),
        "-" if made["limit"] is None else time_text(made["limit"], unit),
        ratio_text(made["over_limit"]),
        goal_text(dict(made)),
    )


def notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the table does not show: other rivals, rivals that could not run, rows that failed, and notes."""
    lines: list[str] = []
    groups: dict[str, list[str]] = {}
    for made in rows:
        name = f"{made['name']}, {made['what']}"
        if "failed" in made:
            lines.append(f"{name}: not measured: {made['failed']}")
            continue
        others = [
            f"{rival} {time_text(time, made['unit'])}"
            for rival, time in made["rivals"].items()
            if rival != made["rival"]
        ]
        if others:
            lines.append(f"{name}: also {', '.join(others)}")
        for rival, why in made["absent"].items():
            groups.setdefault(f"{rival} could not run: {why}", []).append(name)
        if made["note"] and not has_column_of_notes(rows):
            groups.setdefault(made["note"], []).append(name)
    for sentence, names in groups.items():
        which = "all rows" if len(names) == len(rows) and len(rows) > 1 else "; ".join(names)
        lines.append(f"{which}: {sentence}")
    return lines


def missed(benchmarks: Iterable[Mapping[str, Any]]) -> str:
    """Return the list of the rows that miss a goal, with the figures, or a sentence that there is none."""
    lines = []
    for made in benchmarks:
        for line in made["rows"]:
            if "failed" not in line and line["goal"] and is_met(line) is False:
                figures = [f"{time_text(line['time'], line['unit'])}"]
                figures += [f"{ratio_text(line['over_limit'])} times the limit"] if line["over_limit"] else []
                figures += [f"{ratio_text(line['faster'])} times as fast as the rival"] if line["faster"] else []
                lines.append(f"- {line['name']}, {line['what']}: {', '.join(figures)}. Goal: {goal_text(dict(line))}.")
                lines += [f"  - tried: {sentence}" for sentence in TRIED.get((line["name"], line["what"]), ())]
    return ("\n".join(lines) if lines else "There is none.") + "\n"


# What was tried for a row that misses its goal, by name and what.
_START = (
    "importing the words of SN-2.8, readers, numpy.random, difflib and tempfile only when needed: kept, 14 % less",
    "frozen data classes whose methods are closures, only `__init__` compiled: 15 % less, not kept: they would "
    "be classes of our own beside those of the standard library",
    "no look for garbage at the end of the process, and none of the objects of the start: kept, 15 % less",
    "the name of the platform without a process: kept, 2 % less",
)
# Sums, tiles and schedules that keep the bits, for nets of windows that learn one pattern at a time.
_WINDOWS = (
    "LLVM's code generation at level 3 or 1 in place of 2, without its scheduler, or with a second one at the end: "
    "within noise; with its scheduler for parallel instructions 12 to 30 % slower",
    "tiles of four maps by six positions, or eight by two, in place of four by four: within 1 %",
    "gradients of two or eight maps at a time in place of four, errors in one chain of sums in place of two: within "
    "noise, or up to 10 % slower with `lm`",
    "four or sixteen positions in registers in place of eight, at the first layer of windows: 5 and 6 % slower",
)
# Of code for JavaScript engines.
_IN_A_PAGE = (
    "loads kept beside their use, offsets inside the loads, tiles of three vectors by four positions: kept, a "
    "third less in Chromium 150 and Node 24 (18.0 to 12.1 us of CPU), but only 5 % in Node 20, whose compiler "
    "moves the sums behind all loads again",
    "gradient tiles of two maps by five vectors in place of two by two: within noise",
    "each number loaded again for every product that needs it, by volatile loads: no gain",
    "loops over sums that were written out, at whose ends the sums are complete: kept, 16.4 to 13.2 us in Node 20",
)
TRIED: Mapping[tuple[str, str], Sequence[str]] = {
    ("lecun89, lm", "learn, one at a time"): (
        "a Newton step in place of each division: no gain",
        "a Newton step in place of every second division: 4 % faster, but not safe for extreme curvatures",
        "an estimated reciprocal without refinement: 8 % faster, not exact enough; no division at all would gain 9 %",
        *_WINDOWS,
    ),
    ("lecun89-2022", "learn, one at a time"): (
        *_WINDOWS,
        "where the time goes: the windows of h2 take 60 %. Their rows of 2.5 vectors take the place of 3, which only "
        "another order of the sums, and so other bits, could use",
    ),
    ("lenet-5", "learn, one at a time"): (
        "tiles of six by four vectors in windows: within noise",
        "errors of pooling sent straight to the layer, biases of few maps added up in whole vectors where their errors "
        "are computed, and spread in whole vectors: kept, 6 % less",
        "gradients of all 25 cells of a window of c1 at a time in place of 15: up to 7 % slower; of 13: within noise",
        "whole vectors stored in place of six numbers in the sums of pooling: within noise",
        *_WINDOWS[:3],
        "where the time goes: c3 takes 44 %, and computes the 36 pairs of maps that its table lacks with the other 60",
    ),
    ("lenet-5", "learn, batches of 64"): (
        "the steps for one pattern at a time (pooling, biases): kept, 6 % less",
        "as many patterns at a time as fill 1.3, 5 or 10 MB in place of 2.6: within noise",
        "tiles of eight patterns in place of four: within noise",
    ),
    ("784-300-10", "evaluate, batches of 64"): (
        "two threads with eight pieces for both in place of one for each: kept, 2.5 to 3.1 us by the clock in place of "
        "2.9 to 3.2; on busy cores a fifth of all calls took at most 5.6 to 14.5 us in place of 9.8 to 19.9",
        "on busy cores a thread begins late, or loses its core with a piece in its hands, and the other one waits: a "
        "median of 11 to 22 us, with one thread 4.7. Then one thread for a second or longer: kept, on busier cores a "
        "median of 20.7 us, with one thread 17.1",
        "a thread without work that stays awake for 2 ms: within noise",
    ),
    ("784-1000-10", "learn, batches of 64"): (
        "weights of the next tile fetched ahead in the sums: kept, 4 % less",
        "parts of 2 or 8 KB of a row in place of 4, groups of 4 or 16 tiles in place of 8: within noise",
        "errors of 64 or 256 units summed in registers in place of 128: within noise",
    ),
    ("3157-3157-10", "evaluate, batches of 64"): (
        "weights of the next tile fetched ahead in the sums: kept, 2.5 % less",
        "parts of 2 or 8 KB of a row in place of 4: within noise",
        "groups of 4 or 16 tiles in place of 8: within noise",
    ),
    ("3157-3157-10", "evaluate, batches of 64, float64"): (
        "parts of 2 KB of a row in place of 4: kept, 3 % less; of 1, 2.5 or 3 KB: at most 2 % less",
        "groups of 12, 16 or 32 tiles in place of 8: within noise, or up to 3 % slower",
        "tiles of eight patterns by two units in place of four by six: 17 % slower",
    ),
    ("784-1000-10", "learn, batches of 64, float64"): (
        "gradient tiles of 6x4, 8x3, 5x5, 4x5 and 2x12 vectors: none faster beyond noise",
        "fetching the weights of the gradient ahead: kept, 6 % faster",
        "huge pages: no clear gain",
    ),
    ("windows, 160 maps", "learn, batches of 64"): (
        "the gradient of a few vectors of the windows for all maps before the next vectors, so that the states stay in "
        "the first cache, in tiles of six maps by four vectors: kept, up to 20 % less",
        "tiles of 5x5, 4x5, 4x6, 6x3, 7x3, 8x3 and 12x2 in place of 6x4: within noise, or up to 5 % slower",
        "errors of all patterns by a part of the weights before the next part, the next sums of the gradient fetched "
        "ahead: kept, 4 % less on a busy machine",
        "twice, four times and eight times as many patterns at a time: within noise",
        "the block of numbers on huge pages: within noise, as NumPy puts large blocks on them",
    ),
    ("snsim check nets/xor.sn", "CPU time, start to end"): _START,
    ("snsim run nets/xor.sn", "CPU time, start to end"): _START,
    ("net of 1989, 23 passes, both sets scored", "CPU time, start to end"): (
        "evaluation over threads: less clock time, the same CPU time",
        "data kept in a worker between runs, and fewer imports: kept, 6 % together",
        "fewer looks for garbage: kept; together with faster data classes, which are not kept, 8 % less",
        "code that learns and evaluates compiled once: kept, 1 % less",
        "one pattern in each lane for the first layers of an evaluation: 11 % less of its time, not kept: it needs a "
        "module of its own, which takes 0.1 s to compile, and 390 lines",
        "where the time goes: learning takes 0.82 s, the scores of both sets 0.43 s, and the rest 0.3 s, of which most "
        "is Python's imports",
    ),
    ("net of 1989, 8 seeds by snsim reproduce", "CPU time, start to end"): (
        "the engine kept in a worker for the next seed, each run read once for its line and once for the report, its "
        "files checked faster: kept, 3 % together",
        "fewer looks for garbage in the workers too: kept; together with faster data classes, which are not, 3 % less",
    ),
    ("a pass over the 4 patterns of XOR", "CPU time"): (
        "addresses, targets and signs computed once, and the log written without json: kept, a quarter less",
        "no event of progress at the end of a pass: 3 us less, not kept, as an interrupt would wait for the scores",
        "arguments of compiled code passed without looking at their types: within noise",
        "no work for gates and noise where there are none, one write a line, no search for colours: kept, a fifth less",
    ),
    ("lecun89-2022", "learn in a page, sgd, Node"): _IN_A_PAGE,
    ("lecun89-2022", "learn in a page, sgd, Chromium"): _IN_A_PAGE,
}
