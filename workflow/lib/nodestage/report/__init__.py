"""Reports: one HTML file per center and one for the study, readable offline.

`gallery` makes the small pictures of each patient, `pages` the pages. The two are imported by
name, so that a change of the page's looks doesn't remake the pictures.
"""
