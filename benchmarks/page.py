"""Measure how fast a net learns in a page: microseconds of CPU a presentation, one example at a time.

    python benchmarks/page.py [NET ...] [--json] [--quick] [--npm FOLDER]

Nets are those of the gallery, lecun89-2022 and lecun89 by default, on the digits. Node and headless Chromium run the
engine of the page; the native engine in this process stands beside them, with and without --portable. Chromium tells no
CPU time: its figure is the least time by the clock of many rounds. It also learns in the page itself for some seconds,
and a note says how long a frame took to draw meanwhile. Chromium needs selenium and chromedriver. The limit is the time
of the multiply-adds at the peak of this JavaScript engine: vectors of 16 bytes, a multiplication and an addition each.

The rivals, TensorFlow.js (CPU backend) and ConvNetJS, train the net of 1989 by plain gradient descent: the same layers,
but every map of H2 sees all 12 maps of H1, not 8 of them. npm installs them into FOLDER if they are not there.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from peak import flop_of  # noqa: E402
from rows import Row, failed, parser, print_rows, row, why  # noqa: E402

from snsim.engines.native.llvm_ir import Module  # noqa: E402
from snsim.engines.native.target import Address, attributes, portable_machine  # noqa: E402
from snsim.engines.native.wasm import module_bytes  # noqa: E402
from snsim.engines.plan import plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.page.modules import join_modules  # noqa: E402
from snsim.page.subject import subject_of_program  # noqa: E402
from snsim.page.training_description import describe_training  # noqa: E402
from snsim.page.writing import page_of  # noqa: E402
from snsim.program import read_program  # noqa: E402
from snsim.runs.examples import SourceFolder, find_examples  # noqa: E402
from snsim.runs.options import Options, overridden  # noqa: E402
from snsim.training.choose_engine import build_engine  # noqa: E402
from snsim.training.initial import initial_weights  # noqa: E402
from snsim.training.parameter_scopes import rates_in_pass  # noqa: E402
from snsim.training.prepare import prepare_data  # noqa: E402
from snsim.training.schedule import fit_stages, value_at  # noqa: E402
from snsim.training.spec import Training  # noqa: E402

ENGINE = HERE.parent / "snsim" / "page" / "engine"
PACKAGES = ("@tensorflow/tfjs", "convnetjs")
ROUNDS, PRESENTATIONS = 12, 1000
GOALS = {"lecun89-2022": 12.0}  # microseconds
CLOCK_ROUNDS, FEW = (
    300,
    1000,
)  # where only the clock tells the time, in steps of 0.1 ms: some rounds are not interrupted
SECONDS_OF_FRAMES = 5


def prepared(name: str):
    """The training of a net of the gallery with one pass on the digits, and its data."""
    program = read_program(HERE.parent / "nets" / f"{name}.sn")
    training = program.own_trainings[0]
    training = replace(training, stages=fit_stages(training.stages, 1))
    training = overridden(training, Options(data=("digits",)))
    found = find_examples(training, Options(online=False), SourceFolder.of(program.sources), lambda _: None, None)
    return training, prepare_data(training, found.examples, "float32")


def native_microseconds(training: Training, data, portable: bool) -> float:
    """The least CPU time of several rounds."""
    stage = training.stages[0]
    engine = build_engine(training, stage, "native", "float32", portable=portable)
    engine.load_parameters(initial_weights(training, 1))
    settings = Settings(
        rates_in_pass(stage, training.net, 1, training.fan_in),
        {name: value_at(value, 1, 1) for name, value in stage.options.items()},
    )
    x, d = data.train.inputs[:PRESENTATIONS], data.train.targets[:PRESENTATIONS]
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        engine.learn(x, d, settings)
        least = min(least, time.thread_time() - start)
    return least / len(x) * 1e6


def page_microseconds(training: Training, data) -> float:
    described = describe_training(training, data, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {blob: f"{number}.bin" for number, blob in enumerate(described.blobs)}
        for blob, file in files.items():
            (folder / file).write_bytes(described.blobs[blob])
        (folder / "description.json").write_text(json.dumps({"values": described.values, "blobs": files}))
        return node("snsim.mjs", ENGINE, folder)


def chromium_microseconds(driver, training: Training, data) -> float:
    described = describe_training(training, data, 1)
    work = {
        "values": described.values,
        "blobs": {name: base64.b64encode(content).decode() for name, content in described.blobs.items()},
        "count": FEW,
        "rounds": CLOCK_ROUNDS,
    }
    script = join_modules("engine/training.js") + (HERE / "page" / "worker.js").read_text()
    driver.get("about:blank")
    driver.set_script_timeout(600)
    return 1e3 * driver.execute_async_script(
        """
        const [script, work, done] = arguments;
        const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
        worker.onmessage = ({ data }) => done(data);
        worker.postMessage(work);
        """,
        script,
        work,
    )


def frame_milliseconds(driver, name: str) -> tuple[float, float]:
    """The median and the longest time that drawing a frame took while the net learned in the page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        program = read_program(HERE.parent / "nets" / f"{name}.sn")
        options = Options(data=("digits",), online=False)
        subject = subject_of_program(program, program.own_trainings[0].name, options, lambda _: None)
        file.write_text(page_of(subject), "utf-8")
        driver.get(file.as_uri())
        while not driver.execute_script("return document.body.dataset.ready === 'true'"):
            time.sleep(0.1)
        driver.execute_script("""
            const paint = snsimPage.paint.bind(snsimPage);
            window.frameTimes = [];
            snsimPage.paint = (look) => {
              const began = performance.now();
              paint(look);
              frameTimes.push(performance.now() - began);
            };
            document.getElementById("go").click();
        """)
        time.sleep(SECONDS_OF_FRAMES)
        times = driver.execute_script("return frameTimes")
    return median(times), max(times)


@contextmanager
def chromium():
    """A driver of headless Chromium, None where there is none."""
    place, driver_place = shutil.which("chromium"), shutil.which("chromedriver")
    if place is None or driver_place is None or importlib.util.find_spec("selenium") is None:
        print("Chromium is not measured: it needs chromium, chromedriver and selenium", file=sys.stderr)
        yield None
        return
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = place
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_place))
    try:
        yield driver
    finally:
        driver.quit()


def node(script: str, *arguments: Path | str) -> float:
    command = ["node", str(HERE / "page" / script), *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def peak_of_node() -> float:
    """Return the FLOP a second of Node: chains of multiplications and additions of vectors, all in registers."""
    turns, chains, unrolled = 500_000, 10, 4
    machine = portable_machine("float32")
    module = Module(machine, "peak")
    f = module.function("peak", [("ptr", "state"), ("i64", "turns")], "independent multiply-adds", exported=True)
    a, b = f.load(Address(0)), f.load(Address(machine.lanes))
    places = [Address((2 + k) * machine.lanes) for k in range(chains)]

    def body(_, now):
        for _ in range(unrolled):
            now = [f.fma(x, a, b) for x in now]
        return now

    for place, value in zip(places, f.loop(f.argument("turns", "i64"), body, [f.load(place) for place in places])):
        f.store(value, place)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "peak.wasm"
        file.write_bytes(module_bytes(str(module) + attributes({}), ("peak",)))
        seconds = node("peak.mjs", file, str(turns))
    return 2.0 * turns * chains * unrolled * machine.lanes / seconds


def rivals(folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Return the microseconds of each rival, and why one could not run; npm installs them if they are missing."""
    scripts = {"ConvNetJS": "convnetjs.mjs", "TensorFlow.js": "tfjs.mjs"}
    if not all((folder / "node_modules" / package).exists() for package in PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", *PACKAGES]
        try:
            subprocess.run(command, check=True, cwd=folder, timeout=180, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            return {}, dict.fromkeys(scripts, f"npm could not install it: {why(error)}")
    times: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name, script in scripts.items():
        try:
            times[name] = node(script, folder)
        except (OSError, subprocess.SubprocessError) as error:
            absent[name] = why(error)
    return times, absent


def main() -> None:
    options = parser(__doc__, ROUNDS)
    options.add_argument("nets", nargs="*", metavar="NET", default=["lecun89-2022", "lecun89"])
    options.add_argument("--npm", type=Path, metavar="FOLDER", default=HERE.parent / "build" / "npm")
    asked = options.parse_args()
    theirs, absent = ({}, {}) if asked.quick else rivals(asked.npm.resolve())
    peak = peak_of_node()
    made = []
    with nullcontext() if asked.quick else chromium() as driver:
        for name in asked.nets:
            made += rows_of(name, driver, peak, theirs, absent)
    print_rows(made, asked.json)


def rows_of(name: str, driver, peak: float, theirs: dict[str, float], absent: dict[str, str]) -> list[Row]:
    """Return the rows of a net: in Node, and in Chromium if there is one. Its rivals are nets of its size."""
    training, data = prepared(name)
    native, portable = (native_microseconds(training, data, how) for how in (False, True))
    rule = training.stages[0].rule
    limit = flop_of(plan(training.net), curvature=rule.curvature is not None) / peak * 1e6
    page = page_microseconds(training, data)
    what, note = f"learn in a page, {rule.name}", f"native {native:.1f} us, with --portable {portable:.1f} us"
    goal = {"time": GOALS[name]} if name in GOALS else {}
    made = [
        row(
            name,
            f"{what}, Node",
            page,
            rivals=theirs,
            absent=absent,
            limit=limit,
            goal=goal | {"faster": 1.5},
            note=note,
        )
    ]
    if driver is None:
        return made
    try:
        seen = chromium_microseconds(driver, training, data)
        middle, worst = frame_milliseconds(driver, name)
        frames = f"by the clock; a frame takes {middle:.1f} ms (median), at most {worst:.1f}"
        made.append(row(name, f"{what}, Chromium", seen, rivals=theirs, limit=limit, goal=goal, note=frames))
    except Exception as error:  # of selenium, of many kinds
        made.append(failed(name, f"{what}, Chromium", why(error)))
    return made


if __name__ == "__main__":
    main()
