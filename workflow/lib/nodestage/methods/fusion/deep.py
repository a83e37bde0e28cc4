"""What the tumor networks have in common as methods."""

import torch

from nodestage.core import devices, logs
from nodestage.core.training import weights_of
from nodestage.methods.base import need_both_classes
from nodestage.methods.fusion import settings as defaults
from nodestage.methods.fusion import training, weights
from nodestage.methods.fusion.network import PatientNetwork


class DeepMethod:
    """A network over views of the tumor; subclasses choose which.

    pooling, dimensions, volume_features : see `PatientNetwork`. With 2 numbers they are those of the
        candidates: volume of the largest that counts, probability of any positive node
    """

    pooling: tuple[str, ...] = ("gap",)
    dimensions = 2
    volume_features: int = 0

    def __init__(self, settings, seed):
        self.settings = defaults.network(settings)
        self.seed = seed
        self.state = None

    def fit(self, train, validation):
        """Train the network; the returned state holds its weights and its history."""
        pretrained = self.settings["pretrained"]
        # The model goes to other hospitals: the digest identifies the file, its path would reveal the site's folders.
        self.settings = self.settings | {"pretrained": {**pretrained, "path": ""}}
        # Early layers are frozen only where there is something worth keeping in them.
        frozen = bool(self.settings["freeze"]) and weights.wanted(pretrained)
        names, values, _ = self.gather(train)
        labels = train.labels(names)
        need_both_classes(labels)
        v_names, v_values, _ = self.gather(validation)
        device = devices.chosen()
        with torch.random.fork_rng(devices=[]), devices.repeatable(device):
            torch.manual_seed(self.seed)
            network = self._network().to(device)
            origin = weights.load(network.trunk, pretrained)
            if frozen:
                weights.freeze(network.trunk)
            name = type(self).__module__.rpartition(".")[2]
            logs.say(
                f"{name}: {origin}, {len(names)} patients to learn from, {len(v_names)} to choose by"
            )
            history = training.fit(
                network,
                self._views(values, labels),
                self._views(v_values, validation.labels(v_names)),
                self.settings | {"freeze": frozen},
                self.seed,
                name,
            )
        return {"weights": weights_of(network), "origin": origin, **history}

    def predict(self, patients):
        """Probability of metastasis of each patient, or the reason why there is none."""
        names, values, reasons = self.gather(patients)
        network = self.network().to(devices.chosen())
        scores = training.predict(network, self._views(values), self.settings)
        return dict(zip(names, scores, strict=True)) | reasons

    def network(self):
        """The fitted network, in evaluation mode, on the CPU."""
        network = self._network()
        network.load_state_dict(self.state["weights"])
        return network.eval()

    def gather(self, patients):
        """What the network sees of each patient; see `Patients.gather`."""
        readers = [lambda name: self._view(patients.views(name))]
        if self.volume_features:
            how = self.settings["volume"]
            readers.append(
                lambda name: (
                    (patients.volume(name, "candidates", how), patients.noisy_or(name))
                    if self.volume_features == 2
                    else patients.volume(name, how=how)
                )
            )
        return patients.gather(*readers)

    def _view(self, views):
        """The patient's images (views, 2, ...) and masks (views, 1, ...)."""
        return torch.from_numpy(views["images"]), torch.from_numpy(views["masks"]).unsqueeze(1)

    def _views(self, values, labels=None):
        """A list of what the readers gave, as `Views`."""
        if not values:
            return training.Views(torch.empty(0), torch.empty(0), torch.empty(0), labels)
        return training.Views(
            torch.stack([value[0][0] for value in values]),
            torch.stack([value[0][1] for value in values]),
            torch.tensor([value[1] if self.volume_features else 0.0 for value in values]),
            labels,
        )

    def _network(self):
        return PatientNetwork(
            self.pooling,
            self.volume_features,
            self.dimensions,
            self.settings["tel"] if "tel" in self.pooling else None,
            self.settings["volume_relu"] if self.volume_features else False,
            self.settings["width"],
        )
