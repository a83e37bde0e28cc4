"""Optimizers of the networks that nnU-Net does not train, and the schedules of their learning rate.

The same steps as `torch.optim.SGD(nesterov=True)` and `torch.optim.AdamW`, which tests compare.
Those import torch's compiler when they are made: 5 to 13 s of each short job, for a
compiler that is not used here.
"""

import math
from collections.abc import Iterable

import torch

RISE = 0.25  # share of the steps over which `one_cycle` rises
FIRST = 0.04  # where it begins, as a share of the highest rate
BETA_2 = 0.999
EPSILON = 1e-8


class Optimizer:
    """Steps along the gradients of `parameters`; `_update` changes one of them.

    rate : learning rate, to be set before each step
    """

    rate: float = 0.0

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], momentum: float, weight_decay: float
    ):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.memory: dict[int, list] = {}  # of each parameter: tensors and counts

    def state_dict(self) -> dict:
        """What a resumed training needs, apart from the settings."""
        return {"memory": self.memory}

    def load_state_dict(self, state: dict) -> None:
        """Restore what `state_dict` returned."""
        self.memory = {
            i: [v.to(self.parameters[i].device) if torch.is_tensor(v) else v for v in values]
            for i, values in state["memory"].items()
        }

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then cleared."""
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self._update(index, parameter, parameter.grad)
                parameter.grad = None

    def _update(self, index: int, parameter: torch.nn.Parameter, gradient: torch.Tensor) -> None:
        raise NotImplementedError


class Nesterov(Optimizer):
    """Gradient descent with momentum and weight decay."""

    def _update(self, index, parameter, gradient):
        gradient.add_(parameter, alpha=self.weight_decay)
        if index in self.memory:
            (velocity,) = self.memory[index]
            velocity.mul_(self.momentum).add_(gradient)
        else:
            velocity = gradient.clone()
            self.memory[index] = [velocity]
        parameter.add_(gradient.add_(velocity, alpha=self.momentum), alpha=-self.rate)


class AdamW(Optimizer):
    """Adam with decoupled weight decay; `momentum` is the first beta."""

    def _update(self, index, parameter, gradient):
        if index not in self.memory:
            self.memory[index] = [0, torch.zeros_like(parameter), torch.zeros_like(parameter)]
        self.memory[index][0] += 1
        number, mean, square = self.memory[index]
        mean.mul_(self.momentum).add_(gradient, alpha=1 - self.momentum)
        square.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        spread = (square / (1 - BETA_2**number)).sqrt_().add_(EPSILON)
        parameter.mul_(1 - self.rate * self.weight_decay)
        parameter.addcdiv_(mean / (1 - self.momentum**number), spread, value=-self.rate)


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
