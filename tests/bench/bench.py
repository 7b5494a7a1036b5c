#!/usr/bin/env python3
"""keepwarm beside other proxies. tests/bench/run.sh installs and builds what this needs, and calls it; see README.md."""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # support
sys.path.insert(0, str(Path(__file__).resolve().parent))

from suite import builds, peers, report  # noqa: E402
from suite.compare import Comparison, Scenario, chosen_peers, compare  # noqa: E402
from suite.counting import count  # noqa: E402
from suite.hosts import isolated  # noqa: E402
from suite.isolation import name_service  # noqa: E402
from suite.process import limit_descriptors  # noqa: E402
from suite.scenarios import COMPARED, PARTS  # noqa: E402
from suite.special import SPECIAL  # noqa: E402
from suite.tools import tool  # noqa: E402


def arguments() -> argparse.Namespace:
    names = [*COMPARED, *SPECIAL]
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__, epilog="scenarios: " + " ".join(names))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="what to measure; all when none is named")
    parser.add_argument("--quick", action="store_true", help="3 short repetitions, to see that it runs")
    parser.add_argument("--repetitions", type=int, help="that count (default: 7)")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="these and relay, separated by commas")
    parser.add_argument("--binary", action="append", default=[], metavar="NAME=PATH",
                        help="one more build of keepwarm, as one more peer; ratios to it are shown at the end")
    parser.add_argument("--no-counts", action="store_true", help="no system calls and instructions")
    parser.add_argument("--only-counts", action="store_true", help="nothing else, of the scenarios that have them")
    parser.add_argument("--json", type=Path, help="where the figures go (default: beside the built tools)")
    given = parser.parse_args()
    for name in given.scenarios:
        if name not in names and name not in PARTS:
            parser.error(f"no scenario {name}; there are: {' '.join([*names, *PARTS])}")
    for name in given.peers or []:
        if name not in peers.ALL:
            parser.error(f"no peer {name}; there are: {' '.join(peers.ALL)}")
    given.scenarios = given.scenarios or names
    given.more = [peers.another_keepwarm(*text.split("=", 1)) for text in given.binary]
    given.json = given.json or Path(tool(time.strftime("results-%Y%m%d-%H%M%S.json")))
    given.repetitions = given.repetitions or (3 if given.quick else 7)
    return given


def measure_part(scenario: Scenario, given: argparse.Namespace) -> Comparison:
    types = chosen_peers(scenario, given.peers, given.more)
    result = Comparison(scenario) if given.only_counts else compare(scenario, types, given.repetitions, given.quick)
    if scenario.counts and not given.no_counts:
        counted = [kind for kind in types if kind.name in scenario.counts or kind in given.more]
        result.counting = {kind.name: count(scenario, kind) for kind in counted}
    print(report.counted(result) if given.only_counts else report.compared(result), flush=True)
    return result


def measure(name: str, given: argparse.Namespace, results: list[Comparison]) -> dict[str, dict]:
    """Prints the tables of a scenario; its figures, under the names of its parts. Comparisons are added to `results`."""
    if name in SPECIAL:
        if given.only_counts:
            return {}
        text, figures = SPECIAL[name](given)
        print(text, flush=True)
        return {name: figures}
    parts = {}
    for scenario in COMPARED.get(name) or PARTS[name]:
        if scenario.counts or not given.only_counts:
            results.append(measure_part(scenario, given))
            parts[scenario.name] = report.as_json(results[-1])
    return parts


def measure_all(given: argparse.Namespace) -> list[str]:
    """The names of the scenarios that could not be measured."""
    results = {"machine": report.machine(), "scenarios": {}}
    print("Machine:", json.dumps(results["machine"]), "\n", flush=True)
    broken, compared = [], []
    for name in given.scenarios:
        began = time.monotonic()
        try:
            results["scenarios"] |= measure(name, given, compared)
        except (RuntimeError, OSError, subprocess.SubprocessError) as failure:
            print(f"### {name}: not measured\n\n{failure}\n", flush=True)
            broken.append(name)
        print(f"    ({name}: {time.monotonic() - began:.0f} s)\n", file=sys.stderr)
        results["builds"] = {kind.name: {result.scenario.name: builds.against(kind.name, result) for result in compared}
                             for kind in given.more}
        given.json.write_text(json.dumps(results, indent=1))
    for kind in given.more if compared else []:
        print(builds.report(kind.name, compared))
    print(f"Figures: {given.json.resolve()}")
    return broken


def main() -> None:
    given = arguments()
    if not isolated():
        print("Without namespaces of our own: hosts are addresses, not names.", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what cleans up
    limit_descriptors()
    with name_service():
        broken = measure_all(given)
    if broken:
        sys.exit("Not measured: " + " ".join(broken))


if __name__ == "__main__":
    main()
