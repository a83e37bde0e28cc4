"""Where a gallery's pictures lie: in the page, and beside it once the page is full.

A page with the pictures of 749 patients has 74 MB, which no browser opens quickly. The first
patients, the worst errors, stay in the page; a browser loads the others when they come into view.
"""

import base64
from pathlib import Path
from urllib.parse import quote

EMBEDDED = 3_800_000
"""Characters of pictures that a page holds itself."""

KINDS = {".jpg": "jpeg", ".png": "png"}

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


class GalleryPictures:
    """Gives each picture of a gallery its address, patient by patient.

    Parameters
    ----------
    folder : where pictures that don't fit into the page are written; None keeps all in the page
    address : of that folder, as seen from the page
    limit : characters that the page may hold
    """

    def __init__(self, folder: str | Path | None = None, address: str = "", limit: int = EMBEDDED):
        self.folder = None if folder is None else Path(folder)
        self.address, self.left = address, limit
        self.beside = 0  # patients whose pictures are not in the page

    def of(self, number: int, pictures: dict[str, str]) -> dict[str, str]:
        """{name: address} of one patient's pictures.

        Parameters
        ----------
        number : of the patient in the gallery, from which the files are named
        pictures : {name: base64}, of `gallery.read`

        Raises ValueError for a picture that is not base64, since it would go into the page as it is.
        """
        if not all(set(data) <= _BASE64 for data in pictures.values()):
            raise ValueError("a picture of the gallery is not base64")
        self.left -= sum(map(len, pictures.values()))
        if self.folder is None or self.left >= 0:
            return {
                name: f"data:image/{KINDS[Path(name).suffix]};base64,{data}"
                for name, data in pictures.items()
            }
        self.beside += 1
        folder = self.folder / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in pictures.items():
            (folder / name).write_bytes(base64.b64decode(data))
        return {name: quote(f"{self.address}/{number}/{name}") for name in pictures}
