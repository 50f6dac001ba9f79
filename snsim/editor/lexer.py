"""Colour SN's Lisp with Pygments, for the prompt, documents and notebooks.

The names come from the shelves at first use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text, _TokenType

_TOKENS = {
    "word": Keyword.Declaration,
    "special": Keyword,
    "scheme": Name.Decorator,
    "clause": Name.Attribute,
    "function": Name.Builtin,
}
_SYMBOL = r"(?:[^\s\x00-\x1f\x7f()\[\]{}\"'`,;:~^|]|\|[^|\n]*\|)+"
_END = r"(?![^\s()\[\]{}\"'`,;:~^|])"


class SnLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """The lexer of `.sn` files, SN's Lisp with the declarative words, and of `.lsh` files, programs of Lush."""

    name = "SN"
    aliases = ["sn", "snsim"]
    filenames = ["*.sn", "*.lsh"]
    mimetypes = ["text/x-sn"]

    def _head(self, match: re.Match[str]) -> Iterator[tuple[int, _TokenType, str]]:
        from snsim.editor.coloured_names import heads
        from snsim.language.forms import fold

        kind = heads().get(fold(match.group()))
        yield match.start(), _TOKENS.get(kind or "", Name.Function), match.group()

    tokens = {
        "root": [
            (r"\s+", Text),
            (r";[^\n]*", Comment.Single),
            (r"#\?[^\n]*", Comment.Single),
            (r"#!(?:[^!]|!(?!#))*!#", Comment.Hashbang),
            (r"#\{(?:[^#]|#(?!\}))*#\}", Comment.Special),  # C code
            (r'"(?:[^"\\]|\\[\s\S])*"?', String),
            (r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)" + _END, Number),
            (r"'" + _SYMBOL, String.Symbol),
            (r"['`~^]|,@?", Operator),
            (r"(\()(\s*)(?=" + _SYMBOL + ")", bygroups(Punctuation, Text), "head"),
            (r"#?\[[A-Za-z@]*|#?\]|[()]", Punctuation),
            (r":(?=\()", Operator),
            (r"(?::" + _SYMBOL + ")+", Name.Variable.Global),
            (_SYMBOL, Name.Variable),
            (r".", Text),
        ],
        "head": [
            (r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?" + _END, Number, "#pop"),
            (_SYMBOL, _head, "#pop"),
            (r"", Text, "#pop"),
        ],
    }


def coloured(text: str) -> Iterator[tuple[_TokenType, str]]:
    """Yield the pieces of a text, each with its token type."""
    pieces: Iterator[tuple[_TokenType, str]] = SnLexer().get_tokens(text)
    return pieces


# The style of each kind of token in a page: comment, string, number, word, scheme, other known name.
_STYLES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "w"),
    (Name.Decorator, "m"),
    (Name.Attribute, "a"),
    (Name.Builtin, "a"),
)


def styled(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text, each with its style, a letter or "". Joined, they are the text."""
    for _, token, piece in SnLexer().get_tokens_unprocessed(text):
        yield next((style for kind, style in _STYLES if token in kind), ""), piece
