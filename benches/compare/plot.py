"""How cost grows, as SVG that is readable on light and on dark."""
import math
from html import escape

from .report import growth, special_rows

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 64, 48
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .title { font-weight: 600 }
  .grid { stroke: #8884; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .s0, .s1 { stroke: #c2410c }
  .s2, .s3 { stroke: #1d4ed8 }
  .s1, .s3 { stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .s0, .s1 { stroke: #fb923c }
    .s2, .s3 { stroke: #93c5fd }
  }
"""


def ceiling(value):
    """The next number whose quarters are round."""
    power = 10 ** math.floor(math.log10(value or 1))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if step * power >= value)


def panel(title, below, series, even=False):
    """Lines over places that are equally far apart, or (even) where their numbers put them. Values begin at 0."""
    places = sorted({x for points in series.values() for x in points})
    top = ceiling(max(y for points in series.values() for y in points.values()))

    def across(x):
        part = x / places[-1] if even else places.index(x) / max(1, len(places) - 1)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def up(y):
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [text(LEFT, 18, title, "title")]
    for step in range(5):
        y = top * step / 4
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
        parts.append(text(LEFT - 8, up(y) + 4, f"{y:,.6g}" if y < 10000 else f"{y / 1000:,.6g}k", anchor="end"))
    for x in places:
        parts.append(text(across(x), HEIGHT - BOTTOM + 18, f"{x:,}", anchor="middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, below, anchor="middle"))
    for index, (label, points) in enumerate(series.items()):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points.items())
        parts.append(f'<polyline class="line s{index % 4}" points="{path}"/>')
        x, y = LEFT + index % 2 * 170, 34 + index // 2 * 16
        parts.append(f'<line class="line s{index % 4}" x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}"/>')
        parts.append(text(x + 30, y + 4, label))
    return "\n".join(parts)


def text(x, y, content, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def svg(panels):
    width = WIDTH * len(panels)
    groups = [f'<g transform="translate({WIDTH * index} 0)">\n{body}\n</g>' for index, body in enumerate(panels)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *groups, "</svg>"]) + "\n"


def write_plots(samples, folder):
    """One file for each thing that cost grows with, of those that were measured."""
    folder.mkdir(exist_ok=True)
    written = []
    for workload, below in (("connections", "connections"), ("entries", "entries in the cache")):
        series = growth(workload, [sample for sample in samples if sample["workload"] == workload])
        if series:
            def part(which):
                return {label: {x: y[which] for x, y in points.items()} for label, points in series.items()}

            titles = enumerate(("Requests a second", "CPU µs a request"))
            panels = [panel(title, below, part(which)) for which, title in titles]
            written.append(write(folder / f"growth-{workload}.svg", panels))
    rows = special_rows([sample for sample in samples if sample["workload"] == "memory"])
    if rows:
        series = {label: {int(name.split()[0]): value for name, value in row.items()} for label, row in rows.items()}
        written.append(write(folder / "growth-memory.svg", [
            panel("Memory, MB, of the whole program", "THRUST_CACHE_SIZE, MB; the cache is full", series, even=True)
        ]))
    return written


def write(path, panels):
    path.write_text(svg(panels))
    return path
