"""One training step of a patient network: memory format, on one core.

    OMP_NUM_THREADS=1 python benchmarks/patient_networks.py

Views of noise, of the size and with the settings of config/larger.yaml. The two kinds of step alternate, so that a
busy machine slows all of them; the figures are medians of CPU time, and ratios to the first kind.
"""

import argparse
import copy
import time

import numpy as np
import torch
from rungs.patients import settings

from nodestage.methods.fusion import settings as defaults
from nodestage.methods.fusion import training
from nodestage.methods.fusion.network import PatientNetwork

PATIENTS, VIEWS = 24, 9
KINDS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def learners(method):
    """{kind: PatientLearner} from the same weights and views."""
    config = settings()
    asked = defaults.network(config["methods"][method]["settings"]) | {"freeze": False}
    size = config["tumor"]["slice_size"]
    torch.manual_seed(0)
    views = training.Views(
        torch.randint(-100, 200, (PATIENTS, VIEWS, 2, size, size), dtype=torch.int16),
        (torch.rand(PATIENTS, VIEWS, 1, size, size) > 0.9).to(torch.uint8),
        torch.zeros(PATIENTS),
        np.arange(PATIENTS) % 2,
    )
    network = PatientNetwork(("gap", "tel"), width=asked["width"], tel=asked["tel"])
    found = {}
    for kind, memory in KINDS.items():
        one = copy.deepcopy(network)
        learner = training.PatientLearner(one, views, views, asked, 0)
        one.to(memory_format=memory)
        learner.optimizer.rate = 1e-4
        found[kind] = learner
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = learners("tumor_net")
    seconds = {kind: [] for kind in found}
    for step in range(options.steps):
        for kind, learner in found.items():
            started = time.process_time()
            learner.step(step)
            seconds[kind].append(time.process_time() - started)
    slowest = np.median(seconds["contiguous"])
    for kind, taken in seconds.items():
        print(f"{kind:<14} {1000 * np.median(taken):6.1f} ms  {np.median(taken) / slowest:.2f}")


if __name__ == "__main__":
    main()
