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

#define DEBUGFS "/sys/kernel/debug/ipcbus"

/* --- Lines ---------------------------------------------------------------------- */

static json_t *value_of(const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (n && n <= 18 && !text[n])
		return json_integer(strtoll(text, NULL, 10));
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
		if (json_object_set_new(object, word, value_of(value)) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

/* Puts an object into the array of its kind; takes its reference. */
static int put(json_t *state, const char *kind, json_t *object)
{
	json_t *array = json_object_get(state, kind);

	if (!array && json_object_set_new(state, kind, array = json_array()) < 0) {
		json_decref(object);
		return -ENOMEM;
	}
	return json_array_append_new(array, object);
}

json_t *state_parse(FILE *file)
{
	json_t *state = json_object();
	const char *kind;
	char *line = NULL;
	size_t size = 0;

	while (state && getline(&line, &size, file) > 0) {
		json_t *object = state_parse_line(line, &kind);

		if (!object || put(state, kind, object) < 0) {
			json_decref(state);
			state = NULL;
		}
	}
	free(line);
	return state;
}

json_t *counters_parse(FILE *file)
{
	json_t *counters = json_object();
	unsigned long live, total;
	char name[64];

	while (counters && fscanf(file, "%63s %lu %lu", name, &live, &total) == 3) {
		json_t *counter = json_pack("{s:I, s:I}", "live", (json_int_t)live, "total",
					    (json_int_t)total);

		if (json_object_set_new(counters, name, counter) < 0) {
			json_decref(counters);
			counters = NULL;
		}
	}
	return counters;
}

json_int_t state_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const json_t *state_all(const json_t *state, const char *kind)
{
	return json_object_get(state, kind);
}

/* --- Files ---------------------------------------------------------------------- */

/* The default bus's files are in debugfs, a mounted one's beside its "bus". */
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
			"load the module: modprobe ipcbus; mount debugfs: mount -t debugfs "
			"debugfs /sys/kernel/debug",
			"there is no %s", path);
	if (error == EACCES)
		return fail_with(STATUS_DENIED, "try it as root: sudo ipcctl ...",
				 "%s may not be read", path);
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

int state_counters(json_t **ret_counters)
{
	FILE *file = is_default() ? fopen(DEBUGFS "/stats", "re") : NULL;

	*ret_counters = file ? counters_parse(file) : json_object();
	if (file)
		fclose(file);
	return *ret_counters ? STATUS_OK : fail_memory();
}
