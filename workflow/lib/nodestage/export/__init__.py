"""Results of one patient as DICOM, for the hospital's own viewer: segmentations, a report, key images.

The objects carry what the hospital's series carries of the patient, so that they find their place in its
archive. They are written outside `results/`, and belong to no packet and to no returned file.
"""
