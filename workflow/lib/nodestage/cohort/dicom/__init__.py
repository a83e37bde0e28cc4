"""DICOM folders: which images are the CT asked for, and how its slices lie.

Nothing is taken from names or instance numbers: series are separated by what the
headers record, slices are ordered by position, and a series passes only if its slices
are evenly spaced. Text from the headers is used to decide and leaves this package
only in `IntakeError.full`, for the terminal.

- `dicom.choosing`  `find`: the one series of a folder
- `dicom.folders`   `collect`: the slices of a folder, what else it holds, what is damaged
- `dicom.headers`   image planes, from the headers of files
- `dicom.joining`   groups that are parts of one volume; tags that differ within it
- `dicom.series`    planes that make one volume; copies and mixed phases
- `dicom.slices`    `affine`: whether the slices lie evenly, and where
- `dicom.pixels`    decoded pixels as HU
"""
