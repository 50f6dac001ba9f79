"""As a new user: snsim from a wheel in an empty folder, own data of four kinds, three commands for each of them."""

from __future__ import annotations

import csv
import gzip
import json
import os
import struct
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_iris, load_wine
from test_gallery import installed

__all__ = ["installed"]  # a fixture: the Python of an environment with the wheel
ROOT = Path(__file__).resolve().parents[1]
Command = Callable[..., str]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data only: iris.csv, wine.npz, shapes/CLASS/*.png of 48x48, fashion/ with idx files of 24x24."""
    folder = tmp_path_factory.mktemp("user")
    iris, wine, digits = load_iris(), load_wine(), load_digits()
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    rows = [[*x, iris.target_names[y]] for x, y in zip(iris.data, iris.target)]
    for name, table in (("iris.csv", [[*names, "species"], *rows]), ("new.csv", [names, *(r[:4] for r in rows[::30])])):
        with open(folder / name, "w", newline="") as file:
            csv.writer(file).writerows(table)
    np.savez(folder / "wine.npz", x=wine.data, y=wine.target)
    np.save(folder / "bottles.npy", wine.data[::40])
    draw = np.random.default_rng(0)
    for number in range(200):
        picture = Image.new("L", (48, 48), 255)
        pen, (x, y, side) = ImageDraw.Draw(picture), map(int, draw.integers((6, 6, 16), (18, 18, 24)))
        if number % 2:
            pen.line((x, y, x + side, y + side), 0, 3)
            pen.line((x + side, y, x, y + side), 0, 3)
        else:
            pen.ellipse((x, y, x + side, y + side), outline=0, width=3)
        to = folder / "shapes" / ("ring", "cross")[number % 2]
        to.mkdir(parents=True, exist_ok=True)
        picture.save(to / f"{number}.png")
    picture.save(folder / "mine.png")
    (folder / "fashion").mkdir()
    pictures = np.kron(digits.images * 15.9, np.ones((1, 3, 3))).astype(np.uint8)
    for part, which in (("train", slice(1400)), ("t10k", slice(1400, None))):
        for kind, array in (("images-idx3", pictures[which]), ("labels-idx1", digits.target[which].astype(np.uint8))):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / "fashion" / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes(), 1))
    np.save(folder / "pants.npy", pictures[1500:1503])
    return folder


@pytest.fixture
def command(installed: Path, place: Path, tmp_path: Path) -> Command:
    """Run a command in the folder, without PYTHONPATH, and return what it prints on standard output."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SNSIM_DATA")}
    environment["SNSIM_CACHE"] = str(tmp_path / "cache")

    def run(*words: str) -> str:
        snsim = [] if words[0] == "-c" else ["-m", "snsim"]
        done = subprocess.run([installed, *snsim, *words], cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("name", "data", "item", "rows", "most"),
    [
        ("iris", "iris.csv", "new.csv", 5, 3),
        ("wine", "wine.npz", "bottles.npy", 5, 5),
        ("shapes", "shapes", "mine.png", 1, 4),
        ("fashion", "fashion", "pants.npy", 3, 40),
    ],
)
def test_three_commands_from_data_to_answers(
    name: str, data: str, item: str, rows: int, most: int, command: Command, place: Path
) -> None:
    command("new", name, "--data", data)
    command("run", f"{name}.sn")
    told = [json.loads(line) for line in command("predict", name, item, "--json").splitlines()]
    assert len(told) == rows and all(entry["class"] for entry in told)
    (own,), (all_of_it,) = (
        [json.loads(line) for line in command("test", name, *more, "--json").splitlines()]
        for more in ([], ["--data", data])
    )
    assert own["misses"] <= most and own["misses"] <= all_of_it["misses"]
    for form in ("torch", "pt2", *(["onnx"] if find_spec("onnxruntime") else []), "object"):
        written = command(
            "export", f"runs/{name}", "--to", form, *(["-o", f"{name}-object"] if form == "object" else [])
        )
        assert "largest difference" in written
    loaded = f"import snsim, json; net = snsim.load('{name}'); "
    if item.endswith(".npy"):
        loaded += f"import numpy; print(json.dumps(list(map(str, net.predict(numpy.load('{item}'))))))"
        assert json.loads(command("-c", loaded)) == [entry["class"] for entry in told]
    else:
        assert "module" in command("-c", loaded + "print('module', net)")


def test_a_picture_is_read_by_the_net_of_1989_at_once(command: Command, place: Path) -> None:
    (place / "seven.png").write_bytes((ROOT / "examples" / "seven.png").read_bytes())
    assert json.loads(command("predict", "lecun89", "seven.png", "--json"))["class"] == "7"
    assert command("plot", "maps", "lecun89", "--picture", "seven.png") == "lecun89-maps.png\n"
