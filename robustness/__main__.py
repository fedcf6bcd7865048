"""Try hostile input and crashes, and print one table of what became of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from robustness.crashes import try_crashes
from robustness.hostile_files import try_files
from robustness.hostile_input import RIGHT, try_folders

_LINE = "{:<34} {:>7}  {}"


def main() -> int:
    """Run the program; the exit code is 1 if anything was lost, executed or wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="how much hostile input")
    parser.add_argument("--crashes", type=int, help="how often each kind of crash")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn at random")
    options = parser.parse_args()
    crashes = options.crashes or max(20, min(200, options.cases // 15))
    start = time.monotonic()
    cases = [
        *try_folders(options.cases * 3 // 4, first_seed=options.seed),
        *try_files(options.cases // 4, first_seed=options.seed),
    ]
    trials = try_crashes(crashes, first_seed=options.seed)
    print(_LINE.format("what was tried", "times", "what became of it"))
    for subject in dict.fromkeys(case.subject for case in cases):
        kinds = Counter(case.outcome.kind for case in cases if case.subject == subject)
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        print(_LINE.format(f"hostile: {subject}", kinds.total(), listed))
    for what in dict.fromkeys((trial.subject, trial.what) for trial in trials):
        those = [trial for trial in trials if (trial.subject, trial.what) == what]
        lost = sum(bool(trial.fault) for trial in those)
        print(_LINE.format(f"{what[0]}: {what[1]}"[:60], len(those), f"lost or wrong {lost}"))
    faults = [str(case) for case in cases if case.outcome.kind not in RIGHT]
    faults += [f"{t.subject}: {t.what}: {t.fault}" for t in trials if t.fault]
    executed = sum(case.outcome.kind == "code executed" for case in cases)
    lost = sum(bool(trial.fault) for trial in trials)
    print(f"\n{len(cases)} cases and {len(trials)} crashes in {time.monotonic() - start:.0f} s")
    print(f"lost: {lost or 'nothing'}; executed: {executed or 'nothing'}; wrong: {len(faults)}")
    for fault in faults[:50]:
        print(f"  {fault[:500]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
