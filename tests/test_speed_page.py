"""The page of the benchmarks is the one that its data give, and its judgements follow from the figures."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))
rows = pytest.importorskip("rows")
speed_page = pytest.importorskip("speed_page")

DATA = ROOT / "docs" / "results" / "data" / "benchmarks.json"


def test_the_page_is_written_from_its_data():
    written = (ROOT / "docs" / "results" / "speed.md").read_text(encoding="utf-8")
    assert speed_page.page(json.loads(DATA.read_text(encoding="utf-8"))) == written, (
        "docs/results/speed.md is not that of its data file: run  python benchmarks/speed.py --render"
    )


def test_every_row_has_ratios_that_follow_from_its_times():
    for made in json.loads(DATA.read_text(encoding="utf-8"))["benchmarks"]:
        assert made["rows"], made["name"]
        for line in made["rows"]:
            if "failed" in line:
                continue
            if line["limit"] is not None:
                assert line["over_limit"] == pytest.approx(line["time"] / line["limit"], rel=2e-3)
            if line["rivals"]:
                assert line["rivals"][line["rival"]] == min(line["rivals"].values())
                assert line["faster"] == pytest.approx(line["rivals"][line["rival"]] / line["time"], rel=2e-3)
            assert line["met"] == rows.is_met(line)


def test_a_row_must_beat_pytorch_by_more_where_the_processor_has_room():
    # 1.5 times faster than 30 us are 20 us; 0.85 of the limit is 11.8 us with a limit of 10, and 23.5 with 20
    assert rows.needed_against_torch(30, 10) == 1.5
    assert rows.needed_against_torch(30, 20) == 1.1
    made = rows.row("net", "learn", 20.0, rivals={"PyTorch eager": 30.0, "NumPy": 90.0}, limit=20.0, goal={"time": 10})
    assert (made["rival"], made["faster"], made["over_limit"], made["met"]) == ("PyTorch eager", 1.5, 1.0, False)
    assert rows.goal_text(made) == "10.0 us: not met, rival / 1.1: met"
    assert rows.row("net", "learn", 5.0)["met"] is None


def test_a_row_that_failed_says_why_on_the_page():
    failed = rows.failed("batch", "all", "no compiler")
    page = speed_page.page(
        {"processor": "P", "cores": 2, "benchmarks": [{"name": "batch", "command": "c", "rows": [failed]}]}
    )
    assert "batch, all: not measured: no compiler" in page
