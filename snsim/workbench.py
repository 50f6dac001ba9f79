"""Commands for whoever writes in the language: `snsim repl | fmt | lsp | editor`."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import click


@click.command(short_help="A prompt: type forms, train, look into nets.")
@click.argument("file", required=False)
@click.option("--data", multiple=True, metavar="NAME", help="Data set instead of those described; several: in order.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--engine", metavar="NAME", help="Engine of trainings. [default: as for run]")
@click.option("--windows", is_flag=True, help="Show the windows of SN's words.")
def repl(file: str | None, **options: object) -> int:
    """Evaluate forms as they are typed; FILE is read first. (help) says what there is.

    Without a terminal the forms come from standard input: snsim repl < script.
    """
    from snsim.repl.start import start

    return start(file, options)


@click.command(short_help="Lay out files in the canonical way.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file is not laid out so.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would be changed.")
def fmt(files: Sequence[str], check: bool, diff: bool) -> int:
    """Lay out each FILE (of a folder: the .sn files in it; -: standard input) in the canonical way.

    What is read stays the same, line ends and comments too. Two blanks or more inside a line make a column, which is
    lined up in the lines around it.
    """
    from snsim.doors import fmt as fmt_door

    if list(files) == ["-"]:
        return fmt_door.format_stream(check or diff, diff)
    return fmt_door.format_files(files, check or diff, diff)


@click.command(short_help="Answer an editor: faults, help, names (language server).")
def lsp() -> int:
    """Speak the language server protocol on standard input and output, for an editor that starts it.

    Faults as you type, help under the pointer, completion, the way to definitions. Needs pygls: pip install snsim[lsp].
    """
    from snsim.editor.server import serve

    return serve()


@click.command(short_help="Write what editors colour the language by.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("editors/vscode"))
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file there is not what would be written.")
def editor(folder: Path, check: bool) -> int:
    """Write an extension for VS Code into FOLDER: colours for every name there is, and the language server.

    Its file syntaxes/sn.tmLanguage.json is a TextMate grammar, which other editors read too.
    """
    from snsim.editor.extension import write_extension

    stale = write_extension(folder, check)
    for path in stale:
        found = "is not what would be written" if path.is_file() else "is not there"
        click.echo(f"{path} {found}: snsim editor {folder}" if check else f"{path} written")
    return 1 if check and stale else 0


COMMANDS = (repl, fmt, lsp, editor)
