#!/usr/bin/env python3
"""Asks a running Prometheus every query of every panel, and every expression of every rule. Each must
parse and give data, except where empty-when-healthy.txt says why not.

An alert's expression gives nothing while all is well. What is asked of it is that the metrics that it
names are there.
"""

import argparse
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
# Words of the query language, which are not metrics.
WORDS = set(
    "abs absent and avg bool by changes count group_left group_right histogram_quantile ignoring increase max max_over_time min "
    "offset on or rate round sum time topk unless vector without".split()
)


def ask(url, path, **parameters):
    target = f"{url}{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(target, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{parameters}: {error.read().decode()}") from error


def panels():
    """Every query, with the place that it is at."""
    for path in sorted(HERE.glob("dashboards/*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                place = f"{dashboard['title']} / {panel['title']} / {target['legendFormat']}"
                yield place, target["expr"].replace("$__rate_interval", "1m")


def metrics_of(expression):
    """The metrics that an expression names."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", bare)
    names = set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*", bare)) - WORDS
    return sorted(names)


def excused():
    """Places that may be empty, each with the reason."""
    found = {}
    for line in (HERE / "empty-when-healthy.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            place, _, reason = line.partition(" -- ")
            if not reason.strip():
                raise SystemExit(f"empty-when-healthy.txt gives no reason for: {line}")
            found[place.strip()] = reason.strip()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", required=True, help="its address, such as http://localhost:9090")
    url = parser.parse_args().prometheus.rstrip("/")
    may_be_empty, seen, empty, asked = excused(), set(), [], 0
    for place, query in panels():
        asked += 1
        seen.add(place)
        if not ask(url, "/api/v1/query", query=query)["result"] and place not in may_be_empty:
            empty.append(f"{place}: {query}")
    for group in ask(url, "/api/v1/rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                empty.append(f"rule {rule['name']} is {rule['health']}: {rule.get('lastError', '')}")
            for metric in metrics_of(rule["query"]):
                asked += 1
                place = f"rule / {rule['name']} / {metric}"
                seen.add(place)
                if not ask(url, "/api/v1/query", query=metric)["result"] and place not in may_be_empty:
                    empty.append(f"{place}")
    strangers = [place for place in may_be_empty if place not in seen]
    for line in empty:
        print(f"no data: {line}")
    for place in strangers:
        print(f"in empty-when-healthy.txt, but nowhere else: {place}")
    print(f"{asked} queries asked, {len(empty)} without data")
    sys.exit(1 if empty or strangers else 0)


if __name__ == "__main__":
    main()
