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
    answers = {
        **page.counts,
        **_design(facts, page),
        **_run(facts),
        **_shown(facts.run, page),
        **_radiomics(facts.run, page),
        **_compared(facts.run),
        **_evaluated(facts.run, page),
    }
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
        "substituted": substituted_words(facts.substituted, run.one_phase),
        "images": f"CT of one phase ({run.one_phase})" if run.one_phase else "Two-phase CT",
        "aligned": ", one phase" if run.one_phase else ", arterial registered to venous phase",
        "alignment": ", one phase" if run.one_phase else ", registration to the venous phase",
        "on_grid": "All images on one grid" if run.one_phase else "Both phases on one grid",
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


def _radiomics(run, page):
    """Features and their selection; nothing where no method reads radiomics."""
    if run.radiomics is None:
        return {}
    version = run.versions.get("pyradiomics")
    robust = run.radiomics.get("robustness")
    lasso = (
        "LASSO with its penalty chosen by cross-validation inside the training part of each fold."
    )
    kept = "No feature was removed for instability (radiomics.robustness is off)."
    if robust:
        kept = (
            f"Kept if the ICC(2,1) over six small changes of mask and images is at least {robust['icc']:g}, in up "
            f"to {robust['patients']} training patients of each fold."
        )
    listed = "which features each fold chose" + (", and how many are robust" if robust else "")
    where = "Under “Radiomics” on this page" if page.role == "study" else "On the study’s page"
    return {
        "features": f"PyRadiomics{f' {version}' if version else ''}; compared with IBSI’s digital phantom "
        "(docs/radiomics.md).",
        "feature_settings": "All parameters are in methods/radiomics/settings.yaml of nodestage; those that it "
        "leaves out are PyRadiomics’ defaults.",
        "discretization": "Fixed bins of 25 HU, or of 25 units of a filtered image.",
        "image_types": "Original, eight wavelet bands (coif1), square, square root, logarithm, exponential, "
        "gradient, and Laplacian of Gaussian at 2, 3, 4 and 5 mm.",
        "feature_classes": "Shape, first order, GLCM, GLRLM, GLSZM, GLDM and NGTDM.",
        "feature_count": f"{run.radiomics['features']:,} in each of two phases.",
        "scaling": "Mean 0 and SD 1 by the training part of each fold; missing values take its median.",
        "robust_features": kept,
        "selection": lasso,
        "feature_statistics": None if run.frozen else f"{where}: {listed}.",
    }


CLASSICAL = {"ct_report", "radiomics", "radiomics_ct_report"}
"""Methods without a network: a reader, and logistic regressions."""


def _compared(run):
    """Which methods stand beside the declared one."""
    name = run.primary["method"]
    others = [method for method in run.methods if method != name]
    classical = [vocabulary.name("methods", m) for m in others if m in CLASSICAL]
    named = ", ".join(vocabulary.name("methods", method) for method in others)
    return {
        "compared": f"{vocabulary.name('methods', name)} beside {named}." if others else None,
        "classical": f"{', '.join(classical)}." if classical else None,
        "beyond": " Clinical value is for the authors.",
        "non_radiomic": "The CT-reported lymph-node status of the sample sheet (ct_reported)."
        if "ct_report" in run.methods or "radiomics_ct_report" in run.methods
        else None,
        "grid": f": {run.sizes['Grid'].rstrip('.')}" if run.sizes.get("Grid") else " of the config",
    }


def _evaluated(run, page):
    """How the model was tested, as METRICS and PROBAST+AI ask."""
    external, study = page.role == "external", page.role == "study"
    nested = "Nested cross-validation in the discovery center"
    here = "the study’s page" if not study else "this page"
    patients = (
        "Folds and external centers are separate by patient; images are compared between patients, and equal "
        "ones stop the run. Models, scaler, imputation and selection see the training part alone, thresholds "
        "and calibration the validation part; a test of the software changes all other labels and compares byte by byte."
    )
    tested = "Test parts of the folds, whom no part of their model has seen."
    return {
        "scans": "Distances and thickness of slices, pixels and kernel are recorded of each image, and compared "
        "under “Subgroups” where they differ; the protocol is for the authors."
        if not study
        else None,
        "segmented": "See “Masks against the truth”." if run.simulated else None,
        "tool": "Predicted by the networks of the workflow, for every patient alike."
        if run.tumor_source == "predicted"
        else None,
        "calibration": "On each center’s page."
        if study
        else "Intercept, slope and curve, under “Calibration and threshold”.",
        "internal": None if run.frozen else f"{nested}, Table VI of {here}.",
        "held_out": "External patients, whom no part of the model has seen."
        if external
        else tested,
        "leakage": patients,
        "repeated": None if external else "Every fold trains all networks and methods anew.",
        "overfitting": "Penalties (LASSO, L2), weight decay, augmentation; whether each network has fitted its own "
        "training data is checked, and performance is measured in patients whom it has not seen.",
        "evaluated": "Each center’s page has AUC, calibration and decision curve, with intervals."
        if study
        else "AUC, calibration (intercept, slope, curve) and decision curve, with intervals.",
        "discovery_organs_source": run.discovery_organs_source,
        "discovery_tumor_source": run.discovery_tumor_source,
    }
