// SPDX-License-Identifier: MIT
/*
 * The driver's files about a bus: see state.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ipcctl.h"
#include "state.h"
#include "text.h"
#include "value.h"

#define DEBUGFS "/sys/kernel/debug/ipcbus"

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

/* The files of the default bus are in debugfs, those of a mounted one beside its "bus". */
static bool is_default(void)
{
	struct stat st;

	return stat(ctl_device(), &st) < 0 || S_ISCHR(st.st_mode);
}

static char *path_of(const char *name)
{
	char *copy, *path;

	if (is_default())
		return asprintf(&path, DEBUGFS "/%s", name) < 0 ? NULL : path;
	copy = strdup(ctl_device());
	if (!copy || asprintf(&path, "%s/%s", dirname(copy), name) < 0)
		path = NULL;
	free(copy);
	return path;
}

static int cannot_open(const char *path, int error)
{
	if (error == ENOENT && is_default())
		return fail_with(
			STATUS_NO_BUS,
			"load the driver: modprobe ipcbus; mount debugfs: mount -t debugfs "
			"debugfs /sys/kernel/debug",
			"no such file: %s", path);
	if (error == EACCES)
		return fail_with(STATUS_DENIED, "run it as root: sudo ipcctl ...",
				 "no permission to read %s", path);
	return fail_with(STATUS_FAILED, NULL, "%s: %s", path, strerror(error));
}

int state_read(const char *name, json_t **ret_state)
{
	char *path = path_of(name);
	int status = STATUS_OK;
	FILE *file;

	if (!path)
		return fail_memory();
	file = fopen(path, "re");
	if (!file)
		status = cannot_open(path, errno);
	free(path);
	if (!file)
		return status;
	*ret_state = state_parse(file);
	fclose(file);
	return *ret_state ? STATUS_OK : fail_memory();
}

FILE *state_open(const char *name)
{
	char *path = path_of(name);
	FILE *file = path ? fopen(path, "re") : NULL;

	free(path);
	return file;
}

int state_counters(json_t **ret_counters)
{
	FILE *file = is_default() ? fopen(DEBUGFS "/stats", "re") : NULL;

	*ret_counters = file ? counters_parse(file) : json_object();
	if (file)
		fclose(file);
	return *ret_counters ? STATUS_OK : fail_memory();
}
