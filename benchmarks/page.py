"""Measure how fast a net learns in a page: microseconds of CPU a presentation, one example at a time.

    python benchmarks/page.py [NET ...] [--npm FOLDER]

Nets are those of the gallery, lecun89 and lecun89-2022 by default, on the digits. Node and headless Chromium run the
engine of the page, beside the native engine in this process. Chromium tells no CPU time: its figure is the least time
by the clock of many rounds. It also learns in the page itself for some seconds, and the script prints how long a frame
took to draw meanwhile. Chromium needs selenium and chromedriver. The load of the machine is printed first: other work
makes clock times longer. With FOLDER, TensorFlow.js (CPU backend) and ConvNetJS train the net of 1989
by plain gradient descent: the same layers, but every map of H2 sees all 12 maps of H1, not 8 of them. npm installs them
into FOLDER if they are not there.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from snsim.engines.protocol import Settings
from snsim.page.modules import join_modules
from snsim.page.subject import subject_of_program
from snsim.page.training_description import describe_training
from snsim.page.writing import page_of
from snsim.program import read_program
from snsim.runs.examples import SourceFolder, find_examples
from snsim.runs.options import Options, overridden
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights
from snsim.training.parameter_scopes import rates_in_pass
from snsim.training.prepare import prepare_data
from snsim.training.schedule import fit_stages, value_at
from snsim.training.spec import Training

HERE = Path(__file__).parent
ENGINE = HERE.parent / "snsim" / "page" / "engine"
PACKAGES = ("@tensorflow/tfjs", "convnetjs")
ROUNDS, PRESENTATIONS = 12, 1000
CLOCK_ROUNDS, FEW = 500, 200  # where only the clock tells the time: rounds so short that other work interrupts few
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
        print("Chromium is not measured: it needs chromium, chromedriver and selenium")
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


def node(script: str, *arguments: Path) -> float:
    command = ["node", str(HERE / "page" / script), *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", default=["lecun89", "lecun89-2022"])
    parser.add_argument("--npm", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    slowest = 0.0
    if hasattr(os, "getloadavg"):
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with chromium() as driver:
        for name in options.nets:
            training, data = prepared(name)
            native, portable = (native_microseconds(training, data, how) for how in (False, True))
            page = page_microseconds(training, data)
            slowest = max(slowest, page)
            ratio = f"{page / native:.1f} times native"
            print(f"{name:14} native {native:6.1f}  portable {portable:6.1f}  Node {page:6.1f} us, {ratio}")
            if driver is not None:
                page = chromium_microseconds(driver, training, data)
                middle, worst = frame_milliseconds(driver, name)
                print(f"{name:14} Chromium {page:6.1f} us, {page / native:.1f} times native;", end=" ")
                print(f"a frame takes {middle:.1f} ms (median), at most {worst:.1f}")
    if options.npm is None:
        return
    folder = options.npm.resolve()
    if not all((folder / "node_modules" / package).exists() for package in PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", *PACKAGES], check=True, cwd=folder)
    for script in ("tfjs.mjs", "convnetjs.mjs"):
        theirs = node(script, folder)
        times = f"{theirs / slowest:.0f} times the slowest net above in Node"
        print(f"{script.removesuffix('.mjs'):14} {theirs:8.0f} us, {times}")


if __name__ == "__main__":
    main()
