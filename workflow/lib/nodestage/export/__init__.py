"""Results of one patient as DICOM, for the hospital's viewer: segmentations, a report, key images.

The objects name patient and study as the hospital's series does, so that its archive files them beside it. They are written outside `results/`, and belong to no packet and to no returned file.
"""
