# SPDX-License-Identifier: MIT
"""Runs unittest modules and prints TAP: runner.py MODULE..."""

import logging
import sys
import unittest


class Result(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.good = True

    def say(self, good: bool, test: unittest.TestCase, more: str = "") -> None:
        self.number += 1
        self.good = self.good and good
        print(f"{'ok' if good else 'not ok'} {self.number} - {test.id()}{more}", flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.say(True, test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.say(True, test, f" # SKIP {reason}")

    def addFailure(self, test, error) -> None:  # type: ignore[no-untyped-def]
        self.say(False, test)
        for line in self._exc_info_to_string(error, test).splitlines():
            print(f"# {line}", flush=True)

    addError = addFailure

    def addSubTest(self, test, subtest, error) -> None:  # type: ignore[no-untyped-def]
        if error is not None:
            self.addFailure(subtest, error)


def main() -> int:
    names = sys.argv[1:]
    # The cases use asyncio's debug mode, which logs each slow step.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    print(f"1..{suite.countTestCases()}", flush=True)
    result = Result()
    suite.run(result)
    return 0 if result.good and result.number == suite.countTestCases() else 1


if __name__ == "__main__":
    sys.exit(main())
