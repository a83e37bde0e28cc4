"""Optimizers of the networks that nnU-Net does not train, and the schedules of their learning rate.

The same steps as `torch.optim.SGD(nesterov=True)` and `torch.optim.AdamW`, which tests compare.
Those import torch's compiler when they are made: 5 to 13 s of each short job, for nothing that we
use.
"""

import math
from collections.abc import Iterable

import torch

RISE = 0.25  # share of the steps over which `one_cycle` rises
FIRST = 0.04  # where it begins, as a share of the highest rate
BETA_2 = 0.999
EPSILON = 1e-8


class Nesterov:
    """Gradient descent with momentum and weight decay over `parameters`.

    rate : learning rate, to be set before each step
    """

    rate: float = 0.0

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], momentum: float, weight_decay: float
    ):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocity: dict[int, torch.Tensor] = {}

    def state_dict(self) -> dict:
        """What a resumed training needs, apart from the settings."""
        return {"velocity": self.velocity}

    def load_state_dict(self, state: dict) -> None:
        """Take over what `state_dict` gave."""
        self.velocity = {i: v.to(self.parameters[i].device) for i, v in state["velocity"].items()}

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then forgotten."""
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            gradient = parameter.grad.add_(parameter, alpha=self.weight_decay)
            if index in self.velocity:
                velocity = self.velocity[index].mul_(self.momentum).add_(gradient)
            else:
                velocity = self.velocity[index] = gradient.clone()
            parameter.add_(gradient.add_(velocity, alpha=self.momentum), alpha=-self.rate)
            parameter.grad = None


class AdamW:
    """Adam with decoupled weight decay over `parameters`; `momentum` is the first beta.

    rate : learning rate, to be set before each step
    """

    rate: float = 0.0

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], momentum: float, weight_decay: float
    ):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.moments: dict[int, list] = {}

    def state_dict(self) -> dict:
        """What a resumed training needs, apart from the settings."""
        return {"moments": self.moments}

    def load_state_dict(self, state: dict) -> None:
        """Take over what `state_dict` gave."""
        self.moments = {
            i: [number, *(m.to(self.parameters[i].device) for m in moments)]
            for i, (number, *moments) in state["moments"].items()
        }

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then forgotten."""
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            if index not in self.moments:
                self.moments[index] = [0, torch.zeros_like(parameter), torch.zeros_like(parameter)]
            moments = self.moments[index]
            moments[0] += 1
            number, mean, square = moments
            mean.mul_(self.momentum).add_(parameter.grad, alpha=1 - self.momentum)
            square.mul_(BETA_2).addcmul_(parameter.grad, parameter.grad, value=1 - BETA_2)
            spread = (square / (1 - BETA_2**number)).sqrt_().add_(EPSILON)
            parameter.mul_(1 - self.rate * self.weight_decay)
            parameter.addcdiv_(mean / (1 - self.momentum**number), spread, value=-self.rate)
            parameter.grad = None


OPTIMIZERS = {"sgd": Nesterov, "adam": AdamW}


def polynomial(progress: float) -> float:
    """nnU-Net's decay, as a share of the initial rate; `progress` in [0, 1)."""
    return (1 - progress) ** 0.9


def one_cycle(progress: float) -> float:
    """Linear rise over the first quarter, then a cosine's fall to 0, as a share of the highest rate."""
    if progress < RISE:
        return FIRST + (1 - FIRST) * progress / RISE
    return 0.5 * (1 + math.cos(math.pi * (progress - RISE) / (1 - RISE)))


SCHEDULES = {"polynomial": polynomial, "one_cycle": one_cycle}
