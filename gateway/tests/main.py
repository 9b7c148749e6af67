# SPDX-License-Identifier: MIT
"""Runs the cases: main.py FOLDER [WORD...]. See test-gateway."""

import sys

import harness
import across
import attacks
import builtin
import faults
import foreign
import foreign_servers
import hostile
import import_streams
import imports
import link_attacks
import links
import metrics
import peers
import policy
import streams
import texts
import tls
import unary

MODULES = [unary, streams, builtin, tls, hostile, imports, import_streams, links, metrics, peers, policy, texts, attacks, link_attacks,
           faults, foreign, foreign_servers, across]


def main():
    harness.start(sys.argv[1])
    words = sys.argv[2:]
    cases = [case for module in MODULES for case in harness.cases_of(module)]
    cases = [case for case in cases if not words or any(word in case[0] for word in words)]
    try:
        return harness.run(cases)
    finally:
        harness.stop()


sys.exit(main())
