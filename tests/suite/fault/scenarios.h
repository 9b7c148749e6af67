/* SPDX-License-Identifier: MIT */
/* All scenarios of the driver. */
#ifndef TESTS_FAIL_SCENARIOS_H
#define TESTS_FAIL_SCENARIOS_H

#include "walk.h"

#define MOST_SCENARIOS 200

/* Messages of all contents. @ret must have space for MOST_SCENARIOS. Returns their number. */
size_t message_scenarios(struct scenario *ret);

/* Exchanges that do several things at once. */
extern const struct scenario combined_scenarios[];
extern const size_t n_combined_scenarios;

/* Calls that end early, and oneways without space. */
extern const struct scenario early_scenarios[];
extern const size_t n_early_scenarios;

/* Labels, secrets, monitors, queries. */
extern const struct scenario beside_scenarios[];
extern const size_t n_beside_scenarios;

/* Everything except messages. */
extern const struct scenario plain_scenarios[];
extern const size_t n_plain_scenarios;

#endif /* TESTS_FAIL_SCENARIOS_H */
