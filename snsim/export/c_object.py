"""Write a net as object code with a C header, its weights and an example in C, and run the example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from snsim import engines
from snsim.errors import fail
from snsim.export.subject import NO_COST, Exported, Subject, check_difference
from snsim.protected_files import write_file

_HEADER = """\
/* @TITLE@, written by snsim.

   Each thread needs a net of its own: running one writes into its block of numbers. */
#ifndef @UPPER@_H
#define @UPPER@_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define @UPPER@_INPUTS @INPUTS@
#define @UPPER@_OUTPUTS @OUTPUTS@
@DEFINE_CONTEXT@
typedef @REAL@ @NAME@_real;

typedef struct {
    void *memory;
    @NAME@_real *state, *row;   /* the weights and all that is computed; one pattern as the code reads it */
    int32_t *tables, *input, *output;
@CONTEXT_FIELDS@} @NAME@_net;

/* In @NAME@.o. */
void @NAME@_evaluate(@NAME@_real *state, const int32_t *tables, const @NAME@_real *inputs, @NAME@_real *outputs,
                     int64_t patterns);

static void @NAME@_close(@NAME@_net *net)
{
    free(net->memory);
    free(net->tables);
    free(net->row);
}

@START@/* Read the weights; return 0 if the file is not there or is damaged. */
static int @NAME@_open(@NAME@_net *net, const char *path)
{
    const size_t state = @STATE@, tables = @TABLES@, inputs = @ROW@, outputs = @UPPER@_OUTPUTS;
    const size_t whole = tables + inputs + outputs@PLUS_CONTEXT@;
    FILE *file = fopen(path, "rb");
    int complete = 0;

    net->memory = malloc(state * sizeof(@NAME@_real) + 64);
    net->tables = malloc(whole * sizeof(int32_t));
    net->row = malloc((inputs + outputs) * sizeof(@NAME@_real));
    if (file && net->memory && net->tables && net->row) {
        net->state = (@NAME@_real *)(((uintptr_t)net->memory + 63) / 64 * 64);
        net->input = net->tables + tables;
        net->output = net->input + inputs;
@SET_CONTEXT@        complete = fread(net->tables, sizeof(int32_t), whole, file) == whole
                && fread(net->state, sizeof(@NAME@_real), state, file) == state && fgetc(file) == EOF;
    }
    if (file)
        fclose(file);
    if (!complete)
        @NAME@_close(net);
@START_ONCE@    return complete;
}

/* @WHAT_RUN_DOES@ */
static void @NAME@_run(@NAME@_net *net, const @NAME@_real *inputs, @NAME@_real *outputs, int64_t patterns)
{
    @NAME@_real *computed = net->row + @ROW@;

    for (; patterns > 0; patterns--, inputs += @UPPER@_INPUTS, outputs += @UPPER@_OUTPUTS) {
@FILL_ROW@        @NAME@_evaluate(net->state, net->tables, net->row, computed, 1);
        for (int j = 0; j < @UPPER@_OUTPUTS; j++)
            outputs[j] = computed[net->output[j]];
@CARRY@    }
}

#endif
"""
_EXAMPLE = """\
/* Reads @PATTERNS@ of @NUMBERS@ from standard input and prints @RESULTS@ for each@AFTER_OUTPUTS@:
   cc -O2 example.c @NAME@.o -lm -o example && ./example < patterns.txt */
#include "@NAME@.h"

int main(void)
{
    static @NAME@_real inputs[@UPPER@_INPUTS], outputs[@UPPER@_OUTPUTS];
    @NAME@_net net;
@WORD@
    if (!@NAME@_open(&net, "@NAME@.weights"))
        return 1;
    for (;;) {
@READ_INPUTS@        @NAME@_run(&net, inputs, outputs, 1);
        for (int j = 0; j < @UPPER@_OUTPUTS; j++)
            printf("@PRINT@%s", outputs[j], j + 1 < @UPPER@_OUTPUTS ? " " : "\\n");
    }
}
"""
_PLAIN = {
    "DEFINE_CONTEXT": "",
    "CONTEXT_FIELDS": "",
    "ROW": "@UPPER@_INPUTS",
    "PLUS_CONTEXT": "",
    "SET_CONTEXT": "",
    "START": "",
    "START_ONCE": "",
    "WHAT_RUN_DOES": "Compute the outputs of some patterns, one row each.",
    "FILL_ROW": """\
        for (int i = 0; i < @UPPER@_INPUTS; i++)
            net->row[i] = inputs[net->input[i]];
""",
    "CARRY": "",
    "PATTERNS": "patterns",
    "AFTER_OUTPUTS": "",
    "WORD": "",
    "READ_INPUTS": """\
        for (int i = 0; i < @UPPER@_INPUTS; i++)
            if (scanf("@READ@", &inputs[i]) != 1)
                return @NAME@_close(&net), 0;
""",
}
_WITH_DELAYS = {  # the context is what delayed connections read: states of the step before
    "DEFINE_CONTEXT": "#define @UPPER@_CONTEXT @CONTEXT@\n#define @UPPER@_ROW (@UPPER@_CONTEXT + @UPPER@_INPUTS)\n",
    "CONTEXT_FIELDS": """\
    int32_t *carried;
    @NAME@_real context[@UPPER@_CONTEXT]; /* what the next step reads of this one */
""",
    "ROW": "@UPPER@_ROW",
    "PLUS_CONTEXT": " + @UPPER@_CONTEXT",
    "SET_CONTEXT": "        net->carried = net->output + outputs;\n",
    "START": """\
/* Begin a sequence. */
static void @NAME@_start(@NAME@_net *net)
{
    for (int k = 0; k < @UPPER@_CONTEXT; k++)
        net->context[k] = 0;
}

""",
    "START_ONCE": "    @NAME@_start(net);\n",
    "WHAT_RUN_DOES": "Compute the outputs of the next steps of a sequence, one row each.",
    "FILL_ROW": """\
        for (int i = 0; i < @UPPER@_ROW; i++) {
            const int unit = net->input[i];
            net->row[i] = unit < @UPPER@_CONTEXT ? net->context[unit] : inputs[unit - @UPPER@_CONTEXT];
        }
""",
    "CARRY": """\
        for (int k = 0; k < @UPPER@_CONTEXT; k++)
            net->context[k] = net->state[net->carried[k]];
""",
    "PATTERNS": "steps",
    "AFTER_OUTPUTS": "; the word\n   start begins a new sequence",
    "WORD": "    char word[8];\n",
    "READ_INPUTS": """\
        for (int i = 0; i < @UPPER@_INPUTS; i++)
            while (scanf("@READ@", &inputs[i]) != 1) {
                if (i || scanf("%7s", word) != 1)
                    return @NAME@_close(&net), 0;
                @NAME@_start(&net);
            }
""",
}
_SECONDS = 300  # that the compiler, or the example, may take


def export_object(subject: Subject, folder: Path, target: str | None = None) -> Exported:
    """Write a folder with object code of the forward pass, a C header, the weights and an example in C.

    On this machine the example is compiled and run first, if there is a C compiler. SnError for an unknown target, if
    llvmlite is missing, or if the example computes something else than the engine.
    """
    engines.native_package()  # says what to install
    from snsim.engines.native.object_export import forward_object, host_triple

    name = re.sub(r"[^A-Za-z0-9_]", "_", folder.name)
    name = name if name[0].isalpha() else f"net{name}"
    triple = target or host_triple()
    cost = NO_COST if subject.training is None else subject.training.cost
    made = forward_object(subject.plan, cost, subject.weights, subject.dtype, triple, f"{name}_evaluate")
    order: Literal["<", ">"] = ">" if made.big_endian else "<"
    whole = np.concatenate([made.tables, made.unit_of_cell, made.cell_of_unit, made.carried_cells]).astype(f"{order}i4")
    single = subject.dtype == "float32"
    words = {
        **(_WITH_DELAYS if subject.net.delayed else _PLAIN),
        "TITLE": re.sub(r"[^\w .,:()+-]", "_", f"{subject.name}, from {subject.origin}, for {triple}"),
        "NAME": name,
        "UPPER": name.upper(),
        "INPUTS": str(subject.net.input_units),
        "CONTEXT": str(subject.context_units),
        "NUMBERS": _counted(subject.net.input_units, "number"),
        "RESULTS": _counted(subject.plan.output_units, "output"),
        "OUTPUTS": str(subject.plan.output_units),
        "REAL": "float" if single else "double",
        "STATE": str(len(made.state)),
        "TABLES": str(len(made.tables)),
        "READ": "%f" if single else "%lf",
        "PRINT": "%.9g" if single else "%.17g",
    }
    files = {
        f"{name}.o": made.image,
        f"{name}.h": _filled(_HEADER, words).encode(),
        f"{name}.weights": whole.tobytes() + made.state.astype(made.state.dtype.newbyteorder(order)).tobytes(),
        "example.c": _filled(_EXAMPLE, words).encode(),
    }
    difference, note = None, f"not checked: {triple} is not this machine"
    if triple == host_triple():
        compiler = _compiler()
        note = "not checked: there is no C compiler here (cc, gcc or clang)"
        if compiler is not None:
            difference = check_difference(subject, _run_example(subject, files, name, compiler), "the object code")
    for file, content in files.items():
        write_file(folder / file, content)
    notes = () if difference is not None else (note,)
    return Exported(tuple(folder / file for file in files), notes, difference, subject.checked_on)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _compiler() -> str | None:
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((place for name in names if name and (place := shutil.which(name))), None)


def _run_example(subject: Subject, files: dict[str, bytes], name: str, compiler: str) -> np.ndarray:
    """Compile the example and return the outputs that it prints for the inputs of the check."""
    digits = 9 if subject.dtype == "float32" else 17
    rows = "\n".join(
        ("start\n" if is_start else "") + " ".join(f"{x:.{digits}g}" for x in row)
        for row, is_start in zip(subject.inputs.tolist(), _starts(subject))
    )
    with tempfile.TemporaryDirectory(prefix="snsim-") as place:
        for file, content in files.items():
            Path(place, file).write_bytes(content)
        commands = ([compiler, "-O2", "example.c", f"{name}.o", "-lm", "-o", "example"], [str(Path(place, "example"))])
        printed = ""
        for command, fed in zip(commands, ("", rows)):
            try:
                done = subprocess.run(
                    command, cwd=place, input=fed, capture_output=True, text=True, timeout=_SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise fail(f"the example in C cannot be run: {error}", hint=_NO_CHECK) from None
            if done.returncode != 0:
                line = next((line for line in done.stderr.splitlines() if line.strip()), "it says nothing")
                raise fail(
                    f"{'the C compiler' if command[0] == compiler else 'the example in C'} ends with code "
                    f"{done.returncode}: {line[:300]}",
                    hint=_NO_CHECK,
                )
            printed = done.stdout
    outputs = np.array(printed.split(), np.float64)
    if outputs.size != len(subject.inputs) * subject.plan.output_units:
        raise fail(f"the example in C prints {outputs.size:,} numbers", hint=_NO_CHECK)
    return outputs


def _starts(subject: Subject) -> list[bool]:
    starts = subject.starts
    return [False] * len(subject.inputs) if starts is None else starts.tolist()


_NO_CHECK = "set CC to a C compiler that works for this machine, or write --to onnx"
