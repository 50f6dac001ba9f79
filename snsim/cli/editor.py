"""`snsim lsp` and `snsim editor`: the language server, and what editors colour by."""

from __future__ import annotations

from pathlib import Path

import click

from snsim.colour import echo
from snsim.escaping import for_line, for_shell


@click.command()
def lsp() -> int:
    """Speak the language server protocol on standard input and output, for an editor that starts it.

    Faults as you type, help under the pointer, completion, the way to definitions. Needs pygls: pip install snsim[lsp].
    """
    from snsim.editor.server import serve

    return serve()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("editors/vscode"))
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file there is not what would be written.")
def editor(folder: Path, check: bool) -> int:
    """Build an extension for VS Code in FOLDER: colours for all names that snsim knows, and the language server.

    Its file syntaxes/sn.tmLanguage.json is a TextMate grammar, which other editors read too.
    """
    from snsim.editor.vscode import write_extension

    stale = write_extension(folder, check)
    for path in stale:
        found = "is not what would be written" if path.is_file() else "is not there"
        name = for_line(path)
        echo(f"{name} {found}: snsim editor {for_shell([folder])}" if check else f"{name} written")
    return 1 if check and stale else 0
