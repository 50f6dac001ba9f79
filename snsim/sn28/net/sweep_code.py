"""The operations of a whole pass over patterns as compiled functions, and the function that runs a list of them.

A pass over patterns repeats the same operations for each pattern: present it, compute the states of a layer, and so on.
`learning/fused_sweeps.py` writes them down once as a list of pairs (operation, address of its arguments). `run_sweep`
goes through the list for each pattern without returning to Python.

Each operation has the arguments `(args, p, k)`: the address of its own arguments (8 bytes each), the row of the
pattern, and the number of the pattern in this run. Each product and sum is rounded to single precision in the order of
the functions in NumPy (propagation.py, weights.py, curvature.py), so the bits are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Slots = Sequence[tuple[str, str]]
_EDGES = (("ptr", "units"), ("i64", "count"), *(("ptr", name) for name in ("start", "other", "weight", "connection")))
_LANES = 8  # weights at a time in the operations on all weights


def _loads(slots: Slots) -> list[str]:
    lines = []
    for i, (kind, name) in enumerate(slots):
        lines += [
            f"%at.{name} = getelementptr i64, ptr %args, i64 {i}",
            f"%{name} = load {kind}, ptr %at.{name}, align 8",
        ]
    return lines


def _define(name: str, lines: Iterable[str], arguments: str = "ptr %args, i64 %p, i64 %k") -> str:
    text = "\n".join(line if line.endswith(":") else f"  {line}" for line in lines)
    return f"define void @{name}({arguments}) {{\nentry:\n{text}\n}}\n"


def _loop(
    name: str,
    slots: Slots,
    body: Sequence[str],
    carried: Sequence[tuple[str, str, str]] = (),
    after: Sequence[str] = (),
    before: Sequence[str] = (),
) -> str:
    """Return a function that does `body` for %i from 0 to %count - 1.

    `carried` are (type, name, first value): %name is the value before a round, %name.next must be set in it.
    """
    phis = [f"%{c} = phi {kind} [ {first}, %entry ], [ %{c}.next, %round ]" for kind, c, first in carried]
    return _define(
        name,
        [
            *_loads(slots),
            *before,
            "br label %head",
            "head:",
            "%i = phi i64 [ 0, %entry ], [ %i.next, %round ]",
            *phis,
            "%more = icmp slt i64 %i, %count",
            "br i1 %more, label %round, label %done",
            "round:",
            *body,
            "%i.next = add nsw i64 %i, 1",
            "br label %head",
            "done:",
            *after,
            "ret void",
        ],
    )


def _unit(name: str = "u", units: str = "units") -> list[str]:
    """Return the lines that load the number of unit %i of a layer."""
    return [
        f"%{name}.at = getelementptr i32, ptr %{units}, i64 %i",
        f"%{name}.short = load i32, ptr %{name}.at, align 4",
        f"%{name} = sext i32 %{name}.short to i64",
    ]


def _get(value: str, field: str, index: str) -> list[str]:
    return [
        f"%{value}.at = getelementptr float, ptr %{field}, i64 %{index}",
        f"%{value} = load float, ptr %{value}.at, align 4",
    ]


def _put(value: str, field: str, index: str) -> list[str]:
    return [
        f"%{value}.{field}.to = getelementptr float, ptr %{field}, i64 %{index}",
        f"store float %{value}, ptr %{value}.{field}.to, align 4",
    ]


def _function(name: str, constants: Sequence[str], lines: Sequence[str]) -> str:
    """Return an operation that sets the field `out` of units to a function of the field `in`."""
    slots = [("ptr", "units"), ("i64", "count"), ("ptr", "in"), ("ptr", "out"), *(("float", c) for c in constants)]
    return _loop(name, slots, [*_unit(), *_get("x", "in", "u"), *lines, *_put("y", "out", "u")])


def _tanh(result: str) -> list[str]:
    return [
        "%bx = fmul float %b, %x",
        "%bx.d = fpext float %bx to double",
        "%t.d = call double @tanh(double %bx.d)",
        f"%{result} = fptrunc double %t.d to float",
    ]


def _functions() -> list[str]:
    """Return the non-linear functions of nlf.py, and parts of the difference quotients."""
    affine = ["%cx = fmul float %c, %x", "%af = fmul float %a, %f", "%afd = fadd float %af, %d"]
    affine += ["%y = fadd float %cx, %afd"]
    slope = ["%tt = fmul float %t, %t", "%stt = fmul float %slope, %tt", "%y = fsub float %top, %stt"]
    bounded = ["%cx = fmul float %c, %x", "%af = fmul float %a, %f", "%afc = fadd float %af, %cx"]
    bounded += ["%y = fadd float %afc, %d"]
    above = ["%bx = fmul float %b, %x", "%is = fcmp oge float %bx, 0.0"]
    bump = ["%xx = fmul float %x, %x", "%v = fsub float 1.0, %xx", "%vv = fmul float %v, %v"]
    bump += ["%size = call float @llvm.fabs.f32(float %x)", "%in.it = fcmp olt float %size, 1.0"]
    clip = ["%bx = fmul float %b, %x", "%low = fcmp olt float %bx, -1.0"]
    clip += ["%raised = select i1 %low, float -1.0, float %bx", "%high = fcmp ogt float %raised, 1.0"]
    return [
        _function("sweep_tanh", "abcd", [*_tanh("f"), *affine]),
        _function("sweep_tanh_slope", ("b", "slope", "top"), [*_tanh("t"), *slope]),
        _function("sweep_linear", ("slope", "d"), ["%sx = fmul float %slope, %x", "%y = fadd float %sx, %d"]),
        _function("sweep_threshold", "abcd", [*above, "%f = select i1 %is, float 1.0, float -1.0", *bounded]),
        _function("sweep_piecewise", "abcd", [*clip, "%f = select i1 %high, float 1.0, float %raised", *bounded]),
        _function(
            "sweep_bell", (), [*bump, "%cube = fmul float %v, %vv", "%y = select i1 %in.it, float %cube, float 0.0"]
        ),
        _function(
            "sweep_bell_slope",
            (),
            [
                *bump,
                "%vvx = fmul float %vv, %x",
                "%six = fmul float -6.0, %vvx",
                "%y = select i1 %in.it, float %six, float 0.0",
            ],
        ),
        _function("sweep_zero", (), ["%y = fadd float 0.0, 0.0"]),
        _function("sweep_shift", ("h",), ["%y = fadd float %x, %h"]),
        _loop(
            "sweep_first_difference",  # (out - other) / h
            [("ptr", "units"), ("i64", "count"), ("ptr", "other"), ("ptr", "out"), ("float", "h")],
            [
                *_unit(),
                *_get("f", "out", "u"),
                *_get("g", "other", "u"),
                "%s = fsub float %f, %g",
                "%y = fdiv float %s, %h",
                *_put("y", "out", "u"),
            ],
        ),
        _loop(
            "sweep_second_difference",  # ((out + other) - 2 middle) / h
            [("ptr", "units"), ("i64", "count"), ("ptr", "other"), ("ptr", "middle"), ("ptr", "out"), ("float", "h")],
            [
                *_unit(),
                *_get("f", "out", "u"),
                *_get("g", "other", "u"),
                *_get("m", "middle", "u"),
                "%s = fadd float %f, %g",
                "%mm = fmul float 2.0, %m",
                "%n = fsub float %s, %mm",
                "%y = fdiv float %n, %h",
                *_put("y", "out", "u"),
            ],
        ),
    ]


def _units() -> list[str]:
    """Return the other operations on units."""
    layer = [("ptr", "units"), ("i64", "count")]

    def fields(names: str) -> list[tuple[str, str]]:
        return [*layer, *(("ptr", name) for name in names.split())]

    error = ["%e.0 = fsub float %target, %x"]
    threshold = [
        "%above = fcmp ogt float %target, %limit",
        "%negative = fcmp olt float %e.0, 0.0",
        "%positive = fcmp ogt float %e.0, 0.0",
        "%useless = select i1 %above, i1 %negative, i1 %positive",
        "%cut = select i1 %useless, float 0.0, float %e.0",
        "%has = icmp ne i64 %thresholded, 0",
        "%e = select i1 %has, float %cut, float %e.0",
    ]
    return [
        _loop(
            "sweep_present",
            [*layer, ("ptr", "rows"), ("i64", "width"), ("i64", "first"), ("ptr", "val")],
            [
                *_unit(),
                "%j = add i64 %start, %i",
                *_get("x", "rows", "j"),
                *_put("x", "val", "u"),
            ],
            before=["%row = mul i64 %p, %width", "%start = add i64 %row, %first"],
        ),
        _loop("sweep_fill", [*layer, ("ptr", "out"), ("float", "y")], [*_unit(), *_put("y", "out", "u")]),
        _loop(
            "sweep_product",
            fields("a b out"),
            [*_unit(), *_get("x", "a", "u"), *_get("z", "b", "u"), "%y = fmul float %x, %z", *_put("y", "out", "u")],
        ),
        _loop(
            "sweep_errors",
            [
                *fields("desired val slope backsum grad"),
                *[("i64", "thresholded"), ("float", "limit"), ("double", "outputs")],
                *[("ptr", "errors"), ("ptr", "status")],
            ],
            [
                *_unit(),
                *_unit("v", "desired"),
                *_get("x", "val", "u"),
                *_get("target", "val", "v"),
                *error,
                *threshold,
                *_put("e", "backsum", "u"),
                *_get("f", "slope", "u"),
                "%g = fmul float %e, %f",
                *_put("g", "grad", "u"),
                "%ee = fmul float %e, %e",
                "%half = fmul float 0.5, %ee",
                "%total.next = fadd float %total, %half",
            ],
            [("float", "total", "0.0")],
            [
                "%sum = fpext float %total to double",
                "%mean = fdiv double %sum, %outputs",
                "%to = getelementptr double, ptr %errors, i64 %k",
                "store double %mean, ptr %to, align 8",
                "%rest = fsub double %mean, %mean",  # nan for a number that is not finite, which is an error in Lisp
                "%bad = fcmp une double %rest, 0.0",
                "%flag = zext i1 %bad to i64",
                "store i64 %flag, ptr %status, align 8",
            ],
        ),
        _loop(
            "sweep_curvature",
            fields("s slope out"),
            [
                *_unit(),
                *_get("x", "s", "u"),
                *_get("f", "slope", "u"),
                "%ff = fmul float %f, %f",
                "%y = fmul float %x, %ff",
                *_put("y", "out", "u"),
            ],
        ),
        _loop(
            "sweep_full_curvature",
            fields("s slope backsum bend out"),
            [
                *_unit(),
                *_get("x", "s", "u"),
                *_get("f", "slope", "u"),
                *_get("b", "backsum", "u"),
                *_get("dd", "bend", "u"),
                "%ff = fmul float %f, %f",
                "%xff = fmul float %x, %ff",
                "%bdd = fmul float %b, %dd",
                "%y = fsub float %xff, %bdd",
                *_put("y", "out", "u"),
            ],
        ),
        _loop(
            "sweep_square_total",
            [*fields("field"), ("ptr", "totals")],
            [
                *_unit(),
                *_get("x", "field", "u"),
                "%xd = fpext float %x to double",
                "%xx = fmul double %xd, %xd",
                "%total.next = fadd double %total, %xx",
            ],
            [("double", "total", "0.0")],
            ["%to = getelementptr double, ptr %totals, i64 %k", "store double %total, ptr %to, align 8"],
        ),
    ]


def _tests() -> list[str]:
    """Return the tests of classification_tests.py: they store 1 for a good answer, else 0."""
    slots = [("ptr", "units"), ("i64", "count"), ("ptr", "desired"), ("ptr", "val"), ("ptr", "good")]
    numbers = [("double", "low"), ("double", "high")]
    load = [*_unit(), *_unit("v", "desired"), *_get("y", "val", "u"), *_get("d", "val", "v")]
    double = ["%yd = fpext float %y to double", "%dd = fpext float %d to double"]
    wrong = "%wrong.next = or i1 %wrong, %bad"
    store = ["%to = getelementptr i64, ptr %good, i64 %k", "store i64 %flag, ptr %to, align 8"]
    verdict = ["%right = xor i1 %wrong, true", "%flag = zext i1 %right to i64", *store]
    carried = [("i1", "wrong", "false")]
    quadrant = ["%a = fcmp ogt float %d, 0.0", "%b = fcmp ole float %y, 0.0", "%ab = and i1 %a, %b"]
    quadrant += ["%e = fcmp olt float %d, 0.0", "%f = fcmp oge float %y, 0.0", "%ef = and i1 %e, %f"]
    quadrant += ["%bad = or i1 %ab, %ef", wrong]
    difference = ["%x = fsub double %dd, %yd"]
    sides = ["%a = fcmp olt double %yd, %low", "%b = fcmp olt double %dd, %low", "%ab = xor i1 %a, %b"]
    sides += ["%e = fcmp ogt double %yd, %high", "%f = fcmp ogt double %dd, %high", "%ef = xor i1 %e, %f"]
    sides += ["%bad = or i1 %ab, %ef", wrong]
    largest = ["%a = fcmp ogt float %y, %ymax", "%ymax.next = select i1 %a, float %y, float %ymax"]
    largest += ["%b = fcmp ogt float %d, %dmax", "%dmax.next = select i1 %b, float %d, float %dmax"]
    lowest = "0xFFF0000000000000"
    return [
        _loop("sweep_quadrant", slots, [*load, *quadrant], carried, verdict),
        _loop("sweep_sides", [*slots, *numbers], [*load, *double, *sides], carried, verdict),
        _loop(
            "sweep_hamming",
            [*slots, *numbers],
            [
                *load,
                *double,
                *difference,
                "%size = call double @llvm.fabs.f64(double %x)",
                "%bad = fcmp ogt double %size, %low",
                wrong,
            ],
            carried,
            verdict,
        ),
        _loop(
            "sweep_mean",
            [*slots, *numbers],
            [*load, *double, *difference, "%xx = fmul double %x, %x", "%total.next = fadd double %total, %xx"],
            [("double", "total", "0.0")],
            [
                "%n = sitofp i64 %count to double",
                "%mean = fdiv double %total, %n",
                "%right = fcmp olt double %mean, %low",
                "%flag = zext i1 %right to i64",
                *store,
            ],
        ),
        _loop(
            "sweep_largest",
            [*slots, ("ptr", "most")],
            [*load, *largest],
            [("float", "ymax", lowest), ("float", "dmax", lowest)],
            [
                "store float %ymax, ptr %most, align 4",
                "%second = getelementptr float, ptr %most, i64 1",
                "store float %dmax, ptr %second, align 4",
            ],
        ),
        _loop(
            "sweep_same_largest",
            [*slots, ("ptr", "most")],
            [
                *load,
                "%a = fcmp oeq float %y, %ymax",
                "%b = fcmp oeq float %d, %dmax",
                "%bad = xor i1 %a, %b",
                wrong,
            ],
            carried,
            verdict,
            [
                "%ymax = load float, ptr %most, align 4",
                "%second = getelementptr float, ptr %most, i64 1",
                "%dmax = load float, ptr %second, align 4",
            ],
        ),
    ]


def _of_weights(name: str, slots: Slots, body: Sequence[str], arrays: str, result: str, numbers: str = "") -> str:
    """Return an operation on the first `count` weights: eight at a time, and the rest one at a time.

    `body` computes %y{m} from the elements %ARRAY{m} and from numbers {NUMBER}, of type {t} (suffix {s}).
    """

    def block(kind: str, index: str, m: str, ending: str) -> list[str]:
        lines = []
        for field in arrays.split():
            lines += [
                f"%{field}.at{m} = getelementptr float, ptr %{field}, i64 {index}",
                f"%{field}{m} = load {kind}, ptr %{field}.at{m}, align 4",
            ]
        values = {number: f"%{number}{ending}" for number in numbers.split()}
        suffix = "f32" if kind == "float" else f"v{_LANES}f32"
        lines += [line.format(t=kind, s=suffix, m=m, **values) for line in body]
        lines += [
            f"%to{m} = getelementptr float, ptr %{result}, i64 {index}",
            f"store {kind} %y{m}, ptr %to{m}, align 4",
        ]
        return lines

    vector = f"<{_LANES} x float>"
    splats = []
    for number in numbers.split():
        splats += [
            f"%{number}.one = insertelement {vector} undef, float %{number}, i64 0",
            f"%{number}.all = shufflevector {vector} %{number}.one, {vector} undef, <{_LANES} x i32> zeroinitializer",
        ]
    return _define(
        name,
        [
            *_loads(slots),
            *splats,
            f"%whole = and i64 %count, {-_LANES}",
            "br label %head",
            "head:",
            "%i = phi i64 [ 0, %entry ], [ %i.next, %round ]",
            "%more = icmp slt i64 %i, %whole",
            "br i1 %more, label %round, label %middle",
            "round:",
            *block(vector, "%i", ".w", ".all"),
            f"%i.next = add nsw i64 %i, {_LANES}",
            "br label %head",
            "middle:",
            "br label %tail",
            "tail:",
            "%j = phi i64 [ %whole, %middle ], [ %j.next, %single ]",
            "%rest = icmp slt i64 %j, %count",
            "br i1 %rest, label %single, label %done",
            "single:",
            *block("float", "%j", ".s", ""),
            "%j.next = add nsw i64 %j, 1",
            "br label %tail",
            "done:",
            "ret void",
        ],
    )


def _weights() -> list[str]:
    """Return the operations on all weights."""
    count = ("i64", "count")
    acc, delta = ("ptr", "acc"), ("ptr", "delta")
    return [
        _of_weights(
            "sweep_clear", [count, acc, ("float", "zero")], ["%y{m} = fadd {t} {zero}, {zero}"], "", "acc", "zero"
        ),
        _of_weights(
            "sweep_scale",  # acc / (mu + |hess|)
            [count, acc, ("ptr", "hess"), ("float", "mu")],
            [
                "%size{m} = call {t} @llvm.fabs.{s}({t} %hess{m})",
                "%below{m} = fadd {t} {mu}, %size{m}",
                "%y{m} = fdiv {t} %acc{m}, %below{m}",
            ],
            "acc hess",
            "acc",
            "mu",
        ),
        _of_weights(
            "sweep_copy",
            [count, acc, delta, ("float", "one")],
            ["%y{m} = fmul {t} {one}, %acc{m}"],
            "acc",
            "delta",
            "one",
        ),
        _of_weights(
            "sweep_momentum",  # alpha delta + (1 - alpha) acc
            [count, acc, delta, ("float", "alpha"), ("float", "share")],
            [
                "%old{m} = fmul {t} {alpha}, %delta{m}",
                "%new{m} = fmul {t} {share}, %acc{m}",
                "%y{m} = fadd {t} %old{m}, %new{m}",
            ],
            "acc delta",
            "delta",
            "alpha share",
        ),
        _of_weights(
            "sweep_move",  # keep w + delta
            [count, ("ptr", "w"), delta, ("float", "keep")],
            ["%kept{m} = fmul {t} {keep}, %w{m}", "%y{m} = fadd {t} %kept{m}, %delta{m}"],
            "w delta",
            "w",
            "keep",
        ),
    ]


def _of_edges(name: str, called: str, numbers: str, arrays: str) -> str:
    """Return an operation that calls a loop over connections (compiled_sums.py)."""
    slots = [*_EDGES, *(("float", number) for number in numbers.split()), *(("ptr", field) for field in arrays.split())]
    arguments = ", ".join(f"{kind} %{slot}" for kind, slot in slots)
    return _define(name, [*_loads(slots), f"call void @{called}({arguments})", "ret void"])


_RUN = """
  %nothing = icmp sle i64 %patterns, 0
  br i1 %nothing, label %done, label %pattern
pattern:
  %k = phi i64 [ 0, %entry ], [ %k.next, %finished ]
  %row.at = getelementptr i64, ptr %rows, i64 %k
  %p = load i64, ptr %row.at, align 8
  br label %head
head:
  %j = phi i64 [ 0, %pattern ], [ %j.next, %called ]
  %more = icmp slt i64 %j, %length
  br i1 %more, label %call, label %finished
call:
  %two = shl i64 %j, 1
  %operation.at = getelementptr i64, ptr %list, i64 %two
  %operation = load ptr, ptr %operation.at, align 8
  %odd = add i64 %two, 1
  %args.at = getelementptr i64, ptr %list, i64 %odd
  %args = load ptr, ptr %args.at, align 8
  call void %operation(ptr %args, i64 %p, i64 %k)
  %flag = load i64, ptr %status, align 8
  %good = icmp eq i64 %flag, 0
  br i1 %good, label %called, label %done
called:
  %j.next = add nsw i64 %j, 1
  br label %head
finished:
  %k.next = add nsw i64 %k, 1
  %count.at = getelementptr i64, ptr %status, i64 1
  store i64 %k.next, ptr %count.at, align 8
  %again = icmp slt i64 %k.next, %patterns
  br i1 %again, label %pattern, label %done
done:
  ret void"""


def sweep_text() -> tuple[str, tuple[str, ...]]:
    """Return the LLVM text of all operations and of `run_sweep`, and their names."""
    by_connection = [
        _of_edges(f"sweep_{name}", name, "alpha decay mu", "x g rate sigma w delta")
        for name in (
            "learn_by_connection",
            "learn_by_connection_momentum",
            "learn_by_connection_newton",
            "learn_by_connection_momentum_newton",
        )
    ]
    functions = [
        *_functions(),
        *_units(),
        *_tests(),
        *_weights(),
        _of_edges("sweep_weighted_sum", "weighted_sum", "", "w x out"),
        _of_edges("sweep_square_sum", "square_sum", "", "w h out"),
        _of_edges("sweep_moved_sum", "moved_sum", "", "w t d x out"),
        _of_edges("sweep_accumulate", "accumulate", "", "x g rate acc"),
        _of_edges("sweep_accumulate_by_connection", "accumulate_by_connection", "", "x g rate acc"),
        _of_edges("sweep_gather", "gather", "", "sigma hess"),
        _of_edges("sweep_average", "average", "gamma", "gg x sigma"),
        _of_edges("sweep_learn", "learn", "alpha decay", "x g rate w delta"),
        _of_edges("sweep_learn_momentum", "learn_momentum", "alpha decay", "x g rate w delta"),
        *by_connection,
    ]
    names = tuple(text.split("@", 1)[1].split("(", 1)[0] for text in functions)
    run = _define(
        "run_sweep", [_RUN.strip("\n").lstrip()], "ptr %list, i64 %length, ptr %rows, i64 %patterns, ptr %status"
    )
    declarations = [
        "declare double @llvm.fabs.f64(double)",
        f"declare <{_LANES} x float> @llvm.fabs.v{_LANES}f32(<{_LANES} x float>)",
    ]
    return "\n".join([*declarations, *functions, run]), (*names, "run_sweep")
