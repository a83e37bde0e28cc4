"""Masks in the formats of viewers and planning systems: DICOM SEG, RTSTRUCT, NRRD of 3D Slicer, MetaImage.

Each format's module has one class with `names` (of its segments; None where the file has
values alone), `references` (the DICOM series that it was drawn on) and `lattice`, `check`
and `pieces`. A segment's name decides what it is, its number never does. Text from a file
leaves this package only in `IntakeError.full`, for the terminal.

- `drawings.kinds`       `opened`: which format a path has
- `drawings.seg`         DICOM Segmentation: binary, fractional, label map
- `drawings.rtstruct`    DICOM RT Structure Set
- `drawings.contours`    closed contours of one slice as pixels
- `drawings.slicer`      .nrrd, .seg.nrrd, .mha, .mhd
- `drawings.names`       which segment is which class, by the config
- `drawings.painting`    segments that may overlap, as one label map
- `drawings.lattices`    voxels of one stored grid on another one
- `drawings.references`  whether a mask refers to the image that it stands beside in the sheet
"""
