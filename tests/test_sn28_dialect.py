"""docs/reference/sn28-dialect.md: every program on the page prints what stands behind it, or is refused as it says."""

import re
from pathlib import Path

import pytest
from sn28_programs import fault, printed

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "reference" / "sn28-dialect.md").read_text()
NET = ("(alloc-net 20 40)", "(build-net '((in 2) (hid 2) (out 1)) '((in hid) (hid out)))")
ROWS = [
    line.rpartition(";=> ")[::2]
    for block in re.findall(r"^```sn28\n(.*?)^```", PAGE, re.M | re.S)
    for line in block.splitlines()
]


def test_the_page_has_its_rows():
    assert len(ROWS) > 110 and all(program and says for program, says in ROWS)
    assert all(f"`{call}`" in PAGE for call in NET)


@pytest.mark.parametrize(("program", "says"), ROWS)
def test_row(program, says, tmp_path):
    text = re.sub(r"(^|(?<=\) ))N ", " ".join(NET) + " ", program.rstrip())
    if says.startswith("error: "):
        assert says.removeprefix("error: ") in fault(text, tmp_path)[0]
    else:
        assert printed(text, tmp_path).removesuffix("\n") == says.replace(" / ", "\n")


def test_listings_of_the_guide_run(tmp_path):
    listings = re.findall(r"^```lisp\n(.*?)^```", (DOCS / "how-to" / "old-programs.md").read_text(), re.M | re.S)
    assert printed("(seed 1)\n" + listings[0] + "(print hidden (sval 0 5))", tmp_path).startswith("(3 4) ")
