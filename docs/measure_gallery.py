"""Train every net of the gallery once and write its figures to docs/gallery-figures.json.

    python docs/measure_gallery.py [NAME ...]        (all nets, or those named; the others keep their figures)

The pages of the gallery show them beside the published figures. Each training takes the first of its data sets that is
here. A training of more than LONGEST multiply-adds is left to a study.
"""

from __future__ import annotations

import io
import json
import platform
import sys
import tempfile
from pathlib import Path

from snsim.gallery import gallery_file, gallery_names
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, RunStarted, run

FIGURES = Path(__file__).with_name("gallery-figures.json")
LONGEST = 1e11  # connections x presentations: some minutes


def processor() -> str:
    """Return the name of the processor, as the system states it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main(names: list[str]) -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for name in names or gallery_names():
        file = gallery_file(name)
        assert file is not None, name
        program = read_program(file, port=io.StringIO())
        figures.pop(name, None)
        for training in program.own_trainings:
            with tempfile.TemporaryDirectory() as folder:
                options = Options(out=Path(folder))
                last, data = None, ""
                for event in run(program, training, training.seeds[0], options):
                    if isinstance(event, RunStarted):
                        data = event.data
                        work = training.net.counts.connections * event.patterns[0] * training.passes
                        if work > LONGEST:
                            print(f"{name} {training.name}: {work:.1e} multiply-adds, left out")
                            break
                    elif isinstance(event, PassFinished):
                        last = event.done
            if last is None:
                continue
            figures.setdefault(name, {})[training.name] = {
                "data": data,
                "seed": training.seeds[0],
                "passes": training.passes,
                "train-misses": last.train.misses,
                "train-error": round(last.train.error, 4),
                "test-misses": None if last.test is None else last.test.misses,
                "test-error": None if last.test is None else round(last.test.error, 4),
                "engine": "native in float32, not portable",
                "processor": processor(),
            }
            print(name, figures[name][training.name], flush=True)
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
