"""A path that names no file, a folder, a pipe or a circle of links is a fault with a place, wherever it is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sn28_programs import fault

from snsim.cli.main import main
from snsim.errors import SnError, Source
from snsim.input_files import PathError, expand_user, is_file, is_folder, open_file, read_file, resolve, resolve_inside
from snsim.language.source_files import FileAccess, read_source
from snsim.program import Host, read_program

BAD = {  # names, and what is said of them where they are looked up
    "a\0b": "zero byte",
    "n" * 300: "longer than this system allows",
    "n/" * 100_000 + "n": "longer than this system",
    "loop": "circle",
    "loop/x": "circle",
    "\ud800": "no file name can hold",
}
ODD = ["", ".", "..", "/", "folder", "pipe", "dangling", "~nobody-of-this-name/x", "/dev/zero", "a\nb", "*", "-"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loop").symlink_to("loop2")
    (tmp_path / "loop2").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "run").mkdir()
    for name in ("loop", "loop2"):
        (tmp_path / "run" / name).symlink_to(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_nowhere_is_told(folder: Path, name: str) -> None:
    place = f"{folder}/{name}"
    for look in (lambda: resolve(place), lambda: resolve_inside(folder, name)):
        with pytest.raises(PathError, match=BAD[name]):
            look()
    assert not is_file(place) and not is_folder(place)
    with pytest.raises(SnError) as raised:
        open_file(place)
    fault = raised.value.faults[0]
    assert (BAD[name] in fault.message or "there is no file" in fault.message) and fault.hint
    assert len(fault.message) < 400 and "\0" not in fault.message


def test_only_plain_files_of_bounded_size_are_opened(folder: Path) -> None:
    (folder / "good").write_bytes(b"12345")
    assert read_file(folder / "good", 5) == b"12345"
    for name, sentence in {
        "folder": "is a folder, not a plain file",
        "pipe": "is a pipe, not a plain file",
        "/dev/zero": "is a device, not a plain file",
        "absent": "there is no file",
        "dangling": "there is no file",
        "good/x": "cannot be read: Not a directory",
    }.items():
        with pytest.raises(SnError, match=sentence):
            open_file(folder / name)
    with pytest.raises(SnError, match="has 5 bytes; the limit for a letter is 4"):
        read_file(folder / "good", 4, what="a letter")
    with pytest.raises(PathError, match="no home folder"):
        expand_user("~nobody-of-this-name/x")


WORDS = [
    "(load-matrix %s)",
    "(load-array %s)",
    "(setq m ()) (load-matrix m %s)",
    "(save-matrix (matrix 2) %s)",
    "(save-ascii-matrix (matrix 2) %s)",
    "(export-raw-matrix (matrix 2) %s)",
    "(export-text-matrix (matrix 2) %s)",
    "(import-raw-matrix (matrix 2) %s)",
    "(import-text-matrix (matrix 2) %s)",
    "(open-read %s)",
    "(open-write %s)",
    "(open-append %s)",
    "(reading %s (read))",
    "(writing %s (print 1))",
    "(load %s)",
    "(libload %s)",
    "(autoload %s f) (f)",
    "(include %s)",
    "(load-codebook %s)",
    "(load-ascii-codebook %s)",
    "(save-codebook (new-codebook 2 2) %s)",
    "(save-ascii-codebook (new-codebook 2 2) %s)",
    "(load-net %s)",
    "(merge-net %s)",
    "(save-net %s)",
    "(save-ascii-net %s)",
    "(save-weights-as-c %s)",
    "(unlink %s)",
    "(plot-perf-file %s)",
    '(setq perf-file %s) (save-perf "1")',
]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_with_a_file_refuses_bad_names_with_a_place(folder: Path, word: str) -> None:
    for name in [*BAD, *ODD]:
        escaped = name.replace("\n", "\\n").replace("\0", "\\0")
        if name == "\ud800":
            continue  # no text can hold it
        try:
            said = fault('(libload "sn28/sn28ite")' + word % f'"{escaped}"', folder)[0]
        except AssertionError as error:  # the name is fine for this word
            assert str(error).startswith("no error"), (word, name)
            # `loop` gets the suffix of a word that writes, and nothing is there to be removed under a bad name.
            assert name not in BAD or name == "loop" or "unlink" in word, (word, name)
        else:
            assert len(said) < 1200, (word, name)


@pytest.mark.parametrize(
    "clause",
    ['(data (patterns %s "t")) (forget 1)', '(data (patterns "t" %s)) (forget 1)', "(data digits) (initial %s)"],
)
@pytest.mark.parametrize("name", [name for name in (*BAD, *ODD) if name not in ("\ud800",)])
def test_every_clause_with_a_file_refuses_bad_names(
    folder: Path, clause: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t").write_text("1 1\n")
    escaped = name.replace("\n", "\\n").replace("\0", "\\0")
    data = clause % f'"{escaped}"'
    (folder / "n.sn").write_text(
        "(net n (layer input (16 16)) (layer output 10) (connect input output (full)))\n"
        f"(train n {data} (epsi-inv 1) (passes 1))"
    )
    assert main(["run", str(folder / "n.sn"), "--out", str(folder / "runs"), "--offline"]) == 1
    said = capsys.readouterr().err
    assert "error: " in said and "hint: " in said and "Traceback" not in said and len(said) < 3000


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["check"],
        ["show"],
        ["fmt"],
        ["fmt", "--check"],
        ["convert"],
        ["plot", "net"],
        ["plot", "curves"],
        ["report"],
        ["compare"],
        ["run", "--resume"],
        ["reject"],
        ["lsp", "--no-such-option"],
        ["run", "nets/lecun89.sn", "--initial"],
        ["run", "nets/lecun89.sn", "--data-dir"],
        ["compare", "nets/lecun89.sn", "--mapping"],
    ],
)
def test_every_command_refuses_bad_names(
    folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).resolve().parents[1]
    monkeypatch.chdir(folder)
    (folder / "nets").symlink_to(root / "nets")
    for name in [*(name for name in BAD if "\0" not in name and name != "\ud800"), "pipe", "/dev/zero", "absent"]:
        assert main([*command, name]) in (1, 2), (command, name)
        said = capsys.readouterr().err
        assert "error: " in said and "Traceback" not in said and len(said) < 6000, (command, name)


def test_a_file_whose_name_begins_with_an_angle_is_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "<part").write_text("(net n (layer input 2) (layer output 1) (connect input output (full)))")
    for name in ("<x>", "<prompt>"):
        (folder / name).write_text('(include "<part")')
        source = read_source(folder / name)
        assert source.path == folder / name and FileAccess.beside(source).root == folder
        assert main(["check", str(folder / name)]) == 0
        assert "3 units" in capsys.readouterr().out
    assert FileAccess.beside(Source("<prompt>", "")).root is None
    with pytest.raises(SnError, match="not in a file, so it has no folder"):
        read_program(Source("<prompt>", '(include "<part")'), around=Host())


TEXT = "(net n (layer input 2) (layer output 1) (connect input output (full)))"
ENCODINGS: dict[str, tuple[bytes, str]] = {  # a text, and what is said of it; "" if it is read
    "plain": (TEXT.encode(), ""),
    "mark of byte order": (b"\xef\xbb\xbf" + TEXT.encode(), ""),
    "ends of line of MS-DOS": (TEXT.replace(" ", "\r\n").encode(), ""),
    "ends of line of old Macs": (TEXT.replace(" ", "\r").encode(), ""),
    "end of MS-DOS": (TEXT.encode() + b"\n\x1a", ""),
    "UTF-16": (TEXT.encode("utf-16"), "is text in UTF-16; snsim reads UTF-8"),
    "UTF-16, high byte first": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "iconv -f utf-16 -t utf-8"),
    "Latin-1": ("; a\n; r\xe9seau\n".encode("latin-1") + TEXT.encode(), ":2:4: error: .* byte 7 is e9"),
    "zero byte": (TEXT.encode() + b"\0", "character 71 is a zero byte"),
    "npy": (b"\x93NUMPY\1\0", "is an array of NumPy"),
    "zip": (b"PK\3\4", "is a zip file"),
    "gzip": (b"\x1f\x8b\x08", "is a gzip file"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "is a picture"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_texts_of_any_system_are_read_and_others_told(tmp_path: Path, name: str) -> None:
    content, sentence = ENCODINGS[name]
    (tmp_path / "n.sn").write_bytes(content)
    if not sentence:
        assert read_program(tmp_path / "n.sn").nets.get("n").layers[1].units == 1
        return
    with pytest.raises(SnError, match=sentence):
        read_source(tmp_path / "n.sn")
