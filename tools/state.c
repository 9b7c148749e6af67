// SPDX-License-Identifier: MIT
/*
 * The driver's files about a bus: see state.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/admin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "process.h"
#include "state.h"
#include "text.h"

/* --- Lines ---------------------------------------------------------------------- */

static json_t *value_of(char *text)
{
	size_t n = strspn(text, "0123456789");

	if (n && n <= 18 && !text[n])
		return json_integer(strtoll(text, NULL, 10));
	text_clean(text);
	return json_string(text);
}

/* Parses a line and modifies it. *ret_kind points into the line. */
static json_t *state_parse_line(char *line, const char **ret_kind)
{
	json_t *object = json_object();
	char *word, *rest = line;

	*ret_kind = strsep(&rest, " \n");
	while (object && (word = strsep(&rest, " \n"))) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		object = value_set(object, word, value_of(value));
	}
	return object;
}

json_t *state_parse(FILE *file)
{
	json_t *state = json_object();
	const char *kind;
	char *line = NULL;
	size_t size = 0;

	while (state && getline(&line, &size, file) > 0) {
		json_t *object = state_parse_line(line, &kind);
		json_t *array = json_incref(json_object_get(state, kind));

		/* If the kind is not new, state already has this array. */
		array = value_append(array ? array : json_array(), object);
		state = value_set(state, kind, array);
	}
	free(line);
	return state;
}

/* --- Files ---------------------------------------------------------------------- */

/* A mounted bus has "state" and other files beside its "bus", but no "stats". */
static int cannot_open(const char *name, int error)
{
	struct stat st;

	if (ctl_bus()->kind == IPC_BUS_UNKNOWN ||
	    (ctl_bus()->kind == IPC_BUS_DEVICE && access("/sys/module/ipcbus", F_OK) < 0))
		return fail_with(STATUS_NO_BUS, NULL, "%s is not a bus", ctl_bus_path());
	if (error == ENOENT && !stat(ctl_bus_path(), &st) && S_ISCHR(st.st_mode))
		return fail_with(STATUS_NO_BUS,
				 "mount debugfs: mount -t debugfs debugfs /sys/kernel/debug",
				 "the driver's file %s is not in /sys/kernel/debug/ipcbus", name);
	if (error == ENOENT || error == ECONNREFUSED)
		return fail_no_bus(-error);
	if (error == EACCES)
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "no permission to read the file %s of the bus %s", name,
				 ctl_bus_path());
	return fail_with(STATUS_FAILED, NULL, "the file %s of the bus %s: %s", name, ctl_bus_path(),
			 strerror(error));
}

static FILE *open_file(const char *name, int *ret_error)
{
	int fd = ipc_open_state(ctl_bus_path(), name);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	*ret_error = fd < 0 ? -fd : file ? 0 : errno;
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

int state_read(const char *name, json_t **ret_state)
{
	int error;
	FILE *file = open_file(name, &error);

	if (!file)
		return cannot_open(name, error);
	*ret_state = state_parse(file);
	fclose(file);
	return *ret_state ? STATUS_OK : fail_memory();
}

FILE *state_open(const char *name)
{
	int error;

	return open_file(name, &error);
}

/* --- Connections ---------------------------------------------------------------- */

static json_t *connection_row(const json_t *regions, const json_t *proc)
{
	json_int_t pid = value_number(proc, "pid");
	const json_t *region = value_indexed(regions, value_number(proc, "proc"));
	char name[64];

	process_name(pid, name, sizeof(name));
	return json_pack(
		"{s:I, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "pid",
		pid, "process", name, "threads", 0, "busy", 0, "max_threads",
		value_number(proc, "max_threads"), "queued", value_number(proc, "queued"),
		"queued_ms", value_number(proc, "oldest_ms"), "nodes", value_number(proc, "nodes"),
		"handles", value_number(proc, "handles"), "buffers",
		value_number(region, "buffers"), "used", value_number(region, "used"), "size",
		value_number(region, "size"), "held", value_number(region, "held"), "held_ms",
		value_number(region, "oldest_ms"));
}

static void count(json_t *row, const char *key)
{
	json_integer_set(json_object_get(row, key), value_number(row, key) + 1);
}

json_t *stats_rows(const json_t *state)
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
			count(row, "busy");
	}
	json_decref(by_proc);
	json_decref(regions);
	return rows;
}

int stats_put(json_t *rows)
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

	return out_table(columns, sizeof(columns) / sizeof(*columns), rows);
}
