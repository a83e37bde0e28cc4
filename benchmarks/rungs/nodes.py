"""The lymph nodes: how many are detected and classified, and how well they predict the status.

One fold as a study has it: of the training patients four fifths train and one fifth validates; inner
networks measure the training patients, and the forests over candidates learn from that.
"""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from nodestage.attention.maps import attention_map
from nodestage.candidates import patients as numbers
from nodestage.candidates import prediction as candidates
from nodestage.candidates import training as forests
from nodestage.cohort import folds
from nodestage.core import checkpoints, files, learning, seeds, volumes
from nodestage.core.instances import is_positive
from nodestage.core.run import Run
from nodestage.core.volumes import Volume
from nodestage.identification import prediction as identification
from nodestage.identification import training as identifying
from nodestage.lymph_nodes import appearance, crossfitting, prediction
from nodestage.lymph_nodes import training as segmenting
from nodestage.lymph_nodes.images import Images
from nodestage.metrics.instances import label_instances, match_instances
from rungs import patients as simulated
from rungs.score import Timer, ranked, rung

VARIANT = "attention"


@dataclass
class Fold:
    """Who trains, validates, and stands in which part of those who train."""

    train: list
    validation: list
    inner: list  # parts of `train` that inner networks measure
    parts: list  # parts of `train` that forests leave out


def climb(patients, options, config=None):
    """Print the rungs of the nodes; the last line is the patients' AUC from candidates.

    Parameters
    ----------
    patients : Patients
    options : not used
    config : settings of the study; config/larger.yaml's by default
    """
    found = Nodes(patients, config or simulated.settings())
    y = [patients.labels[p] for p in patients.tested]
    oracle = [patients.read(p)["record"]["oracle"]["nodes"] for p in patients.tested]
    rung("oracle that knows the nodes' cue", ranked(y, oracle))
    truth = {p: largest_positive(patients.read(p)) for p in patients.tested}
    rung("largest positive node of the truth", ranked(y, [truth[p] for p in patients.tested]))
    timer = Timer()
    rung("attention network", segmented(found, patients.tested, lambda row: True), timer)
    timer = Timer()
    rung("identification, on annotated nodes", found.identified(), timer)
    rung("nodes_attention", ranked(y, [found.volume(p) for p in patients.tested]))
    timer = Timer()
    kept = segmented(found, patients.tested, lambda row: row["is_node"])
    rung("candidates called nodes", kept, timer)
    train = found.fold.train
    learned = learning.auc([patients.labels[p] for p in train], [found.noisy_or(p) for p in train])
    last = ranked(y, [found.noisy_or(p) for p in patients.tested], learned)
    rung("nodes_candidates", last)
    print(last)


class Nodes:
    """The fold's networks and forests, and each patient's candidates, kept in the folder."""

    def __init__(self, patients, config):
        self.patients, self.config = patients, config
        kind = [config[k] for k in ("lymph_nodes", "identification", "folds")]
        self.folder = Path(patients.folder, "nodes", simulated.digest([kind, patients.train]))
        self.fold = fold(patients, config["folds"]["inner"])
        anatomy = yaml.safe_load((simulated.CONFIG / "anatomy.yaml").read_text(encoding="utf-8"))
        labels = anatomy["labels"]
        self.vessels = [labels[name] for name in anatomy["vessels"]]
        self.ranges = {labels[n]: tuple(ends) for n, ends in anatomy["ranges_mm"].items()}
        self._rows, self._models = {}, {}

    def rows(self, patient):
        """Candidates of a patient as the workflow's tables have them, with `class`."""
        if patient not in self._rows:
            rows = [dict(row) for row in self._measured(patient)]
            part = next((i for i, p in enumerate(self.fold.parts) if patient in p), None)
            said = candidates.classify(self._model("candidates"), rows, part)
            self._rows[patient] = [row | one for row, one in zip(rows, said, strict=True)]
        return self._rows[patient]

    def mask(self, patient):
        """Candidates of a patient, numbered, (z, y, x)."""
        self._measured(patient)
        return np.load(self.folder / "measured" / f"{patient}.npy")

    def volume(self, patient):
        """Of the largest node that identification calls positive, mm3."""
        called = [r["volume_mm3"] for r in self._measured(patient) if is_positive(r["p_positive"])]
        return max(called, default=0.0)

    def counted(self, patient):
        """Volume of the largest candidate that counts, mm3."""
        return max(numbers.counted_volumes(self.rows(patient)), default=0.0)

    def noisy_or(self, patient):
        """Probability of any positive node."""
        return numbers.noisy_or(self.rows(patient))

    def identified(self):
        """`AUC 0.85 (0.93 on training patients)` of identification on annotated nodes."""
        model, found = self._model("identification"), {}
        for name, group in (("tested", self.patients.tested), ("train", self.fold.train)):
            rows = identification.on_ground_truth(
                model, VARIANT, {p: self._images(p) for p in group}
            )
            y, p = ([row[k] for row in rows] for k in ("positive", "p_positive"))
            found[name] = learning.auc(y, p)
        return f"AUC {found['tested']:.2f} ({found['train']:.2f} on training patients)"

    def _model(self, stage):
        path = self.folder / f"{stage}.pt"
        if stage not in self._models:
            if not path.exists():
                with contextlib.redirect_stdout(io.StringIO()):
                    getattr(self, f"_train_{stage}")(path)
            self._models[stage] = checkpoints.load(path)
        return self._models[stage]

    def _train_lymph_nodes(self, path):
        settings = self.config["lymph_nodes"] | {"variants": [VARIANT]}
        segmenting.train_fold(self._of_fold(), settings, self._run(path))

    def _train_identification(self, path):
        self._model("lymph_nodes")
        settings = {k: v for k, v in self.config["identification"].items() if k != "candidates"}
        segmentation = self.folder / "lymph_nodes.pt"
        identifying.train_fold(self._of_fold(), segmentation, settings, self._run(path))

    def _train_candidates(self, path):
        train, validation = self.fold.train, self.fold.validation
        annotated = {}
        for patient in train:
            one = self.patients.read(patient)
            mask = Volume(one["annotated"], one["spacing"])
            seed = seeds.derived(self.patients.seed, "candidates", patient)
            annotated[patient] = forests.annotated_nodes(mask, one["arterial"], one["venous"], seed)
        fold = forests.FoldCandidates(
            {p: self._measured(p) for p in train},
            {p: self._measured(p) for p in validation},
            annotated,
            self.fold.parts,
            {p: self.patients.labels[p] for p in validation},
        )
        model = forests.train_fold(fold, self.patients.seed)
        checkpoints.save(path, model)

    def _measured(self, patient):
        path = self.folder / "measured" / f"{patient}.json"
        if not path.exists():
            self._measure(patient, path)
        return json.loads(path.read_text(encoding="utf-8"))

    def _measure(self, patient, path):
        one = self.patients.read(patient)
        subset = "train" if patient in self.fold.train else "test"
        network = crossfitting.measured_by(patient, subset, VARIANT, self.fold.inner).network
        settings, spacing = self.config["lymph_nodes"], one["spacing"]
        attention = attention_map(one["organs"], spacing, self.ranges)
        images = Images(one["arterial"], one["venous"], attention, spacing, patient)
        margin = prediction.log_odds(self._model("lymph_nodes"), network, images, settings)
        mask = prediction.above_threshold(margin, spacing, settings)
        channels = {k: one[k] for k in ("arterial", "venous", "organs")}
        rows = appearance.appearance(
            mask, channels | {"attention": attention, "log_odds": margin}, spacing, self.vessels
        )
        positive = identification.classify(self._model("identification"), network, images, mask)
        classes = forests.classes_of(mask, one["annotated"])
        sizes = np.bincount(mask.ravel())[1:] * float(np.prod(spacing))
        for row, p, kind, size in zip(rows, positive, classes, sizes, strict=True):
            row |= {"p_positive": float(p), "class": int(kind), "volume_mm3": float(size)}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path.with_suffix(".npy"), mask)
        with files.whole(path) as temporary:
            Path(temporary).write_text(json.dumps(rows), encoding="utf-8")

    def _of_fold(self):
        """The fold with its patients' files, as trainings take it."""
        patients = {p: self._images(p) for p in self.patients.training}
        return crossfitting.Fold(patients, self.fold.train, self.fold.validation, self.fold.inner)

    def _run(self, output):
        return Run(self.patients.seed, output, self.folder / "work")

    def _images(self, patient):
        """Files of one patient, as trainings take them."""
        names = {"arterial": "arterial", "venous": "venous", "lymph_nodes": "annotated"}
        folder = Path(self.patients.folder, "nodes", "images", patient)
        paths = {name: folder / f"{name}.nii.gz" for name in (*names, "map")}
        if not paths["map"].exists():
            one = self.patients.read(patient)
            arrays = {name: one[own] for name, own in names.items()}
            arrays["map"] = attention_map(one["organs"], one["spacing"], self.ranges)
            for name, array in arrays.items():
                volumes.write_volume(paths[name], Volume(array, one["spacing"]))
        return {name: str(path) for name, path in paths.items()}


def fold(patients, inner):
    """The training patients as one fold: every fifth of each class validates."""
    labels = {p: patients.labels[p] for p in patients.training}
    validation = folds.inner_folds(labels, labels, 5, [patients.seed, "validation"])[0]
    train = sorted(set(labels) - set(validation))
    parts = folds.inner_folds(train, labels, 5, [patients.seed, "candidates"])
    return Fold(train, validation, folds.inner_folds(train, labels, inner, [patients.seed]), parts)


def largest_positive(patient):
    """Volume of the largest positive node of the truth, mm3."""
    sizes = np.bincount(patient["instances"][patient["nodes"] == 2].ravel(), minlength=1)
    return float(sizes.max()) * float(np.prod(patient["spacing"]))


def segmented(nodes, names, kept):
    """`recall 0.70, 6.0 false positives per patient, Dice 0.40` of the candidates that are kept.

    Against the annotated nodes; Dice is the mean over patients with any.
    """
    matches, dice = [], []
    for patient in names:
        truth = nodes.patients.read(patient)["annotated"]
        numbers_kept = [i for i, row in enumerate(nodes.rows(patient), 1) if kept(row)]
        mask = nodes.mask(patient)
        mask = np.where(np.isin(mask, numbers_kept), mask, 0)
        matches.append(match_instances(label_instances(truth), mask))
        both = (truth > 0).sum() + (mask > 0).sum()
        if truth.any():
            dice.append(2 * ((truth > 0) & (mask > 0)).sum() / both)
    hits, wrong, missed = (sum(getattr(m, k) for m in matches) for k in ("tp", "fp", "fn"))
    return (
        f"recall {hits / max(hits + missed, 1):.2f}, {wrong / len(matches):.1f} false positives "
        f"per patient, Dice {np.mean(dice):.2f}"
    )
