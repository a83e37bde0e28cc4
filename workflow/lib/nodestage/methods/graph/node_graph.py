"""Status from the set of candidates and the tumor, by a small network with messages by distance."""

import numpy as np
import torch

from nodestage.core import learning
from nodestage.methods.base import Score, need_both_classes
from nodestage.methods.fusion.settings import over
from nodestage.methods.graph import elements, network, shares


class Method:
    """Trained on T; the weights of the check with the smallest loss on V are kept.

    A training of seconds, over all patients in each step: it needs neither the batches, the schedule nor the
    checkpoints of `core.training`, whose optimizers would round otherwise.
    """

    family = "graph"
    needs = ("views", "nodes")

    def __init__(self, settings, seed):
        defaults = {
            "hidden": 8,
            "steps": 300,
            "learning_rate": 0.01,
            "weight_decay": 0.1,
            "check_every": 10,
        }
        self.settings = over(defaults, settings)
        self.seed = seed
        self.state = {}

    def fit(self, train, validation):
        """Weights of the network, means and SDs for standardization, and how well it fits T."""
        torch.set_num_threads(1)
        torch.manual_seed(self.seed)
        sets, labels = _labelled(train)
        need_both_classes(labels)
        scale = network.scales(sets)
        batch, y = network.batch_of(sets, scale), torch.from_numpy(labels).float()
        held_out, truth = _labelled(validation)
        model = network.NodeGraph(self.settings["hidden"])
        optimizer = torch.optim.AdamW(
            model.parameters(),
            self.settings["learning_rate"],
            weight_decay=self.settings["weight_decay"],
        )
        loss_of = torch.nn.functional.binary_cross_entropy_with_logits
        chosen_by = network.batch_of(held_out, scale), torch.from_numpy(truth).float()
        best, smallest = None, np.inf
        for step in range(1, self.settings["steps"] + 1):
            optimizer.zero_grad()
            loss_of(model(batch), y).backward()
            optimizer.step()
            if step % self.settings["check_every"] and step < self.settings["steps"]:
                continue
            with torch.inference_mode():
                # Without validation patients the last check counts as the best.
                loss = float(loss_of(model(chosen_by[0]), chosen_by[1])) if held_out else -step
            if loss < smallest:
                smallest = loss
                best = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(best)
        with torch.inference_mode():
            odds = model(batch)
        learned = learning.fitted(
            "node_graph",
            learning.AUC,
            learning.auc(labels, odds.numpy()),
            float(loss_of(odds, y)),
            "Raise `steps` or `learning_rate` under `methods.node_graph.settings`",
        )
        return {
            "weights": best,
            "scale": scale,
            "hidden": self.settings["hidden"],
            "learned": learned,
        }

    def predict(self, patients):
        """Probability of metastasis of each patient, or the reason why there is none.

        Beside it stands what each candidate adds (`shares`).
        """
        torch.set_num_threads(1)
        names, values, reasons = patients.gather(lambda p: elements.read(patients, p))
        model = network.NodeGraph(self.state["hidden"])
        model.load_state_dict(self.state["weights"])
        scores = {}
        for name, (one,) in zip(names, values, strict=True):
            # One by one, so that a score does not depend on who is scored beside it.
            batch = network.batch_of([one], self.state["scale"])
            with torch.inference_mode():
                added = model.parts(batch)[0][0].double().numpy()
                probability = float(torch.sigmoid(model(batch).double()))
            scores[name] = Score(probability, **{shares.COLUMN: shares.write(one.instances, added)})
        return scores | reasons


def _labelled(patients):
    names, values, _ = patients.gather(lambda p: elements.read(patients, p))
    return [one for (one,) in values], patients.labels(names)
