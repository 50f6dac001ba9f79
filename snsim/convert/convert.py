"""Convert programs of SN-2.8 and Lush and files of the editor NetTool to declarative text, and declared nets back.

The result is read again and compared with the original net, connection by connection.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from snsim.convert import nettool
from snsim.convert.calls import program_of, sn_names
from snsim.convert.layers import layers_of
from snsim.convert.lush_form import (
    ConvertedMachine,
    file_bytes,
    machines_of,
    training_text,
)
from snsim.convert.lush_recorder import LushWatch, watch_classes
from snsim.convert.net_form import check_same_net, describe
from snsim.convert.recorder import BuiltNet, LearningLimitError, ProgramWatch, watch_functions
from snsim.convert.train_form import trainings
from snsim.errors import Fault, SnError, Source, fail
from snsim.formatter.format import formatted
from snsim.language.evaluator import Evaluator
from snsim.language.forms import fold
from snsim.language.limits import LimitError, Limits
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.language.source_files import is_lush
from snsim.lush.dialect import begin, speaks_lush
from snsim.lush.net_of import check_same_outputs
from snsim.network.net import Net
from snsim.program import Host, Program, make_interpreter, new_shelves, read_program
from snsim.runtime.host import scratch

CONVERTING = Limits(
    steps=10_000_000,
    lists=500_000_000,
    matrix_elements=100_000_000,
    matrices=5_000_000_000,
    seconds=120,
    acting_seconds=120,
    written_bytes=500_000_000,
)


@dataclass(frozen=True)
class Conversion:
    """The written `text`, the declared `nets`, and `notes` on what was not carried over, one sentence each.

    `files` are the contents of the files that the text names, which lie beside it, by name.
    """

    text: str
    nets: tuple[Net, ...]
    notes: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Followed:
    """What a program did: its nets in words of SN-2.8, its machines of Lush, and notes on what was not analysed."""

    interpreter: Evaluator
    nets: list[BuiltNet]
    lush: LushWatch
    notes: list[str]


def built_nets(
    source: Source, host: Host, presets: Mapping[str, float | str] | None = None
) -> tuple[list[BuiltNet], list[str]]:
    """Return the nets that a program makes, and notes on parts that were not analysed.

    Raises SnError if the program fails before it learns.
    """
    followed = _follow(source, host, presets)
    return followed.nets, followed.notes


def _follow(source: Source, host: Host, presets: Mapping[str, float | str] | None = None) -> _Followed:
    """Run a program, record what it makes and how it learns, and return that."""
    program_shelves = new_shelves()
    shelves = replace(program_shelves, functions=watch_functions(program_shelves.functions))
    interpreter = make_interpreter(shelves, host, io.StringIO(), CONVERTING, presets)
    notes: list[str] = []
    is_nettool = nettool.is_nettool(source)
    watch, lush = interpreter.part(ProgramWatch), watch_classes(interpreter)
    try:
        if is_lush(source):
            begin(interpreter)
        if is_nettool:
            nettool.prepare(interpreter)
        interpreter.run(source)
    except LearningLimitError:
        notes.append("everything after 20,000 calls that learn: conversion stopped there")
    except SnError as error:
        if not watch.learned and not lush.calls and not isinstance(error, LimitError):
            raise
        if not watch.net_calls and not watch.nets and not lush.machines:
            raise
        notes.append(_unread_note(error.faults[0]))
    if (watch.answered or lush.answered) and any(
        loop in text.text for text in interpreter.sources for loop in ("(while", "(until")
    ):
        notes.append("the number of turns of a loop that waits for a measurement: nothing was trained, so it ran once")
    watch.finish()
    if is_nettool and not watch.nets:
        try:
            nettool.create(interpreter, source.name)
        except CallError as call_error:
            raise fail(
                call_error.message, None, hint=call_error.hint or "correct (nettool-net ...) in the NetTool file"
            ) from None
        watch.finish()
    return _Followed(interpreter, watch.nets, lush, notes)


def _unread_note(fault: Fault) -> str:
    place = "" if fault.span is None else f" in line {fault.span.line}"
    return f"everything after an error of the program{place} (the program was run without training): {fault.message}"


def to_declarative(
    source: Source,
    host: Host,
    name: str | None = None,
    presets: Mapping[str, float | str] | None = None,
    beside: str | None = None,
) -> Conversion:
    """Return the declarative text for the nets that a program of SN-2.8 or of Lush, or a NetTool file, makes.

    `name` is the name of the net, by default that of the file; a second net is NAME-2. `presets` are the values of
    `--set`. `beside` is the name of the file of the text without its ending, if it goes into one: weights and examples
    of a program of Lush go beside it. Raises SnError for faults of the program, and for a net that the declarative
    words cannot state.
    """
    followed = _follow(source, host, presets)
    built, notes = followed.nets, followed.notes
    if not built and speaks_lush(followed.interpreter):
        return _convert_machines(source, followed, name, host, beside)
    if not built:
        raise fail(
            f"{source.name} makes no net with connections",
            None,
            hint="make one with build-net, connect or the words of connect.sn; for a net that is declared by "
            "(net ...) use --to sn28",
        )
    title = name or fold(PurePath(source.name).stem.replace(" ", "-"))
    texts, nets = [], []
    for k, construction in enumerate(built, 1):
        text, net, net_notes = _convert_net(source, construction, title if k == 1 else f"{title}-{k}", host)
        texts.append(text)
        nets.append(net)
        notes += net_notes
    return _conversion(source, "SN-2.8", texts, nets, notes)


def _conversion(
    source: Source,
    language: str,
    texts: list[str],
    nets: list[Net],
    notes: list[str],
    files: Mapping[str, bytes] | None = None,
) -> Conversion:
    """Return the texts below a comment that says where they come from and what they leave out."""
    notes = list(dict.fromkeys(notes))
    header = [f";;; Converted from the program {PurePath(source.name).name} of {language}."]
    header += [
        line
        for note in notes
        for line in textwrap.wrap(f"not carried over: {note}", 112, initial_indent=";; ", subsequent_indent=";;   ")
    ]
    return Conversion("\n".join(header) + "\n\n" + "\n\n".join(texts) + "\n", tuple(nets), tuple(notes), files or {})


def _convert_net(source: Source, construction: BuiltNet, title: str, host: Host) -> tuple[str, Net, list[str]]:
    """Return the forms for one net, each read again; trainings that cannot be read become comments."""
    net_forms = describe(construction, title)
    try:
        net = _read(source, net_forms.text, host).nets.get(title)
    except SnError:  # perhaps a function of the program is not an expression: read the net without it
        net_forms = describe(construction, title, own_functions=False)
        net = _read(source, net_forms.text, host).nets.get(title)
    check_same_net(construction, net_forms.layers, net)
    train_forms = trainings(construction, net_forms.layers, title)
    texts, notes = [net_forms.text], [*net_forms.notes, *train_forms.notes]
    for name, form in train_forms.forms.items():
        try:
            _read(source, "\n\n".join([*texts, form]), host)
            texts.append(form)
        except SnError as error:
            notes.append(f"the training {name}: {error.faults[0].message}")
            texts.append("\n".join(f";; {line}" for line in form.split("\n")))
    return "\n\n".join(texts), net, notes


def _convert_machines(
    source: Source, followed: _Followed, name: str | None, host: Host, beside: str | None
) -> Conversion:
    """Return the text for the machines of a program of Lush; the nets are compared with the modules."""
    interpreter, notes = followed.interpreter, followed.notes
    title = name or fold(PurePath(source.name).stem.replace(" ", "-"))
    try:
        machines = machines_of(interpreter, followed.lush, title)
    except CallError as error:
        raise _machine_error(error) from None
    if not machines:
        raise fail(
            f"{source.name} makes no machine",
            None,
            hint="make one with (new idx3-supervised-module ...) or a trainer, or write (net-of module)",
        )
    texts: list[str] = []
    nets: list[Net] = []
    files: dict[str, bytes] = {}
    for k, (net_name, found, machine) in enumerate(machines, 1):
        counts = _read(source, found.text(net_name), host).nets.get(net_name).counts
        text = found.text(net_name, (counts.units, counts.connections, counts.weights))
        net = _read(source, text, host).nets.get(net_name)
        converted = ConvertedMachine(net_name, found, machine, found.weights(net), suffix="" if k == 1 else f"-{k}")
        form = training_text(interpreter, followed.lush, converted, beside)
        module = machine.module
        assert isinstance(module, Object)
        try:
            check_same_outputs(interpreter, module, found, net)
        except CallError as error:
            raise _machine_error(error) from None
        nets.append(net)
        texts.append(text)
        files |= {f"{beside}{part}": file_bytes(arrays) for part, arrays in converted.arrays.items()}
        notes += converted.notes
        if form:
            try:
                _read(source, f"{text}\n\n{form}", host)
                texts.append(form)
            except SnError as error:
                notes.append(f"the training {net_name}: {error.faults[0].message}")
                texts.append("\n".join(f";; {line}" for line in form.split("\n")))
    whole = _conversion(source, "Lush", texts, nets, notes, files)
    return replace(whole, text=formatted(replace(source, text=whole.text)))


def _machine_error(error: CallError) -> SnError:
    return fail(error.message, None, hint=f"run the program unchanged: snsim run FILE; {error.hint}")


def _read(source: Source, text: str, host: Host) -> Program:
    return read_program(replace(source, text=text), port=io.StringIO(), around=host)


# Back


def to_sn28(program: Program, name: str | None = None) -> Conversion:
    """Return a program of SN-2.8 that makes a declared net; it is run and compared with the net.

    `name` chooses one of several nets. Raises SnError, with a list, for what SN-2.8 lacks.
    """
    net = _choose_net(program, name)
    text = program_of(net)
    with scratch() as host:
        built, _ = built_nets(Source(f"<calls of {net.name}>", text), host)
    if len(built) != 1:
        raise fail(
            f"the program written for {net.name} makes {len(built)} nets instead of one",
            hint=f"declare the net in fewer clauses, or train it directly: snsim run {program.sources[0].name}",
        )
    layers = layers_of(built[0])
    check_same_net(built[0], layers, net, sn_names(net))
    trainings = [entry.value for entry in program.trainings.own() if entry.value.net is net]
    notes = tuple(
        f"(train {training.name} ...): only the net is written; train it with SN-2.8 words such as run"
        for training in trainings
    )
    comments = "".join(f";; not carried over: {note}\n" for note in notes)
    return Conversion(text.replace("(libload ", f"{comments}(libload ", 1), (net,), notes)


def _choose_net(program: Program, name: str | None) -> Net:
    file = program.sources[0].name
    if name is not None:
        return program.nets.get(fold(name))
    declared = [entry.value for entry in program.nets.own()]
    main = program.sources[0]
    candidates = [net for net in declared if net.span is not None and net.span.source is main] or declared
    if not candidates:
        raise fail(
            f"{file} declares no net",
            None,
            hint="add (net NAME clause ...); to convert a program of SN-2.8, leave out --to",
        )
    if len(candidates) > 1:
        names = ", ".join(net.name for net in candidates)
        raise fail(
            f"{file} declares {len(candidates)} nets: {names}", None, hint=f"choose one: --net {candidates[0].name}"
        )
    return candidates[0]
