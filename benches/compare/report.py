"""Samples as Markdown tables: medians, and ratios within rounds."""
from statistics import median

from .specials import SPECIALS
from .workloads import WORKLOADS


def rate(workload, sample):
    """Requests or gigabytes a second."""
    what = sample["bytes"] / 1e9 if WORKLOADS[workload].unit == "GB/s" else sample["requests"]
    return what / sample["seconds"]


def cost(workload, sample):
    """CPU: microseconds a request, or seconds a gigabyte."""
    if WORKLOADS[workload].unit == "GB/s":
        return sample["cpu"] / sample["bytes"] * 1e9
    return sample["cpu"] / sample["requests"] * 1e6


def number(value):
    """With three digits or so."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def by_label(samples):
    labels = {}
    for sample in samples:
        if "failed" not in sample:
            labels.setdefault(sample["label"], []).append(sample)
    return labels


def report(workload, samples, reference):
    """A title, a table, and what has failed. The reference is the thrust that others are compared with."""
    title = SPECIALS[workload][0] if workload in SPECIALS else WORKLOADS[workload].title
    if workload in SPECIALS:
        text = special_table(samples)
    elif WORKLOADS[workload].grows_with:
        text = growth_table(workload, samples)
    else:
        text = load_table(workload, samples, reference)
    failures = [f"\n{sample['label']} failed: {sample['failed']}\n" for sample in samples if "failed" in sample]
    return f"### {workload}: {title}\n\n{text}{''.join(failures)}"


def load_table(workload, samples, reference):
    labels = by_label(samples)
    ours = {sample["round"]: sample for sample in labels.get(reference, [])}
    unit = WORKLOADS[workload].unit
    rows = []
    for label, found in labels.items():
        def ratio(of):
            pairs = [(ours[sample["round"]], sample) for sample in found if sample["round"] in ours]
            ratios = [of(workload, our) / of(workload, sample) for our, sample in pairs if of(workload, sample)]
            return f"{median(ratios):.2f}" if ratios and label != reference else ""

        def middle(of):
            return number(median(map(of, found)))

        rows.append([
            label,
            middle(lambda sample: rate(workload, sample)),
            ratio(rate),
            middle(lambda sample: cost(workload, sample)),
            ratio(cost),
            middle(lambda sample: sample["p99"]) if "p99" in found[0] else "",
            middle(lambda sample: sample["memory"] / 2**20),
            str(sum(sample["errors"] for sample in found)),
            f"{max(sample['foreign'] for sample in found):.0%}",
        ])
    cpu = "CPU, s/GB" if unit == "GB/s" else "CPU, µs"
    header = ["", unit, f"{reference} ÷ it", cpu, f"{reference} ÷ it", "p99, ms", "MB", "errors", "foreign load"]
    return table(header, rows)


def growth(workload, samples):
    """{label: {x: (requests a second, µs a request)}}, of medians."""
    series = {}
    for label, found in by_label(samples).items():
        for x in sorted({sample["x"] for sample in found}):
            at = [sample for sample in found if sample["x"] == x]
            rates, costs = ([of(workload, sample) for sample in at] for of in (rate, cost))
            series.setdefault(label, {})[x] = median(rates), median(costs)
    return series


def growth_table(workload, samples):
    series = growth(workload, samples)
    places = sorted({x for points in series.values() for x in points})
    header = [WORKLOADS[workload].grows_with] + [f"{label}: requests/s · CPU, µs" for label in series]
    rows = [
        [f"{x:,}"] + [" · ".join(map(number, points[x])) if x in points else "" for points in series.values()]
        for x in places
    ]
    rows.append(["best ÷ worst"] + [" · ".join(spread(points.values())) for points in series.values()])
    foreign = max((sample["foreign"] for sample in samples if "failed" not in sample), default=0)
    return table(header, rows) + f"\nForeign load: at most {foreign:.0%}.\n"


def spread(points):
    return [f"{max(values) / max(min(values), 1e-9):.2f}" for values in zip(*points)]


def special_rows(samples):
    """{label: {what: median}}"""
    return {
        label: {name: median(sample["row"][name] for sample in found) for name in found[0]["row"]}
        for label, found in by_label(samples).items()
    }


def special_table(samples):
    rows = special_rows(samples)
    names = next(iter(rows.values()), {})
    return table(["", *names], [[label, *map(number, row.values())] for label, row in rows.items()])
