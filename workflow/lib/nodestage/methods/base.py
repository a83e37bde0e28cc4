"""The compared methods: their interface, and how they are fitted and scored.

A method is one file with a class `Method`:

    class Method:
        def __init__(self, settings, seed): ...
        def fit(self, train, validation): ...   # -> state
        def predict(self, patients): ...        # -> {patient: score or reason}

`train` and `validation` are `Patients` with labels, `patients` without. The state holds
plain values alone (tensors, numbers, texts, lists, dicts), so that it loads with
`torch.load(..., weights_only=True)`; it is in `self.state` when `predict` is called.
A score is a float, a reason a text. Where a patient lacks what the method needs, `Patients`
raises `Unscored` with the reason, and `Patients.gather` sets those patients aside.

Methods come in families (`nodestage.methods.registry`), each fitted by one process per fold.
"""

import math
import random
from dataclasses import dataclass, field

import numpy as np

from nodestage.cohort.clinical import CLINICAL, LABELS
from nodestage.core import logs, reasons, seeds
from nodestage.core.errors import InputError, TrainingError
from nodestage.identification.volumes import volume_feature
from nodestage.methods import radiomics
from nodestage.tumor import slices

FORMAT = 1


class Unscored(Exception):
    """Why a patient has no score; the message is the row's reason."""


class Unfit(Exception):
    """Why a method could not be fitted in this fold; then no patient has a score by it."""


class Score(float):
    """A score with further numbers of the same patient, which become columns of the table of scores.

    Attributes
    ----------
    details : {column: number, or text}
    """

    details: dict[str, float | str]

    def __new__(cls, value, **details):
        """A score; see the class."""
        score = super().__new__(cls, value)
        score.details = details
        return score


@dataclass(frozen=True)
class Data:
    """What methods may read of patients; files are read when needed.

    Attributes
    ----------
    slices : {patient: path of results/tumor/slices/{patient}.npz}
    features : {patient: path of results/baselines/radiomics/{patient}.tsv}
    volumes : {"plain": {patient: list of mm3, or a reason}, "attention": {...}}, this fold's
        measure of each positive lymph node, [] where there are none; "candidates": of each
        candidate that counts
    clinical : {patient: row of the sample sheet}
    reasons : {patient: why there are no images of both phases on one grid}
    noisy_or : {patient: probability of at least one positive node among the candidates, or a
        reason}, {} where candidates are not classified
    expected : {patient: expected number of positive nodes among the candidates, or a reason}, likewise
    candidates : {patient: rows of its candidates' table, or a reason}, likewise
    scores : {method: {patient: score, or a reason}} of methods of other families, fitted before;
        without training patients, whom these methods have learned from
    robust : names of the radiomics features that withstand small changes of mask and images in this
        fold's training patients; None where `radiomics.robustness` is off
    """

    slices: dict = field(default_factory=dict)
    features: dict = field(default_factory=dict)
    volumes: dict = field(default_factory=dict)
    clinical: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)
    noisy_or: dict = field(default_factory=dict)
    expected: dict = field(default_factory=dict)
    candidates: dict = field(default_factory=dict)
    scores: dict = field(default_factory=dict)
    robust: set | None = None


class Patients:
    """Some patients of a study, with labels (for training) or without (for scoring)."""

    def __init__(self, data, names, labels=None, stages=None):
        self._data = data
        self.names = list(names)
        self._labels = labels
        self._stages = stages or {}
        self.left_out = {}  # patient: reason, filled by `gather`

    def label(self, patient):
        """1 with lymph-node metastasis, 0 without."""
        return int(self._labels[patient])

    def labels(self, names):
        """int64 array, one label for each of `names`."""
        return np.asarray([self.label(name) for name in names], np.int64)

    def stage(self, patient):
        """0, 1 or 2 for pN0, pN1 or pN2 in pathology; only in `fit` of a method that needs stages."""
        if patient not in self._stages:
            raise Unscored("pN is not known")
        return int(self._stages[patient])

    def views(self, patient):
        """The tumor's slices and crop; see `tumor.slices.views`."""
        self._need_images(patient)
        if patient not in self._data.slices:
            raise Unscored("no tumor slices were made")
        views = slices.read(self._data.slices[patient])
        if not views["usable"]:
            raise Unscored(views["reason"] or "no tumor slices were made")
        return views

    def volumes(self, patient, variant="attention"):
        """Volumes of the positive lymph nodes as the fold's networks measure them, mm3; [] without any.

        variant : `attention`, `plain`, or `candidates` for those of the candidates that count
        """
        values = self._data.volumes.get(variant, {})
        return self._measured(values, patient, "no lymph nodes were measured")

    def volume(self, patient, variant="attention", how="largest"):
        """Volume of the positive lymph nodes as the fold's networks measure it, mm3; 0 without any.

        variant : `attention`, `plain`, or `candidates` for those of the candidates that count
        how : `largest`, `mean` or `total`
        """
        return volume_feature(self.volumes(patient, variant), how)

    def noisy_or(self, patient):
        """Probability of at least one positive node among the fold's candidates; 0 without any."""
        return self._measured(self._data.noisy_or, patient, "no candidates were measured")

    def expected_nodes(self, patient):
        """Expected number of positive nodes among the fold's candidates; 0 without any."""
        return self._measured(self._data.expected, patient, "no candidates were measured")

    def candidates(self, patient):
        """Rows of the fold's table of candidates (docs/stages.md), of this patient; [] without any."""
        return self._measured(self._data.candidates, patient, "no candidates were measured")

    def score(self, patient, method):
        """The patient's score by a method of another family, fitted in the same fold."""
        value = self._data.scores.get(method, {}).get(patient)
        if value is None or isinstance(value, str):
            raise Unscored(value or f"{method} has no score")
        return value

    def radiomics(self, patient):
        """{"<phase>_<feature>": float}, 2 x 1688 of them."""
        self._need_images(patient)
        if patient not in self._data.features:
            raise Unscored("no radiomics features were computed")
        values, reason = radiomics.read(self._data.features[patient])
        if reason:
            raise Unscored(reason)
        return values

    @property
    def robust_features(self):
        """Names of the features that a signature may use; None where all may be."""
        return self._data.robust

    def clinical(self, patient):
        """The patient's clinical columns as text, "" where unknown."""
        row = self._data.clinical.get(patient, {})
        columns = dict.fromkeys([*CLINICAL, *row])
        return {column: _cell(row.get(column)) for column in columns if column not in LABELS}

    def ct_report(self, patient):
        """The radiologist's lymph-node status, 0 or 1."""
        cell = self.clinical(patient)["ct_reported"]
        if cell == "":
            raise Unscored(reasons.sentence("no_ct_report"))
        if float(cell) not in (0.0, 1.0):
            raise InputError(
                f"{patient}: ct_reported is {cell!r}; write 0, 1 or leave the cell empty."
            )
        return int(float(cell))

    def _measured(self, values, patient, absent):
        """The patient's entry of `values`; `Unscored` with its reason, or `absent` where there is none."""
        self._need_images(patient)
        value = values.get(patient)
        if value is None or isinstance(value, str):
            raise Unscored(value or absent)
        return value

    def _need_images(self, patient):
        if self._data.reasons.get(patient):
            raise Unscored(self._data.reasons[patient])

    def gather(self, *readers):
        """Read something of every patient and set aside those who lack it.

        Parameters
        ----------
        readers : functions of a patient code that return a value or raise `Unscored`

        Returns
        -------
        names : those with every value, in order
        values : one tuple per patient, of as many values as readers
        reasons : {patient: why not} of the others
        """
        names, values, reasons = [], [], {}
        for name in self.names:
            try:
                values.append(tuple(reader(name) for reader in readers))
                names.append(name)
            except Unscored as error:
                reasons[name] = str(error)
        self.left_out.update(reasons)
        return names, values, reasons


def need_both_classes(labels, minimum=1):
    """Raise `Unfit` unless at least `minimum` usable training patients have each class."""
    positive, total = int(np.sum(labels)), len(labels)
    if positive < minimum or total - positive < minimum:
        raise Unfit(
            f"{positive} of {total} usable training patients have metastasis; "
            f"at least {minimum} of each class are needed"
        )


@dataclass(frozen=True)
class Split:
    """Training and validation patients of a fold, with labels.

    Attributes
    ----------
    train, validation : patient codes
    labels : {patient: 0 or 1} of these patients, no others
    stages : {patient: 0, 1 or 2} of those of them whose pN is known; {} where no method needs it
    """

    train: list
    validation: list
    labels: dict
    stages: dict = field(default_factory=dict)


def fit_family(classes, data, split, settings, seed, threads=1):
    """Fit all methods of a family on one fold.

    Parameters
    ----------
    classes : {method: class}, from `registry.classes`
    data : Data
    split : Split
    settings : {method: its settings}
    seed : int; each method's is derived from it and its name, so that leaving one out changes no other
    threads : for torch

    Returns
    -------
    model : dict for `torch.save`, loadable with `weights_only=True`
    """
    import torch

    torch.set_num_threads(threads)
    fitted = {}
    for name, cls in classes.items():
        method_seed = seeds.of_method(seed, name)
        subsets = [
            Patients(data, [p for p in codes if p in split.labels], split.labels, split.stages)
            for codes in (split.train, split.validation)
        ]
        random.seed(method_seed)
        np.random.seed(method_seed % 2**32)
        torch.manual_seed(method_seed)
        method_settings = settings.get(name, {})
        method = cls(method_settings, method_seed)
        state, unfit = None, ""
        try:
            state = method.fit(*subsets)
        except Unfit as error:
            unfit = str(error)
            logs.say(f"{name}: not fitted, {unfit}")
        fitted[name] = {
            # Settings with the method's defaults, so that later defaults change no bundle.
            "settings": getattr(method, "settings", method_settings),
            "seed": method_seed,
            "state": state,
            "unfit": unfit,
            "left_out": [_counted(subset.left_out) for subset in subsets],
        }
        check_plain(fitted[name], name)
    return {"format": FORMAT, "methods": fitted}


def score_family(model, classes, data, patients):
    """Score patients by every method of a fitted family.

    Returns rows `{patient, method, score, reason}`: each patient once for each method,
    with a score and an empty reason, or None and a reason; the details of a `Score` are further columns.
    """
    rows = []
    for name, fitted in model["methods"].items():
        patients = list(patients)
        if fitted["unfit"]:
            results = dict.fromkeys(patients, fitted["unfit"])
        else:
            method = classes[name](fitted["settings"], fitted["seed"])
            method.state = fitted["state"]
            results = method.predict(Patients(data, patients))
        rows += [_row(name, patient, results) for patient in patients]
    return rows


def _row(method, patient, results):
    if patient not in results:
        raise TrainingError(
            f"method {method} gave no result for {patient}. `predict` must return a score "
            "or a reason for every patient."
        )
    value = results[patient]
    row = {"patient": patient, "method": method, "score": None, "reason": ""}
    if isinstance(value, str):
        return row | {"reason": value or "no reason was given"}
    if not math.isfinite(value):
        raise TrainingError(
            f"method {method} scored {patient} with {value}. A lower `learning_rate` in its "
            "settings usually helps."
        )
    return row | {"score": float(value)} | getattr(value, "details", {})


def check_plain(value, where):
    """Raise `TypeError` for a state that `torch.load(..., weights_only=True)` can't load."""
    import torch

    if isinstance(value, dict):
        for key, part in value.items():
            check_plain(key, where)
            check_plain(part, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for part in value:
            check_plain(part, where)
    elif type(value) not in (int, float, bool, str, type(None)) and not isinstance(
        value, torch.Tensor
    ):
        raise TypeError(
            f"{where} is a {type(value).__name__}; a state holds tensors, numbers, texts, "
            "lists and dicts alone"
        )


def _counted(left_out):
    """How many patients were left out for each reason; a bundle carries no patient codes."""
    reasons = sorted(left_out.values())
    return {reason: reasons.count(reason) for reason in reasons}


def _cell(value):
    """A cell as text; None and NaN are empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()
