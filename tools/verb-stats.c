// SPDX-License-Identifier: MIT
/*
 * ipcctl stats: threads, queues and buffers of each process at one moment, and the driver's
 * counters.
 */
#include <string.h>

#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "process.h"
#include "state.h"
#include "verbs.h"

static void put_counters(json_t *counters)
{
	const char *name;
	json_t *counter;
	int n = 0;

	json_object_foreach(counters, name, counter)
		printf("%s%s %lld (%lld)", n++ ? ", " : "\nCounters, now (total): ", name,
		       (long long)value_number(counter, "live"),
		       (long long)value_number(counter, "total"));
	if (n)
		putchar('\n');
}

static int put(json_t *rows, json_t *counters)
{
	int status;

	if (ctl.json)
		return out_json(json_pack("{s:o, s:o}", "procs", rows, "counters", counters));
	status = stats_put(rows);
	if (!status)
		put_counters(counters);
	json_decref(counters);
	return status;
}

static int run(int argc, char **argv)
{
	json_t *state, *counters, *rows;
	int status;

	(void)argc;
	(void)argv;
	status = state_read("state", &state);
	if (status)
		return status;
	rows = stats_rows(state);
	json_decref(state);
	if (!rows)
		return fail_memory();
	status = state_counters(&counters);
	if (status) {
		json_decref(rows);
		return status;
	}
	return put(rows, counters);
}

const struct verb verb_stats = {
	.name = "stats",
	.arguments = "",
	.summary = "threads, queues and buffers of each process",
	.description =
		"Prints a line for each connection to the bus: threads (BUSY: those that serve), queued\n"
		"messages (QUEUE) and the age of the oldest one in ms, nodes, handles, buffers in the\n"
		"region with their bytes and the size of the region (OF), and buffers that the process\n"
		"has received and not released (HELD) with the age of the oldest one in ms. For the\n"
		"default bus, the driver's counters follow: how many exist now, and the total since it\n"
		"was loaded. Needs root, or the owner of a mounted bus or of an ipcbusd.\n",
	.example = "  sudo ipcctl stats\n",
	.statuses = MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT),
	.run = run,
};
