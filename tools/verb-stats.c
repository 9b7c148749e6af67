// SPDX-License-Identifier: MIT
/*
 * ipcctl stats: how the processes on a bus are doing, at one moment, and what the
 * driver counts.
 */
#include <string.h>

#include "ipcctl.h"
#include "out.h"
#include "process.h"
#include "state.h"
#include "stats.h"
#include "verbs.h"

/* How many of the rows of a kind belong to a proc and, with key, have that value. */
static int count(const json_t *state, const char *kind, json_int_t proc, const char *key,
		 const char *value)
{
	json_t *row;
	size_t i;
	int n = 0;

	json_array_foreach(state_all(state, kind), i, row) {
		const char *text = key ? json_string_value(json_object_get(row, key)) : NULL;

		if (state_number(row, "proc") == proc && (!key || (text && !strcmp(text, value))))
			n++;
	}
	return n;
}

static const json_t *region_of(const json_t *state, json_int_t proc)
{
	json_t *row;
	size_t i;

	json_array_foreach(state_all(state, "region"), i, row)
		if (state_number(row, "proc") == proc)
			return row;
	return NULL;
}

static json_t *row_new(const json_t *state, const json_t *proc)
{
	json_int_t number = state_number(proc, "proc"), pid = state_number(proc, "pid");
	const json_t *region = region_of(state, number);
	char name[64];

	process_name(pid, name, sizeof(name));
	return json_pack("{s:I, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "pid", pid, "process", name, "threads",
			 count(state, "thread", number, NULL, NULL), "busy",
			 count(state, "thread", number, "state", "serving"), "max_threads",
			 state_number(proc, "max_threads"), "queued", state_number(proc, "queued"),
			 "queued_ms", state_number(proc, "oldest_ms"), "nodes",
			 state_number(proc, "nodes"), "handles", state_number(proc, "handles"),
			 "buffers", state_number(region, "buffers"), "used",
			 state_number(region, "used"), "size", state_number(region, "size"), "held",
			 state_number(region, "held"), "held_ms", state_number(region, "oldest_ms"));
}

json_t *stats_rows(const json_t *state)
{
	json_t *rows = json_array(), *proc;
	size_t i;

	json_array_foreach(state_all(state, "proc"), i, proc) {
		if (!rows || json_array_append_new(rows, row_new(state, proc)) == 0)
			continue;
		json_decref(rows);
		rows = NULL;
	}
	return rows;
}

static void put_counters(json_t *counters)
{
	const char *name;
	json_t *counter;
	int n = 0;

	json_object_foreach(counters, name, counter)
		printf("%s%s %lld (%lld)", n++ ? ", " : "\nnow (ever): ", name,
		       (long long)state_number(counter, "live"),
		       (long long)state_number(counter, "total"));
	if (n)
		putchar('\n');
}

static int put(json_t *rows, json_t *counters)
{
	static const struct column columns[] = {
		{ "PID", "pid", COLOR_NONE, true },
		{ "PROCESS", "process", COLOR_BOLD, false },
		{ "THREADS", "threads", COLOR_NONE, true },
		{ "BUSY", "busy", COLOR_NONE, true },
		{ "QUEUE", "queued", COLOR_NONE, true },
		{ "MS", "queued_ms", COLOR_DIM, true },
		{ "NODES", "nodes", COLOR_NONE, true },
		{ "HANDLES", "handles", COLOR_NONE, true },
		{ "BUFFERS", "buffers", COLOR_NONE, true },
		{ "BYTES", "used", COLOR_NONE, true },
		{ "OF", "size", COLOR_NONE, true },
		{ "HELD", "held", COLOR_NONE, true },
		{ "MS", "held_ms", COLOR_DIM, true },
	};
	int status;

	if (ctl.json)
		return out_json(json_pack("{s:o, s:o}", "procs", rows, "counters", counters));
	status = out_table(columns, 13, rows);
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
	.summary = "threads, queues and buffers of each process, and the driver's counters",
	.help = "Shows, for each connection to the bus: its threads, how many of them serve, what\n"
		"waits for one and how long the oldest of it, its nodes and handles, the buffers in\n"
		"its region, their bytes of how many, and those it was handed and has not given\n"
		"back, with the age of the oldest in milliseconds. Of the default bus the driver's\n"
		"counters follow: what lives now, and how much there was since it was loaded.\n"
		"For root, or the owner of a mounted bus.\n",
	.run = run,
};
