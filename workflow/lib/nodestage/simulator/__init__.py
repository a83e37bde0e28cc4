"""Simulated patients: two-phase CT of the upper abdomen with known truth.

A seed, a row of the sample sheet and the settings give a patient bit for bit.

`sheet(settings, seed)`
    the sample sheet of the whole study, made in memory without an image
`patient_settings(settings, row)`
    the part of the settings that shapes one patient
`simulate_patient(seed, row, settings)`
    both phases, the annotations that the patient's center would draw, and the truth
`write_patient(patient, images, annotations, truth)`
    all of it as files; only evaluation may read the folder `truth`
`read_truth(folder)`
    what `write_patient` wrote there
`latent_draws(seed, row, settings)`
    the cues behind a patient and the scores of an oracle, without an image

Heavy imports wait until a patient is made: the sheet is built while the workflow is parsed.
"""

from nodestage.simulator.latents import latent_draws
from nodestage.simulator.rows import patient_settings, sheet

__all__ = [
    "latent_draws",
    "patient_settings",
    "read_truth",
    "sheet",
    "simulate_patient",
    "write_patient",
]


def simulate_patient(seed, row, settings):
    """One patient; see `nodestage.simulator.patient.simulate`."""
    from nodestage.simulator import patient

    return patient.simulate(seed, row, settings)


def write_patient(patient, images, annotations, truth):
    """Write one patient into three folders; see `nodestage.simulator.store.write`."""
    from nodestage.simulator import store

    store.write(patient, images, annotations, truth)


def read_truth(folder):
    """The truth of one patient; see `nodestage.simulator.store.read`."""
    from nodestage.simulator import store

    return store.read(folder)
