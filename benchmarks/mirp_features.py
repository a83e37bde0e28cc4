"""MIRP against PyRadiomics on the same images and masks, with equal settings.

    .venv/bin/pip install mirp
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/mirp_features.py

Five simulated tumors on the default study's grid, venous phase. No resampling, bins of 25 HU from a multiple of 25 HU
(MIRP's `fixed_bin_size_pyradiomics`), co-occurrence and run length at distance 1 averaged over 13 directions. For the
original image and the four filters that MIRP has as PyRadiomics defines them, prints how many of the features agree within 1 % in all tumors,
and each feature that does not, with the smallest and largest ratio of MIRP's value to PyRadiomics'.
"""

import argparse
import logging
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

# `radiomics.py` beside this script has PyRadiomics' own name, and a script's folder comes first on the path.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent.resolve()]

import mirp  # noqa: E402
import numpy as np  # noqa: E402
import yaml  # noqa: E402

from nodestage import simulator  # noqa: E402
from nodestage.core import volumes  # noqa: E402
from nodestage.methods.radiomics import extraction  # noqa: E402

ROOT = Path(__file__).parents[1]
# What PyRadiomics calls an image: MIRP's filter, and how its columns begin.
IMAGES = {
    "original": ("", ""),
    "square": ("pyradiomics_square", "square_"),
    "squareroot": ("pyradiomics_square_root", "sqrt_"),
    "logarithm": ("pyradiomics_logarithm", "lgrthm_"),
    "exponential": ("pyradiomics_exponential", "exp_"),
}
# What follows a feature's name in a column: distance, level, aggregation, bins.
SUFFIX = r"(_d1)?(_a0\.0)?(_3d(_avg)?)?(_fbsp_w25\.0)?"

NAMES = {
    "shape": """MeshVolume volume VoxelVolume vol_approx SurfaceArea area_mesh SurfaceVolumeRatio av Sphericity sphericity
        Maximum3DDiameter diam Maximum2DDiameterSlice max_2d_diam_z Maximum2DDiameterColumn max_2d_diam_y
        Maximum2DDiameterRow max_2d_diam_x MajorAxisLength pca_maj_axis MinorAxisLength pca_min_axis
        LeastAxisLength pca_least_axis Elongation pca_elongation Flatness pca_flatness""",
    "firstorder": """Mean mean Variance var Skewness skew Kurtosis kurt Median median Minimum min 10Percentile p10
        90Percentile p90 Maximum max InterquartileRange iqr Range range MeanAbsoluteDeviation mad
        RobustMeanAbsoluteDeviation rmad Energy energy TotalEnergy total_energy RootMeanSquared rms
        Entropy ih_entropy Uniformity ih_uniformity""",
    "glcm": """MaximumProbability joint_max JointAverage joint_avg SumSquares joint_var JointEntropy joint_entr
        DifferenceAverage diff_avg DifferenceVariance diff_var DifferenceEntropy diff_entr SumAverage sum_avg
        SumEntropy sum_entr JointEnergy energy Contrast contrast Id inv_diff Idn inv_diff_norm Idm inv_diff_mom
        Idmn inv_diff_mom_norm InverseVariance inv_var Correlation corr Autocorrelation auto_corr
        ClusterTendency clust_tend ClusterShade clust_shade ClusterProminence clust_prom Imc1 info_corr1
        Imc2 info_corr2 MCC mcc""",
    "glrlm": """ShortRunEmphasis sre LongRunEmphasis lre LowGrayLevelRunEmphasis lgre HighGrayLevelRunEmphasis hgre
        ShortRunLowGrayLevelEmphasis srlge ShortRunHighGrayLevelEmphasis srhge LongRunLowGrayLevelEmphasis lrlge
        LongRunHighGrayLevelEmphasis lrhge GrayLevelNonUniformity glnu GrayLevelNonUniformityNormalized glnu_norm
        RunLengthNonUniformity rlnu RunLengthNonUniformityNormalized rlnu_norm RunPercentage r_perc GrayLevelVariance gl_var
        RunVariance rl_var RunEntropy rl_entr""",
    "glszm": """SmallAreaEmphasis sze LargeAreaEmphasis lze LowGrayLevelZoneEmphasis lgze HighGrayLevelZoneEmphasis hgze
        SmallAreaLowGrayLevelEmphasis szlge SmallAreaHighGrayLevelEmphasis szhge LargeAreaLowGrayLevelEmphasis lzlge
        LargeAreaHighGrayLevelEmphasis lzhge GrayLevelNonUniformity glnu GrayLevelNonUniformityNormalized glnu_norm
        SizeZoneNonUniformity zsnu SizeZoneNonUniformityNormalized zsnu_norm ZonePercentage z_perc
        GrayLevelVariance gl_var ZoneVariance zs_var ZoneEntropy zs_entr""",
    "ngtdm": """Coarseness coarseness Contrast contrast Busyness busyness Complexity complexity Strength strength""",
    "gldm": """SmallDependenceEmphasis lde LargeDependenceEmphasis hde LowGrayLevelEmphasis lgce
        HighGrayLevelEmphasis hgce SmallDependenceLowGrayLevelEmphasis ldlge
        SmallDependenceHighGrayLevelEmphasis ldhge LargeDependenceLowGrayLevelEmphasis hdlge
        LargeDependenceHighGrayLevelEmphasis hdhge GrayLevelNonUniformity glnu DependenceNonUniformity dcnu
        DependenceNonUniformityNormalized dcnu_norm GrayLevelVariance gl_var DependenceVariance dc_var
        DependenceEntropy dc_entr""",
}
PREFIXES = {
    "shape": "morph_", "firstorder": "stat_", "glcm": "cm_", "glrlm": "rlm_", "glszm": "szm_", "ngtdm": "ngt_", "gldm": "ngl_",
}  # fmt: skip


def names():
    """{PyRadiomics' name without the image: MIRP's}."""
    found = {}
    for kind, text in NAMES.items():
        words = text.split()
        for theirs, word in zip(words[::2], words[1::2], strict=True):
            prefix = "" if word.startswith("ih_") else PREFIXES[kind]
            found[f"{kind}_{theirs}"] = prefix + word
    return found


def compared(row, values):
    """{(image, PyRadiomics' name): (MIRP's value, PyRadiomics')}."""
    found = {}
    for image, (_, begin) in IMAGES.items():
        for theirs, name in names().items():
            if f"{image}_{theirs}" not in values:
                continue  # shape has no filtered images
            (column,) = [c for c in row.index if re.fullmatch(re.escape(begin + name) + SUFFIX, c)]
            found[image, theirs] = float(row[column]), values[f"{image}_{theirs}"]
    return found


def tumors(count):
    """Simulated patients: the image and the tumor's true mask, venous phase."""
    text = (ROOT / "config/simulator.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)["simulator"]
    for row in simulator.sheet(settings, seed=3)[:count]:
        patient = simulator.simulate_patient(3, row, simulator.patient_settings(settings, row))
        mask = patient.truth["tumor"]["venous"]
        yield patient.venous, mask.with_array((mask.array > 0).astype(np.uint8))


def of_mirp(image, mask):
    """MIRP's features of all images, one row of a table."""
    textures = {f"{kind}_spatial_method": "3d_average" for kind in ("glcm", "glrlm")}
    bins = {"discretisation_method": "fixed_bin_size_pyradiomics", "discretisation_bin_width": 25.0}
    with tempfile.TemporaryDirectory() as folder:
        paths = {"image": f"{folder}/image.nii.gz", "mask": f"{folder}/mask.nii.gz"}
        volumes.write(paths["image"], image.array, like=image)
        volumes.write(paths["mask"], mask.array, like=image)
        (table,) = mirp.extract_features(
            **paths,
            image_modality="ct",
            ibsi_compliant=False,
            base_feature_families="all",
            filter_kernels=[name for name, _ in IMAGES.values() if name],
            response_map_feature_families="all",
            **{f"base_{key}": value for key, value in bins.items()},
            **{f"response_map_{key}": value for key, value in bins.items()},
            **textures,
        )
    return table.iloc[0]


def apart(mirps, ours):
    """The difference relative to the larger of the two."""
    larger = max(abs(mirps), abs(ours))
    return abs(mirps - ours) / larger if larger > 1e-9 else 0.0


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--patients", type=int, default=5)
    options = options.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    found, seconds = {}, {"MIRP": 0.0, "PyRadiomics": 0.0}
    for image, mask in tumors(options.patients):
        begun = time.process_time()
        row = of_mirp(image, mask)
        middle = time.process_time()
        values = extraction.features(image.array, mask.array, image.spacing)
        seconds["MIRP"] += middle - begun
        seconds["PyRadiomics"] += time.process_time() - middle
        print(f"{int(mask.array.sum())} voxels of {np.round(image.spacing, 2)} mm")
        for key, pair in compared(row, values).items():
            found.setdefault(key, []).append(pair)
    print("CPU s: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))
    print("image\tclass\tfeatures\twithin 1 %\twithin 0.001 %")
    for image in IMAGES:
        for kind in NAMES:
            largest = [
                max(apart(*pair) for pair in pairs)
                for (of, name), pairs in found.items()
                if of == image and name.startswith(f"{kind}_")
            ]
            if largest:
                close = [sum(one <= limit for one in largest) for limit in (0.01, 1e-5)]
                print(image, kind, len(largest), *close, sep="\t")
    print("image\tfeature\tMIRP / PyRadiomics: smallest\tlargest\tfirst tumor: MIRP\tPyRadiomics")
    for (image, name), pairs in found.items():
        if max(apart(*pair) for pair in pairs) > 0.01:
            ratios = [mirps / ours if ours else np.inf for mirps, ours in pairs]
            first = [f"{value:.6g}" for value in pairs[0]]
            print(image, name, f"{min(ratios):.4g}", f"{max(ratios):.4g}", *first, sep="\t")


if __name__ == "__main__":
    main()
