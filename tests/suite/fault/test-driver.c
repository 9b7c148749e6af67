// SPDX-License-Identifier: MIT
/*
 * Every operation of the driver, failing at every point: see README.md.
 */
#include "scenarios.h"
#include "tap.h"

int main(void)
{
	static struct scenario messages[MOST_SCENARIOS];
	size_t n = message_scenarios(messages);

	tap_plan(1 + n + n_combined_scenarios + n_early_scenarios + n_beside_scenarios +
		 n_plain_scenarios);
	tap_run("load", world_load, NULL);
	walk_all(messages, n);
	walk_all(combined_scenarios, n_combined_scenarios);
	walk_all(early_scenarios, n_early_scenarios);
	walk_all(beside_scenarios, n_beside_scenarios);
	walk_all(plain_scenarios, n_plain_scenarios);
	return tap_result();
}
