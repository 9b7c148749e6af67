// SPDX-License-Identifier: MIT
/*
 * ipcctl stats: threads, queues and buffers of each connection at one moment.
 */
#include <stdio.h>
#include <string.h>

#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "process.h"
#include "state.h"
#include "verbs.h"

static json_t *connection_row(const json_t *regions, const json_t *proc)
{
	json_int_t pid = value_number(proc, "pid");
	const json_t *region = value_indexed(regions, value_number(proc, "proc"));
	char name[64];

	process_name(pid, name, sizeof(name));
	return json_pack(
		"{s:I, s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"pid", pid,
		"process", name,
		"frozen", (int)value_number(proc, "frozen"),
		"threads", 0,
		"handling", 0,
		"max_threads", value_number(proc, "max_threads"),
		"queued", value_number(proc, "queued"),
		"queued_ms", value_number(proc, "oldest_ms"),
		"nodes", value_number(proc, "nodes"),
		"handles", value_number(proc, "handles"),
		"buffers", value_number(region, "buffers"),
		"used", value_number(region, "used"),
		"region", value_number(region, "size"),
		"unreleased", value_number(region, "held"),
		"unreleased_ms", value_number(region, "oldest_ms"));
}

static void count(json_t *row, const char *key)
{
	json_integer_set(json_object_get(row, key), value_number(row, key) + 1);
}

static json_t *stats_rows(const json_t *state)
{
	json_t *regions = value_index(json_object_get(state, "region"), "proc");
	json_t *rows = json_array(), *by_proc = json_object(), *line, *row;
	char key[32];
	size_t i;

	json_array_foreach(json_object_get(state, "proc"), i, line) {
		row = connection_row(regions, line);
		snprintf(key, sizeof(key), "%lld", (long long)value_number(line, "proc"));
		by_proc = value_set(by_proc, key, json_incref(row));
		rows = value_append(rows, row);
	}
	json_array_foreach(json_object_get(state, "thread"), i, line) {
		row = value_indexed(by_proc, value_number(line, "proc"));
		count(row, "threads");
		if (!strcmp(value_text(line, "state") ?: "", "serving"))
			count(row, "handling");
	}
	json_decref(by_proc);
	json_decref(regions);
	return rows;
}

static int put(json_t *rows)
{
	static const struct column columns[] = {
		{ "PID", "pid", COLOR_NONE, true },
		{ "PROCESS", "process", COLOR_BOLD, false },
		{ "FROZEN", "frozen", COLOR_NONE, false },
		{ "THREADS", "threads", COLOR_NONE, true },
		{ "HANDLING", "handling", COLOR_NONE, true },
		{ "QUEUED", "queued", COLOR_NONE, true },
		{ "QUEUED MS", "queued_ms", COLOR_DIM, true },
		{ "NODES", "nodes", COLOR_NONE, true },
		{ "HANDLES", "handles", COLOR_NONE, true },
		{ "BUFFERS", "buffers", COLOR_NONE, true },
		{ "USED", "used", COLOR_NONE, true },
		{ "REGION", "region", COLOR_NONE, true },
		{ "UNRELEASED", "unreleased", COLOR_NONE, true },
		{ "UNRELEASED MS", "unreleased_ms", COLOR_DIM, true },
	};

	return out_table(columns, sizeof(columns) / sizeof(*columns), rows);
}

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
	return put(rows);
}

const struct verb verb_stats = {
	.name = "stats",
	.arguments = "",
	.summary = "threads, queues and buffers of each connection",
	.description =
		"Prints a line for each connection to the bus: whether it is frozen, threads, and threads\n"
		"that handle a call at this moment (HANDLING: no oneway, no call of a direct channel, and\n"
		"not while they wait for a call of their own); queued messages and the age of the oldest\n"
		"one in ms; nodes (its objects), and handles (objects of other connections that it holds);\n"
		"buffers in the region, their bytes (USED) and the size of the region; buffers that it has\n"
		"received and not released, and the age of the oldest one in ms. Needs root, the user that\n"
		"mounted the bus, or the user of ipcbusd.\n",
	.example = "  sudo ipcctl stats\n",
	.statuses = MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT),
	.run = run,
};
