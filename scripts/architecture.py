#!/usr/bin/env python3
"""Draw the house from the code: `python scripts/architecture.py` (see ARCHITECTURE.md).

Every box is a folder of `emsync` or a module at its root, with its modules and lines; it stands as
low as what it imports allows. An arrow means "imports"; one that follows from others is left out.
"""

import ast
import html
import sys
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURE = REPOSITORY / "architecture.svg"
BOX = (142, 46)
GAP = (26, 50)
MARGIN = 24

Graph = dict[str, set[str]]


def part_of(module: str) -> str:
    """Return the folder or root module of `emsync.a.b`: its second word."""
    words = module.split(".")
    return words[1] if len(words) > 1 else ""


def imports_of(path: Path) -> set[str]:
    """Return the parts of `emsync` that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "emsync":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emsync."):
            found.add(part_of(node.module or ""))
        elif isinstance(node, ast.Import):
            found |= {part_of(one.name) for one in node.names if one.name.startswith("emsync.")}
    return found


def read() -> tuple[Graph, dict[str, tuple[int, int]]]:
    """Return which part imports which, and the modules and lines of each."""
    graph: Graph = defaultdict(set)
    sizes: dict[str, tuple[int, int]] = {}
    for path in sorted((REPOSITORY / "emsync").rglob("*.py")):
        name = path.relative_to(REPOSITORY).with_suffix("").parts
        if name[1] in ("__init__", "__main__"):
            continue
        modules, lines = sizes.get(name[1], (0, 0))
        sizes[name[1]] = modules + 1, lines + len(path.read_text(encoding="utf-8").splitlines())
        graph[name[1]] |= imports_of(path) - {name[1]}
    return {part: {to for to in graph[part] if to in sizes} for part in sizes}, sizes


def levels(graph: Graph) -> dict[str, int]:
    """Return the floor of each part: one above the highest that it imports.

    Raises:
        SystemExit: parts import each other in a circle.
    """
    floor: dict[str, int] = {}
    while len(floor) < len(graph):
        ready = [part for part in graph if part not in floor and graph[part] <= floor.keys()]
        if not ready:
            sys.exit(f"An import circle: {', '.join(sorted(set(graph) - set(floor)))}")
        for part in ready:
            floor[part] = 1 + max((floor[to] for to in graph[part]), default=-1)
    return floor


def reduced(graph: Graph) -> Graph:
    """Return the graph without the arrows that follow from others."""
    below: Graph = {}
    for part in sorted(graph, key=levels(graph).__getitem__):
        below[part] = graph[part].union(*(below[to] for to in graph[part]))
    return {
        part: {to for to in tos if not any(to in below[other] for other in tos - {to})}
        for part, tos in graph.items()
    }


def drawn(graph: Graph, sizes: dict[str, tuple[int, int]]) -> str:
    """Return the picture as SVG."""
    floor = levels(graph)
    rows = [sorted(p for p in graph if floor[p] == n) for n in range(1 + max(floor.values()))]
    width = 2 * MARGIN + max(len(row) * (BOX[0] + GAP[0]) - GAP[0] for row in rows)
    height = 2 * MARGIN + len(rows) * (BOX[1] + GAP[1]) - GAP[1]
    corner = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * (BOX[0] + GAP[0]) + GAP[0]) / 2
        top = height - MARGIN - BOX[1] - number * (BOX[1] + GAP[1])
        for place, part in enumerate(row):
            corner[part] = left + place * (BOX[0] + GAP[0]), top
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        'font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a93a3"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
    ]
    for part, tos in sorted(reduced(graph).items()):
        for to in sorted(tos):
            (x, y), (u, w) = corner[part], corner[to]
            begin, end = (x + BOX[0] / 2, y + BOX[1]), (u + BOX[0] / 2, w - 2)
            bend = (end[1] - begin[1]) / 2
            lines.append(
                f'<path d="M{begin[0]:.0f} {begin[1]:.0f}C{begin[0]:.0f} {begin[1] + bend:.0f} '
                f'{end[0]:.0f} {end[1] - bend:.0f} {end[0]:.0f} {end[1]:.0f}" fill="none" '
                'stroke="#8a93a3" marker-end="url(#tip)"/>'
            )
    for part, (x, y) in corner.items():
        modules, count = sizes[part]
        is_folder = (REPOSITORY / "emsync" / part).is_dir()
        what = f"{modules} modules, {count:,} lines" if is_folder else f"{count:,} lines"
        lines += [
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
            f'fill="{"#e7effc" if is_folder else "#f4f4f0"}" stroke="#5b6b86"/>',
            f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 19:.0f}" text-anchor="middle" '
            f'font-weight="600">{html.escape(part)}{"/" if is_folder else ".py"}</text>',
            f'<text x="{x + BOX[0] / 2:.0f}" y="{y + 36:.0f}" text-anchor="middle" '
            f'font-size="10" fill="#444">{what}</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(drawn(*read()), encoding="utf-8")
