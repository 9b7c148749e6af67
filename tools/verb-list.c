// SPDX-License-Identifier: MIT
/*
 * ipcctl list: the registered services and their processes.
 */
#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "servicemanager.ipc.h"
#include "value.h"
#include "verbs.h"

static bool names_only;

static const struct verb_option options[] = {
	{ "names", NULL, "print the names only, one a line", .flag = &names_only },
	{ 0 },
};

/* For scripts and completion. */
static int put_names(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) puts(value_text(row, "name"));
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
	return names_only ? put_names(rows) : out_table(columns, 6, rows);
}

const struct verb verb_list = {
	.name = "list",
	.arguments = "[PREFIX]",
	.summary = "list services: name, process, unit, user, interface",
	.description =
		"Lists the services whose names begin with PREFIX, or all, sorted by name. For each it\n"
		"prints the process and its systemd unit, the user, and the interface that the process\n"
		"registered. The pid is 0 if the service manager cannot see the process.\n",
	.example = "  ipcctl list demo.\n",
	.statuses = ON_BUS | MAY_END(NO_MANAGER),
	.options = options,
	.max = 1,
	.run = run,
};
