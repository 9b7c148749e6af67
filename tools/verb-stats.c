// SPDX-License-Identifier: MIT
/*
 * ipcctl stats: threads, queues and buffers of each connection at one moment.
 */
#include "ipcctl.h"
#include "state.h"
#include "verbs.h"

static int run(int argc, char **argv)
{
	json_t *state, *rows;
	int status;

	(void)argc;
	(void)argv;
	status = state_read("state", &state);
	if (status)
		return status;
	rows = stats_rows(state);
	json_decref(state);
	return stats_put(rows);
}

const struct verb verb_stats = {
	.name = "stats",
	.arguments = "",
	.summary = "threads, queues and buffers of each process",
	.description =
		"Prints a line for each connection to the bus: threads (BUSY: those that serve), queued\n"
		"messages (QUEUE) and the age of the oldest one in ms, nodes, handles, buffers in the\n"
		"region with their bytes and the size of the region (OF), and buffers that the process\n"
		"has received and not released (HELD) with the age of the oldest one in ms. Needs root, or\n"
		"the owner of a mounted bus or of an ipcbusd.\n",
	.example = "  sudo ipcctl stats\n",
	.statuses = MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT),
	.run = run,
};
