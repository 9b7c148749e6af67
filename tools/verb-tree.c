// SPDX-License-Identifier: MIT
/*
 * ipcctl tree: the objects of each process on a bus, and the processes that hold them.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "names.h"
#include "output.h"
#include "process.h"
#include "state.h"
#include "schema/text.h"
#include "verbs.h"

static const char *key_of(char *key, size_t size, json_int_t proc, json_int_t node)
{
	snprintf(key, size, "%lld/%lld", (long long)proc, (long long)node);
	return key;
}

/* Adds a holder once, also if it has several connections or handles. */
static json_t *add_holder(json_t *holders, struct names *names, json_int_t pid)
{
	json_t *holder;
	char text[96];
	size_t i;

	names_process(names, pid, text, sizeof(text));
	json_array_foreach(holders, i, holder)
		if (!strcmp(json_string_value(holder), text))
			return holders;
	return value_append(holders, json_string(text));
}

/* Returns the processes that hold each node, by key_of() of its owner and number. */
static json_t *holders_of(struct names *names, const json_t *state)
{
	json_t *procs = value_index(json_object_get(state, "proc"), "proc");
	json_t *all = json_object(), *handle;
	char key[48];
	size_t i;

	json_array_foreach(json_object_get(state, "handle"), i, handle) {
		json_int_t pid =
			value_number(value_indexed(procs, value_number(handle, "proc")), "pid");
		json_t *holders;

		if (pid == getpid())
			continue;
		key_of(key, sizeof(key), value_number(handle, "owner"), value_number(handle, "node"));
		holders = json_incref(json_object_get(all, key));
		all = value_set(all, key, add_holder(holders ?: json_array(), names, pid));
	}
	json_decref(procs);
	return all;
}

/* Returns the columns that all objects of a process share. */
static json_t *process_row(struct names *names, json_int_t pid)
{
	char unit[256], user[64];
	const char *name;

	names_note(names, pid);
	name = names_known(names, pid);
	process_unit(pid, unit, sizeof(unit));
	process_user(pid, user, sizeof(user));
	return json_pack("{s:I, s:s, s:s, s:s}", "pid", pid, "process", name ?: "", "unit", unit,
			 "user", user);
}

static json_t *object_row(struct names *names, const json_t *process, const json_t *node,
			  const json_t *holders)
{
	json_int_t number = value_number(node, "node");
	const char *name = names_service(names, value_number(node, "proc"), number);
	json_t *row = json_copy((json_t *)process), *held_by;
	char key[48];

	key_of(key, sizeof(key), value_number(node, "proc"), number);
	held_by = json_incref(json_object_get(holders, key));
	row = value_set(row, "node", json_integer(number));
	row = value_set(row, "name", text_json(name ?: ""));
	return value_set(row, "held_by", held_by ?: json_array());
}

/* Returns a row for each object, and a row for each process without objects. pid: only this
 * process; 0: all processes. The driver lists processes and their nodes in the same order. */
static json_t *rows_of(struct names *names, const json_t *state, pid_t pid)
{
	json_t *nodes = json_object_get(state, "node"), *node, *proc, *rows = json_array();
	json_t *holders = holders_of(names, state);
	size_t i, j = 0;

	json_array_foreach(json_object_get(state, "proc"), i, proc) {
		json_int_t owner = value_number(proc, "pid");
		bool wanted = owner != getpid() && (!pid || owner == pid);
		json_t *process = wanted ? process_row(names, owner) : NULL;
		size_t first = j;

		for (; (node = json_array_get(nodes, j)) &&
		       value_number(node, "proc") == value_number(proc, "proc"); j++)
			if (wanted)
				rows = value_append(rows,
						    object_row(names, process, node, holders));
		if (wanted && j == first)
			rows = value_append(rows, json_incref(process));
		json_decref(process);
	}
	json_decref(holders);
	return rows;
}

static int run(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "PID", "pid", COLOR_NONE, true },
		{ "PROCESS", "process", COLOR_BOLD, false },
		{ "UNIT", "unit", COLOR_NONE, false },
		{ "USER", "user", COLOR_NONE, false },
		{ "NODE", "node", COLOR_NONE, true },
		{ "NAME", "name", COLOR_BOLD, false },
		{ "HELD BY", "held_by", COLOR_NONE, false },
	};
	struct names *names;
	json_t *state, *rows;
	pid_t pid = 0;
	int status;

	status = argc ? bus_process(argv[0], &pid) : STATUS_OK;
	if (status)
		return status;
	names = names_new(/* describe= */ false);
	/* Must be read after names_new() has released its own handles. */
	status = names ? state_read("state", &state) : fail_memory();
	if (!status) {
		rows = rows_of(names, state, pid);
		if (pid && rows && !json_array_size(rows)) {
			json_decref(rows);
			status = fail_not_on_bus(pid);
		} else {
			status = out_table(columns, sizeof(columns) / sizeof(*columns), rows);
		}
		json_decref(state);
	}
	names_free(names);
	return status;
}

const struct verb verb_tree = {
	.name = "tree",
	.arguments = "[PID|NAME]",
	.summary = "print the objects of processes and their holders",
	.description =
		"Prints a line for each object of each process on the bus, or of the process PID or that\n"
		"registered NAME: the process with its unit and user, the NODE, its name, if any, and the\n"
		"processes that hold it. Needs root, the user that mounted the bus, or the user of\n"
		"ipcbusd.\n",
	.example = "  sudo ipcctl tree\n"
		   "  sudo ipcctl tree demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.max = 1,
	.run = run,
};
