"""Run the self-test and print its table; the exit status is 1 if a guaranteed row fails."""

import argparse
import sys

from tlkit_lessons.selftest.coverage import LONG, selftest, selftest_table, write_selftest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tlkit_lessons.selftest", description=__doc__)
    parser.add_argument("--reps", type=int, default=LONG, help="samples per row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="write the result as JSON to this file")
    options = parser.parse_args()
    result = selftest(options.reps, options.seed)
    print(selftest_table(result))
    if options.out:
        write_selftest(result, options.out)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
