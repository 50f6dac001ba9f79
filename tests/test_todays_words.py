"""A newcomer's words lead to the words of snsim: in `snsim help`, in the hints of errors, and for commands."""

from __future__ import annotations

import pytest
from tiny_run import snsim

from snsim.cli.main import COMMANDS
from snsim.errors import SnError, Source
from snsim.glossary.names import kinds
from snsim.program import read_program
from snsim.todays_words import TERMS, name_for, spelled

NAMES = {entry.name for kind in kinds() for entry in kind.entries()}


def test_every_name_in_the_table_exists_and_no_word_leads_to_two_terms() -> None:
    assert [name for term in TERMS for name in term.here if name not in NAMES | set(COMMANDS)] == []
    words = [spelled(word) for term in TERMS for word in term.today]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("epochs", "passes"),
        ("lr", "epsilon"),
        ("learning-rate", "epsilon"),
        ("loss", "cost"),
        ("optimizer", "update"),
        ("conv", "mask"),
        ("convolution", "mask"),
        ("activation", "nlf"),
        ("batch-size", "batch"),
        ("batch size", "batch"),
        ("weight decay", "decay"),
    ],
)
def test_help_leads_to_the_word(word: str, name: str) -> None:
    code, out, err = snsim("help", *word.split(" "))
    assert code == 0, err
    assert out.startswith(f'"{word}" is called "{name}" here.') and f"\n{name}: " in out


def test_help_train_explains_the_word_train() -> None:
    assert snsim("help", "train")[1].startswith("train: word")


NET = "(net n (layer i (4 4)) (layer o (1 2 2) {layer}) (connect i o ({scheme} 2 2) ({step} 2)))"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (NET.format(layer="(activation relu)", scheme="mask", step="step"), "nlf"),
        (NET.format(layer="(nlf relu)", scheme="conv", step="step"), "mask"),
        (NET.format(layer="(nlf relu)", scheme="mask", step="stride"), "step"),
        *(
            (NET.format(layer="", scheme="mask", step="step") + f"(train n {clause})", hint)
            for clause, hint in (
                ("(epochs 3)", "passes"),
                ("(lr 0.1)", "epsilon"),
                ("(loss lms)", "cost"),
                ("(cost mse)", "mean-square"),
                ("(optimizer sgd)", "update"),
                ("(update adam)", "adamw"),
                ("(batch-size 3)", "batch"),
            )
        ),
        (NET.format(layer="", scheme="maxpool", step="step"), "max-mask"),
        (NET.format(layer="", scheme="average-pooling", step="step"), "average-mask"),
        ("(% 3 2)", "mod"),
    ],
)
def test_the_hint_of_an_error_names_the_word(text: str, hint: str) -> None:
    with pytest.raises(SnError) as caught:
        read_program(Source("t.sn", text))
    assert f'did you mean "{hint}"?' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            NET.format(layer="(nlf softmax)", scheme="mask", step="step"),
            '"softmax" is called "cross-entropy" here: snsim',
        ),
        ("(net n (conv2d c1 (8 5 5)))", '"conv2d" is called "mask" here: snsim help mask'),
        (NET.format(layer="(padding 2)", scheme="mask", step="step"), '"padding" is called "border" here'),
        ("(net n (layer a 2) (layer b 2) (connect a b (full))) (train n (prune 30%))", "hint: write 0.3"),
        ("// a net", "a comment begins with ; and goes to the end of its line"),
        ("(net n (layer a 2) (layer hiden 2) (connect a hidden (full)))", 'did you mean "hiden"?  layers: a, hiden'),
        ("(net n (layer a 2) (layer b 2) (connect a hidden (full)))", "hint: layers: a, b"),
        ("(print \u201cyes\u201d)", "write straight quotes"),
    ],
)
def test_words_of_other_places_and_languages_have_a_hint(text: str, hint: str) -> None:
    try:
        told = str(read_program(Source("t.sn", text)).warnings)
    except SnError as caught:
        told = str(caught)
    assert hint in told


def test_commands_and_options() -> None:
    code, _, err = snsim("train", "xor")
    assert code == 2 and 'did you mean "run"?' in err
    code, _, err = snsim("run", "xor", "--epochs", "3")
    assert code == 2 and "did you mean --passes?" in err


def test_a_word_leads_to_a_name_of_its_place_only() -> None:
    assert name_for("momentum", ["update", "cost"]) == "update"
    assert name_for("epochs", ["table", "net"]) is None
