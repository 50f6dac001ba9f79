"""The page in which a net learns: the file, its scripts in Node, and what it shows of a net."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import time
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_trainings import WITH_TRAINING
from page_browser import browser, needs_browser, open_page, requests_of, wait_for
from page_scripts import PAGE, check_syntax, needs_node, run_node
from PIL import Image
from test_escaping import HOSTILE, XOR
from tiny_run import make_runs, program, snsim

from snsim.data.own_picture import PictureStyle, prepare_picture, prepare_whole_picture
from snsim.data.record import InputScaling
from snsim.errors import SnError
from snsim.network.net import Net
from snsim.page.modules import join_modules, module_texts
from snsim.plots.weights import _tiles
from snsim.program import read_program

ROOT = Path(__file__).resolve().parents[1]
NETS = sorted((ROOT / "nets").glob("*.sn"))
SCRIPTS = ("app/main.js", "app/worker.js")


class Parts(HTMLParser):
    """The elements of a page: tags with attributes, and the texts of scripts and styles by their id or tag."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag in ("script", "style"):
            kind = attributes.get("type") or ""
            self._inside = attributes.get("id") or attributes.get("data-array") or (kind if tag == "script" else tag)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data


@pytest.fixture(scope="module")
def lecun89(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "lecun89.html"
    code, told, warned = snsim("page", "lecun89", "-o", file, "--offline")
    assert code == 0, warned
    assert str(file) in told
    return file.read_text("utf-8")


# ---- The file ----------------------------------------------------------------------------------------------------


def test_the_page_is_one_small_file_that_asks_for_nothing(lecun89: str) -> None:
    assert len(lecun89.encode()) < 1_000_000
    parts = Parts(lecun89)
    addresses = [value for _, attributes in parts.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses == ["data:,"]
    policy = next(a["content"] for t, a in parts.tags if t == "meta" and "http-equiv" in a) or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "blob:"
    for rule, text in (("script-src", parts.texts["module"]), ("style-src", parts.texts["style"])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules[rule]
        assert "unsafe-inline" not in rules[rule]


def test_no_element_has_an_action_or_a_style_of_its_own(lecun89: str) -> None:
    names = {name for _, attributes in Parts(lecun89).tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_every_input_has_a_label_and_every_id_is_there_once(lecun89: str) -> None:
    tags = Parts(lecun89).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    scripts = "".join(text for name, text in module_texts().items() if name.startswith("app/"))
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', scripts)) | set(re.findall(r'setText\("([\w-]+)"', scripts))
    assert not wanted - set(ids)


def test_each_line_of_a_layer_tells_which_layer_it_is(lecun89: str) -> None:
    lines = re.findall(r'<span class="line"( data-of="[^"]*")?>(.*)', lecun89)
    plain = [(html.unescape(of), html.unescape(re.sub("<[^>]*>", "", line))) for of, line in lines]
    layers = {line.split()[1]: of for of, line in plain if line.startswith("  (layer")}
    assert {name: json.loads(of[10:-1]) for name, of in layers.items()} == {
        name: [name] for name in ("input", "h1", "h2", "h3", "output")
    }
    assert [of for of, line in plain if "(table three-blocks))" in line] == [' data-of="["h2"]"']
    text = (ROOT / "nets" / "lecun89.sn").read_text()
    assert "\n".join(line for _, line in plain) == text.rstrip("\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_element(tmp_path: Path, name: str) -> None:
    pages = []
    for number, (word, text) in enumerate([("x", "x"), (f"|{name}|", name)]):
        file = tmp_path / f"{number}.sn"
        note = text.replace("\\", "").replace('"', "'")
        description = XOR.replace("NAME", word).replace("LAYER", f"|l{text}|").replace("NOTE", f'"{note}"')
        file.write_text(f"; {text}\n{description}", "utf-8")
        code, _, warned = snsim("page", file, "-o", tmp_path / "page.html")
        assert code == 0, warned
        pages.append(Parts((tmp_path / "page.html").read_text("utf-8")))
    assert [tag for tag, _ in pages[0].tags if tag != "span"] == [tag for tag, _ in pages[1].tags if tag != "span"]
    view = json.loads(pages[1].texts["view"])
    assert view["layers"][0]["label"] == f"l{name}"


def test_a_page_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "no.sn").write_text("(net n (layer a 1) (layer b 1) (connect a b (full)))")
    (tmp_path / "wide.sn").write_text(
        "(net n (layer a 7) (layer b 10) (connect a b (full))) (train n (data mnist) (epsilon 1) (passes 1))"
    )
    for words, said, remedy in (
        (["no.sn"], "declares no training", "(train NAME"),
        ([str(ROOT / "nets" / "ladder.sn")], "trainings, and a page shows one", "--only"),
        (["wide.sn"], "cannot learn the digits that the page carries", "--data mnist"),
        (["lecun89", "--only", "lecun98"], 'declares no training "lecun98"', "lecun89"),
    ):
        words = [str(tmp_path / word) if word in ("no.sn", "wide.sn") else word for word in words]
        code, _, warned = snsim("page", *words, "-o", tmp_path / "x.html", "--offline")
        assert code == 1, words
        assert said in warned and remedy in warned
        assert not (tmp_path / "x.html").exists()


def test_a_run_carries_its_weights_and_its_own_examples(tmp_path: Path) -> None:
    runs = make_runs(tmp_path)
    code, told, warned = snsim("page", runs / "tiny", "-o", tmp_path / "tiny.html")
    assert code == 0, warned
    assert told.endswith(": the weights of the run tiny after pass 4\n")
    view = json.loads(Parts((tmp_path / "tiny.html").read_text("utf-8")).texts["view"])
    assert view["start_words"].startswith("Ready with the weights of the run tiny after pass 4.")
    assert view["data"] == {"name": "examples", "train": 20, "test": 20}
    assert view["curves"]["error"] == {"test": 10.0}  # 2 of 20, as (published ...) says
    assert view["curves"]["loss"] == {"test": 0.25} and view["loss_figure"] == "half_mse"
    assert view["seed"] == 3


@pytest.mark.parametrize("options", [(), ("--examples", "9")])
def test_published_figures_are_no_lines_in_the_page_of_a_run_on_other_data(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """102 misses of 2,007 patterns say nothing of the 360 test patterns of the digits."""
    text = (ROOT / "nets" / "lecun89.sn").read_text("utf-8").replace("lecun89", "mine")
    (tmp_path / "mine.sn").write_text(text, "utf-8")
    code, _, warned = snsim(
        *("run", tmp_path / "mine.sn", "--data", "digits", "--passes", "1", "--quiet", "--out", tmp_path)
    )
    assert code == 0, warned
    code, _, warned = snsim("page", tmp_path / "mine", *options, "-o", tmp_path / "mine.html")
    assert code == 0, warned
    page = (tmp_path / "mine.html").read_text("utf-8")
    view = json.loads(Parts(page).texts["view"])
    assert view["curves"] == {} and view["loss_figure"] == "loss"
    assert "Published for other data: " in page and "Published: " not in page


def test_published_figures_are_no_lines_where_own_data_replace_those_of_the_text(tmp_path: Path) -> None:
    text = program().split("(net scalar")[0].replace("(ensemble 0 19) (test-set 20 39)", "")
    (tmp_path / "tiny.sn").write_text(text)
    rows = ["a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,class"] + [
        ",".join(["0.5", str(n % 2)] * 8) + f",{n % 2}" for n in range(8)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    words = ("--data", tmp_path / "rows.csv")
    code, _, warned = snsim("run", tmp_path / "tiny.sn", *words, "--quiet", "--out", tmp_path)
    assert code == 0, warned
    for source in ([tmp_path / "tiny"], [tmp_path / "tiny.sn", *words]):
        code, told, warned = snsim("page", *source, "-o", tmp_path / "x.html")
        assert code == 0, warned
        assert ("the weights of the run tiny" in told) == (source == [tmp_path / "tiny"])
        assert ("initial weights, seed 3" in told) == (source != [tmp_path / "tiny"])
        assert json.loads(Parts((tmp_path / "x.html").read_text("utf-8")).texts["view"])["curves"] == {}


def test_examples_takes_the_first_of_each_class(tmp_path: Path) -> None:
    code, _, warned = snsim("page", "lecun89", "--examples", "3", "-o", tmp_path / "x.html")
    assert code == 0, warned
    view = json.loads(Parts((tmp_path / "x.html").read_text("utf-8")).texts["view"])
    assert (view["data"]["train"], view["data"]["test"]) == (30, 30)


# ---- The scripts -------------------------------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("name", sorted(module_texts()))
def test_node_reads_each_module(name: str) -> None:
    check_syntax(PAGE / name)


@needs_node
@pytest.mark.parametrize("name", SCRIPTS)
def test_node_reads_the_joined_scripts(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script.mjs"
    script.write_text(join_modules(name), "utf-8")
    check_syntax(script)


def test_every_module_is_in_a_script() -> None:
    joined = "".join(map(join_modules, SCRIPTS))
    assert {name for name in module_texts() if f"// ---- {name}\n" not in joined} == set()


def drawings(count: int) -> list[np.ndarray]:
    """Gray pictures of strokes on noisy paper, of many sizes, dark or light."""
    draw = np.random.default_rng(5)
    pictures = []
    for number in range(count):
        rows, columns = (int(n) for n in draw.integers(8, 90, 2))
        gray = np.full((rows, columns), 240, np.int64) - draw.integers(0, 12, (rows, columns))
        for _ in range(int(draw.integers(1, 4))):
            (r0, r1), (c0, c1) = np.sort(draw.integers(0, rows, 2)), np.sort(draw.integers(0, columns, 2))
            gray[r0 : r1 + 1, c0 : c1 + 1] -= draw.integers(20, 200)
        gray = np.clip(gray, 0, 255)
        pictures.append((255 - gray if number % 3 == 0 else gray).astype(np.uint8))
    return pictures


@needs_node
def test_the_page_prepares_pictures_as_predict_does(tmp_path: Path) -> None:
    styles = [
        (PictureStyle(), (16, 16)),
        (PictureStyle(20, "mass"), (28, 28)),
        (PictureStyle(20, "mass", (28, 28)), (16, 16)),
        (PictureStyle(None, "box"), (9, 14)),
    ]
    cases, expected = [], []
    for number, gray in enumerate(drawings(100)):
        style, shape = styles[number % len(styles)]
        file = tmp_path / f"{number}.png"
        Image.fromarray(gray).save(file)
        try:
            expected.append(prepare_picture(file, shape, style)[0].reshape(-1).tolist())
        except SnError:
            expected.append(None)
        form = {"shape": shape, "whole": False, "scaling": None, "frame": None}
        form["style"] = {"longer_side": style.longer_side, "place": style.place, "canvas": style.canvas}
        cases.append({"gray": gray.reshape(-1).tolist(), "size": gray.shape, "form": form})
    found = run_node(
        """
        import { preparePicture } from "${PAGE}/app/picture.js";
        const cells = input.map(({ gray, size, form }) => preparePicture(Uint8Array.from(gray), ...size, form));
        console.log(JSON.stringify(cells.map((one) => (one === null ? null : [...one.cells]))));
        """,
        cases,
    )
    assert found == expected
    assert sum(cells is not None for cells in expected) > 90


@needs_node
def test_the_page_takes_whole_pictures_as_predict_does(tmp_path: Path) -> None:
    scaling = InputScaling("bytes", (127.5,), (127.5,), 0.0, 255.0)
    cases, expected = [], []
    for number, gray in enumerate(drawings(40)):
        file, shape = tmp_path / f"{number}.png", [(16, 16), (28, 20), (9, 40), gray.shape][number % 4]
        Image.fromarray(gray).save(file)
        expected.append(prepare_whole_picture(file, shape, scaling)[0].reshape(-1).tolist())
        form = {"shape": shape, "whole": True, "scaling": asdict(scaling)}
        cases.append({"gray": gray.reshape(-1).tolist(), "size": gray.shape, "form": form})
    found = run_node(
        """
        import { preparePicture } from "${PAGE}/app/picture.js";
        const cells = input.map(({ gray, size, form }) => preparePicture(Uint8Array.from(gray), ...size, form).cells);
        console.log(JSON.stringify(cells.map((one) => [...one])));
        """,
        cases,
    )
    for cells, wanted in zip(found, expected):
        assert np.abs(np.array(cells) - wanted).max() < 1.01 / 127.5  # one gray: Pillow may scale columns first
    assert sum(cells == wanted for cells, wanted in zip(found, expected)) > 20


@needs_node
def test_the_page_makes_gray_as_pillow_does() -> None:
    colours = np.random.default_rng(6).integers(0, 256, (4000, 4)).astype(np.uint8)
    colours[:2000, 3] = 255
    opaque = Image.fromarray(colours[:2000, :3].reshape(1, 2000, 3)).convert("L")
    found = run_node(
        """
        import { grayOf } from "${PAGE}/app/picture.js";
        console.log(JSON.stringify([...grayOf(Uint8Array.from(input), input.length / 4)]));
        """,
        colours.reshape(-1).tolist(),
    )
    assert found[:2000] == np.asarray(opaque).reshape(-1).tolist()
    a = colours[2000:, 3:].astype(float) / 255
    over = colours[2000:, :3] * a + 255 * (1 - a)
    assert np.abs(np.array(found[2000:]) - over @ [0.299, 0.587, 0.114]).max() < 1.01


def view_of_net(net: Net) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Connections and layers as the page has them, and the explicit tables."""
    from snsim.page.net_view import _connection, _layer

    arrays: dict[str, np.ndarray] = {}
    view = {
        "layers": [_layer(net, layer) for layer in net.layers],
        "connections": [_connection(net, connection, arrays) for connection in net.connections],
    }
    return view, {name: array.tolist() for name, array in arrays.items()}


@needs_node
@pytest.mark.parametrize("file", [*NETS, *sorted((ROOT / "tests" / "nets").glob("*.sn"))], ids=lambda file: file.stem)
def test_the_page_knows_every_line_and_every_kernel(file: Path) -> None:
    for entry in read_program(file).nets.own():
        net = entry.value
        view, arrays = view_of_net(net)
        found = run_node(
            """
            import { incoming, kernels } from "${PAGE}/app/wiring.js";
            const { view, arrays } = input, all = {};
            for (const connection of view.connections) {
              const flat = arrays[`table-${connection.name}`] ?? null, n = flat && flat.length / 3;
              const part = (k) => flat.slice(k * n, (k + 1) * n);
              const table = flat && { source: part(0), target: part(1), weight: part(2) };
              const units = view.layers.find((layer) => layer.name === connection.target).units;
              const lines = Array.from({ length: units }, (_, unit) => incoming(connection, unit, table));
              const form = kernels(connection, view.layers, table), tiles = [];
              for (let s = 0; s < form.sources; s++) {
                for (let t = 0; t < form.targets; t++) tiles.push(form.at(s, t) && [...form.at(s, t)]);
              }
              all[connection.name] = { lines: lines.map((one) => [[...one.sources], [...one.weights]]), tiles };
            }
            console.log(JSON.stringify(all));
            """,
            {"view": view, "arrays": arrays},
        )
        for connection in net.connections:
            table = connection.table
            for unit, (sources, weights) in enumerate(found[connection.name]["lines"]):
                mine = table.target == unit
                assert sources == table.source[mine].tolist()
                assert weights == table.weight[mine].tolist()
            tiles = _tiles(net, connection, np.arange(connection.wiring.weights, dtype=float))
            for numbers, tile in zip(found[connection.name]["tiles"], tiles.reshape(-1, *tiles.shape[2:])):
                expected = np.where(np.isnan(tile), -1, tile).reshape(-1).tolist()
                assert numbers == expected if numbers is not None else set(expected) == {-1}


@needs_node
@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "nets").glob("*.sn")), ids=lambda file: file.stem)
def test_the_page_knows_what_each_line_adds(file: Path) -> None:
    """The lines of a unit add up to its weighted sum: scale * sum of w * x, or of (w - x)^2; w = gain * v / |v|."""
    for entry in read_program(file).nets.own():
        net, draw = entry.value, np.random.default_rng(11)
        view, arrays = view_of_net(net)
        states = {layer.name: draw.normal(size=layer.units).tolist() for layer in net.layers}
        learned = {p.name: draw.normal(size=p.size).tolist() for p in net.parameters if p.learns}
        found = run_node(
            """
            import { added, incoming, weightsOf } from "${PAGE}/app/wiring.js";
            const { view, arrays, states, learned } = input, all = {};
            for (const connection of view.connections) {
              const flat = arrays[`table-${connection.name}`] ?? null, n = flat && flat.length / 3;
              const part = (k) => flat.slice(k * n, (k + 1) * n);
              const table = flat && { source: part(0), target: part(1), weight: part(2) };
              connection.codes = arrays[`codes-${connection.name}`];
              connection.owners = arrays[`owners-${connection.name}`];
              const units = view.layers.find((layer) => layer.name === connection.target).units;
              const read = (source) => (source < 0 ? connection.border_value : states[connection.source][source]);
              all[connection.name] = Array.from({ length: units }, (_, unit) => {
                const lines = incoming(connection, unit, table);
                const weight = weightsOf(connection, lines, learned);
                const one = (number, k) => added(connection, weight(number), read(lines.sources[k]));
                return [...lines.weights].map(one).reduce((sum, each) => sum + each, 0);
              });
            }
            console.log(JSON.stringify(all));
            """,
            {"view": view, "arrays": arrays, "states": states, "learned": learned},
        )
        for connection in net.connections:
            table = connection.table
            parameter = next(p for p in net.parameters if p.name == net.weight_name(connection))
            w = np.array(learned[parameter.name]) if parameter.learns else parameter.fixed_values(np.float64).ravel()
            gain = net.gain_name(connection)
            if gain is not None:
                owners = connection.wiring.owners()
                lengths = np.sqrt(np.bincount(owners, w**2))
                w = np.array(learned[gain])[owners] * w / lengths[owners]
            x = np.append(states[connection.source], connection.border_value)[np.maximum(table.source, -1)]
            terms = (w[table.weight] - x) ** 2 if connection.distance else w[table.weight] * x
            sums = connection.scale * np.bincount(table.target, terms, net.layer(connection.target).units)
            np.testing.assert_allclose(found[connection.name], sums, rtol=1e-6, atol=1e-6)


@needs_node
def test_weights_leave_and_enter_as_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import load, save

    draw = np.random.default_rng(7)
    arrays = {"h1.bias": draw.normal(size=5).astype(np.float32), "input_h1.weight": draw.normal(size=(2, 3))}
    found = run_node(
        """
        import { fittingWeights, fromSafetensors, toSafetensors } from "${PAGE}/app/files.js";
        const read = fromSafetensors(Uint8Array.from(input.file).buffer);
        const list = [...read].map(([name, { shape, values }]) => ({ name, shape, values }));
        const faults = [];
        const parameters = list.map(({ name, shape }) => ({ name, shape, described: name }));
        for (const [bytes, expected] of [[[1, 2, 3], parameters], [input.file, parameters.slice(1)],
            [input.file, [...parameters, { name: "x", shape: [1], described: "x" }]]]) {
          try { fittingWeights(fromSafetensors(Uint8Array.from(bytes).buffer), expected); faults.push(""); }
          catch (error) { faults.push(error.message); }
        }
        console.log(JSON.stringify({ file: [...toSafetensors(list)], faults }));
        """,
        {"file": list(save(arrays))},
    )
    written = load(bytes(found["file"]))
    for name, values in arrays.items():
        np.testing.assert_array_equal(written[name], values.astype(np.float32))
    assert all(found["faults"])


@needs_node
def test_a_link_names_seed_and_passes() -> None:
    found = run_node(
        """
        import { readLink, toCsv, writeLink } from "${PAGE}/app/files.js";
        const passes = [{ number: 1, train: { loss: 0.5, half_mse: 0.05, error: 10, misses: 2 }, test: null }];
        console.log(JSON.stringify([...input.map(readLink), writeLink(3, 5), toCsv(passes)]));
        """,
        ["#seed=3&passes=5", "#passes=2", "", "#seed=-1&passes=1e9", "#seed=%3Cb%3E"],
    )
    none = {"seed": None, "passes": None}
    assert found[:5] == [{"seed": 3, "passes": 5}, {"seed": None, "passes": 2}, none, none, none]
    assert found[5] == "#seed=3&passes=5"
    assert found[6].splitlines()[1] == "1,0.5,0.05,10,2,,,,"


@needs_node
def test_the_page_judges_outputs_as_the_training_does() -> None:
    from snsim.training.criteria import CRITERIA

    draw = np.random.default_rng(8)
    d = np.where(draw.random((300, 4)) < 0.5, -1.0, 1.0)
    x = np.round(d + draw.normal(0, 0.9, d.shape), 1)
    rules: list[tuple[Any, ...]] = [
        ("max",), ("quadrant",), ("lms", 0.5), ("sgn", -0.5, 0.5), ("sgn", 0, 0), ("hamming", 0.8), ("labels", 0.0),
    ]  # fmt: skip
    found = run_node(
        """
        import { rightOf } from "${PAGE}/app/scores.js";
        const { x, d, rules } = input, flat = (rows) => Float64Array.from(rows.flat());
        console.log(JSON.stringify(rules.map((rule) => rightOf(flat(x), flat(d), 4, rule))));
        """,
        {"x": x.tolist(), "d": d.tolist(), "rules": rules},
    )
    for (name, *numbers), right in zip(rules, found):
        np.testing.assert_array_equal(right, CRITERIA.get(name).right(x, d, *numbers), err_msg=name)
    assert set(CRITERIA.names()) == {rule[0] for rule in rules}


# ---- In a browser ------------------------------------------------------------------------------------------------

DRAW_SEVEN = """
const pad = document.getElementById("pad"), area = pad.getBoundingClientRect();
const at = (kind, [x, y]) => pad.dispatchEvent(new PointerEvent(kind, { bubbles: true, pointerId: 1, isPrimary: true,
  button: 0, buttons: 1, clientX: area.left + x * area.width, clientY: area.top + y * area.height }));
pad.setPointerCapture = () => {};
const stroke = (from, to) => Array.from({ length: 12 }, (_, k) =>
  [0, 1].map((i) => from[i] + ((to[i] - from[i]) * (k + 1)) / 12));
at("pointerdown", [0.25, 0.2]);
for (const point of stroke([0.25, 0.2], [0.75, 0.2])) at("pointermove", point);
for (const point of stroke([0.75, 0.2], [0.42, 0.85])) at("pointermove", point);
at("pointerup", [0.42, 0.85]);
"""
PASSES = "return snsimPage.progress.passes.map((one) => [one.train.misses, one.test ? one.test.misses : null])"


def write_page(folder: Path, *words: str) -> Path:
    file = folder / "page.html"
    code, _, warned = snsim("page", *words, "-o", file, "--offline")
    assert code == 0, warned
    return file


def misses_of_run(folder: Path, *words: str) -> list[list[int | None]]:
    """The misses of each pass of `snsim run --portable`."""
    code, told, warned = snsim("run", *words, "--portable", "--json", "--offline", "--out", folder)
    assert code == 0, warned
    lines = [json.loads(line) for line in told.splitlines()]
    return [
        [line["train"]["misses"], line["test"]["misses"] if line["test"] else None] for line in lines if "train" in line
    ]


@pytest.mark.slow
@needs_browser
def test_the_net_of_1989_learns_in_the_browser(tmp_path: Path) -> None:
    page = write_page(tmp_path, "lecun89")
    expected = misses_of_run(tmp_path, "lecun89", "--data", "digits")
    with browser() as driver:
        assert open_page(driver, page) < 3  # 1 s on a free machine
        driver.find_element("id", "restart").click()
        driver.find_element("id", "go").click()
        wait_for(driver, "snsimPage.at.pass >= 3")
        driver.find_element("id", "go").click()  # pause
        wait_for(driver, "!snsimPage.running")
        at = driver.execute_script("return [snsimPage.at.pass, snsimPage.at.inPass]")
        time.sleep(0.3)
        assert driver.execute_script("return [snsimPage.at.pass, snsimPage.at.inPass]") == at
        driver.find_element("id", "step").click()
        wait_for(driver, f"snsimPage.at.inPass + 1437 * snsimPage.at.pass == {at[1] + 1 + 1437 * at[0]}")
        driver.find_element("id", "go").click()
        wait_for(driver, "snsimPage.at.pass == 23 && !snsimPage.running")
        assert driver.execute_script(PASSES) == expected
        driver.execute_script(DRAW_SEVEN)
        wait_for(driver, "document.getElementById('answer').textContent == '7'", 5)
        frames = driver.execute_script("return snsimPage.frames")
        assert frames["time"] / frames["count"] < 20  # 8 ms on a free machine
        driver.find_element("id", "seed").clear()
        driver.find_element("id", "seed").send_keys("3\t")
        wait_for(driver, "snsimPage.progress.passes.length == 0")
        driver.find_element("id", "pass").click()
        wait_for(driver, "snsimPage.progress.passes.length == 1 && !snsimPage.running")
        words = ["lecun89", "--data", "digits", "--seed", "3", "--passes", "1"]
        assert driver.execute_script(PASSES) == misses_of_run(tmp_path, *words)
        assert driver.get_log("browser") == []
        assert requests_of(driver) == []


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("file", WITH_TRAINING, ids=lambda file: file.stem)
def test_every_net_learns_a_pass_in_the_browser(file: Path, tmp_path: Path) -> None:
    trainings = [training.name for training in read_program(file).own_trainings]
    data = ("--data", "digits") if read_program(file).own_trainings[0].data.names else ()
    with browser() as driver:
        for name in trainings[:2]:
            page = write_page(tmp_path, str(file), "--only", name)
            open_page(driver, page)
            driver.find_element("id", "restart").click()
            driver.find_element("id", "pass").click()
            wait_for(driver, "snsimPage.progress.passes.length == 1 && !snsimPage.running", 120)
            seed = str(driver.execute_script("return snsimPage.seed"))
            words = [str(file), "--only", name, *data, "--seed", seed]
            passes = str(driver.execute_script("return snsimPage.at.passes"))
            expected = misses_of_first_pass(tmp_path, int(passes), *words)
            assert driver.execute_script(PASSES) == [expected]
            assert driver.get_log("browser") == []


def misses_of_first_pass(folder: Path, passes: int, *words: str) -> list[int | None]:
    """The misses of the first pass: a schedule depends on the number of passes, so that is not changed."""
    import itertools

    from snsim.runs.options import Options
    from snsim.runs.run import run_unrecorded

    only, data = words[words.index("--only") + 1], "--data" in words
    program = read_program(words[0])
    training = next(one for one in program.own_trainings if one.name == only)
    options = Options(engine="native", portable=True, data=("digits",) if data else ())
    done = next(itertools.islice(run_unrecorded(program, training, int(words[-1]), options), 1))
    assert training.passes == passes
    return [done.train.misses, None if done.test is None else done.test.misses]


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(360, False), (1400, True), (3840, False)])
def test_the_page_fits_and_can_be_used_by_everyone(width: int, dark: bool, tmp_path: Path) -> None:
    page = write_page(tmp_path, "lecun89")
    axe = axe_core(tmp_path)
    with browser(width, 900, dark) as driver:
        open_page(driver, page)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == dark
        driver.execute_script("snsimPage.network.choose('h2', 20)")
        wait_for(driver, "document.getElementById('unit-fan-in').textContent.startsWith('201 with the bias')")
        if axe is None:
            pytest.skip("npm does not give axe-core")
        driver.execute_script(axe)
        found = driver.execute_async_script("const done = arguments[0]; axe.run(document).then(done)")
        serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        assert not serious, [(one["id"], [node["target"] for node in one["nodes"]]) for one in serious]
        assert driver.get_log("browser") == []


def axe_core(folder: Path) -> str | None:
    """The script of axe-core from npm; None without npm or network."""
    import shutil
    import subprocess
    import tarfile

    npm = shutil.which("npm")
    if npm is None:
        return None
    done = subprocess.run([npm, "pack", "axe-core@4.10.3"], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        return None
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        content = archive.extractfile("package/axe.min.js")
        assert content is not None
        return content.read().decode()


@pytest.mark.slow
@needs_browser
def test_a_link_repeats_the_passes_and_weights_return(tmp_path: Path) -> None:
    page = write_page(tmp_path, str(ROOT / "nets" / "xor.sn"))
    with browser() as driver:
        open_page(driver, page, "#seed=3&passes=5")
        wait_for(driver, "snsimPage.at.pass == 5 && !snsimPage.running")
        assert driver.execute_script("return snsimPage.seed") == 3
        rows = "(all) => [...Object.values(all)].map((one) => [...one])"
        weights = f"return snsimPage.session.ask('weights').then({rows})"
        expected = driver.execute_script(weights)
        driver.execute_script("""
            window.kept = null;
            URL.createObjectURL = ((make) => (blob) => { window.kept = blob; return make.call(URL, blob); })(
              URL.createObjectURL);
            document.getElementById("save-weights").click();
        """)
        wait_for(driver, "window.kept")
        driver.find_element("id", "restart").click()
        wait_for(driver, "snsimPage.at.pass == 0")
        driver.execute_script("snsimPage.loadWeights(new File([window.kept], 'x.safetensors'))")
        wait_for(driver, "document.getElementById('live').textContent.startsWith('Weights of x')")
        assert driver.execute_script(weights) == expected
        driver.execute_script("snsimPage.loadWeights(new File(['nonsense'], 'bad.safetensors'))")
        wait_for(driver, "document.getElementById('live').className == 'fault'")
        assert driver.get_log("browser") == []


@pytest.mark.slow
@needs_browser
def test_a_report_has_the_page_in_a_frame(tmp_path: Path) -> None:
    """The worker of a page in a frame without an origin learns, and no request leaves."""
    run = make_runs(tmp_path) / "tiny"
    assert snsim("report", run)[0] == 0
    with browser() as driver:
        driver.get((run / "report.html").as_uri())
        driver.execute_script("document.getElementById('page').scrollIntoView()")
        driver.switch_to.frame(driver.find_element("css selector", "iframe.net"))
        wait_for(driver, "document.body.dataset.ready === 'true'", 20)
        driver.find_element("id", "restart").click()
        driver.find_element("id", "go").click()
        wait_for(driver, "snsimPage.at.pass == 4 && !snsimPage.running")
        assert not driver.find_element("id", "copy-link").is_displayed()
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert driver.get_log("browser") == [] and requests_of(driver) == []


@needs_browser
def test_sliders_begin_at_the_pattern_in_the_units_of_the_table(tmp_path: Path) -> None:
    rows = [[10.0 * k, 3.5 - k, "pq"[k % 2]] for k in range(20)]
    (tmp_path / "t.csv").write_text("a,b,kind\n" + "".join(f"{a},{b},{kind}\n" for a, b, kind in rows))
    (tmp_path / "t.sn").write_text(
        "(net t (layer input 2) (layer output 2) (connect input output (full)))"
        '(train t (data (csv "t.csv" (standardize))) (epsilon 0.01) (passes 1))'
    )
    texts = "return [...document.querySelectorAll('#sliders output')].map((one) => Number(one.textContent))"
    with browser() as driver:
        open_page(driver, write_page(tmp_path, str(tmp_path / "t.sn")))
        wait_for(driver, "snsimPage.pad.values[0] != 0")
        assert driver.execute_script(texts) == rows[0][:2]
        driver.find_element("id", "next").click()
        wait_for(driver, "document.querySelector('#sliders output').textContent == '10'")
        assert driver.execute_script(texts) == rows[1][:2]
        driver.execute_script(  # to the end at the right
            "const slider = document.querySelector('#sliders input'); slider.value = slider.max;"
            "slider.dispatchEvent(new Event('input'));"
        )
        assert driver.execute_script(texts) == pytest.approx([rows[-1][0], rows[1][1]], abs=2)  # hundred steps
        assert driver.get_log("browser") == []
