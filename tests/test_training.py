"""The training loop: what it keeps, how it resumes, where it stops."""

import numpy as np
import pytest
import torch

from nodestage.core import checkpoints, seeds
from nodestage.core.errors import TrainingError
from nodestage.core.optimizers import OPTIMIZERS, polynomial
from nodestage.core.training import Checkpoint, Schedule, checks_of, train, weights_of


class Line:
    """Fits y = 2x; each step draws from a generator of its own."""

    def __init__(self, optimizer="sgd", validation=()):
        torch.manual_seed(0)
        self.network = torch.nn.Linear(1, 1)
        self.optimizer = OPTIMIZERS[optimizer](self.network.parameters(), 0.9, 0.01)
        self.validation, self.rates, self.dies_at = list(validation), [], None

    def step(self, number):
        if number == self.dies_at:
            raise KeyboardInterrupt
        self.rates.append(self.optimizer.rate)
        x = torch.from_numpy(np.random.default_rng(number).normal(size=(8, 1))).float()
        loss = (self.network(x) - 2 * x).square().mean()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def validation_loss(self):
        return self.validation.pop(0) if self.validation else None


def schedule(choose="best", steps=8, rate=0.05):
    return Schedule(
        checks=checks_of(steps, 4),
        rate=lambda step: rate * polynomial(step / steps),
        choose=choose,
        hint="Lower it.",
    )


def test_every_step_has_the_rate_of_the_schedule():
    learner = Line()
    train(learner, schedule(), "line")
    assert learner.rates == [0.05 * (1 - step / 8) ** 0.9 for step in range(8)]


@pytest.mark.parametrize(
    "choose, losses, step",
    [
        ("best", (0.5, 0.2, 0.2, 0.9), 4),
        ("last", (0.5, 0.2, 0.2, 0.9), 8),
        ("best", (), 8),
        ("best", (float("nan"),) * 4, 8),
    ],
)
def test_the_kept_weights_are_the_earliest_best_or_the_last(choose, losses, step):
    trained = train(Line(validation=losses), schedule(choose), "line")
    assert trained.step == step and len(trained.train_loss) == 4
    assert len(trained.validation_loss) == len(losses)
    stopped = Line()
    for number in range(step):
        stopped.optimizer.rate = schedule().rate(number)
        stopped.step(number)
    assert trained.weights["weight"] == stopped.network.weight


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dies_at", [1, 3, 7])
def test_a_killed_training_resumes_to_the_same_weights(tmp_path, capsys, optimizer, dies_at):
    losses = [0.5, 0.2, 0.4, 0.9]
    whole = train(Line(optimizer, losses), schedule(), "line")
    killed, checkpoint = Line(optimizer, losses), Checkpoint(tmp_path / "state.pt", ["data", 1])
    killed.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        train(killed, schedule(), "line", checkpoint)
    resumed = Line(optimizer, losses[dies_at // 2 :])
    found = train(resumed, schedule(), "line", checkpoint)
    assert len(resumed.rates) == 8 - dies_at // 2 * 2
    assert ("resumes after step" in capsys.readouterr().out) == (dies_at > 1)
    assert checkpoints.digest(found.weights) == checkpoints.digest(whole.weights)
    assert (found.step, found.train_loss) == (whole.step, whole.train_loss)


def test_a_checkpoint_of_other_data_is_not_used(tmp_path, capsys):
    train(Line(), schedule(), "line", Checkpoint(tmp_path / "state.pt", ["data"]))
    again = Line()
    train(again, schedule(), "line", Checkpoint(tmp_path / "state.pt", ["other data"]))
    assert len(again.rates) == 8 and "is not used" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_remedy():
    with pytest.raises(
        TrainingError, match=r"line: the loss became (inf|nan) in step .*Lower it\."
    ):
        train(Line(), schedule(rate=1e30, steps=40), "line")


def test_copied_weights_stay_when_the_network_learns_on():
    learner = Line()
    before = weights_of(learner.network)
    learner.optimizer.rate = 0.1
    learner.step(0)
    assert before["weight"] != learner.network.weight


@pytest.mark.parametrize("steps, number, expected", [(8, 4, (2, 4, 6, 8)), (3, 10, (1, 2, 3))])
def test_checks_are_even_and_the_last_is_the_end(steps, number, expected):
    assert checks_of(steps, number) == expected


@pytest.mark.parametrize("wrong", [{"choose": "first"}, {"checks": (4, 2)}, {"checks": ()}])
def test_a_schedule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Schedule(**{"checks": (2, 4), "rate": float, "choose": "last", "hint": ""} | wrong)


def test_a_seed_depends_on_the_name_and_on_nothing_beside_it():
    assert seeds.derived(1, "identification", "plain") == 1685581071
    assert seeds.derived(1, "plain") != seeds.derived(1, "attention")
    assert seeds.derived(1, "plain") != seeds.derived(2, "plain")
