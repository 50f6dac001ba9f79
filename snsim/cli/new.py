"""`snsim new`: write a starter description, or a copy of a net of the gallery under a new name."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import click

from snsim.cli.errors import WrongUseError
from snsim.colour import echo
from snsim.errors import fail
from snsim.escaping import for_line, for_shell
from snsim.gallery import gallery_file, gallery_folder, gallery_names
from snsim.input_files import exists, is_file, unwritable
from snsim.protected_files import write_output
from snsim.registry import suggest

_STARTER = """\
;;; NAME: a small convolutional net for handwritten digits. Change it, then:
;;;   snsim check NAME.sn    says what is wrong, or counts units, connections and weights
;;;   snsim run NAME.sn      trains it, and writes the run folder runs/NAME
;;;   snsim plot NAME        draws the curves of that run

(net NAME
  (layer input  (16 16))                ; rows and columns of a pattern
  (layer h1     (4 8 8))                ; 4 maps of 8 x 8 units
  (layer output 10)                     ; one unit for each class
  (connect input h1  (mask 5 5) (step 2) (border 2 -1))   ; a 5 x 5 window per map, moved by 2; -1 beyond the edge
  (connect h1 output (full)))           ; every unit of h1 to every output

(train NAME
  (data        digits)                  ; digits that come with snsim; a file of yours: snsim new NAME --data FILE
  (targets     -1 1)                    ; of the wrong classes and of the right one
  (cost        lms)                     ; half the mean square error; `snsim list cost` names others
  (correct     max)                     ; right if the most active output is the class
  (forget-sqrt 1)                       ; initial weights uniform in +-1/sqrt F, F the inputs of the unit
  (update      sgd)                     ; `snsim list update` names others
  (epsi-sqrt   0.02)                    ; the rate, divided by sqrt F
  (passes      20)                      ; over the training patterns
  (seed        1))
"""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,99}", re.ASCII)


@click.command()
@click.argument("name")
@click.option("--like", metavar="NET", help="Net of the gallery to copy; `snsim list net` shows them.")
@click.option("--data", type=click.Path(path_type=Path), metavar="PATH", help="Your own file or folder to learn.")
@click.option("--label", metavar="COLUMN", help="Column of the classes of a table. [default: the last]")
@click.option("--target", "targets", metavar="COLUMN", multiple=True, help="Column to predict as a number; repeat.")
@click.option("--ignore", "ignored", metavar="COLUMN", multiple=True, help="Column to leave out; repeat.")
def new(
    name: str,
    like: str | None,
    data: Path | None,
    label: str | None,
    targets: Sequence[str],
    ignored: Sequence[str],
) -> None:
    r"""Write the description NAME.sn with comments, ready to be checked and run.

    With --data PATH it is a net for these data: a CSV, npz, npy or idx file, or a folder of pictures. With --like NET
    it is a copy of that net of the gallery and its training, called NAME. Files of the gallery that the copy includes
    are written beside it.

    \b
    snsim new mine
    snsim new iris --data iris.csv
    snsim new mine --like lecun89
    """
    if like is not None and data is not None:
        raise WrongUseError(
            "--like and --data cannot be combined", "give one of them, then edit the file that it writes"
        )
    if data is None and (label is not None or targets or ignored):
        raise WrongUseError("--label, --target and --ignore are columns of --data PATH", "add --data PATH")
    if label is not None and targets:
        raise WrongUseError("--label and --target cannot be combined", "give one of them")
    stem = name.removesuffix(".sn")
    if _NAME.fullmatch(stem) is None:
        raise fail(
            f'"{for_line(name)}" is not a name for a net',
            hint="write a letter, then letters, digits and hyphens, such as my-net: small letters, 100 at most",
        )
    options: tuple[object, ...] = ()
    if data is not None:
        from snsim.cli.starter import starter_for

        starter = starter_for(stem, data, label, targets, ignored)
        files = {f"{stem}.sn": starter.text}
        for note in starter.notes:
            echo(for_line(note), err=True)
        options = ("--data", data) if starter.needs_path else ()
    else:
        files = {f"{stem}.sn": _STARTER.replace("NAME", stem)} if like is None else _copies(stem, like)
    for file, text in files.items():
        # An included file of the gallery that is there already, unchanged, is left as it is.
        if exists(file) and not (file != f"{stem}.sn" and is_file(file) and _content(file) == text):
            raise fail(f"{file} exists already, and is not overwritten", hint="choose another name, or remove the file")
    for file, text in files.items():
        try:
            write_output(file, text.encode())
        except OSError as problem:
            sentence, remedy = unwritable(file, problem)
            raise fail(sentence, hint=remedy) from None
    for file in files:
        echo(file)
    trains = any(re.search(r"^\(train\s", text, re.M) for text in files.values())
    commands = [("check",), ("show",), *([("run", *options)] if trains else [])]
    lines = [f"  snsim {for_shell([word, f'{stem}.sn', *others])}" for word, *others in commands]
    echo("\n".join(["next:", *lines]))


def _copies(name: str, like: str) -> dict[str, str]:
    """Return the texts to write by file name: the renamed copy first, then the files that it includes."""
    origin = gallery_file(like)
    if origin is None:
        raise fail(f'no net of the gallery is called "{for_line(like)}"', hint=suggest(like, gallery_names(), "nets"))
    from snsim.program import read_program

    program = read_program(origin, port=io.StringIO())
    taken = {entry.name for shelf in (program.nets, program.trainings, program.tables) for entry in shelf.own()}
    if name in taken - {like} or name == like:
        raise fail(f'the gallery file {like}.sn uses the name "{name}" itself', hint=f"choose another name: my-{name}")
    # A head of a form, then the name: not the same word in a comment, a string or the name of an option.
    renamed = re.compile(rf"(\((?:net|train|like)\s+){re.escape(like)}(?=[\s)])")
    head = f";;; {name}: begun as a copy of the gallery's {like} (snsim new {name} --like {like}).\n"
    texts = {f"{name}.sn": head + renamed.sub(rf"\g<1>{name}", origin.read_text(encoding="utf-8"))}
    for source in program.sources[1:]:
        if source.path is not None:
            texts[source.path.resolve().relative_to(gallery_folder()).as_posix()] = source.text
    return texts


def _content(file: str) -> str:
    return Path(file).read_bytes().decode("utf-8", "replace")
