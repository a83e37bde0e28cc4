"""What a run reports about itself, in words: notices, methods and versions."""

from nodestage.statistics import vocabulary


def notices(facts, role):
    """Sentences that must not be overlooked, the most important first: [(kind, text)].

    Parameters
    ----------
    facts : records.Facts
    role : discovery, external, or study
    """
    run = facts.run
    listed = []
    if run.simulated:
        listed.append(
            (
                "simulated",
                "These patients are simulated: no number here describes real patients. "
                + run.effects,
            )
        )
    if run.inner_folds == 0:
        listed.append(
            (
                "leak",
                "Node volumes of training patients were measured by networks that were trained on "
                "these patients (folds.inner: 0). The fusion may rely on the volumes too much.",
            )
        )
    if run.smaller:
        some = "; ".join(run.smaller[:SHOWN])
        more = "; …" if len(run.smaller) > SHOWN else ""
        listed.append(("smaller", f"{SMALLER} {some}{more} (see Methods)."))
    listed += [("unlearned", sentence) for sentence in run.unlearned]
    if facts.substituted:
        listed.append(("substituted", substituted_words(facts.substituted)))
    listed += [("source", sentence) for sentence in _other_sources(run, role)]
    listed += [("elsewhere", sentence) for sentence in run.elsewhere]
    listed += [("warning", sentence) for sentence in run.warnings]
    return listed


def _other_sources(run, role):
    """Sentences on masks that come from elsewhere than those of the discovery center."""
    pairs = {
        "organ": (run.organs_source, run.discovery_organs_source),
        "tumor": (run.tumor_source, run.discovery_tumor_source),
    }
    return [
        f"The {what} masks of this center are {here}, those of the discovery center {there}. This may "
        "explain part of any difference."
        for what, (here, there) in pairs.items()
        if role == "external" and here and there and here != there
    ]


SHOWN = 3
SMALLER = (
    "The figures on this page do not show what the method achieves at full size. Settings smaller than "
    "in config/paper.yaml (its value in brackets):"
)


def substituted_words(count, one_phase=""):
    """How many patients have one phase that is used in place of both; None if unknown.

    one_phase : the phase of a study that has a single one
    """
    if one_phase:
        return f"The study has one phase ({one_phase}): it is used wherever a network takes two."
    if not count:
        return "Every patient was analysed with both phases or left out."
    who = "1 patient lacks" if count == 1 else f"{count} patients lack"
    return f"{who} a phase; the other phase is used in place of both (substitute_phase)."


def inner_words(run):
    """How the node volumes of training patients were measured."""
    if run.inner_folds is None:
        return ""
    if run.inner_folds == 0:
        return "Node volumes of training patients: measured in-sample (folds.inner: 0)."
    outer = f" inside each of {run.folds} folds" if run.folds else ""
    return f"Node volumes of training patients: {run.inner_folds}-fold inner cross-fitting{outer}."


OVERLAP = (
    "A mean over folds, its interval and DeLong’s test by fold treat the folds as independent, but "
    "their training sets overlap. They describe these models, and not how the procedure would perform "
    "with other training patients."
)

INTERVALS = (
    "95 %, percentile bootstrap within each class, for fold means within fold and class; also DeLong’s "
    "for the AUC and exact ones for proportions of patients. Coverage in 2,000 simulated cohorts of each "
    "of six sizes (59 to 749 patients): 92–96 % where each class had more than ten patients. With ten "
    "positive patients of 59 the intervals were too narrow: AUC 92 %, balanced accuracy 92 %, "
    "sensitivity 89 %, its difference between two methods 83 %, its fold mean 76 %; the exact interval "
    "of sensitivity covered 98 %. With fewer than five patients of a class nothing is bootstrapped; "
    "balanced accuracy then has MOVER’s interval, from Wilson’s limits of sensitivity and specificity. "
    f"{OVERLAP}"
)
"""Where the intervals are off; a test compares the figures with the tables of docs/statistics.md."""

TESTS = (
    "On the patients that both methods scored. † The test used in the paper, Wilcoxon on bootstrap "
    "values, compares resamples of one cohort, so its p falls with the number of resamples: between two "
    "equally good methods p was below 0.05 in 94–96 % of simulated cohorts. Use the other tests. Their "
    "p was below 0.05 in 4–7 % (DeLong), 4–6 % (DeLong by fold), 4–9 % (paired bootstrap; 9 % for "
    "balanced accuracy with ten positive patients of 59) and 0–4 % (McNemar). DeLong over pooled folds "
    "compares scores of five models: up to 33 % where the models of one method differ in scale."
)


def methods(facts):
    """[(term, description)] of the section on methods and versions."""
    run = facts.run
    software = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    smaller = [("Smaller than the paper’s", "; ".join(run.smaller))] if run.smaller else []
    rows = [
        ("Declared endpoint", primary_words(run.primary)),
        (
            "Model",
            "Tumor network on nine slices (mask branch; global average pooling and texture encoding), "
            "combined with the volume of the largest node called positive. Nodes are segmented with a "
            "distance-guided attention map.",
        ),
        (
            "External scoring",
            "Mean of the folds’ scores against the mean of the folds’ thresholds, both frozen "
            "before any external patient was scored.",
        ),
        *((run.sizes or {"Grid": ""}).items()),
        *smaller,
        ("Inner folds", inner_words(run)),
        ("Pretrained weights", run.pretrained),
        ("Organ masks", run.organs_source),
        ("Tumor masks", run.tumor_source),
        ("Missing phase", substituted_words(facts.substituted, run.one_phase)),
        ("Intervals", INTERVALS),
        ("Tests", f"{TESTS} {vocabulary.family()}"),
        ("Seed", run.seed),
        ("Config digest", run.config_digest),
        ("Model digest", run.model_digest),
        ("Software", software),
        ("For a methods section", paragraph(run, software)),
    ]
    return [(term, "not recorded" if text in (None, "") else str(text)) for term, text in rows]


def paragraph(run, software):
    """A paragraph to copy into a paper, from what the run records of itself."""
    sentences = [f"{what}: {words}" for what, words in run.sizes.items()]
    if run.smaller:
        sentences.append(
            f"These settings are smaller than the paper’s (in brackets): {'; '.join(run.smaller)}."
        )
    sentences.append(inner_words(run))
    sentences.append(f"Declared endpoint: {primary_words(run.primary)}.")
    sentences.append(f"Seed {run.seed}; {software}.")
    sentences.append("[For the authors: hardware, scanners, readers, ethics.]")
    return " ".join(filter(None, sentences))


def primary_words(primary):
    """The declared endpoint in words."""
    margin = primary.get("margin")
    drop = "no non-inferiority margin declared against the discovery center"
    if margin is not None:
        drop = f"non-inferiority margin {margin:g} against the discovery center"
    return (
        f"{vocabulary.inside('metrics', primary['metric'])} of "
        f"{vocabulary.name('methods', primary['method'])}, compared with "
        f"{vocabulary.name('methods', primary['reference'])}; {drop}; all other analyses are secondary"
    )
