// SPDX-License-Identifier: MIT
/*
 * Every operation of the driver, with a failure at every point; see README.md.
 */
#include <stdio.h>

#include "scenarios.h"
#include "tap.h"

int main(void)
{
	static struct scenario messages[MOST_SCENARIOS];
	size_t n = message_scenarios(messages), n_tests;
	const struct env_test *tests = env_tests(&n_tests);
	int r = env_check();

	if (r < 0) {
		printf("this kernel cannot be made to fail: %s\n", errname(r));
		return 77;
	}
	tap_plan(n_tests + n + n_combined_scenarios + n_early_scenarios + n_beside_scenarios +
		 n_plain_scenarios);
	for (size_t i = 0; i < n_tests; i++)
		tap_run(tests[i].name, tests[i].fn, NULL);
	walk_all(messages, n);
	walk_all(combined_scenarios, n_combined_scenarios);
	walk_all(early_scenarios, n_early_scenarios);
	walk_all(beside_scenarios, n_beside_scenarios);
	walk_all(plain_scenarios, n_plain_scenarios);
	return tap_result();
}
