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
    """Steps along the gradients of `parameters`; `_update` changes those that have one.

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
            i: [like(self.parameters[i], v) if torch.is_tensor(v) else v for v in values]
            for i, values in state["memory"].items()
        }

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then cleared."""
        moved = {i: p for i, p in enumerate(self.parameters) if p.grad is not None}
        if moved:
            self._update(moved)
        for parameter in moved.values():
            parameter.grad = None

    def _update(self, moved: dict[int, torch.nn.Parameter]) -> None:
        raise NotImplementedError


def like(parameter: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The values on the device and in the memory order of a parameter, which torch's kernel expects."""
    if values.device == parameter.device and values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter).copy_(values)


class Nesterov(Optimizer):
    """Gradient descent with momentum and weight decay."""

    def _update(self, moved):
        for index, parameter in moved.items():
            gradient = parameter.grad
            gradient.add_(parameter, alpha=self.weight_decay)
            if index in self.memory:
                (velocity,) = self.memory[index]
                velocity.mul_(self.momentum).add_(gradient)
            else:
                velocity = gradient.clone()
                self.memory[index] = [velocity]
            parameter.add_(gradient.add_(velocity, alpha=self.momentum), alpha=-self.rate)


class AdamW(Optimizer):
    """Adam with decoupled weight decay; `momentum` is the first beta.

    Torch's kernel for all parameters at once, a fifth of the time of calls for each of them.
    """

    def _update(self, moved):
        for index, parameter in moved.items():
            if index not in self.memory:
                self.memory[index] = [0, torch.zeros_like(parameter), torch.zeros_like(parameter)]
            self.memory[index][0] += 1
        counts, means, squares = zip(*(self.memory[index] for index in moved), strict=True)
        torch._fused_adamw_(
            list(moved.values()),
            [like(parameter, parameter.grad) for parameter in moved.values()],
            means,
            squares,
            [],
            [torch.tensor(float(count), device=means[0].device) for count in counts],
            lr=self.rate,
            beta1=self.momentum,
            beta2=BETA_2,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


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
