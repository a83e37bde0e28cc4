"""The volume viewer beside a center's page: scroll through a patient's scan, with overlays.

A page shows pictures of a few slices. The viewer shows the volumes, in a browser, without a server and
without the internet: niivue draws them (vendored, see niivue/LICENSES.txt), each patient's file is
loaded as a script when it is opened, because browsers refuse other files to a page from a disk.

- `viewer.encoding`  a patient's volumes as text, at the size that a browser opens at once
- `viewer.writing`   the folder of a center: page, niivue, one file per patient
"""
