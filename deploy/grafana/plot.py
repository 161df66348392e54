#!/usr/bin/env python3
"""Draws panels of the dashboards as they were in a span of time, for a report: the queries are those of
the dashboards, asked of Prometheus.

    plot.py --prometheus http://localhost:9090 --last 300 --output ramp.svg \\
        'Load test / Users' 'Load test / Latency (p99)'

Needs matplotlib (requirements.txt).
"""

import argparse
import json
import pathlib
import sys
import time
import urllib.parse
import urllib.request

DASHBOARDS = pathlib.Path(__file__).parent / "dashboards"
# What axes are called, by the units that Grafana knows.
UNITS = {"s": "seconds", "ops": "per second", "reqps": "per second", "percentunit": "share", "bytes": "bytes", "none": ""}
POINTS = 150


def read_panels():
    """Every panel that has queries, by its place."""
    found = {}
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            if panel.get("targets"):
                found[f"{dashboard['title']} / {panel['title']}"] = panel
    return found


def legend(pattern, labels):
    """Grafana's pattern with the labels of a series."""
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return pattern


def ask(prometheus, expression, start, end):
    """The series of a query: pairs of labels and points."""
    parameters = {"query": expression, "start": start, "end": end, "step": max((end - start) / POINTS, 1)}
    url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found = json.load(answer)["data"]["result"]
    return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]


def draw(panels, prometheus, start, end, interval, output):
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and the same data gives the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "my-pay", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(panels), 1, figsize=(9, 2.3 * len(panels)), sharex=True, squeeze=False)
    for axis, (place, panel) in zip(axes[:, 0], panels.items()):
        unit = panel["fieldConfig"]["defaults"].get("unit")
        lines = 0
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", interval)
            for labels, points in ask(prometheus, expression, start, end):
                name = legend(target["legendFormat"], labels)
                axis.plot([at - start for at, _ in points], [value for _, value in points], label=name, linewidth=1.2)
                lines += 1
        if not lines:
            sys.exit(f"error: `{place}` has no data between {start:.0f} and {end:.0f}")
        axis.set_title(place, loc="left", fontsize=9)
        axis.set_ylabel(UNITS.get(unit, unit or ""))
        axis.set_ylim(bottom=0)
        axis.grid(linewidth=0.3)
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7, frameon=False)
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--last", type=float, default=300, metavar="SECONDS", help="how long ago it begins")
    parser.add_argument("--until", type=float, metavar="TIME", help="when it ends, in seconds since 1970; now unless given")
    parser.add_argument("--interval", default="20s", help="over which rates are taken")
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("panels", nargs="+", metavar="PANEL", help="`DASHBOARD / PANEL`")
    arguments = parser.parse_args()
    known = read_panels()
    unknown = [place for place in arguments.panels if place not in known]
    if unknown:
        sys.exit(f"error: no such panels: {', '.join(unknown)}; there are\n  " + "\n  ".join(known))
    end = arguments.until or time.time()
    chosen = {place: known[place] for place in arguments.panels}
    draw(chosen, arguments.prometheus, end - arguments.last, end, arguments.interval, arguments.output)


if __name__ == "__main__":
    main()
