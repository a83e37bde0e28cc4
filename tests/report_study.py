"""A small made-up study for the report's tests: tables, records and pictures."""

import numpy as np
from statistics_cohort import predictions, sheet

from nodestage.core import tables
from nodestage.metrics.instances import label_instances
from nodestage.report import explaining, gallery, pictures, records
from nodestage.report.viewer import encoding
from nodestage.report.viewer import writing as viewer
from nodestage.statistics import (
    abstention,
    detection,
    draw_next,
    pn_stage,
    readers,
    recalibration,
    robustness,
    stations,
)
from nodestage.statistics import cohort as scored_cohort
from nodestage.tumor import slices

METHODS = [
    "ct_report",
    "radiomics",
    "radiomics_ct_report",
    "resnet3d",
    "resnet2d",
    "deepten",
    "tumor_net",
    "nodes_plain",
    "nodes_attention",
    "combined",
]
METRICS = ["balanced_accuracy", "auc", "accuracy", "sensitivity", "specificity"]
HOSTILE = '<img src=x onerror="window.hacked=1">"\'${7*7}{{7*7}}'


def write_center(folder, role="external", n=59, positives=37, seed=0, methods=METHODS):
    """Every table of a center; the numbers are drawn, with all their digits."""
    rng = np.random.default_rng(seed)
    performance, curves, bins, benefit = [], [], [], []
    bases = ["fold_mean", "pooled"] if role == "discovery" else ["ensemble"]
    for place, method in enumerate(methods):
        for basis in bases:
            for metric in [*METRICS, "ppv", "npv", "brier"]:
                estimate = float(np.clip(rng.normal(0.56 + 0.012 * place, 0.03), 0, 1))
                row = {
                    "method": method,
                    "basis": basis,
                    "metric": metric,
                    "estimate": estimate,
                    "sd": 0.03 * rng.random() if basis == "fold_mean" else None,
                    "low": estimate - 0.1 * rng.random() - 0.02,
                    "high": estimate + 0.1 * rng.random() + 0.02,
                    "low_delong": None,
                    "high_delong": None,
                    "n": n - (19 if method == "resnet2d" else 0),
                    "positives": positives,
                    "note": "",
                }
                if metric == "auc" and basis != "fold_mean":
                    row |= {"low_delong": row["low"] - 0.01, "high_delong": row["high"] + 0.01}
                if method == "ct_report" and (role == "external" or metric == "auc"):
                    row |= dict.fromkeys(
                        ("estimate", "sd", "low", "high", "low_delong", "high_delong")
                    )
                    row |= {"n": 0 if role == "external" else n}
                    row["note"] = (
                        "no CT report at this center"
                        if role == "external"
                        else "a yes or no has no AUC"
                    )
                performance.append(row)
        if method != "ct_report":
            x = np.linspace(0, 1, 21)
            power = 1.15 + 0.09 * place
            kinds = ["fold_average", "pooled"] if role == "discovery" else ["ensemble"]
            for k, kind in enumerate(kinds):
                curves += [
                    {
                        "method": method,
                        "kind": kind,
                        "fpr": f,
                        "tpr": float(f ** (1 / (power - 0.05 * k))),
                    }
                    for f in x
                ]
        if method in ("combined", "tumor_net", "radiomics"):
            for p in (0.15, 0.3, 0.45, 0.6, 0.8):
                observed = float(np.clip(p + rng.normal(0, 0.08), 0, 1))
                bins.append(
                    {
                        "method": method,
                        "kind": "curve",
                        "estimate": None,
                        "predicted": p,
                        "observed": observed,
                        "low": max(0, observed - 0.15),
                        "high": min(1, observed + 0.15),
                        "n": n // 5,
                        "positives": positives // 5,
                        "note": "",
                    }
                )
            for measure, value in (("intercept", 0.08), ("slope", 0.87)):
                bins.append(
                    {
                        "method": method,
                        "kind": measure,
                        "estimate": value + rng.normal(0, 0.05),
                        "low": value - 0.4,
                        "high": value + 0.4,
                        "n": n,
                        "positives": positives,
                    }
                )
            share = positives / n
            for t in np.arange(1, 20) / 20:
                everybody = share - (1 - share) * t / (1 - t)
                benefit.append(
                    {
                        "method": method,
                        "threshold": t,
                        "n": n,
                        "positives": positives,
                        "net_benefit": max(0.0, share * (1 - t) - 0.1 * t) + 0.01 * place / 10,
                    }
                )
                if method == "combined":
                    for name, value in (("all", everybody), ("none", 0.0)):
                        benefit.append({"method": name, "threshold": t, "net_benefit": value})
    pairs = [m for m in methods if m != "combined"]
    comparisons = []
    for metric in ("balanced_accuracy", "auc"):
        for method in pairs:
            if method == "ct_report":
                comparisons.append(
                    {
                        "reference": "ct_report",
                        "method": "combined",
                        "metric": metric,
                        "n": 0,
                        "note": "no patient has both scores",
                        "primary": 0,
                    }
                )
                continue
            difference = float(rng.normal(0.05, 0.03))
            comparisons.append(
                {
                    "reference": method,
                    "method": "combined",
                    "metric": metric,
                    "n": n - (19 if method == "resnet2d" else 0),
                    "difference": difference,
                    "low": difference - 0.09,
                    "high": difference + 0.09,
                    "p_bootstrap": float(rng.random() ** 2),
                    "z_delong": 1.2 if metric == "auc" else None,
                    "p_delong": float(rng.random()) if metric == "auc" else None,
                    "p_mcnemar": float(rng.random()) if metric != "auc" else None,
                    "p_wilcoxon_bootstrap": 1e-12,
                    "p_holm": float(rng.random()),
                    "primary": int(method == "radiomics" and metric == "balanced_accuracy"),
                    "note": "",
                }
            )
    table_1 = [
        {"characteristic": c, "level": level, "value": value, "discovery": value}
        for c, level, value in (
            ("n", "", str(n)),
            ("Sex, n (%)", "female", "28 (47 %)"),
            ("Sex, n (%)", "male", "31 (53 %)"),
            ("Age, years, median [IQR]", "", "58 [51–62]"),
            ("pT, n (%)", "1", "10 (17 %)"),
            ("pT, n (%)", "2", "31 (53 %)"),
            ("pT, n (%)", "missing", "0 (0 %)"),
            ("Tumor size, cm, median [IQR]", "", "2.9 [2.2–3.4]"),
        )
    ]
    subgroups = [
        {
            "subgroup": s,
            "group": level,
            "metric": "balanced_accuracy",
            "method": "combined",
            "estimate": e,
            "low": e - 0.2,
            "high": e + 0.15,
            "n": k,
            "positives": k // 2,
            "note": note,
        }
        for s, level, e, k, note in (
            ("pt_stage", "1–2", 0.671234567891, 41, ""),
            ("pt_stage", "3–4", 0.70123, 18, ""),
            ("tumor_size_cm", "≤ 2", 0.58, 12, "few patients"),
        )
    ]
    at_target = [
        {"target": "sensitivity", "wanted": 0.9, "threshold": 0.123456} | row
        for row in performance
        if row["method"] != "ct_report" and row["metric"] not in ("auc", "brier")
    ]
    for name, rows in {
        "performance": performance,
        "operating_point": at_target,
        "coverage": _coverage(rng, n, positives),
        "uncertainty": [
            {"method": "combined", "patient": f"T{i:03d}", "probability": 0.3 + i / 100, "folds": 5}
            | {"sd": 0.1, "lowest": 0.2, "highest": 0.5, "low": 0.1 + i / 500, "high": 0.6}
            | {"status_set": "both"}
            for i in range(60 if role == "external" else 0)
        ],
        "recalibration": _recalibration(rng, n, positives) if role == "external" else [],
        "comparisons": comparisons,
        "roc": curves,
        "calibration": bins,
        "decision_curve": benefit,
        "table_1": table_1,
        "subgroups": subgroups,
        **(_readers(rng) if role == "external" else {}),
        **(_stages(rng) if role == "external" else {}),
        **(_draw_next(rng) if role == "external" else {}),
        "missing": [
            {"method": "resnet2d", "patient": f"T{i:03d}", "reason": "no tumor slice"}
            for i in range(3)
        ],
    }.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        tables.write(folder / f"{name}.tsv", rows, columns)
    return folder


def _draw_next(rng):
    """The two tables of patients and nodes to draw next, of two folds."""
    folds, codes = ("fold0", "fold1"), [f"P{i:02d}" for i in range(40)]
    instances = {
        fold: [
            {"patient": code, "variant": "attention", "confidence": float(rng.uniform(0.5, 1))}
            | {axis: float(rng.uniform(-90, 90)) for axis in "xyz"}
            | {"p_positive": float(rng.random()), "volume_mm3": 200.5, "short_axis_mm": 6.1}
            | {"station": "8", "other_stations": "9/11"}
            for code in codes
        ]
        for fold in folds
    }
    parts = {
        fold: [{"patient": code, "probability": float(rng.random())} for code in codes]
        for fold in folds
    }
    made = draw_next.both_tables(parts, {code: list(folds) for code in codes}, instances)
    return {name.removesuffix(".tsv"): listed for name, listed in made.items()}


def _stages(rng):
    """The two tables of a method that predicts pN."""
    rows = [{"patient": f"P{i:02d}", "pn_stage": f"N{i % 3}"} for i in range(45)]
    score = [float(rng.random()) for _ in rows]
    scores = [
        {"patient": row["patient"], "method": "pn_ordinal", "score": p, "p_n2": p**2}
        for row, p in zip(rows, score, strict=True)
    ]
    made = pn_stage.both_tables({"pn_ordinal": {}}, {"fold0": scores}, "external", rows, 50)
    return {name.removesuffix(".tsv"): listed for name, listed in made.items()}


def _readers(rng):
    """The two tables of three readers, two of them with the model's help too."""
    rows = sheet([i % 2 for i in range(40)])
    for row in rows:
        for name in (
            "reader_1",
            "reader_2",
            "reader_3",
            "reader_1_with_model",
            "reader_2_with_model",
        ):
            row[name] = str(int(np.clip(rng.normal(3 + int(row["metastasis"])), 1, 5)))
    scored = scored_cohort.scored("combined", predictions(rows)["combined"], "external", rows)
    made = readers.both_tables(scored, rows, {"positive_from": 3})
    return {name.removesuffix(".tsv"): listed for name, listed in made.items()}


def _coverage(rng, n, positives):
    """Rows of coverage.tsv of two methods; the numbers are drawn."""
    return [
        dict.fromkeys(abstention.COLUMNS)
        | {name: float(rng.random()) for name in abstention.COLUMNS[5:20]}
        | {"method": method, "wanted": level, "declared": int(level == 0.9)}
        | {"n": n, "positives": positives, "note": "no patient is decided" if level == 0.95 else ""}
        for method in ("combined", "radiomics")
        for level in abstention.LEVELS
    ]


def _recalibration(rng, n, positives):
    """Rows of recalibration.tsv of two methods."""
    rows = []
    for method in ("combined", "radiomics"):
        for kind in recalibration.KINDS:
            for metric in recalibration.METRICS[: 5 if kind == "frozen" else 7]:
                gap = float(rng.normal(0, 0.02)) if metric in ("log_loss", "brier") else None
                rows.append(
                    dict.fromkeys(recalibration.COLUMNS)
                    | {"method": method, "recalibrated": kind, "metric": metric}
                    | {"estimate": float(rng.random()), "n": n, "positives": positives}
                    | {"note": "" if kind == "frozen" else "few patients"}
                )
                if kind != "frozen" and gap is not None:
                    rows[-1] |= {"difference": gap, "low": gap - 0.03, "high": gap + 0.03}
    return rows


def write_study(folder, centers=("shengjing", "tianjin")):
    """The study's own tables."""
    tables.write(
        folder / "heterogeneity.tsv",
        [
            {
                "method": "combined",
                "metric": "balanced_accuracy",
                "k": len(centers),
                "estimate": 0.6512345,
                "low": 0.58,
                "high": 0.71,
                "tau2": 0.0,
                "i2": 0.0,
                "prediction_low": None,
                "prediction_high": None,
                "note": "a prediction interval needs three centers",
            }
        ],
    )
    tables.write(
        folder / "table_2.tsv",
        [
            {"organ": "spleen", "d_min": 0.0, "d_max": 15.732, "n_voxels": 1201},
            {"organ": "pancreas", "d_min": -4.9, "d_max": 19.1, "n_voxels": 8000},
        ],
    )
    tables.write(folder / "table_3.tsv", [], ["organ", "dice"])
    write_detection(folder)
    write_robustness(folder)
    return folder


def write_detection(folder, seed=0):
    """Tables beside the paper's: what two variants find, and the features of the signature."""
    rng = np.random.default_rng(seed)
    nodes, candidates = [], []
    for i in range(60):
        about = {"patient": f"P{i % 14:02d}", "node": i}
        size, station = float(rng.uniform(3, 14)), str(rng.choice(["8", "5/6/12", "18"]))
        kind = "positive" if i % 3 else "negative"
        for variant in ("plain", "attention"):
            found, sure = int(rng.random() < 0.6), float(rng.random())
            nodes.append(
                {"variant": variant, **about, "class": kind, "short_axis_mm": size}
                | {"station": station, "found": found, "other_stations": "9/11" * (i % 4 == 0)}
            )
            candidates.append(
                {"variant": variant, **about, "confidence": sure, "place": "in range"}
                | {"node": i if found else None, "station": station, "other_stations": ""}
            )
    patients = {variant: {row["patient"] for row in nodes} for variant in ("plain", "attention")}
    tables.write(folder / "stations.tsv", stations.rows(nodes, candidates, patients, n=100))
    for name, rows in detection.detection_tables(nodes, candidates, patients, n=100).items():
        tables.write(folder / name, rows)
    tables.write(
        folder / "signature.tsv",
        [
            {"method": m, "feature": f, "folds_chosen": k, "folds": 5, "mean_coefficient": c}
            for m, f, k, c in (
                ("radiomics", "venous.original_shape_Sphericity", 5, -0.8123456789),
                ("radiomics", HOSTILE, 2, 0.3398765),
                ("radiomics_ct_report", "arterial.log_glcm_Contrast", 1, 0.00123456),
            )
        ],
    )


def write_robustness(folder):
    """What two folds found of the features' robustness."""
    names = [
        (phase, f"{image}_{kind}_{value}")
        for phase in ("arterial", "venous")
        for image in ("original", "wavelet-HHH", "log-sigma-2-0-mm-3D")
        for kind, value in (("firstorder", "Mean"), ("glcm", "Contrast"))
    ]
    rng = np.random.default_rng(1)
    folds = {
        fold: [
            {"phase": p, "feature": f, "icc": icc, "low": icc - 0.1, "high": icc + 0.1}
            | {"patients": 9 + fold, "kept": icc >= 0.75, "note": ""}
            for (p, f), icc in zip(names, rng.uniform(0.5, 1, len(names)), strict=True)
        ]
        for fold in range(2)
    }
    rows = robustness.summary(folds)
    tables.write(folder / "robustness.tsv", rows, robustness.SUMMARY_COLUMNS)


def picture_patient(code, seed=0, annotated=True):
    """A made-up patient with all that Figures 3 and 4 show."""
    _, venous, overlays, attention, spacing = volumes(seed)
    truth = np.where(overlays["truth_positive"], 2, 0) + np.where(overlays["truth_negative"], 1, 0)
    found = label_instances(overlays["nodes_positive"])
    return pictures.Patient(
        code,
        venous,
        overlays["organs"],
        attention,
        truth.astype(np.uint8) if annotated else None,
        {"plain": found, "attention": found},
        {"plain": set(), "attention": {1}},
        spacing,
    )


def volumes(seed=0, shape=(32, 96, 96), spacing=(2.5, 2.2, 2.2)):
    """(arterial, venous, overlays, map, spacing) of one made-up patient: a body with some organs."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.arange(n) - n / 2 for n in shape)
    z, y, x = (
        z[:, None, None] * spacing[0],
        y[None, :, None] * spacing[1],
        x[None, None, :] * spacing[2],
    )

    def blob(cz, cy, cx, rz, ry, rx):
        return ((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1

    body = blob(0, 0, 0, 400, 75, 98) & np.ones(shape, bool)
    organs = np.zeros(shape, np.uint8)
    ct = {"arterial": np.where(body, -90.0, -1000.0), "venous": np.where(body, -90.0, -1000.0)}
    for label, where, a, v in (
        (6, blob(5, -10, -50, 40, 45, 38), 70, 110),
        (1, blob(0, 10, 65, 30, 30, 20), 110, 120),
        (8, blob(0, 32, 6, 400, 9, 9), 300, 150),
        (11, blob(0, 2, 5, 14, 12, 45), 100, 85),
        (7, blob(5, -35, 35, 25, 20, 30), 45, 60),
    ):
        organs[where & body] = label
        ct["arterial"][where & body], ct["venous"][where & body] = a, v
    spine = blob(0, 58, 0, 400, 16, 16)
    tumor = blob(2, 0, -22 + rng.normal(0, 5), 10, 10, 10)
    nodes = [blob(-6, 18, 22 + rng.normal(0, 4), 6, 5, 6), blob(4, 20, -20, 5, 5, 5)]
    for array in ct.values():
        array[spine] = 350
        array[tumor] = 50
        for node in nodes:
            array[node] = 75
        array += rng.normal(0, 14, shape)
    far = np.minimum(np.abs(np.hypot(y - 10, x) - 30) / 25, 1)
    overlays = {
        "organs": organs,
        "tumor": tumor,
        "nodes_positive": nodes[0],
        "nodes_negative": nodes[1],
        "truth_positive": np.roll(nodes[0], 1, 2),
        "truth_negative": np.zeros(shape, bool),
    }
    attention = np.broadcast_to((1 - far) * body, shape).astype(np.float32)
    return ct["arterial"].round(), ct["venous"].round(), overlays, attention, spacing


def explained(seed, arterial, venous, overlays, spacing):
    """One patient's explained slice: of another plane for each, the first against metastasis."""
    images, masks, planes = slices.nine_slices(
        arterial.astype(np.int16), venous.astype(np.int16), overlays["tumor"], spacing, 48
    )
    view = (3 * seed + 4) % 9
    heat = np.hypot(*(np.indices((48, 48)) - 24)) / 34
    return {
        "image": images[view],
        "mask": masks[view],
        "map": (1 - heat).astype(np.float32),
        "facts": {"view": view, "plane": int(planes[view]), "positive": seed > 0, "fold": 2}
        | {"own_call": seed == 1}
        | {"score": 0.6543, "view_score": 0.8, "without_nodes": 0.3219, "share_inside": 0.417}
        | {"source": "tumor", "method": "combined"},
    }


def write_gallery(path, codes):
    """A gallery, and beside it the folder `viewer` with the same patients' volumes."""
    panels = {}
    folder = path.parent / "viewer" / "shengjing"
    folder.mkdir(parents=True, exist_ok=True)
    shown = viewer.ViewerFolder(folder, "shengjing", {"aorta": 8, "pancreas": 11})
    for seed, code in enumerate(codes):
        arterial, venous, overlays, attention, spacing = volumes(seed)
        why = explained(seed, arterial, venous, overlays, spacing)
        scan = gallery.Scan(arterial, None if seed == 3 else venous, overlays, attention, spacing)
        shown.add(code, encoding.encoded(scan))
        panels[code] = gallery.patient_panel(
            code,
            scan,
            {"explained": why["facts"]} if seed < 3 else {},
            explaining.view(why, overlays["tumor"], None, spacing) if seed < 3 else None,
        )
    shown.close()
    gallery.write(path, panels)
    return path


def facts(codes, **more):
    """`records.Facts` as `report.facts` gathers them; `more`: of the run."""
    rng = np.random.default_rng(1)
    people = []
    for place, code in enumerate(codes):
        score = float(rng.random())
        scored = place % 9 != 8
        people.append(
            {
                "patient": code,
                "metastasis": str(int(rng.random() < 0.6)),
                "pt_stage": "2",
                "tumor_size_cm": "2.9",
                "tumor_location": "head",
                "scores": {
                    "combined": {
                        "score": repr(score) if scored else "",
                        "probability": repr(score) if scored else "",
                        "call": str(int(score > 0.52)) if scored else "",
                        "reason": "" if scored else "no venous phase",
                    }
                },
                "flags": {
                    1: ["registration: 3.1 % of the voxels fold"],
                    8: ["no venous phase"],
                }.get(place, []),
                "registration": {"before": 0.55, "after": 0.7 + 0.1 * float(rng.random())},
                "deciding_node": {
                    "volume_mm3": "612.4",
                    "short_axis_mm": "8.31",
                    "p_positive": "0.83",
                    "station": "8",
                    "station_share": 0.7123,
                    "other_stations": "9/11",
                    "nearest_structure": "cha_pha",
                    "distance_mm": "3.2",
                },
            }
        )
    run = {
        "study": "Example study",
        "simulated": True,
        "effects": "Effects are stronger than in life, so that small networks find something.",
        "inner_folds": 2,
        "folds": 5,
        "seed": 20210,
        "config_digest": "0f3a",
        "model_digest": "9bc1",
        "pretrained": "none, trained from scratch",
        "organs_source": "predicted",
        "tumor_source": "given",
        "discovery_organs_source": "predicted",
        "discovery_tumor_source": "predicted",
        "primary": {"metric": "balanced_accuracy", "method": "combined", "reference": "radiomics"},
        "versions": {"torch": "2.13.0", "nnunetv2": "2.8.1"},
    }
    return records.Facts(
        run=records.Run(**run | more),
        patients=people,
        thresholds={"combined": 0.52, "nodes_attention": 42.8123},
        truth=[{"structure": "pancreas", "dice": 0.81234567, "n": 8}],
        timings=[{"stage": "organs", "jobs": 3, "seconds": 120}],
    )
