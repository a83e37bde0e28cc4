"""SGD with Nesterov momentum.

The same steps as `torch.optim.SGD(nesterov=True)`, which a test compares. That one imports
torch's compiler when it is made: 5 to 13 s of each short job, for nothing that we use.
"""

import torch


class Nesterov:
    """Gradient descent with momentum and weight decay over `parameters`.

    rate : learning rate, may be set anew before each step
    """

    def __init__(self, parameters, rate, momentum, weight_decay):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.rate = rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocity = {}

    @torch.no_grad()
    def step(self):
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
