"""What a run says about itself, in words: notices, methods and versions."""

from nodestage.statistics import vocabulary


def notices(facts, role):
    """Sentences that must not be overlooked, the weightiest first: [(kind, text)]."""
    found = []
    if facts.get("simulated"):
        found.append(
            (
                "simulated",
                "These patients are simulated: no number here says anything about real patients. "
                + str(facts.get("effects") or ""),
            )
        )
    if facts.get("inner_folds") == 0:
        found.append(
            (
                "leak",
                "Node volumes of training patients were measured by networks that had seen them "
                "(folds.inner: 0): the fusion may rely on them too much.",
            )
        )
    found += [("unlearned", str(text)) for text in facts.get("unlearned") or []]
    if facts.get("smaller"):
        some = "; ".join(facts["smaller"][:SHOWN])
        more = "; …" if len(facts["smaller"]) > SHOWN else ""
        found.append(("smaller", f"{SMALLER} {some}{more} (see Methods)."))
    substituted = facts.get("substituted") or []
    if substituted:
        found.append(("substituted", substituted_words(substituted)))
    for what in ("organs", "tumor"):
        here, there = facts.get(f"{what}_source"), facts.get(f"discovery_{what}_source")
        if role == "external" and here and there and here != there:
            found.append(
                (
                    "source",
                    f"The {what} masks of this center are {here}, those of the discovery center "
                    f"{there}: part of any difference may come from that.",
                )
            )
    found += [("elsewhere", str(text)) for text in facts.get("elsewhere") or []]
    found += [("warning", str(text)) for text in facts.get("warnings") or []]
    return found


SHOWN = 3
SMALLER = (
    "No figure here says what the method gives at full size. Smaller than in config/paper.yaml (its "
    "value in brackets):"
)


def substituted_words(substituted):
    """How many patients (a number, or their list) have one phase in the place of both."""
    if not substituted:
        return "Every patient was analysed with both phases or left out."
    count = len(substituted) if isinstance(substituted, (list, tuple)) else substituted
    many = count != 1
    return (
        f"{count} patient{'s' if many else ''} lack{'' if many else 's'} a phase; the other one "
        "stands in for it (substitute_phase)."
    )


def inner_words(facts):
    """How the training patients' own node volumes were measured."""
    inner, folds = facts.get("inner_folds"), facts.get("folds")
    if inner is None:
        return ""
    if inner == 0:
        return "Training patients’ node volumes measured in-sample (folds.inner: 0)."
    outer = f" inside each of {folds} folds" if folds else ""
    return f"Training patients’ node volumes measured by {inner}-fold inner cross-fitting{outer}."


OVERLAP = (
    "A mean of the folds, its interval and DeLong’s test by fold take the folds for independent, though "
    "their training sets overlap: they describe these models, not what the procedure would give "
    "with other patients to learn from."
)

INTERVALS = (
    "95 %, percentile bootstrap within each class, for fold means within fold and class; DeLong’s "
    "beside the AUC, exact ones beside shares of patients. In 2,000 simulated cohorts of each of "
    "six sizes (59 to 749 patients) they held the truth in 92–96 % where a class had more than ten "
    "patients. With ten positive patients of 59 they were too narrow: AUC 92 %, balanced accuracy "
    "92 %, sensitivity 89 %, its difference between two methods 83 %, its fold mean 76 %; the "
    "exact interval of sensitivity held in 98 %. From fewer than five patients of a class nothing is "
    "bootstrapped; balanced accuracy then has MOVER’s interval, from Wilson’s limits of sensitivity "
    f"and specificity. {OVERLAP}"
)
"""Where the intervals are off; a test holds the figures against the tables of docs/statistics.md."""

TESTS = (
    "On the patients that both methods scored. † The paper’s own test, Wilcoxon on bootstrap "
    "values, compares resamples of one cohort, so that its p falls with the number of resamples: "
    "between two equally good methods it came out below 0.05 in 94–96 % of simulated cohorts. Read "
    "the others instead: DeLong did so in 4–7 %, by fold in 4–6 %, the paired bootstrap in 4–9 % "
    "(9 % for balanced accuracy with ten positive patients of 59), McNemar in 0–4 %. DeLong over "
    "pooled folds compares scores of five models: up to 33 % where one method’s models differ in "
    "scale."
)


def methods(facts):
    """[(term, description)] of the section on methods and versions."""
    primary = facts["primary"]
    versions = facts.get("versions") or {}
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    rows = [
        ("Declared endpoint", primary_words(primary)),
        (
            "Model",
            "Tumor network on nine slices (with the mask branch; global average and texture "
            "encoding), joined by the volume of the largest node called positive; nodes segmented "
            "with a distance-guided attention map.",
        ),
        (
            "External scoring",
            "Mean of the folds’ scores against the mean of the folds’ thresholds, both frozen "
            "before any external patient was scored.",
        ),
        *((facts.get("sizes") or {"Grid": ""}).items()),
        *(
            [("Smaller than the paper’s", "; ".join(facts["smaller"]))]
            if facts.get("smaller")
            else []
        ),
        ("Inner folds", inner_words(facts)),
        ("Pretrained weights", facts.get("pretrained")),
        ("Organ masks", facts.get("organs_source")),
        ("Tumor masks", facts.get("tumor_source")),
        ("Missing phase", substituted_words(facts.get("substituted"))),
        ("Intervals", INTERVALS),
        ("Tests", f"{TESTS} {vocabulary.family()}"),
        ("Seed", facts.get("seed")),
        ("Config digest", facts.get("config_digest")),
        ("Model digest", facts.get("model_digest")),
        ("Software", listed),
        ("For a methods section", paragraph(facts, listed)),
    ]
    return [(term, "not recorded" if text in (None, "") else str(text)) for term, text in rows]


def paragraph(facts, software):
    """A paragraph to copy into a paper, from what the run knows of itself."""
    sizes = facts.get("sizes") or {}
    told = [f"{what}: {words}" for what, words in sizes.items()]
    if facts.get("smaller"):
        told.append(
            "These settings are smaller than the paper’s (in brackets): "
            f"{'; '.join(facts['smaller'])}."
        )
    told.append(inner_words(facts))
    told.append(f"Declared endpoint: {primary_words(facts['primary'])}.")
    told.append(f"Seed {facts.get('seed')}; {software}.")
    told.append("[For the authors: hardware, scanners, readers, ethics.]")
    return " ".join(filter(None, told))


def primary_words(primary):
    """The declared endpoint in a sentence's words."""
    margin = primary.get("margin")
    held = "no margin declared for a drop from the discovery center"
    if margin is not None:
        held = f"a drop of up to {margin:g} from the discovery center would not matter"
    return (
        f"{vocabulary.inside('metrics', primary['metric'])} of {vocabulary.name('methods', primary['method'])}, "
        f"compared with {vocabulary.name('methods', primary['reference'])}; {held}; everything else is "
        "secondary"
    )
