"""No command overwrites the record of a run."""

import pytest

from snsim.cli.main import main
from snsim.protected_files import PROTECTED, run_folder_of

TEXT = """(net small   (layer input 2)
(layer output 1) (connect input output (full)))
(train small (data (examples [[0 1] [1 0]] [[1] [-1]])) (epsi-inv 0.1) (passes 1))
"""
COMMANDS = [
    ["plot", "-o", "{run}/source/a.png", "{run}"],
    ["plot", "net", "{run}", "-o", "{run}/source/new/a.svg"],
    ["report", "{run}", "-o", "{run}/run.json"],
    ["report", "{run}", "-o", "{link}/weights.safetensors"],
    ["convert", "--to", "sn28", "{file}", "-o", "{run}/source/a.sn"],
    ["reproduce", "{file}", "--out", "{folder}/out", "--report", "{run}/run.md"],
    ["fmt", "{run}/source/a.sn"],
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "a.sn").write_text(TEXT)
    assert main(["run", str(folder / "a.sn"), "--out", str(folder / "runs"), "--quiet"]) == 0
    (run,) = (folder / "runs").iterdir()
    (folder / "link").symlink_to(run)
    return {"folder": folder, "run": run, "link": folder / "link", "file": folder / "a.sn"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_overwrites_a_run(command, made, capsys):
    before = {path: path.read_bytes() for path in made["run"].rglob("*") if path.is_file()}
    assert main([word.format(**made) for word in command]) == 1
    assert "it belongs to the record of the run" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in made["run"].rglob("*") if path.is_file()}
    assert not (made["run"] / "source" / "new").exists() and not (made["folder"] / "out").exists()


def test_other_files_beside_the_record_are_written(made):
    assert main(["report", str(made["run"])]) == 0
    assert (made["run"] / "report.html").exists()


def test_every_file_of_a_run_is_its_own(made):
    assert {path.name for path in made["run"].iterdir()} - {"report.html"} <= PROTECTED
    assert run_folder_of(made["folder"] / "run.json") is None
