"""The engine `wasm` and `--portable`: the same bits from both, for every net and everything that a run can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from every_feature import FEATURES, program_of

from snsim import engines
from snsim.engines.native import jit, wasm
from snsim.engines.native.target import Machine, portable_machine
from snsim.engines.plan import plan
from snsim.errors import SnError
from snsim.program import read_program
from snsim.registry import split_cell
from snsim.run_folder import open_run
from snsim.runs.examples import SourceFolder, find_examples
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, options_of, overridden
from snsim.runs.resume import resume
from snsim.runs.run import run
from snsim.training.choose_engine import build_engine, native_code
from snsim.training.initial import initial_weights
from snsim.training.loop import train
from snsim.training.prepare import Patterns, prepare_data
from snsim.training.schedule import fit_stages
from snsim.training.spec import Training

pytest.importorskip("wasmtime")

NETS = Path(__file__).parents[1] / "nets"
FEW = ["lecun89", "net-5", "tdnn", "ladder-weight-norm"]
MOST = 300  # training patterns, so that every net takes seconds
MOST_CELLS = 8  # of a design


def bits_of(training: Training, data, name: str, portable: bool, dtype: str = "float32") -> Mapping[str, np.ndarray]:
    """The weights and the update state after all passes."""
    engine = build_engine(training, training.stages[0], name, dtype, portable=portable)
    engine.load_parameters(initial_weights(training, 1))
    *_, last = train(training, data, engine, 1)
    return {**last.snapshot.parameters, **{f"state {name}": value for name, value in last.snapshot.state.items()}}


def assert_same_bits(training: Training, data, dtype: str = "float32") -> None:
    ours = bits_of(training, data, "wasm", False, dtype)
    native = bits_of(training, data, "native", True, dtype)
    assert ours.keys() == native.keys()
    for name in ours:
        assert np.array_equal(ours[name], native[name]), f"{training.name}: {name} differs"


def cut(data, most: int | None = MOST):
    def first(patterns: Patterns) -> Patterns:
        starts = None if patterns.starts is None else patterns.starts[:most]
        return Patterns(patterns.inputs[:most], patterns.targets[:most], starts=starts)

    return replace(data, train=first(data.train), test=data.test and first(data.test))


def prepared(path: Path, passes: int = 2, most: int | None = MOST):
    """Yield the trainings of a file with their data. A design may have thousands of cells: only the first count."""
    program = read_program(path)
    seen: Counter[str] = Counter()
    for training in program.own_trainings:
        stated, cell = split_cell(training.name)
        seen[stated] += bool(cell)
        if seen[stated] > MOST_CELLS:
            continue
        short = replace(training, stages=fit_stages(training.stages, min(passes, training.passes)))
        names = ("digits",) if training.data.names and "sn28-digits" not in training.data.names else ()
        short = overridden(short, Options(data=names))
        try:
            found = find_examples(short, Options(online=False), SourceFolder.of(program.sources), lambda s: None, None)
            data = prepare_data(short, found.examples, "float32")
        except SnError as error:
            pytest.skip(str(error))
        yield short, cut(data, most)


@pytest.mark.parametrize(
    "name",
    [pytest.param(path.stem, marks=() if path.stem in FEW else pytest.mark.slow) for path in sorted(NETS.glob("*.sn"))],
)
def test_every_net_has_the_same_bits_as_webassembly_and_as_portable_code(name: str) -> None:
    for training, data in prepared(NETS / f"{name}.sn"):
        assert_same_bits(training, data)
        break


@pytest.mark.parametrize("feature", FEATURES)
def test_everything_that_a_run_can_do_has_the_same_bits(feature: str) -> None:
    training, data = program_of(feature)
    assert_same_bits(training, data)


def test_float64_has_the_same_bits() -> None:
    training, data = program_of("stages")
    assert_same_bits(training, data, "float64")


def test_portable_code_never_asks_for_fused_or_estimated_operations() -> None:
    training = read_program(NETS / "lecun89.sn").own_trainings[0]
    text = native_code(training, training.stages[0], "float32")
    portable = native_code(training, training.stages[0], "float32", portable=True)
    inexact = ("fmuladd", " contract ", " arcp ")
    assert all(word in text and word not in portable for word in inexact)
    assert "<4 x float>" in portable and "<8 x float>" not in portable


def test_an_engine_that_is_not_portable_says_so() -> None:
    training = read_program(NETS / "xor.sn").own_trainings[0]
    with pytest.raises(SnError, match="the reference engine may compute other bits on another processor"):
        build_engine(training, training.stages[0], "reference", "float32", portable=True)


def test_a_module_has_one_memory_and_the_functions_asked_for() -> None:
    import wasmtime

    training = read_program(NETS / "net-5.sn").own_trainings[0]
    engine, _ = engines.native_package().module_engine(
        plan(training.net), training.cost, training.stages[0].rule, "float32", {}
    )
    image = wasm.module_bytes(engine.net_code.forward_module(), ("states", "evaluate"))
    module = wasmtime.Module(wasmtime.Engine(), image)
    assert [(one.module, one.name) for one in module.imports] == [("env", "__linear_memory")]
    assert [one.name for one in module.exports] == ["states", "evaluate"]


def test_code_that_needs_a_function_of_a_library_is_refused() -> None:
    text = "declare double @tanh(double)\ndefine void @run(ptr %a) {\n  %x = load double, ptr %a\n"
    text += "  %y = call double @tanh(double %x)\n  store double %y, ptr %a\n  ret void\n}\n"
    with pytest.raises(SnError, match="WebAssembly: the code needs env.tanh"):
        wasm.module_bytes(text, ("run",))


def test_a_portable_machine_does_not_depend_on_this_processor() -> None:
    assert portable_machine("float32") == Machine(np.dtype("float32"), 4, 16, strict=True)
    assert portable_machine("float64") == Machine(np.dtype("float64"), 2, 16, strict=True)
    assert not jit.machine("float32").strict


def test_a_portable_run_says_so_and_resumes_so(tmp_path: Path) -> None:
    """The run of 2 passes that goes on to 4 has the bits of one of 4, and of one by the engine wasm."""
    program = read_program(NETS / "tdnn.sn")
    training = program.own_trainings[0]
    by = {
        "stopped": Options(out=tmp_path, folder="stopped", portable=True, passes=2),
        "whole": Options(out=tmp_path, folder="whole", portable=True, engine="native", passes=4),
        "wasm": Options(out=tmp_path, folder="wasm", engine="wasm", passes=4),
    }
    for options in by.values():
        list(run(program, training, 1, options))
    list(resume(tmp_path / "stopped", Options(), passes=4))
    opened = {name: OpenedRun(open_run(tmp_path / name)) for name in by}
    settings = {name: run.settings for name, run in opened.items()}
    assert settings["stopped"]["portable"] is settings["whole"]["portable"] is True
    assert "portable" not in settings["wasm"] and "wasmtime" in settings["wasm"]["versions"]
    assert "--portable" in options_of(settings["whole"])
    for name, values in opened["whole"].weights.items():
        assert np.array_equal(values, opened["stopped"].weights[name])
        assert np.array_equal(values, opened["wasm"].weights[name])
