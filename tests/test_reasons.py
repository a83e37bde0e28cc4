"""Reasons: a code for whoever reads a table by program, a sentence for people."""

from string import Formatter

import pytest

from nodestage.core import reasons


def filled(code):
    """A sentence with a value in each of its fields."""
    fields = {
        name: 12.5 if form else reasons.SENTENCES["no_tumor"] if name == "reason" else "7"
        for _, name, form, _ in Formatter().parse(reasons.SENTENCES[code])
        if name
    }
    return reasons.sentence(code, **fields)


@pytest.mark.parametrize("code", reasons.SENTENCES)
def test_every_sentence_gives_its_own_code_back(code):
    inner = {"no_tumor"} if code == "unscored_in_folds" else set()
    assert reasons.codes_of(filled(code)) == {code} | inner


def test_no_sentence_fits_the_template_of_another_code():
    for code in reasons.SENTENCES:
        fitting = [c for c, p in reasons._patterns().items() if p.fullmatch(filled(code))]
        assert fitting == [code]


def test_joined_sentences_give_all_their_codes():
    joined = "; ".join([filled("registration_folded"), filled("registration_affine")])
    assert reasons.codes_of(joined) == {"registration_folded", "registration_affine"}
    assert reasons.codes_of(joined) <= reasons.REGISTRATION_FAILED
    inside = reasons.sentence("unscored_in_folds", n=2, folds=5, reason=joined)
    assert reasons.codes_of(inside) == {
        "unscored_in_folds",
        "registration_folded",
        "registration_affine",
    }


@pytest.mark.parametrize("text", ["", None, "scanner on fire", "no phase missing here", "not a; b"])
def test_other_sentences_have_no_code(text):
    assert reasons.codes_of(text) == frozenset()


def test_a_sentence_without_its_field_or_code_is_an_error():
    with pytest.raises(KeyError):
        reasons.sentence("mask_scattered")
    with pytest.raises(KeyError):
        reasons.sentence("no_such_code")
