"""Where tests find data: the folder that SNSIM_DATA names, and the folder `reference` beside it.

A test that needs a file says so: `@needs_data("sn28/dig.pat")`, `@needs_reference("sn28-traces.json")`, or by a call of
`need_data` or `need_reference`. Without the file it is skipped; with SNSIM_NEED_DATA=1 it fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ["SNSIM_DATA"]).absolute() if os.environ.get("SNSIM_DATA") else None
REFERENCE = DATA.parent / "reference" if DATA else None

ZIP_CODES = ("usps/zip.train.gz", "usps/zip.test.gz")
MNIST = tuple(
    f"mnist/{name}.gz"
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
)
SN_DIGITS = ("sn28/dig.pat", "sn28/dig.des")

needs_data = pytest.mark.needs_data
needs_reference = pytest.mark.needs_reference


def need_data(*names: str) -> Path:
    """Return the data folder if it has the files; skip the test, or fail it, if not."""
    return _need(DATA, names, "the data folder (SNSIM_DATA)")


def need_reference(*names: str) -> Path:
    """Return the folder `reference` beside the data folder if it has the files; skip the test, or fail it, if not."""
    return _need(REFERENCE, names, "the folder `reference` beside SNSIM_DATA")


def _need(folder: Path | None, names: tuple[str, ...], called: str) -> Path:
    if folder is None:
        lacking = "SNSIM_DATA is not set"
    else:
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:
            return folder
        lacking = f"{called} has no {', '.join(missing)}"
    if os.environ.get("SNSIM_NEED_DATA") == "1":
        pytest.fail(f"{lacking}, and SNSIM_NEED_DATA is 1", pytrace=False)
    pytest.skip(lacking)
