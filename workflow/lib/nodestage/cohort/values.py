"""Stored numbers to Hounsfield units, or a reason why they aren't."""

import numpy as np

from nodestage.cohort.faults import IntakeError
from nodestage.cohort.grids import AIR

HIGHEST = 32767  # int16; metal beyond it is cut and counted
PADDING = -1200  # below it no scanner stores tissue or air
# Of the voxels of a CT, padding left out. The limits are far from what CT of the abdomen shows: real
# and simulated ones have 20 to 60 % between 10 and 250 HU, under 3 % above 700, under 0.2 % above 3000.
MIN_SOFT = 0.005  # between 10 and 250 HU: blood, muscle, organs
MAX_DENSE = 0.15  # above 700 HU: bone, contrast agent, metal
MAX_METAL = 0.02  # above 3100 HU
MIN_DARK = 0.1  # of the voxels, between PADDING and −700: enough to see where air lies
AIR_AT = (-1060, -900)  # its most frequent value
# Fat, where there is enough of it and it has one peak: −95 to −125 HU by the tube voltage, so that a shift of
# 50 HU, which leaves air and soft tissue where they may be, shows.
MIN_FAT = 0.03  # of the voxels, between −200 and −30 HU
MIN_FAT_AT_PEAK = 0.4  # of these, within 30 HU of the most frequent value
FAT_AT = (-140, -65)  # that value
# Without air (a field of view within the body) also:
MIN_SOFT_INSIDE = 0.2
MIN_FAT_INSIDE = 0.002  # between −200 and −20 HU
MAX_PILED = 0.02  # at the lowest or at the highest value
MIN_RANGE_INSIDE = 300  # HU from lowest to highest
MAX_THIN_INSIDE = 0.1  # between −700 and −300 HU, thinner than fat and denser than air


def to_hu(stored, facts, hu_offset=0):
    """int16 HU from stored values; counts go into `facts`.

    What lies below −1024 is padding by any scanner's convention and becomes air
    here, before anything is resampled. Images that are not in HU are refused.
    """
    if stored.dtype.kind == "f":
        bad = stored.size - int(np.count_nonzero(np.isfinite(stored)))
        if bad:
            raise IntakeError(
                f"{bad} of {stored.size} voxels are NaN or infinite. Convert the original series again, "
                "or set them to −1024 if they lie outside the field of view"
            )
        if not np.can_cast(stored.dtype, np.float32) and abs(stored).max() > 1e9:
            raise IntakeError(
                f"values up to {abs(stored).max():.3g}. Give the CT in Hounsfield units"
            )
    _check_range(stored)
    if stored.dtype.kind == "f":
        stored = np.rint(stored)
    if hu_offset:
        stored = stored.astype(np.int32) + int(hu_offset)
        facts["hu_offset"] = int(hu_offset)
    _check_hu(stored, facts)
    low = int(np.count_nonzero(stored < AIR))
    high = int(np.count_nonzero(stored > HIGHEST))
    if low:
        facts["padding_voxels"] = facts.get("padding_voxels", 0) + low
    if high:
        facts["cut_at_32767_voxels"] = high
    return np.clip(stored, AIR, HIGHEST).astype(np.int16)


def _check_range(stored):
    """Refuse what a mask, a picture or a normalised image can hold, and a CT can't."""
    low, high = float(stored.min()), float(stored.max())
    if stored.dtype.kind == "f" and 0 < high - low <= 2:
        raise IntakeError(
            f"values from {low:.3g} to {high:.3g}: scaled to a unit range, not Hounsfield units. "
            "Convert the original series again, without normalisation"
        )
    if low >= 0 and high <= 255:
        distinct = _distinct(stored)
        if distinct <= 64:
            raise IntakeError(
                f"{distinct} distinct values from {low:.6g} to {high:.6g}: a mask or a picture, not a CT in "
                "Hounsfield units. Were image and mask exchanged in the sheet?"
            )
        raise IntakeError(
            f"values from {low:.6g} to {high:.6g}: a window stretched to 8 bits, not Hounsfield units. "
            "Convert the original series again, without a window"
        )
    if high - low < 100:
        what = (
            "one value throughout"
            if high == low
            else "normalised (z scores, or by a network's plan)"
        )
        raise IntakeError(
            f"values from {low:.3g} to {high:.3g}: {what}, not Hounsfield units. "
            "Convert the original series again, without normalisation"
        )


def _distinct(stored):
    return len(np.unique(stored.ravel()[:: max(1, stored.size // 1_000_000)]))


class _Shares:
    """Shares of voxels between two values, padding left out, from every second row and column."""

    LOW, HIGH = -4096, 70000

    def __init__(self, stored):
        thin = stored[:: max(1, stored.shape[0] // 64), ::2, ::2]
        values = np.clip(thin, self.LOW, self.HIGH).astype(np.int32).ravel()
        counts = np.bincount(values - self.LOW, minlength=self.HIGH - self.LOW + 1)
        self.all = counts / max(1, thin.size)
        counts[: PADDING - self.LOW] = 0
        self.total = int(counts.sum())
        self.counts = counts / max(1, self.total)

    def between(self, low, high):
        """Share of the voxels from `low` to `high`, both included."""
        return float(self.counts[low - self.LOW : high + 1 - self.LOW].sum())

    def percentile(self, share):
        return int(np.searchsorted(np.cumsum(self.counts), share / 100)) + self.LOW

    def peak(self, low, high, step=20):
        """Middle of the fullest step between two values."""
        part = self.counts[low - self.LOW : high - self.LOW]
        sums = part[: len(part) // step * step].reshape(-1, step).sum(1)
        return low + step * int(sums.argmax()) + step // 2

    def ends(self):
        """Lowest and highest value, and the shares of voxels that have exactly these."""
        filled = np.flatnonzero(self.counts)
        first, last = filled[0], filled[-1]
        return (
            int(first) + self.LOW,
            int(last) + self.LOW,
            float(self.counts[first]),
            float(self.counts[last]),
        )


def _check_hu(stored, facts):
    """Raise unless air, fat and soft tissue lie where Hounsfield units put them; note air that lies elsewhere."""
    shares = _Shares(stored)
    _check_shift(shares)
    if not shares.total:
        raise IntakeError(
            f"every voxel lies below {PADDING}: padding alone, not Hounsfield units. Convert it again"
        )
    below = stored[:: max(1, stored.shape[0] // 64), ::2, ::2]
    below = below[below < -3100]
    if below.size > 0.01 * stored.size / 4 and len(np.unique(below)) > 16:
        raise IntakeError(
            f"values down to {int(below.min())}, of which many differ: no padding, but a scale that is not "
            "Hounsfield units. Convert it again with rescale slope and intercept"
        )
    metal = shares.between(3100, shares.HIGH)
    if metal > MAX_METAL:
        raise IntakeError(_too_dense(shares, metal))
    soft, dense = shares.between(10, 250), shares.between(700, shares.HIGH)
    low, high, at_low, at_high = shares.ends()
    middle = f"half of its voxels lie from {shares.percentile(25)} to {shares.percentile(75)}"
    if dense > MAX_DENSE and shares.between(3050, 4095) > 0.5 * dense:
        raise IntakeError(_wrapped_in_12_bits(dense))
    if dense > MAX_DENSE:
        raise IntakeError(
            f"{dense:.0%} of its voxels lie above 700 HU, where only bone does ({middle}): shifted, inverted or "
            "scaled, not Hounsfield units. Convert it again with rescale slope and intercept; for a shift by 1024 "
            "set `hu_offset: -1024` for its center"
        )
    if soft < MIN_SOFT:
        raise IntakeError(
            f"{soft:.1%} of its voxels lie between 10 and 250 HU, where soft tissue does ({middle}): shifted or scaled, "
            "not Hounsfield units. Convert it again with rescale slope and intercept"
        )
    dark = shares.between(PADDING, -700)
    if dark > MIN_DARK:
        air = shares.peak(PADDING, -700)
        if not AIR_AT[0] <= air <= AIR_AT[1]:
            facts["air_at_hu"] = air
    _note_fat(shares, facts)
    if dark > 0.0005:
        return
    # No air: a field of view within the body, or a CT that was cut to a window.
    if max(at_low, at_high) > MAX_PILED and high < 3000:
        end, share = (low, at_low) if at_low >= at_high else (high, at_high)
        raise IntakeError(
            f"no air, and {share:.0%} of its voxels have exactly the value {end}: cut to a window ({low} to {high}). "
            "Convert the original series again, without a window"
        )
    fat, thin = shares.between(-200, -20), shares.between(-700, -300)
    too_narrow = high - low < MIN_RANGE_INSIDE or thin > MAX_THIN_INSIDE
    if soft < MIN_SOFT_INSIDE or fat < MIN_FAT_INSIDE or too_narrow:
        raise IntakeError(
            f"no air, {fat:.1%} of its voxels where fat lies (−200 to −20 HU), {soft:.0%} where soft tissue does "
            f"(10 to 250), values from {low} to {high}: normalised, or stored without its offset, not Hounsfield units. "
            "Convert the original series again with rescale slope and intercept"
        )


def _note_fat(shares, facts):
    """Note fat that lies elsewhere than fat does."""
    low, high = -200, -30  # above it lies soft tissue that is shifted by −50 HU
    fat, peak = shares.between(low, high), shares.peak(low, high, step=10)
    near = shares.between(peak - 30, min(peak + 30, high))
    if fat >= MIN_FAT and near >= MIN_FAT_AT_PEAK * fat and not FAT_AT[0] <= peak <= FAT_AT[1]:
        facts["fat_at_hu"] = peak


def _too_dense(shares, metal):
    """Which wrapping or scaling puts so many voxels above 3100."""
    if shares.between(61000, 65535) > 0.5 * metal:
        return (
            f"{metal:.0%} of its voxels lie between 61000 and 65535: negative Hounsfield units wrapped in unsigned "
            "16-bit storage. Save it as signed integers, or convert the original series again"
        )
    if shares.between(3100, 4095) > 0.5 * metal > 0.5 * shares.between(700, 3000):
        return _wrapped_in_12_bits(metal)
    return (
        f"{metal:.0%} of its voxels lie above 3100 HU, where only metal does (half of its voxels lie from "
        f"{shares.percentile(25)} to {shares.percentile(75)}): scaled, not Hounsfield units. Convert the original "
        "series again with rescale slope and intercept"
    )


def _wrapped_in_12_bits(share):
    return (
        f"{share:.0%} of its voxels lie between 3000 and 4095: negative Hounsfield units wrapped in 12-bit "
        "storage. Convert the original series again with signed pixels and the rescale intercept"
    )


def _check_shift(shares):
    """Soft tissue near 1064 with no air below: the rescale intercept was lost; near −984 it was applied twice."""
    counts = shares.all

    def share(low, high):
        return float(counts[low - shares.LOW : high - shares.LOW].sum())

    tissue, above = share(-150, 250), share(874, 1274)
    # Padding (−2000, −3024) stays where it was when the intercept is lost.
    if share(PADDING, -300) == 0 and above > 0.15 and above > 2 * share(150, 874):
        raise IntakeError(
            f"{above:.0%} of its voxels lie near 1064 and none below −300: Hounsfield units shifted by 1024. "
            "Convert it again with the rescale intercept, or set `hu_offset: -1024` for its center"
        )
    if tissue < 0.01 and share(-1174, -774) > 0.15 and share(-2124, -1924) > 0.05:
        raise IntakeError(
            "its air lies near −2024 and its tissue near −984: Hounsfield units shifted by −1024. "
            "Convert it again (the rescale intercept was applied twice), or set `hu_offset: 1024` for its center"
        )
