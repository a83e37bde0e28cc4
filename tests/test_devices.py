"""Where networks run, and that a card adds up in the same order each time."""

import pytest
import torch

from nodestage.core import devices


def settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
    )


def test_a_card_repeats_itself_inside_and_is_left_as_it_was(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = settings()
    with devices.repeatable(torch.device("cuda")):
        assert settings() == (True, True, False)
        assert torch.is_deterministic_algorithms_warn_only_enabled()  # a 3D max pool still trains
    assert settings() == before
    with pytest.raises(ValueError), devices.repeatable(torch.device("cuda")):
        raise ValueError
    assert settings() == before


def test_the_cpu_needs_nothing():
    before = settings()
    with devices.repeatable(torch.device("cpu")):
        assert settings() == before


def test_a_device_that_is_named_is_the_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.chosen().type == "cuda"
    assert devices.chosen("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.chosen().type == "cpu"
