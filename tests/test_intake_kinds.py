"""Each kind of bad or odd input is handled or refused as docs/intake.md says."""

import intake_kinds as kinds
import pytest

SEEN = {}


@pytest.mark.parametrize("place", range(len(kinds.KINDS)), ids=lambda k: kinds.KINDS[k].words)
def test_kind(place, tmp_path):
    kind = kinds.KINDS[place]
    found = SEEN[place] = kinds.tried(kind, tmp_path)
    assert found.result == kind.result, found.text or found.noted
    for words in kind.says:
        assert words in (found.text or found.noted)
    if found.result == "refused":
        assert str(tmp_path) not in found.text
        if kind.door in ("ct", "mask", "drawing"):
            assert found.text.startswith(f"P1: {kind.more.get('role', 'venous')}: ")
    else:
        assert kinds.as_it_should_be(kind, found.volume)


def test_the_table_in_the_documentation_is_what_happens(tmp_path_factory):
    for place, kind in enumerate(kinds.KINDS):
        if place not in SEEN:  # this test alone
            SEEN[place] = kinds.tried(kind, tmp_path_factory.mktemp("kind"))
    page = kinds.PAGE.read_text(encoding="utf-8")
    assert kinds.table([SEEN[k] for k in range(len(kinds.KINDS))]) in page
    print(f"{len(kinds.KINDS)} kinds of input")
    assert len(kinds.KINDS) >= 40
    assert len({kind.words for kind in kinds.KINDS}) == len(kinds.KINDS)
