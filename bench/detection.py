"""How long a ``kill -9`` takes to be noticed in a pool of a hundred, over many kills, in virtual time.

Run ``python bench/detection.py``; every kill is a run of its own, of a pool with LAN settings that was
quiet before. Prints the distribution of the first detection and of the time until all know.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from nodedns.gossip.params import LAN
from nodedns.testing.anomalies import Anomalies, run_anomalies, run_failures

REACH_S = 9.8


def distribution(times: Sequence[float]) -> str:
    ordered = sorted(times)
    quarters = statistics.quantiles(ordered, n=4)
    return (
        f"median {statistics.median(ordered):.2f} s, quartiles {quarters[0]:.2f} and {quarters[2]:.2f}, "
        f"shortest {ordered[0]:.2f}, longest {ordered[-1]:.2f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--members", type=int, default=100)
    options.add_argument("--kills", type=int, default=50)
    chosen = options.parse_args()
    found = [
        run_failures(LAN, members=chosen.members, failing=1, seed=f"kill/{number}")[0] for number in range(chosen.kills)
    ]
    first = [detection.first_s for detection in found if detection.first_s is not None]
    everybody = [detection.all_s for detection in found if detection.all_s is not None]
    print(f"{chosen.kills} kills, {chosen.members} members, LAN settings")
    print(f"first detection: {distribution(first)} (reach: {REACH_S} s at 100)")
    print(f"known to all:    {distribution(everybody)}")
    print(f"not noticed within two minutes: {chosen.kills - len(everybody)}")
    quiet = run_anomalies(LAN, Anomalies(members=chosen.members, concurrent=0, duration_s=600, interval_s=0))
    print(f"false positives in ten quiet minutes: {quiet.false_positives}")


if __name__ == "__main__":
    main()
