"""Fields of the checklists: what a page may answer because the run, or the page itself, shows it.

A sentence that some page would contradict is a field with a condition, not part of the list's text:
a field that is absent leaves its items to the authors.
"""

from nodestage.report.fields import inner_words, primary_words, substituted_words
from nodestage.statistics import vocabulary

FOLDS = {
    "stratified": "stratified by the outcome",
    "given": "as the study’s own fold tables have them",
}
"""Where the folds come from; a bundle doesn't tell."""


def checklist_fields(facts, role, center, counts, headline):
    """Fields for the checklists of a page; a field that the run doesn't know is left out.

    Parameters
    ----------
    role : discovery, external, or study
    counts : {n_sheet, n_analysed, positives, n_gallery, missing, n_subgroups}, those that are known
    headline : str, the headline without markup
    """
    fields = {
        **counts,
        **_design(facts, role, center),
        **_run(facts),
        **_shown(facts, role, counts, headline),
    }
    return {k: v for k, v in fields.items() if v not in (None, "")}


def _design(facts, role, center):
    """What was set out to do, with whose data."""
    folds, centers = facts.get("folds"), facts.get("centers")
    from_where = FOLDS.get(facts.get("folds_from"))
    partitions = f"{folds} folds of the discovery center, training/validation/test by patient"
    return {
        "aim": {
            "external": "External evaluation of a frozen model.",
            "discovery": "Development with nested cross-validation.",
            "study": "Development in one center and evaluation in the others.",
        }[role],
        "sources": "Simulated patients." if facts.get("simulated") else None,
        "centers": (
            f"{len(centers)} centers: {', '.join(str(c['center']) for c in centers)}; the setting "
            "is for the authors."
            if centers
            else f"This page is about one center, {center}; the setting is for the authors."
        ),
        "outcome": (
            "Lymph-node metastasis as the hospital’s file gives it"
            if facts.get("returned")
            else "Lymph-node metastasis as given in the sample sheet (column metastasis, checked "
            "against pN)"
        )
        + "; whether it rests on pathology, and when it was assessed, is for the authors.",
        "partitions": ", ".join(filter(None, [partitions, from_where]))
        + "; external centers only for evaluation."
        if folds
        else None,
        "imbalance": f"Folds {from_where}; " if from_where else None,
        "primary": primary_words(facts["primary"]),
    }


def _run(facts):
    """What ran: model, settings, software."""
    versions, sizes = facts.get("versions") or {}, facts.get("sizes") or {}
    threshold = (facts.get("threshold") or {}).get(facts["primary"]["method"])
    return {
        "flags": f"{len(facts.get('warnings') or [])} warnings on this page.",
        "organs_source": facts.get("organs_source"),
        "tumor_source": facts.get("tumor_source"),
        "model": "Described under “Methods and versions”; weights, plans and settings in the bundle.",
        "threshold": None if threshold in (None, "") else f"Threshold of the model: {threshold}.",
        "substituted": substituted_words(facts.get("substituted")),
        "software": (
            "nodestage with " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) + "."
            if versions
            else None
        ),
        "model_digest": facts.get("model_digest"),
        "pretrained": None
        if facts.get("pretrained") in (None, "")
        else f"Pretrained weights: {facts['pretrained']}.",
        "training": (
            f"Seed {facts['seed']}, config digest {facts.get('config_digest')}. "
            + " ".join([*(f"{k}: {v}" for k, v in sizes.items()), inner_words(facts)])
            if facts.get("seed") is not None
            else None
        ),
    }


def _shown(facts, role, counts, headline):
    """What stands on this page, and what doesn't."""
    study, external = role == "study", role == "external"
    frozen = facts.get("frozen")  # then neither discovery's figures nor a study page is at hand
    ensemble = "Mean of the folds’ scores, mean of the folds’ thresholds"
    held_back = "Each patient by the model of the fold that held it back"
    return {
        "study_page": None if frozen else "the study’s page",
        "beside_discovery": {
            "external": None if frozen else "Table I sets this center beside discovery.",
            "discovery": None,
            "study": "Table I sets the centers side by side.",
        }[role],
        "interval_words": "95 % intervals by bootstrap within each class, DeLong beside the AUC.",
        "family": vocabulary.family(),
        "predictions": {
            "external": f"{ensemble}.",
            "discovery": f"{held_back}.",
            "study": f"Discovery: {held_back[0].lower()}{held_back[1:]}. External: "
            f"{ensemble[0].lower()}{ensemble[1:]}.",
        }[role],
        "events": "n and positives stand in each row of Tables VI and VII, and beside each center of "
        "the forest plot; Table IV counts nodes, Table V patients."
        if study
        else "n and positives stand beside each method’s performance, and beside calibration and "
        "subgroups where these are here; a paired comparison gives the n that both methods scored.",
        "subgroups": "Results by subgroup are on this page" if counts.get("n_subgroups") else None,
        "robustness": None
        if study
        else "Beside each estimate, where patients lack a score: the figure with all patients, and "
        "the worst case.",
        "gallery": f"Gallery, worst errors first: {counts['n_gallery']} patients."
        if counts.get("n_gallery")
        else None,
        "explained": "Gallery: the node and the slice that decided, with overlays, for "
        f"{counts['n_gallery']} patients."
        if counts.get("n_gallery")
        else None,
        "parts": {
            "external": "This center’s patients are in no part of a fold: all their predictions are "
            "external, in the tables of this page.",
            "discovery": "The tables of this page hold the test predictions. Those of the validation "
            "parts, from which thresholds come, are in results/predictions and in no table.",
            "study": "Table VI holds the test predictions, Table VII the external ones. Those of the "
            "validation parts are in results/predictions and in no table.",
        }[role],
        "headline_plain": headline,
        "external": headline if external else "Each external center has a page of its own.",
    }
