"""Damage run folders in every way that a disk, a person or an attacker might; used by test_damage.py.

python tests/damaged_runs.py 1 4000        damages 1 to 4000, each held against every reader of a run folder
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_run import make_runs, snsim

FILES = (
    "run.json",
    "passes.jsonl",
    "checkpoint.safetensors",
    "weights.safetensors",
    "best.safetensors",
    "source/tiny.sn",
)
TENSOR_FILES = ("checkpoint.safetensors", "best.safetensors")
JSON_FILES = ("run.json", "passes.jsonl", *TENSOR_FILES)
KEEP = "(keep best test-misses)"  # so that there is best.safetensors
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    3,
    2.5,
    1e300,
    10**30,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\0b",
    "\x1b[2J",
    "../..",
    "/etc/passwd",
    "é" * 300,
    [],
    [[]],
    {},
    {"": None},
    ["x"],
    "tiny",
    "torch",
    "float64",
    "\ud800",
)


def readers(run: Path) -> list[tuple[str, ...]]:
    """Every command that reads a run folder; each page and picture goes into the folder itself."""
    out = str(run / "out.svg")
    pictures = [
        ("plot", name, str(run), "-o", out)
        for name in ("curves", "weights", "maps", "misses", "confusion", "rejection", "net", "table")
    ]
    texts = [("plot", name, str(run), "--text") for name in ("curves", "weights", "misses")]
    return [
        *pictures,
        *texts,
        ("report", str(run)),
        ("reject", str(run)),
        ("reject", str(run), "--json"),
        ("reject", str(run), "--best"),
        ("report", str(run), "--best"),
        ("test", str(run)),
        ("test", str(run), "--best", "--json"),
        ("run", "--resume", str(run), "--quiet"),
        ("run", "--resume", str(run), "--json"),
    ]


# ---- Damages -----------------------------------------------------------------------------------------------------


def flip_bits(run: Path, draw: random.Random) -> str:
    path = run / draw.choice(FILES)
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 1, 8, 100))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"bits of {path.name}"


def truncate(run: Path, draw: random.Random) -> str:
    path = run / draw.choice(FILES)
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))] + draw.choice((b"", b"", b"\0" * 100, b"\n" * 5, b"{}")))
    return f"end of {path.name}"


def swap_files(run: Path, draw: random.Random) -> str:
    one, other = draw.sample(FILES, 2)
    (run / "kept").write_bytes((run / one).read_bytes())
    shutil.copy(run / other, run / one)
    shutil.copy(run / "kept", run / other)
    return f"{one} and {other} swapped"


def replace_file(run: Path, draw: random.Random) -> str:
    """Put something else in place of a file: nothing, a folder, a pipe, a link to itself, a device."""
    path = run / draw.choice((*FILES, "source"))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    kind = draw.choice(("nothing", "folder", "pipe", "circle", "device", "link to nothing", "empty", "brackets"))
    {
        "nothing": lambda: None,
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "circle": lambda: path.symlink_to(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "link to nothing": lambda: path.symlink_to(run / "nothing"),
        "empty": path.touch,
        "brackets": lambda: path.write_text(draw.choice("[{(") * 200_000),
    }[kind]()
    return f"{kind} in place of {path.name}"


def change_value(run: Path, draw: random.Random) -> str:
    """Delete, retype or replace a value of a JSON text, at any depth."""
    return _edit(run, draw, lambda value, key: _change(value, key, draw))


def add_key(run: Path, draw: random.Random) -> str:
    def add(value: Any, key: Any) -> str:
        if isinstance(value, dict):
            value[draw.choice(("more", "", "a\nb", "pass", "left", "rejection"))] = draw.choice(VALUES)
        else:
            value.append(draw.choice(VALUES))
        return "more"

    return _edit(run, draw, add)


def nest(run: Path, draw: random.Random) -> str:
    def put(value: Any, key: Any) -> str:
        value[key] = "DEEP"
        return "nested"

    told = _edit(run, draw, put)
    for name in ("run.json", "passes.jsonl"):
        (run / name).write_text((run / name).read_text().replace('"DEEP"', "[" * 200_000 + "]" * 200_000))
    return told


def change_tensors(run: Path, draw: random.Random) -> str:
    """Write a valid checkpoint with other tensors: names, shapes, types, numbers."""
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = run / draw.choice(TENSOR_FILES)
    with safe_open(path, framework="np") as file:
        about = file.metadata()
    tensors = load_file(path)
    name = draw.choice(sorted(tensors))
    array = tensors[name]
    what = draw.choice(("name", "shape", "type", "nan", "inf", "huge", "less", "more", "metadata", "negative"))
    tensors.pop(name)
    tensors |= {
        "name": {f"{name}x": array},
        "shape": {name: np.zeros((*array.shape, 1), array.dtype)},
        "type": {name: array.astype(draw.choice(("float64", "int8", "float16", "bool", "uint64")))},
        "nan": {name: np.full(array.shape, np.nan, np.float32)},
        "inf": {name: np.full(array.shape, np.inf, np.float32)},
        "huge": {name: np.full(array.shape, 3e38, np.float32)},
        "less": {},
        "negative": {name: -np.abs(array) - 1},
        "more": {name: array, "state more": array, "more": array},
        "metadata": {name: array},
    }[what]
    if what == "metadata":
        about = draw.choice(({}, {"snsim": ""}, {"snsim": "[]"}, {"snsim": '{"pass": 2, "generators": {}}'}))
    save_file({key: np.array(value) for key, value in tensors.items()}, path, metadata=about)
    return f"{what} of {name}"


DAMAGES: tuple[Callable[[Path, random.Random], str], ...] = (
    flip_bits,
    truncate,
    swap_files,
    replace_file,
    change_value,
    change_value,
    change_value,
    add_key,
    nest,
    change_tensors,
)


def _edit(run: Path, draw: random.Random, change: Callable[[Any, Any], str]) -> str:
    """Change one value somewhere in one of the JSON texts of the folder."""
    name = draw.choice(JSON_FILES)
    path = run / name
    if name in TENSOR_FILES:
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        if draw.random() < 0.7:
            about = json.loads(header["__metadata__"]["snsim"])
            told = _somewhere(about, draw, change)
            header["__metadata__"]["snsim"] = json.dumps(about)
        else:
            told = _somewhere(header, draw, change)
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    elif name == "run.json":
        value = json.loads(path.read_text())
        told = _somewhere(value, draw, change)
        path.write_text(json.dumps(value))
    else:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        told = _somewhere(lines, draw, change)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"{told} in {name}"


def _somewhere(value: Any, draw: random.Random, change: Callable[[Any, Any], str]) -> str:
    places = list(_places(value))
    holder, key = draw.choice(places)
    return f"{change(holder, key)} at {key}"


def _places(value: Any) -> Any:
    for key in (value if isinstance(value, dict) else range(len(value))) if isinstance(value, (dict, list)) else ():
        yield value, key
        yield from _places(value[key])


def _change(holder: Any, key: Any, draw: random.Random) -> str:
    if draw.random() < 0.25:
        del holder[key]
        return "nothing"
    before = holder[key]
    holder[key] = draw.choice(
        (
            *VALUES,
            *(
                (before * 1000, -before, before + 1, float(before), str(before))
                if isinstance(before, (int, float))
                else ([before], {"x": before})
            ),
        )
    )
    return repr(holder[key])[:30]


# ---- Readers held against them -----------------------------------------------------------------------------------


def damage(folder: Path, original: Path, number: int) -> tuple[Path, str]:
    """A copy of a run folder with damage `number`, and what the damage is."""
    draw = random.Random(number)
    run = folder / "tiny"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(original, run)
    told = []
    chosen = [draw.choice(DAMAGES) for _ in range(draw.choice((1, 1, 1, 2)))]
    for kind in sorted(chosen, key=lambda kind: kind is replace_file):  # a pipe or a device is not read here
        try:  # noqa: SIM105
            told.append(kind(run, draw))
        except Exception:  # damaged so much before that this one has no place
            pass
    return run, "; ".join(told)


def failure(code: int, out: str, err: str) -> str:
    """Why the outcome of a command is not one that a damaged folder may have; empty if it may."""
    text = out + err
    if code not in (0, 1) or "Traceback" in text or "Warning" in text:
        return f"exit code {code}\n{text[-3000:]}"
    if code == 1 and "error" not in text:
        return f"no fault is told\n{text[-3000:]}"
    return ""


def main() -> int:
    first, last = int(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("default")
    failures = refused = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        originals = make_runs(folder / "original", KEEP)
        for number in range(first, last + 1):
            draw = random.Random(-number)
            run, told = damage(folder, originals / "tiny", number)
            for command in draw.sample(readers(run), 3):
                code, out, err = snsim(*command)
                refused += code == 1
                if why := failure(code, out, err):
                    failures += 1
                    print(f"--- damage {number} ({told}): snsim {' '.join(command)}: {why}", flush=True)
    print(
        f"{3 * (last - first + 1)} commands on {last - first + 1} damaged folders: {refused} refused, "
        f"{failures} failures"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
