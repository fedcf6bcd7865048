"""Try hostile input and crashes, and print one table of the outcomes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from functools import partial

from robustness.crashes import CRASH_SUBJECTS, Trial, try_crashes
from robustness.hostile_caches import try_caches
from robustness.hostile_files import try_files
from robustness.hostile_indexes import try_indexes
from robustness.hostile_input import try_folders
from robustness.listed_cases import try_listed
from robustness.listed_files import try_listed_files

_LINE = "{:<52} {:>7}  {}"


class _Progress:
    """Prints the progress of a program that started at some time, in steps of 5 %."""

    def __init__(self, start: float):
        self._start = start
        self._printed = ("", 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        step = (what, 20 * done // total)
        if step != self._printed:
            self._printed = step
            seconds = time.monotonic() - self._start
            print(f"{seconds:6.0f} s  {what}: {done} of {total}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the program; the exit code is 1 if anything was lost, executed or wrong."""
    parser = argparse.ArgumentParser(prog="python -m robustness", description=__doc__)
    parser.add_argument("--cases", type=int, default=300, help="number of hostile inputs")
    parser.add_argument("--crashes", type=int, default=20, help="number of crashes of each kind")
    parser.add_argument("--seed", type=int, default=0, help="seed of random changes and moments")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel processes")
    options = parser.parse_args()
    start = time.monotonic()

    progress = _Progress(start)
    trials: list[Trial] = []
    for subject in CRASH_SUBJECTS:  # first, while this process is small
        trials += try_crashes(
            subject,
            options.crashes,
            first_seed=options.seed,
            report=partial(progress, f"crashes while writing a {subject.name}"),
        )
    folders, caches = options.cases * 6 // 10, options.cases // 10
    cases = [
        *try_listed(jobs=options.jobs, report=partial(progress, "listed cases")),
        *try_listed_files(jobs=options.jobs, report=partial(progress, "listed files")),
        *try_folders(
            folders,
            first_seed=options.seed,
            jobs=options.jobs,
            report=partial(progress, "hostile folders"),
        ),
        *try_caches(
            caches,
            first_seed=options.seed,
            jobs=options.jobs,
            report=partial(progress, "hostile caches"),
        ),
        *try_indexes(
            caches,
            first_seed=options.seed,
            jobs=options.jobs,
            report=partial(progress, "hostile indexes"),
        ),
        *try_files(
            options.cases - folders - 2 * caches,
            first_seed=options.seed,
            jobs=options.jobs,
            report=partial(progress, "hostile files"),
        ),
    ]
    print(_LINE.format("what was tried", "times", "outcome"))
    for name in dict.fromkeys(case.subject for case in cases):
        kinds = Counter(case.outcome.kind for case in cases if case.subject == name)
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        print(_LINE.format(f"hostile: {name}", kinds.total(), listed))
    for what in dict.fromkeys((trial.subject, trial.what) for trial in trials):
        those = [trial for trial in trials if (trial.subject, trial.what) == what]
        lost = sum(bool(trial.fault) for trial in those)
        outcome = f"lost or wrong {lost}" if lost else "nothing lost, nothing left behind"
        print(_LINE.format(f"{what[0]}: {what[1]}", len(those), outcome))
    faults = [str(case) for case in cases if not case.outcome.is_right]
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
