"""Objects that are linked without LLVM: same results as with LLVM's linker; damaged ones are refused."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from snsim.engines.native import build, elf, jit
from snsim.engines.plan import plan
from snsim.operating_system import code_memory

try:
    code_memory(4096)
except OSError as error:
    pytest.skip(str(error), allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
CASES = 12
# A table of jumps, a table of constants, calls of two functions of the C library, and a call inside the object.
TEXT = f"""declare double @tanh(double)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define internal double @line(double %x, i64 %case) noinline {{
  switch i64 %case, label %other [{" ".join(f"i64 {k}, label %case{k}" for k in range(CASES))}]
{
    "".join(
        f'''case{k}:
  %product{k} = fmul double %x, {k}.125
  %sum{k} = fsub double %product{k}, {k}.25
  ret double %sum{k}
'''
        for k in range(CASES)
    )
}other:
  ret double -1.0
}}
define void @f(ptr %numbers, ptr %copy, i64 %case, i64 %size) {{
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %numbers, i64 %size, i1 false)
  %x = load double, ptr %numbers
  %line = call double @line(double %x, i64 %case)
  %tanh = call double @tanh(double %line)
  store double %tanh, ptr %numbers
  ret void
}}
"""


@pytest.fixture(scope="module")
def image() -> bytes:
    return jit.object_code(TEXT)


@pytest.fixture(scope="module")
def library(image: bytes) -> dict[str, int]:
    needed = elf.ElfObject(image).needed
    assert set(needed) == {"tanh", "memcpy"}
    return {name: jit._address(name) for name in needed}


def called(address: int, x: float, case: int) -> tuple[float, float]:
    """Return what `f` makes of a number, and its copy."""
    number, copy = ctypes.c_double(x), ctypes.c_double(0)
    kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    ctypes.CFUNCTYPE(None, *kinds)(address)(ctypes.addressof(number), ctypes.addressof(copy), case, 8)
    return number.value, copy.value


def test_linked_code_computes(image: bytes, library: dict[str, int]) -> None:
    linked = elf.LinkedObject(elf.ElfObject(image), library)
    assert set(linked.addresses) == {"f"}
    for case in range(-1, CASES + 1):
        expected = 0.5 * (case + 0.125) - (case + 0.25) if 0 <= case < CASES else -1.0
        made, copy = called(linked.addresses["f"], 0.5, case)
        assert made == pytest.approx(np.tanh(expected), rel=1e-15) and copy == 0.5


def test_memory_of_code_cannot_be_written(image: bytes, library: dict[str, int]) -> None:
    linked = elf.LinkedObject(elf.ElfObject(image), library)
    address = linked.addresses["f"]
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= address < last:
            assert line.split()[1] == "r-xp"
            return
    raise AssertionError("the code lies in no memory of this process")


def test_memory_is_given_back(image: bytes, library: dict[str, int]) -> None:
    def executable() -> int:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return sum(
            int(b, 16) - int(a, 16) for line in lines if " r-xp " in line for a, b in [line.split()[0].split("-")]
        )

    before = executable()
    for _ in range(50):
        elf.LinkedObject(elf.ElfObject(image), library)
    assert executable() - before < 50 * 4096


def test_nets_compute_the_same_bits_as_with_the_linker_of_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    from test_native import HALF_SQUARES, declared, patterns, rule, weights
    from test_native import settings as settings_of

    for file in ("xor", "lecun89", "lenet-5"):
        (net,) = declared(ROOT / "nets" / f"{file}.sn").values()
        made = plan(net)
        x, d = patterns(made, 4)
        results = []
        for change in ((elf, "LinkedObject", _refused), (jit, "_llvm", lambda: pytest.fail("linked by LLVM"))):
            with monkeypatch.context() as changed:
                changed.setattr(*change)
                engine = build(made, HALF_SQUARES, rule("sgd"), "float32")
                engine.load_parameters(weights(made))
                engine.learn(x, d, settings_of(made, rule("sgd"), 0.01))
                results.append(engine.outputs(x))
        np.testing.assert_array_equal(results[0], results[1])


def _refused(*_: object) -> None:
    raise elf.ElfError("refused")


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_objects_are_refused_or_linked(data: st.DataObject) -> None:
    """Bytes of the tables are changed, or the end is missing. The code is not called."""
    image = bytearray(jit.object_code(TEXT))
    library = dict.fromkeys(jit.LIBRARY, 0)
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.sampled_from((0, 1, 2, 64, 127, 128, 255)))
    cut = data.draw(st.integers(0, len(image)) | st.just(len(image)))
    try:
        parsed = elf.ElfObject(bytes(image[:cut]))
        elf.LinkedObject(parsed, dict.fromkeys(parsed.needed, 0) | library)
    except (elf.ElfError, OSError):
        pass


@pytest.mark.parametrize("cut", ["sections", "names", "symbols"])
def test_what_lies_outside_is_refused(image: bytes, cut: str) -> None:
    parsed = elf.ElfObject(image)
    assert len(parsed.sections) and parsed.names and len(parsed.symbols)
    short = elf.ElfObject(image[: {"sections": len(image) - 1, "names": 100, "symbols": 63}[cut]])
    with pytest.raises(elf.ElfError):
        getattr(short, cut)


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("@g = global i32 7\ndefine void @f() {\n  store i32 8, ptr @g\n  ret void\n}\n", ".data"),
        ("@g = thread_local global i32 0\ndefine void @f() {\n  store i32 8, ptr @g\n  ret void\n}\n", ".tbss"),
    ],
)
def test_variables_are_left_to_llvm(text: str, section: str) -> None:
    import llvmlite.binding as llvm

    image = jit._target_machine().emit_object(llvm.parse_assembly(text))
    parsed = elf.ElfObject(image)
    with pytest.raises(elf.ElfError, match=f"section {section}"):
        elf.LinkedObject(parsed, dict.fromkeys(parsed.needed, 0))


def test_llvm_is_not_loaded_for_code_in_the_cache(tmp_path: Path) -> None:
    script = (
        "import sys; from snsim.__main__ import main; sys.argv = ['snsim', 'run', 'xor', '--out', sys.argv[1]]; "
        "code = main(); print('llvmlite.binding' in sys.modules, code)"
    )
    environment = {**os.environ, "SNSIM_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    last = []
    for number in range(3):
        if number == 2:  # a description of the processor that is damaged is made again
            (host,) = (tmp_path / "cache").rglob("*.host")
            good = host.read_bytes()
            host.write_bytes(good[:-1])
        command = [sys.executable, "-c", script, str(tmp_path / str(number))]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        last.append(done.stdout.splitlines()[-1])
    assert last == ["True 0", "False 0", "True 0"] and host.read_bytes() == good
