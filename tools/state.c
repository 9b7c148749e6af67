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

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "state.h"
#include "schema/text.h"

/* --- Lines ---------------------------------------------------------------------- */

/* Only numbers of up to 18 digits fit into a JSON integer for certain. Longer numbers stay text. */
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

/* Prints why the file cannot be opened. Returns an enum status. The files of the device are in
 * debugfs. Those of a mounted bus are beside its "bus", without "stats". */
static int cannot_open(const char *name, int error)
{
	struct stat st;

	if (ctl_bus()->kind == IPC_BUS_UNKNOWN ||
	    (ctl_bus()->kind == IPC_BUS_DEVICE && access("/sys/module/ipcbus", F_OK) < 0))
		return fail_with(STATUS_NO_BUS, NULL, "%s is not a bus", ctl_bus_path());
	if (error == ENOENT && !stat(ctl_bus_path(), &st) && S_ISCHR(st.st_mode))
		return fail_with(STATUS_NO_BUS,
				 "mount debugfs: mount -t debugfs debugfs /sys/kernel/debug",
				 "the driver's file \"%s\" is not in /sys/kernel/debug/ipcbus", name);
	if (error == ENOENT || error == ECONNREFUSED)
		return fail_no_bus(-error);
	if (error == EACCES)
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "no permission to read the file \"%s\" of the bus %s", name,
				 ctl_bus_path());
	return fail_with(STATUS_FAILED, NULL, "the file \"%s\" of the bus %s: %s", name, ctl_bus_path(),
			 strerror(error));
}

static FILE *open_file(const char *name, int *ret_error)
{
	bool limited = deadline_begin();
	int fd = ipc_open_state(ctl_bus_path(), name);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	deadline_end(limited);
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
