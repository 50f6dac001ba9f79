"""From programs of SN-2.8, and files of its editor NetTool, to declarative text, and from declared nets back.

What is written is read again and held against the net that it was made from, connection by connection.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from snsim.convert import nettool
from snsim.convert.calls import program_of, sn_names
from snsim.convert.layers import layers_of
from snsim.convert.net_form import compare_with, describe
from snsim.convert.recorder import Construction, Followed, Watch, watched
from snsim.convert.train_form import trainings
from snsim.errors import Fault, SnError, Source, fail
from snsim.language.forms import fold
from snsim.language.limits import LimitError, Limits
from snsim.language.procedures import Misuse
from snsim.network.net import Net
from snsim.program import Program, Surroundings, make_interpreter, new_shelves, read_program
from snsim.sn28.runtime.host import scratch

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
class Converted:
    """`text`: what was written. `nets`: the declared nets. `notes`: what was not carried over, a sentence each."""

    text: str
    nets: tuple[Net, ...]
    notes: tuple[str, ...]


def constructions(
    source: Source, around: Surroundings, presets: Mapping[str, float | str] | None = None
) -> tuple[list[Construction], list[str]]:
    """The nets that a program makes, and how far it was followed. SnError if it fails before it learns."""
    own = new_shelves()
    shelves = replace(own, functions=watched(own.functions))
    interpreter = make_interpreter(shelves, around, io.StringIO(), CONVERTING, presets)
    notes: list[str] = []
    is_nettool = nettool.is_nettool(source)
    watch = interpreter.part(Watch)
    try:
        if is_nettool:
            nettool.prepare(interpreter)
        interpreter.run(source)
    except Followed:
        notes.append("what follows when the program has called what learns 20,000 times: it was not read further")
    except SnError as error:
        if not watch.learned and not isinstance(error, LimitError):
            raise
        if not watch.made and not watch.nets:
            raise
        notes.append(_not_followed(error.faults[0]))
    if watch.answered and any(loop in text.text for text in interpreter.sources for loop in ("(while", "(until")):
        notes.append("how often a loop goes round that waits for a measurement: nothing was trained, so once")
    watch.finish()
    if is_nettool and not watch.nets:
        try:
            nettool.create(interpreter, source.name)
        except Misuse as misuse:
            raise fail(
                misuse.message, None, hint=misuse.hint or "mend (nettool-net ...) in the file of NetTool"
            ) from None
        watch.finish()
    return watch.nets, notes


def _not_followed(fault: Fault) -> str:
    place = "" if fault.span is None else f" in line {fault.span.line}"
    return f"what comes behind an error of the program{place}, which was read and not trained: {fault.message}"


def to_declarative(
    source: Source, around: Surroundings, name: str | None = None, presets: Mapping[str, float | str] | None = None
) -> Converted:
    """The declarative text for the nets that a program of SN-2.8, or a file of NetTool, makes.

    `name` is that of the net, by default that of the file; a second net is NAME-2. `presets`: the values of `--set`.
    Raises SnError for what fails in the program, and for a net that the declarative words cannot state, which it
    names.
    """
    made, notes = constructions(source, around, presets)
    if not made:
        raise fail(
            f"{source.name} makes no net with connections",
            None,
            hint="a program does by build-net, connect and the words of connect.sn; what is declared already by "
            "(net ...) is written as calls by --to sn28",
        )
    title = name or fold(PurePath(source.name).stem.replace(" ", "-"))
    texts, nets = [], []
    for k, construction in enumerate(made, 1):
        text, net, said = _one(source, construction, title if k == 1 else f"{title}-{k}", around)
        texts.append(text)
        nets.append(net)
        notes += said
    notes = list(dict.fromkeys(notes))
    head = [f";;; Converted from the program {PurePath(source.name).name} of SN-2.8."]
    head += [
        line
        for note in notes
        for line in textwrap.wrap(f"not carried over: {note}", 112, initial_indent=";; ", subsequent_indent=";;   ")
    ]
    return Converted("\n".join(head) + "\n\n" + "\n\n".join(texts) + "\n", tuple(nets), tuple(notes))


def _one(source: Source, construction: Construction, title: str, around: Surroundings) -> tuple[str, Net, list[str]]:
    """The forms for one net, each read again; its trainings stand in comments where they cannot be read."""
    described = describe(construction, title)
    try:
        net = _read(source, described.text, around).nets.get(title)
    except SnError:  # where it is for a function of the program, which is no expression, the net is read without it
        described = describe(construction, title, own_functions=False)
        net = _read(source, described.text, around).nets.get(title)
    compare_with(construction, described.layers, net)
    learned = trainings(construction, described.layers, title)
    texts, notes = [described.text], [*described.notes, *learned.notes]
    for name, form in learned.forms.items():
        try:
            _read(source, "\n\n".join([*texts, form]), around)
            texts.append(form)
        except SnError as error:
            notes.append(f"the training {name}: {error.faults[0].message}")
            texts.append("\n".join(f";; {line}" for line in form.split("\n")))
    return "\n\n".join(texts), net, notes


def _read(source: Source, text: str, around: Surroundings) -> Program:
    return read_program(replace(source, text=text), port=io.StringIO(), around=around)


# Back


def to_sn28(program: Program, name: str | None = None) -> Converted:
    """A declared net as a program of SN-2.8 that makes it, which is run and held against it.

    `name` chooses one of several nets. Raises SnError, naming all of it, for what SN-2.8 lacks.
    """
    net = _chosen(program, name)
    text = program_of(net)
    with scratch() as around:
        made, _ = constructions(Source(f"<calls of {net.name}>", text), around)
    if len(made) != 1:
        raise fail(
            f"the program that was written for {net.name} makes {len(made)} nets",
            hint=f"state the net in fewer clauses, or train it as it is: snsim run {program.sources[0].name}",
        )
    layers = layers_of(made[0])
    compare_with(made[0], layers, net, sn_names(net))
    trainings = [entry.value for entry in program.trainings.own() if entry.value.net is net]
    notes = tuple(
        f"(train {training.name} ...): a net alone is written; words of SN-2.8 such as run train it"
        for training in trainings
    )
    said = "".join(f";; not carried over: {note}\n" for note in notes)
    return Converted(text.replace("(libload ", f"{said}(libload ", 1), (net,), notes)


def _chosen(program: Program, name: str | None) -> Net:
    file = program.sources[0].name
    if name is not None:
        return program.nets.get(fold(name))
    own = [entry.value for entry in program.nets.own()]
    main = program.sources[0]
    stated = [net for net in own if net.span is not None and net.span.source is main] or own
    if not stated:
        raise fail(
            f"{file} declares no net",
            None,
            hint="write (net NAME clause ...) in it; a program of SN-2.8 is converted without --to",
        )
    if len(stated) > 1:
        names = ", ".join(net.name for net in stated)
        raise fail(f"{file} declares {len(stated)} nets: {names}", None, hint=f"choose one: --net {stated[0].name}")
    return stated[0]
