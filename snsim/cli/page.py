"""`snsim page`: write a page in which a net learns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import Whole, memory_option, presets, seconds_option
from snsim.colour import echo
from snsim.escaping import for_line
from snsim.protected_files import refuse_protected_file, write_file

if TYPE_CHECKING:
    from snsim.page.subject import PageSubject


@click.command()
@click.argument("source", metavar="FILE|RUN|NAME")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where. [default: NAME.html here]"
)
@click.option("--only", metavar="NAME", help="Training, if FILE declares several.")
@click.option(
    "--data", "data", multiple=True, metavar="NAME|PATH", help="Data to embed. [default: the digits of snsim]"
)
@click.option("--examples", type=Whole(min=1), metavar="N", help="Embed N patterns of each class, or N sequences.")
@click.option("--seed", type=Whole(min=0), metavar="N", help="Seed. [default: that of the training or the run]")
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option("--passes", type=Whole(min=1), metavar="N", help="Passes over the training set; replaces (passes N).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--offline", is_flag=True, help="Never download data.")
@seconds_option("60")
@memory_option
def page(source: str, output: Path | None, examples: int | None, open_it: bool, **options: Any) -> None:
    r"""Write one HTML file in which the net of FILE, RUN or NAME learns, reads what you draw, and shows how.

    The page needs no server and no network: open it from the disk. It learns as `snsim run --portable` does, with the
    same losses and misses. A run, and a net of the gallery with weights, start trained.

    \b
    snsim page lecun89                       lecun89.html: a net of the gallery
    snsim page mine.sn --open                a description of your own
    snsim page runs/mine -o mine.html        a run with its weights

    Examples of the description are embedded as they are. A data set of the catalogue is replaced by the digits that
    come with snsim unless --data names it.
    """
    from snsim.page.writing import page_of
    from snsim.run_folder import folder_name

    subject = _subject(source, examples, options)
    place = output or Path((folder_name(subject.training.name).lstrip("-.") or "net") + ".html")
    refuse_protected_file(place)  # before the net is compiled
    content = page_of(subject).encode()
    write_file(place, content)
    for note in subject.notes:
        echo(for_line(note), err=True)
    echo(f"{for_line(place)}  {_size(len(content))}: {subject.origin}")
    if open_it:
        click.launch(place.resolve().as_uri())


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _subject(source: str, examples: int | None, options: dict[str, Any]) -> PageSubject:
    from snsim.cli.reading import read_and_report
    from snsim.cli.run import options_from
    from snsim.gallery import find_named
    from snsim.input_files import is_folder
    from snsim.page.subject import subject_of_program, subject_of_run
    from snsim.runs.opened_run import OpenedRun

    def say(sentence: str) -> None:
        echo(for_line(sentence), err=True)

    named = find_named(source)
    if named.sentence:
        say(named.sentence)
    values = presets(options["settings"])
    chosen = options_from({**options, "engine": None}, values)
    if named.kind == "run" or is_folder(named.path):
        for name, word in (("only", "only"), ("settings", "set"), ("passes", "passes")):
            if options[name]:
                raise WrongUseError(
                    f"--{word} is for a file, and {named.path} is a run",
                    "leave it out: the run says which training it is",
                )
        return subject_of_run(OpenedRun.open(named.path, chosen, say), chosen, say, options["seed"], examples)
    program = read_and_report(str(named.path), values, sys.stderr, options["seconds"])
    return subject_of_program(program, options["only"], chosen, say, options["seed"], named.weights, examples)
