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
#include "state.h"
#include "text.h"
#include "value.h"

/* --- Lines ---------------------------------------------------------------------- */

static json_t *value_of(char *text)
{
	size_t n = strspn(text, "0123456789");

	if (n && n <= 18 && !text[n])
		return json_integer(strtoll(text, NULL, 10));
	text_clean(text);
	return json_string(text);
}

json_t *state_parse_line(char *line, const char **ret_kind)
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

		/* This array is in state, too, if the kind is not new. */
		array = value_append(array ? array : json_array(), object);
		state = value_set(state, kind, array);
	}
	free(line);
	return state;
}

json_t *counters_parse(FILE *file)
{
	json_t *counters = json_object();
	unsigned long live, total;
	char name[64];

	while (counters && fscanf(file, "%63s %lu %lu", name, &live, &total) == 3)
		counters = value_set(counters, name,
				     json_pack("{s:I, s:I}", "live", (json_int_t)live, "total",
					       (json_int_t)total));
	return counters;
}

/* --- Files ---------------------------------------------------------------------- */

/* Of a mounted bus there is "state" and more beside its "bus", but no "stats". */
static int cannot_open(const char *name, int error)
{
	struct stat st;

	if (ctl_bus()->kind == IPC_BUS_UNKNOWN ||
	    (ctl_bus()->kind == IPC_BUS_DEVICE && access("/sys/module/ipcbus", F_OK) < 0))
		return fail_with(STATUS_NO_BUS, NULL, "%s is not a bus", ctl_device());
	if (error == ENOENT && !stat(ctl_device(), &st) && S_ISCHR(st.st_mode))
		return fail_with(STATUS_NO_BUS,
				 "mount debugfs: mount -t debugfs debugfs /sys/kernel/debug",
				 "the driver's file %s is not in /sys/kernel/debug/ipcbus", name);
	if (error == ENOENT || error == ECONNREFUSED)
		return fail_no_bus(-error);
	if (error == EACCES)
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "no permission to read the file %s of the bus %s", name,
				 ctl_device());
	return fail_with(STATUS_FAILED, NULL, "the file %s of the bus %s: %s", name, ctl_device(),
			 strerror(error));
}

static FILE *open_file(const char *name, int *ret_error)
{
	int fd = ipc_open_state(ctl_device(), name);
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

int state_counters(json_t **ret_counters)
{
	FILE *file = state_open("stats");

	*ret_counters = file ? counters_parse(file) : json_object();
	if (file)
		fclose(file);
	return *ret_counters ? STATUS_OK : fail_memory();
}
