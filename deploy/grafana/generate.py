#!/usr/bin/env python3
"""Makes Grafana's dashboards out of panels.py. `--check` only says whether they are up to date, and
whether everything that an alert watches can be seen on one of them."""

import argparse
import json
import pathlib
import sys

from panels import DASHBOARDS
from queries import metrics_of

FOLDER = pathlib.Path(__file__).parent / "dashboards"
RULES = pathlib.Path(__file__).parent.parent / "prometheus/rules"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24


def thresholds(options):
    steps = [{"color": "green", "value": None}]
    if "red" in options:
        steps.append({"color": "red", "value": options["red"]})
    if "red_below" in options:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": options["red_below"]}]
    return {"mode": "absolute", "steps": steps}


def panel(number, place, spec):
    title, unit, description, queries, options = spec
    kind = options.get("kind", "timeseries")
    defaults = {"unit": unit, "min": 0, "thresholds": thresholds(options), "noValue": "no data"}
    if "max" in options:
        defaults["max"] = options["max"]
    made = {
        "id": number,
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query.replace("$rate", "$__rate_interval"),
                "legendFormat": legend,
                "range": kind == "timeseries",
                "instant": kind != "timeseries",
                "format": "table" if kind == "table" else "time_series",
            }
            for index, (query, legend) in enumerate(queries)
        ],
    }
    if "opens" in options:
        (opened,) = [other["title"] for other in DASHBOARDS if other["uid"] == options["opens"]]
        link = {"title": f"Open {opened}", "url": f"/d/{options['opens']}?${{__url_time_range}}"}
        if kind == "stat":
            defaults["links"] = [link]
        made["links"] = [link]
    if kind == "table":
        del defaults["min"]
        defaults["noValue"] = "no alert fires"
        hidden = {"Time": True, "Value": True}
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
        made["options"] = {"showHeader": True}
    elif kind == "stat":
        # Nothing to show is not the same as nothing wrong.
        null = {"match": "null", "result": {"text": "no data", "color": "orange", "index": 0}}
        defaults["mappings"] = [{"type": "special", "options": null}]
        made["options"] = {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
    else:
        defaults["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
        if "red" in options or "red_below" in options:
            defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
        made["options"] = {
            "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return made


def dashboard(spec):
    panels, y, number = [], 0, 1
    for title, row in spec["rows"]:
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        number += 1
        y += 1
        are_tiles = all(panel_spec[4].get("kind") == "stat" for panel_spec in row)
        columns = len(row) if are_tiles else min(len(row), 3)
        height = 4 if are_tiles else 8
        for index, panel_spec in enumerate(row):
            width = WIDTH // columns
            place = {"h": height, "w": width, "x": index % columns * width, "y": y + index // columns * height}
            panels.append(panel(number, place, panel_spec))
            number += 1
        y += -(-len(row) // columns) * height
    others = [
        {
            "title": other["title"],
            "type": "link",
            "url": f"/d/{other['uid']}",
            "tooltip": other["description"],
            "icon": "dashboard",
            "keepTime": True,
            "includeVars": False,
            "asDropdown": False,
            "targetBlank": False,
            "tags": [],
        }
        for other in DASHBOARDS
        if other is not spec
    ]
    return {
        "uid": spec["uid"],
        "title": spec["title"],
        "description": spec["description"],
        "tags": ["my-pay"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "links": others,
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": panels,
    }


def unseen():
    """Metrics that an alert watches, by itself or through a recording rule, and no panel shows."""
    recorded = {}
    for rule in (RULES / "recording.yml").read_text().split("- record: ")[1:]:
        name, *lines = [line.strip() for line in rule.splitlines()]
        lines = [line.removeprefix("expr:").removesuffix(">-") for line in lines if not line.startswith("#")]
        recorded[name] = " ".join(lines)

    def named(expressions):
        names = {name for expression in expressions for name in metrics_of(expression)}
        return names - recorded.keys() | {metric for name in names & recorded.keys() for metric in metrics_of(recorded[name])}

    alerts = [line.strip() for line in (RULES / "alerts.yml").read_text().splitlines()]
    watched = named(line.removeprefix("expr:").strip(" '") for line in alerts if line.startswith("expr:"))
    rows = (row for spec in DASHBOARDS for _, row in spec["rows"])
    shown = named(query for row in rows for panel_spec in row for query, _ in panel_spec[3])
    return sorted(watched - shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something is not up to date")
    check = parser.parse_args().check
    stale = []
    for spec in DASHBOARDS:
        path = FOLDER / f"{spec['uid']}.json"
        text = json.dumps(dashboard(spec), indent=1) + "\n"
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if not check:
                path.write_text(text)
    known = {f"{spec['uid']}.json" for spec in DASHBOARDS}
    strangers = [path.name for path in FOLDER.glob("*.json") if path.name not in known]
    if check and (stale or strangers):
        sys.exit(f"not up to date: {', '.join(stale + strangers)}; run deploy/grafana/generate.py")
    if check and unseen():
        sys.exit(f"alerts watch what no panel shows: {', '.join(unseen())}")


if __name__ == "__main__":
    main()
