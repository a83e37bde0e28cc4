"""The columns of the sample sheet that a method may read of a patient.

The label and what implies it, pN, are not among them. Rules hand over these and no more.
"""

CLINICAL = ("ct_reported", "sex", "age", "pt_stage", "tumor_size_cm", "tumor_location")
