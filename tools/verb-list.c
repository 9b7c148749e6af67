// SPDX-License-Identifier: MIT
/*
 * ipcctl list: which services there are, and whose they are.
 */
#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "servicemanager.ipc.h"
#include "verbs.h"

static bool plain;

static const struct option options[] = {
	{ "names", no_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	(void)key;
	(void)value;
	plain = true;
	return 0;
}

/* For scripts and completion: the names alone, a line each. */
static int put_names(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		puts(json_string_value(json_object_get(row, "name")));
	json_decref(rows);
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	static const struct column columns[] = {
		{ "NAME", "name", COLOR_BOLD, false },
		{ "PID", "pid", COLOR_NONE, true },
		{ "PROCESS", "process", COLOR_NONE, false },
		{ "UNIT", "unit", COLOR_NONE, false },
		{ "USER", "user", COLOR_NONE, false },
		{ "INTERFACE", "interface", COLOR_NONE, false },
	};
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL;
	int status;

	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, argc ? argv[0] : "", &rows);
	if (status)
		return status;
	return plain ? put_names(rows) : out_table(columns, 6, rows);
}

const struct verb verb_list = {
	.name = "list",
	.arguments = "[PREFIX]",
	.summary = "which services there are: name, process, unit, user, interface",
	.help = "Lists the services whose names begin with PREFIX, or all, sorted by name: their\n"
		"process, its systemd unit and user, and the interface they were registered with.\n"
		"Processes that the service manager cannot see have pid 0.\n"
		"\n"
		"      --names          the names alone, a line each\n",
	.options = options,
	.option = option,
	.max = 1,
	.run = run,
};
