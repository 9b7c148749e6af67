// SPDX-License-Identifier: MIT
/*
 * ipcctl stats: threads, queues and buffers of each connection at one moment.
 */
#include <stdio.h>
#include <string.h>

#include "ipcctl.h"
#include "schema/json.h"
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
		"{s:I, s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"pid", pid,
		"process", name,
		"frozen", (int)value_number(proc, "frozen"),
		"threads", 0,
		"serving", 0,
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

static void add(json_t *row, const char *key, json_int_t number)
{
	json_integer_set(json_object_get(row, key), value_number(row, key) + number);
}

/* Adds the oneways that wait for an earlier oneway to the node. */
static void add_oneways(json_t *row, const json_t *node)
{
	json_int_t ms = value_number(node, "oldest_ms"), more = ms - value_number(row, "queued_ms");

	add(row, "queued", value_number(node, "queued"));
	add(row, "queued_ms", more > 0 ? more : 0);
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
		add(row, "threads", 1);
		if (!strcmp(value_text(line, "state") ?: "", "serving"))
			add(row, "serving", 1);
	}
	json_array_foreach(json_object_get(state, "node"), i, line)
		add_oneways(value_indexed(by_proc, value_number(line, "proc")), line);
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
		{ "SERVING", "serving", COLOR_NONE, true },
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
		"that serve a call at this moment (SERVING: no oneway, and not while they wait for a call\n"
		"of their own); messages that wait for a thread or for an earlier oneway to the same object\n"
		"(QUEUED; it counts at most 64 for each object and 64 others) and the age of the oldest in\n"
		"ms; nodes (its objects), and handles (objects of other connections that it holds); buffers\n"
		"in the region, their bytes (USED) and the size of the region; buffers that it has received\n"
		"and not released, and the age of the oldest one in ms. Messages of direct channels are\n"
		"missing: IPC_CHANNELS=0 in the client's environment turns its channels off. Needs root, the\n"
		"user that mounted the bus, or the user of ipcbusd.\n",
	.example = "  sudo ipcctl stats\n",
	.statuses = MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT),
	.run = run,
};
