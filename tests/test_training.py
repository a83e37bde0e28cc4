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
        self.aucs = []  # what the network reaches on its training data after each cycle

    def training_auc(self):
        return self.aucs.pop(0) if self.aucs else None

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


def schedule(choose="best", steps=8, rate=0.05, cycles=1):
    return Schedule(
        checks=checks_of(steps, 4),
        rate=lambda step: rate * polynomial(step / steps),
        choose=choose,
        hint="Lower it.",
        cycles=cycles,
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


@pytest.mark.parametrize(
    "aucs, run", [((0.5, 0.9), 2), ((0.9,), 1), ((None,), 1), ((0.5, 0.6, 0.7), 3)]
)
def test_a_network_that_has_not_fitted_its_data_is_trained_again(capsys, aucs, run):
    learner = Line()
    learner.aucs = list(aucs)
    trained = train(learner, schedule("last", cycles=3), "line")
    assert learner.rates == run * [0.05 * (1 - step / 8) ** 0.9 for step in range(8)]
    assert trained.step == 8 * run and len(trained.train_loss) == 4 * run
    assert trained.training_auc == aucs[-1] and not learner.aucs
    said = capsys.readouterr().out
    assert said.count("one more cycle of training") == run - 1
    assert f"step {8 * run} of {8 * run}" in said


def test_without_a_validation_loss_that_is_a_number_the_last_step_of_all_cycles_is_kept():
    learner = Line(validation=[float("nan")] * 8)
    learner.aucs = [0.5, 0.6]
    assert train(learner, schedule(cycles=2), "line").step == 16


@pytest.mark.parametrize("best", [4, 12])
def test_the_best_check_of_all_cycles_is_kept(best):
    learner, plain = Line(), Line()
    learner.validation = [0.1 if step == best else 0.5 for step in range(2, 17, 2)]
    learner.aucs = [0.5, 0.6]
    trained = train(learner, schedule(cycles=2), "line")
    for step in range(best):  # a second cycle goes on from the last step of the first
        plain.optimizer.rate = schedule().rate(step % 8)
        plain.step(step)
    assert trained.step == best and trained.weights["weight"] == plain.network.weight
    assert learner.network.weight == plain.network.weight


@pytest.mark.parametrize("dies_at", [7, 8, 13])
def test_a_training_that_is_killed_in_any_cycle_resumes_to_the_same_weights(tmp_path, dies_at):
    whole, killed, resumed = Line("adam"), Line("adam"), Line("adam")
    whole.aucs, killed.aucs = [0.5, 0.9], [0.5]
    expected = train(whole, schedule(cycles=2), "line")
    killed.dies_at = dies_at
    checkpoint = Checkpoint(tmp_path / "state.pt", ["data"])
    with pytest.raises(KeyboardInterrupt):
        train(killed, schedule(cycles=2), "line", checkpoint)
    resumed.aucs = [0.5, 0.9] if dies_at <= 8 else [0.9]
    found = train(resumed, schedule(cycles=2), "line", checkpoint)
    assert len(resumed.rates) == 16 - dies_at // 2 * 2
    assert checkpoints.digest(found.weights) == checkpoints.digest(expected.weights)
    assert (found.step, found.training_auc) == (16, 0.9)


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


@pytest.mark.parametrize(
    "wrong", [{"choose": "first"}, {"checks": (4, 2)}, {"checks": ()}, {"cycles": 0}]
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Schedule(**{"checks": (2, 4), "rate": float, "choose": "last", "hint": ""} | wrong)


def test_a_seed_depends_on_the_name_and_on_nothing_beside_it():
    assert seeds.derived(1, "identification", "plain") == 1685581071
    assert seeds.derived(1, "plain") != seeds.derived(1, "attention")
    assert seeds.derived(1, "plain") != seeds.derived(2, "plain")
