"""Answers to the checklists that the run, or the page itself, can give.

An answer that does not hold on every page is a field with a condition, not part of the list's text.
A field that is absent leaves its items to the authors.
"""

from dataclasses import dataclass, field

from nodestage.report.fields import inner_words, primary_words, substituted_words
from nodestage.statistics import vocabulary

FOLDS = {
    "stratified": "stratified by the outcome",
    "given": "as in the fold tables of the study",
}
"""Where the folds come from; unknown if a bundle scored the patients."""


@dataclass(frozen=True)
class PageOf:
    """The page with a checklist.

    Attributes
    ----------
    role : discovery, external, or study
    center : name; "" on the study's page
    counts : {n_sheet, n_analysed, positives, n_gallery, missing, n_subgroups}, those that are known
    headline : str, without markup
    centers : list of records.Center, on the study's page
    """

    role: str
    center: str
    counts: dict
    headline: str
    centers: list = field(default_factory=list)


def checklist_fields(facts, page):
    """Fields for the checklists of a page; a field that the run doesn't know is left out.

    Parameters
    ----------
    facts : records.Facts
    page : PageOf
    """
    answers = {**page.counts, **_design(facts, page), **_run(facts), **_shown(facts.run, page)}
    return {name: text for name, text in answers.items() if text not in (None, "")}


def _design(facts, page):
    """Aim, data and partitions."""
    run = facts.run
    drawn = FOLDS.get(run.folds_from)
    outcome = (
        "Lymph-node metastasis as in the file from the hospital"
        if facts.returned
        else "Lymph-node metastasis as in the sample sheet (column metastasis, checked against pN)"
    )
    partitions = None
    if run.folds:
        parts = f"{run.folds} folds of the discovery center, training/validation/test by patient"
        partitions = ", ".join(filter(None, [parts, drawn]))
        partitions += "; external centers only for evaluation."
    centers = f"This page is about one center, {page.center}; the setting is for the authors."
    if page.centers:
        names = ", ".join(center.name for center in page.centers)
        centers = f"{len(page.centers)} centers: {names}; the setting is for the authors."
    return {
        "aim": {
            "external": "External evaluation of a frozen model.",
            "discovery": "Development with nested cross-validation.",
            "study": "Development in one center and evaluation in the others.",
        }[page.role],
        "sources": "Simulated patients." if run.simulated else None,
        "centers": centers,
        "outcome": f"{outcome}. Whether it is based on pathology, and when it was assessed, is for the "
        "authors.",
        "partitions": partitions,
        "imbalance": f"Folds {drawn}; " if drawn else None,
        "primary": primary_words(run.primary),
    }


def _run(facts):
    """Model, settings and software."""
    run = facts.run
    threshold = facts.thresholds.get(run.primary["method"])
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    sizes = [f"{what}: {words}" for what, words in run.sizes.items()]
    training = None
    if run.seed is not None:
        digest = f"Seed {run.seed}, config digest {run.config_digest}."
        training = " ".join([digest, *sizes, inner_words(run)])
    return {
        "flags": f"{len(run.warnings)} warnings on this page.",
        "organs_source": run.organs_source,
        "tumor_source": run.tumor_source,
        "model": "Described under “Methods and versions”; weights, plans and settings are in the bundle.",
        "threshold": None if threshold is None else f"Threshold of the model: {threshold}.",
        "substituted": substituted_words(facts.substituted),
        "software": f"nodestage with {versions}." if versions else None,
        "model_digest": run.model_digest,
        "pretrained": f"Pretrained weights: {run.pretrained}." if run.pretrained else None,
        "training": training,
    }


def _shown(run, page):
    """What this page shows."""
    role, counts = page.role, page.counts
    study, external = role == "study", role == "external"
    frozen = run.frozen  # then there are neither figures of the discovery center nor a study page
    ensemble = "Mean of the folds’ scores, mean of the folds’ thresholds"
    held_back = "Each patient by the model of the fold in whose test part it is"
    return {
        "study_page": None if frozen else "the study’s page",
        "beside_discovery": {
            "external": None
            if frozen
            else "Table I compares this center with the discovery center.",
            "discovery": None,
            "study": "Table I compares the centers.",
        }[role],
        "interval_words": "95 % intervals by bootstrap within each class; also DeLong for the AUC.",
        "family": vocabulary.family(),
        "predictions": {
            "external": f"{ensemble}.",
            "discovery": f"{held_back}.",
            "study": f"Discovery: {held_back[0].lower()}{held_back[1:]}. External: "
            f"{ensemble[0].lower()}{ensemble[1:]}.",
        }[role],
        "events": "n and positives are in each row of Tables VI and VII and of the forest plot; Table IV "
        "counts nodes, Table V patients."
        if study
        else "n and positives are given with each method’s performance, calibration and subgroups; a "
        "paired comparison gives the n that both methods scored.",
        "subgroups": "Results by subgroup are on this page" if counts.get("n_subgroups") else None,
        "robustness": None
        if study
        else "Where patients lack a score: also the estimate with all patients, and the worst case.",
        "gallery": f"Gallery, worst errors first: {counts['n_gallery']} patients."
        if counts.get("n_gallery")
        else None,
        "explained": "Gallery: the deciding node and the most influential slice, with overlays, for "
        f"{counts['n_gallery']} patients."
        if counts.get("n_gallery")
        else None,
        "parts": {
            "external": "This center’s patients are in no part of a fold: all their predictions are external.",
            "discovery": "The tables of this page use the test predictions. Validation predictions, "
            "which set the thresholds, are in results/predictions and in no table.",
            "study": "Table VI uses the test predictions, Table VII the external ones. Validation "
            "predictions are in results/predictions and in no table.",
        }[role],
        "headline_plain": page.headline,
        "external": page.headline if external else "Each external center has its own page.",
    }
