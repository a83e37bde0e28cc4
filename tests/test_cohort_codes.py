"""Codes that tell who a patient is are seen, and ordinary codes are left in peace."""

import pytest
from study_config import study

from nodestage.cohort import codes
from nodestage.study import outline


@pytest.mark.parametrize(
    "code, date",
    [
        ("Mueller_Hans_03.05.1961", "03.05.1961"),
        ("1961-05-03", "1961-05-03"),
        ("19610503", "19610503"),
        ("P_03051961", "03051961"),
        ("CT-2021_03_04-a", "2021_03_04"),
        ("3.5.1961", "3.5.1961"),
        ("05-31-1961", "05-31-1961"),
    ],
)
def test_a_date_is_seen(code, date):
    assert codes.date_in(code) == date


@pytest.mark.parametrize(
    "code",
    ["CH001", "001-K", "P1.2", "MUSTER-1943-01", "2021-1-12", "00000012", "12345678", "1961", "1.2.826",
     "196105031", "2021-13-04", "CRLM-CT-1004", "01.02.03", "20211399"],
)  # fmt: skip
def test_other_codes_are_not_taken_for_dates(code):
    assert codes.date_in(code) == ""


def test_words_that_no_other_code_has_may_be_names():
    assert codes.names_in(
        ["Mueller_Hans", "Patient_1", "Patient_2", "CH001", "kdjq7", "deadbeef"]
    ) == ["Mueller_Hans"]
    assert codes.names_in(["Shengjing_1", "Shengjing_2", "case-3", "XQ7"]) == []


def test_the_simulated_patients_codes_are_no_names(config):
    assert "may be a name" not in "\n".join(outline.lines(study(config)))
