"""A small network over a patient's candidates and tumor, with messages between candidates by distance.

Each candidate gets a message from the others, the nearer the stronger (a graph with edges by distance,
Gilmer 2017), and from itself, its message and its distance to the tumor an evidence e. With its
probability p of being a node, the candidates together add log(1 + Σ p·exp(e)) to the patient's log odds:
without any candidate nothing, with several roughly what the strongest adds, in whatever order (a soft
form of "at least one", as in multiple-instance learning). The tumor adds its own part.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from nodestage.methods.graph.elements import CANDIDATE, TUMOR, Elements
from nodestage.methods.standardize import center_and_scale

DISTANCE_MM = 20.0  # scale of all distances at the start


class NodeGraph(nn.Module):
    """Log odds of metastasis of a batch of patients.

    Parameters
    ----------
    hidden : width of the candidates' layers
    """

    def __init__(self, hidden: int = 8):
        super().__init__()
        self.embed = nn.Linear(len(CANDIDATE), hidden)
        self.message = nn.Linear(hidden, hidden, bias=False)
        self.evidence = nn.Sequential(
            nn.Linear(2 * hidden + 1, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.tumor = nn.Sequential(nn.Linear(len(TUMOR), hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.weight = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(()))

    def parts(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What each candidate adds before they are joined, p·exp(e) (patients, n), and the tumor's log odds."""
        embedded = torch.relu(self.embed(batch["candidates"]))
        near = -batch["between"] / self.log_scale.exp() + batch["log_node"][:, None, :]
        # One more share, so that without a candidate nearby the message is 0.
        near = torch.cat([near, torch.zeros_like(near[..., :1])], dim=2)
        share = torch.softmax(near, dim=2)[..., :-1]
        received = share @ self.message(embedded)
        joined = torch.cat([embedded, received, batch["to_tumor"][..., None]], dim=2)
        evidence = self.evidence(joined)[..., 0].clamp(-10, 10)
        return (batch["log_node"] + evidence).exp(), self.tumor(batch["tumor"])[:, 0]

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Log odds (patients,) of patients from `batch_of`."""
        added, tumor = self.parts(batch)
        return self.bias + self.weight * torch.log1p(added.sum(1)) + tumor


def scales(patients: Sequence[Elements]) -> dict[str, list[float]]:
    """Mean and SD of each number over the training patients, to standardize by."""
    candidates = np.concatenate([p.candidates for p in patients])
    if not len(candidates):
        candidates = np.zeros((1, len(CANDIDATE)))  # mean 0, SD 1
    scale = {}
    for name, table in (
        ("candidates", candidates),
        ("tumor", np.stack([p.tumor for p in patients])),
    ):
        scale[f"{name}_mean"], scale[f"{name}_sd"] = center_and_scale(table)
    return scale


def batch_of(
    patients: Sequence[Elements], scale: dict[str, list[float]]
) -> dict[str, torch.Tensor]:
    """Patients as tensors, padded with candidates of probability 0.

    Returns
    -------
    dict: `candidates` (patients, n, features), `between` (patients, n, n), `to_tumor`, `log_node`
    (patients, n), `tumor` (patients, features); distances over `DISTANCE_MM`
    """
    longest = max((len(p.instances) for p in patients), default=0)
    count = len(patients)
    arrays = {
        "candidates": np.zeros((count, longest, len(CANDIDATE))),
        "between": np.zeros((count, longest, longest)),
        "to_tumor": np.zeros((count, longest)),
        "log_node": np.full((count, longest), -30.0),
        "tumor": np.zeros((count, len(TUMOR))),
    }
    for i, patient in enumerate(patients):
        n = len(patient.instances)
        standard = (patient.candidates - scale["candidates_mean"]) / scale["candidates_sd"]
        between = patient.between / DISTANCE_MM
        np.fill_diagonal(between, 1e3)  # no message to itself
        arrays["candidates"][i, :n] = np.clip(standard, -5, 5)
        arrays["between"][i, :n, :n] = between
        arrays["to_tumor"][i, :n] = np.minimum(patient.to_tumor / DISTANCE_MM, 5)
        arrays["log_node"][i, :n] = np.log(np.clip(patient.node, 1e-6, 1))
        arrays["tumor"][i] = np.clip(
            (patient.tumor - scale["tumor_mean"]) / scale["tumor_sd"], -5, 5
        )
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}
