// SPDX-License-Identifier: MIT
/*
 * ipcctl watch: prints services when they are registered and when they end. The service manager
 * reports the changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "output.h"
#include "schema/text.h"
#include "verbs.h"

static unsigned long count;

static const struct verb_option options[] = {
	{ "count", "N", "end after N lines", .number = &count, .min = 1, .max = MAX_COUNT },
	{ 0 },
};

static const char *pattern;
static bool reported, stopped;
static int result; /* of the callback: an enum status */

/* --- Changes -------------------------------------------------------------------- */

static json_t *change_new(enum ipc_name_change change, const struct ipc_name_info *info)
{
	struct bus_process none = { 0 };
	json_t *row, *object;

	if (change == IPC_NAME_GONE)
		return json_pack("{s:s, s:o}", "change", "gone", "name", text_json(info->name));
	row = bus_row(&none, info->name, info->pid, info->uid, info->interface);
	object = json_pack("{s:s}", "change", "present");
	if (!row || json_object_update(object, row) < 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(row);
	return object;
}

static int put_text(const json_t *change)
{
	static const char *const keys[] = { "name", "pid", "process", "unit", "user", "interface" };
	bool gone = !json_object_get(change, "pid");

	printf("%s%c%s", out_color(gone ? COLOR_RED : COLOR_GREEN), gone ? '-' : '+', out_plain());
	for (size_t i = 0; i < (gone ? 1 : sizeof(keys) / sizeof(*keys)); i++) {
		char *text = out_text(json_object_get(change, keys[i]));

		if (!text)
			return fail_memory();
		printf(" %s", text);
		free(text);
	}
	putchar('\n');
	return out_flush();
}

static int put(json_t *change)
{
	int status;

	if (!change || ctl.json)
		return out_line(change);
	status = put_text(change);
	json_decref(change);
	return status;
}

/* Prints what the verb waits for. Otherwise a missing '*' looks like a bus without services. */
static void print_waiting(void)
{
	bool prefix = strchr(pattern, '*');

	fprintf(stderr, "ipcctl: waiting for a service with %s%s%s\n",
		prefix ? "a name like " : "the name ", pattern,
		prefix ? "" : "; a prefix must end with '*'");
}

/* Prints a change. With --json also IPC_NAME_SETTLED, by which programs know that all services that
 * existed before have been reported. */
static void on_change(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	(void)userdata;
	if (change == IPC_NAME_SETTLED && !reported)
		print_waiting();
	reported = true;
	if (stopped || (change == IPC_NAME_SETTLED && !ctl.json))
		return;
	if (change == IPC_NAME_SETTLED)
		result = put(json_pack("{s:s}", "change", "settled"));
	else
		result = put(change_new(change, info));
	if (!result && (!count || --count))
		return;
	if (!result)
		count_ended();
	stopped = true;
	ipc_stop(ipc);
}

static int watch(struct ipc *ipc)
{
	int r;

	signals_stop(ipc);
	r = ipc_watch_names(ipc, pattern, on_change, NULL, /* ret_slot= */ NULL);
	if (r == -EINVAL)
		return bus_bad_pattern(pattern);
	if (r < 0)
		return fail_errno(r, "watch names");
	if (ipc_wait_manager(ctl_bus_path(), 0) == 0)
		fputs("ipcctl: waiting for a service manager\n", stderr);
	r = ipc_run(ipc);
	signals_stop(NULL);
	return r < 0 ? fail_errno(r, "watch names") : result;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status;

	pattern = argc ? argv[0] : "*";
	status = bus_open(&ipc);
	return status ? status : watch(ipc);
}

const struct verb verb_watch = {
	.name = "watch",
	.arguments = "[NAME|'PREFIX*']",
	.summary = "print services as they come and go",
	.description =
		"Prints one line for each service that exists (+), and then one for each that is\n"
		"registered or replaced (+) or ends (-), until Ctrl-C. It prints all services, or NAME\n"
		"only, or those whose names begin with PREFIX. If there is none yet, prints to stderr what\n"
		"it waits for. With --json, a line with the change \"settled\" follows the services that\n"
		"existed at the start.\n",
	.example = "  ipcctl watch 'demo.*'\n",
	.timeout = NO_TIMEOUT,
	.statuses = ON_BUS,
	.options = options,
	.max = 1,
	.run = run,
};
