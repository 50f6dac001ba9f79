"""`snsim lsp` and `snsim editor`: the language server, and an extension for VS Code."""

from __future__ import annotations

from pathlib import Path

import click

from snsim.colour import echo
from snsim.escaping import for_line, for_shell


@click.command()
def lsp() -> int:
    """Run a language server on standard input and output; an editor starts it.

    Errors as you type, help under the pointer, completion, go to definition. Needs pygls: pip install snsim[lsp].
    """
    from snsim.editor.server import serve

    return serve()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("editors/vscode"))
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file in FOLDER is out of date.")
def editor(folder: Path, check: bool) -> int:
    """Write an extension for VS Code into FOLDER: colours for every name, and the language server.

    Its file syntaxes/sn.tmLanguage.json is a TextMate grammar, which other editors can read too.
    """
    from snsim.editor.vscode import write_extension

    stale = write_extension(folder, check)
    for path in stale:
        state = "is out of date" if path.is_file() else "is missing"
        name = for_line(path)
        echo(f"{name} {state}: snsim editor {for_shell([folder])}" if check else f"{name} written")
    return 1 if check and stale else 0
