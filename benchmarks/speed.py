"""Run all benchmarks, write docs/results/data/benchmarks.json, and the page docs/results/speed.md from it.

    python benchmarks/speed.py [--quick] [--only NAME ...] [--render]

Each benchmark is a process of its own, one after the other. One that fails or takes too long leaves a row that says
why; the others run on. `--only` measures some of them again and keeps the other rows of the file. `--render` measures
nothing: it writes the page from the file. `make bench` runs this; `make bench BENCH_ARGS=--quick` is a short run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

from rows import failed  # noqa: E402
from speed_page import page  # noqa: E402

from snsim.operating_system import processor_name  # noqa: E402

DATA = ROOT / "docs" / "results" / "data" / "benchmarks.json"
PAGE = ROOT / "docs" / "results" / "speed.md"
BENCHMARKS = {  # name: script, arguments
    "per_example": ("per_example.py", ()),
    "per_example, 2 threads": ("per_example.py", ("--threads", "2", "--rounds", "20")),
    "batch": ("batch.py", ()),
    "batch, 2 threads": ("batch.py", ("--threads", "2", "--rounds", "10")),
    "seeds": ("seeds.py", ()),
    "start": ("start.py", ()),
    "scaling": ("scaling.py", ()),
    "page": ("page.py", ()),
    "sn28": ("sn28.py", ()),
    "lush_modules": ("lush_modules.py", ()),
}
LONGEST = 400  # seconds of one benchmark


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Return the rows of a benchmark with its command; a row that says why where it failed."""
    script, arguments = BENCHMARKS[name]
    words = [f"benchmarks/{script}", *arguments, *(["--quick"] if quick else [])]
    threads = arguments[1] if "--threads" in arguments else "1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    began = time.monotonic()
    try:
        result = subprocess.run(
            [sys.executable, *words, "--json"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        printed, errors, code = result.stdout, result.stderr, result.returncode
    except subprocess.TimeoutExpired as late:
        printed = (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        errors, code = f"it was stopped after {LONGEST} s", 1
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if code:
        last = [line.strip() for line in errors.splitlines() if line.strip()]
        rows.append(failed(name, "all", last[-1][:200] if last else f"exit code {code}"))
    print(f"{name}: {len(rows)} rows in {time.monotonic() - began:.0f} s", flush=True)
    return {"name": name, "command": "python " + " ".join(words), "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a short run: few rounds, no compiled rivals, no large nets"
    )
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--render", action="store_true", help="write the page from the file, and measure nothing")
    asked = parser.parse_args()
    known = json.loads(DATA.read_text()) if DATA.exists() else {"benchmarks": []}
    if not asked.render:
        kept = {made["name"]: made for made in known["benchmarks"]}
        kept |= {name: measure(name, asked.quick) for name in asked.only}
        known = {
            "command": "python benchmarks/speed.py" + (" --quick" if asked.quick else ""),
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "quick": asked.quick,
            "benchmarks": [kept[name] for name in BENCHMARKS if name in kept],
        }
        DATA.parent.mkdir(parents=True, exist_ok=True)
        DATA.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(known), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
