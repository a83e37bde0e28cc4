"""A page of a report, parsed."""

import re
from html.parser import HTMLParser


def without_pictures(text):
    """A page without the data of its pictures, in which any three letters occur sooner or later."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", text)


class Page(HTMLParser):
    """Elements of a page: tags with attributes, and the text of each tagged number."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.numbers, self.words, self._open = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if "data-source" in attributes:
            self._open = [attributes, ""]

    def handle_data(self, data):
        self.words.append(data)
        if self._open:
            self._open[1] += data

    def text(self):
        return "".join(self.words)

    def handle_endtag(self, tag):
        if self._open and tag == "span":
            self.numbers.append(tuple(self._open))
            self._open = None
