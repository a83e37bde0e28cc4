"""Draw Figures 1 and 2 of docs/paper.md: `python docs/figures/draw.py` writes both SVG files."""

import re
from pathlib import Path

HERE = Path(__file__).parent
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="13">\n'
    "<title>{title}</title>\n"
    '<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
)

# ---------------------------------------------------------------- Figure 1: the anatomy, seen from the front

# name: (path, fill or None, stroke, width of the stroke)
ORGANS = {
    "aorta": ("M330 40 L330 425", None, "#e8a09a", 30),
    "esophagus": ("M352 40 C354 75 366 92 386 108", None, "#d9b48f", 18),
    "spleen": (
        "M556 112 C604 108 626 170 604 232 C592 262 566 258 560 226 C556 200 548 186 544 168 "
        "C538 142 540 116 556 112 Z",
        "#b98fb5", "#8f6a8c", 1,
    ),
    "pancreas": (
        "M232 268 C246 246 282 250 304 254 C352 262 404 246 450 224 C490 206 528 196 536 206 "
        "C542 220 506 236 470 252 C420 276 360 292 318 294 C300 300 296 332 276 346 "
        "C254 356 236 334 232 314 Z",
        "#f0d38a", "#b8963d", 1,
    ),
    "duodenum": (
        "M262 214 C214 214 206 238 206 276 C206 326 214 366 262 374 C308 380 352 372 392 348",
        None, "#c9a98a", 26,
    ),
    "stomach": (
        "M382 106 C398 62 466 52 502 96 C530 134 508 196 448 216 C392 234 330 236 262 228 "
        "C250 222 250 206 262 202 C318 204 366 196 390 172 C404 156 392 132 382 106 Z",
        "#e7b7a6", "#b5806c", 1,
    ),
}  # fmt: skip
ARTERIES = {
    "TC&amp;SA": "M330 196 C346 176 362 196 380 206 C410 222 440 196 470 204 C500 212 520 196 552 190",
    "LGA": "M332 192 C332 168 352 152 372 142 C384 136 388 124 386 114",
    "CHA&amp;PHA": "M328 196 C310 190 288 200 272 192 C258 180 252 152 244 132",
    "SMA": "M332 246 C326 280 322 340 330 418",
}
TUMOR = "M250 296 C258 278 284 280 290 296 C294 316 276 330 260 324 C248 320 244 308 250 296 Z"
# (x, y, radius, is positive)
NODES = (
    (226, 196, 7, True), (300, 312, 8, True), (312, 176, 6, True), (420, 258, 5, False),
    (398, 132, 5, False), (536, 232, 6, False), (352, 330, 5, False), (182, 330, 5, False),
    (470, 186, 5, False), (308, 234, 5, False),
)  # fmt: skip
# label: (text x, y, anchor, end of the leader)
LABELS = {
    "Esophagus": (250, 60, "end", (350, 60)),
    "Aorta": (250, 92, "end", (316, 92)),
    "LGA": (250, 118, "end", (352, 152)),
    "CHA&amp;PHA": (150, 150, "end", (250, 152)),
    "Duodenum": (150, 250, "end", (198, 262)),
    "Tumor (PDAC)": (150, 300, "end", (256, 304)),
    "SMA": (420, 412, "start", (332, 404)),
    "Pancreas": (520, 300, "start", (452, 244)),
    "TC&amp;SA": (660, 290, "start", (508, 204)),
    "Spleen": (660, 150, "start", (606, 160)),
    "Stomach": (660, 80, "start", (490, 96)),
}


def figure_1() -> str:
    """Tumor, nodes and the ten structures whose distances say where nodes may lie."""
    parts = [HEAD.format(width=800, height=470, title="Structures around the pancreas, drawn")]
    wide = ' fill="none" stroke="#f5c26b" stroke-linejoin="round" stroke-linecap="round"'
    shapes = [path for path, *_ in ORGANS.values()] + list(ARTERIES.values())
    parts.append(f'<g opacity="0.28" stroke-width="52"{wide}>')
    parts += [f'<path d="{path}"/>' for path in shapes]
    parts.append("</g>")
    for path, fill, stroke, width in ORGANS.values():
        see_through = ' fill-opacity="0.72"' if fill == "#e7b7a6" else ""
        parts.append(
            f'<path d="{path}" fill="{fill or "none"}"{see_through} stroke="{stroke}" '
            f'stroke-width="{width}" stroke-linecap="round"/>'
        )
    parts.append('<g fill="none" stroke="#c0392b" stroke-width="6" stroke-linecap="round">')
    parts += [f'<path d="{path}"/>' for path in ARTERIES.values()]
    parts.append("</g>")
    parts.append(f'<path d="{TUMOR}" fill="#7b1f1f"/>')
    for x, y, radius, positive in NODES:
        color = "#f06a86" if positive else "#4caf6e"
        parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}" stroke="#333"/>')
    for text, (x, y, anchor, (to_x, to_y)) in LABELS.items():
        start = x + 6 if anchor == "end" else x - 6
        parts.append(
            f'<path d="M{start} {y - 4} L{to_x} {to_y}" stroke="#555" stroke-width="0.8" fill="none"/>'
            f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
        )
    legend = (
        ("#7b1f1f", "Tumor"), ("#f06a86", "Positive node"), ("#4caf6e", "Negative node"),
        ("#f9dfb0", "Where nodes may lie"),
    )  # fmt: skip
    for i, (color, text) in enumerate(legend):
        x = 60 + 175 * i
        parts.append(
            f'<circle cx="{x}" cy="452" r="7" fill="{color}" stroke="#333"/>'
            f'<text x="{x + 14}" y="456">{text}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


# ---------------------------------------------------------------- Figure 2: the stages

DATA, NETWORK, RULE = "#eef3fb", "#fdebd3", "#e9f5e9"
# name: (x, y, width, height, color, lines of text)
BOXES = {
    "ct": (20, 60, 130, 62, DATA, ("Arterial CT,", "venous CT,", "registered")),
    "organs": (190, 60, 130, 62, NETWORK, ("Organs and vessels", "teacher → student", "(nnU-Net)")),
    "distance": (360, 60, 130, 62, RULE, ("Signed distance", "to ten structures")),
    "map": (530, 60, 130, 62, RULE, ("Attention map", "Eq. 1, Eq. 2")),
    "segment": (360, 165, 300, 74, NETWORK, (
        "Segmentation of lymph nodes: nnU-Net,", "features × map at every scale,",
        "cross entropy + Tversky (Eq. 3–5)")),
    "identify": (700, 165, 180, 74, NETWORK, (
        "Identification", "same backbone, started", "from its weights")),
    "nodes": (700, 60, 180, 62, DATA, ("Positive and negative", "nodes, mm³ each")),
    "tumor": (20, 330, 130, 62, NETWORK, ("Tumor mask", "arterial → pseudo", "→ venous network")),
    "slices": (190, 330, 130, 62, RULE, ("Nine slices", "3 axial, 3 sagittal,", "3 coronal")),
    "resnet": (360, 330, 130, 62, NETWORK, ("ResNet-18", "conv1 × mask branch")),
    "pool": (530, 330, 130, 62, NETWORK, ("Average pooling", "+ texture encoding", "(Eq. 6)")),
    "volume": (530, 430, 130, 50, RULE, ("BN, FC of the largest", "positive node")),
    "sum": (700, 330, 90, 62, NETWORK, ("Sum", "(Eq. 7)", "→ classifier")),
    "status": (820, 330, 100, 62, DATA, ("Metastasis?", "mean over", "nine slices")),
}  # fmt: skip
ARROWS = (
    "M150 91 L184 91", "M320 91 L354 91", "M490 91 L524 91", "M595 122 L595 159",
    "M85 122 L85 202 L354 202", "M660 202 L694 202", "M790 165 L790 128",
    "M85 202 L85 324", "M150 361 L184 361", "M320 361 L354 361", "M490 361 L524 361",
    "M660 361 L694 361", "M790 361 L814 361", "M660 455 L745 455 L745 398",
    "M880 91 L940 91 L940 510 L595 510 L595 486",
)  # fmt: skip


def figure_2() -> str:
    """The method: (a) nodes are segmented and identified, (b) tumor and nodes give the status."""
    parts = [HEAD.format(width=960, height=530, title="The stages of the method")]
    frames = (
        (
            8,
            24,
            900,
            228,
            20,
            "(a) Lymph nodes: segmentation guided by distances, then identification",
        ),
        (8, 294, 920, 200, 110, "(b) Tumor and lymph nodes: the patient's status"),
    )
    for x, y, width, height, text_at, text in frames:
        parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="none" '
            f'stroke="#999" stroke-dasharray="5 4"/>'
            f'<text x="{text_at}" y="{y + 20}" font-weight="bold">{text}</text>'
        )
    parts.append('<g stroke="#444" stroke-width="1.4">')
    for arrow in ARROWS:
        parts.append(f'<path d="{arrow}" fill="none"/><path d="{_tip(arrow)}" fill="#444"/>')
    parts.append("</g>")
    for x, y, width, height, color, lines in BOXES.values():
        parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{color}" stroke="#666"/>'
        )
        first = y + height / 2 + 4 - 8 * (len(lines) - 1)
        parts += [
            f'<text x="{x + width / 2:g}" y="{first + 16 * i:g}" text-anchor="middle" font-size="12">{line}</text>'
            for i, line in enumerate(lines)
        ]
    return "\n".join([*parts, "</svg>", ""])


def _tip(arrow: str) -> str:
    """A triangle at the end of a line; markers are not drawn by every viewer."""
    (x0, y0), (x, y) = (
        map(int, point[1:].split()) for point in re.findall(r"[ML]\d+ \d+", arrow)[-2:]
    )
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    side = (x - 7 * dx + 3 * dy, y - 7 * dy + 3 * dx), (x - 7 * dx - 3 * dy, y - 7 * dy - 3 * dx)
    return f"M{x} {y} " + " ".join(f"L{a} {b}" for a, b in side) + " Z"


if __name__ == "__main__":
    (HERE / "figure_1.svg").write_text(figure_1(), encoding="utf-8")
    (HERE / "figure_2.svg").write_text(figure_2(), encoding="utf-8")
