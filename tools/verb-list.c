// SPDX-License-Identifier: MIT
/*
 * ipcctl list: the registered services and their processes.
 */
#include <string.h>

#include "bus.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "servicemanager.ipc.h"
#include "verbs.h"

static bool names_only, activatable;

static const struct verb_option options[] = {
	{ "activatable", NULL, "list the names of activation files, and their failures",
	  .flag = &activatable },
	{ "names", NULL, "print the names only, one a line", .flag = &names_only },
	{ 0 },
};

/* Prints the names alone, for scripts and completion. */
static int put_names(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) puts(value_text(row, "name"));
	json_decref(rows);
	return STATUS_OK;
}

static int put_activatable(json_t *rows)
{
	static const struct column columns[] = {
		{ "NAME", "name", COLOR_BOLD, false },
		{ "STATE", "state", COLOR_NONE, false },
		{ "PID", "pid", COLOR_NONE, true },
		{ "USER", "user", COLOR_NONE, false },
		{ "START", "start", COLOR_NONE, false },
		{ "FILE", "file", COLOR_NONE, false },
		{ "FAILURES", "failures", COLOR_NONE, true },
		{ "RETRY MS", "retry_ms", COLOR_NONE, true },
		{ "PROBLEM", "problem", COLOR_RED, false },
	};

	return out_table(columns, sizeof(columns) / sizeof(*columns), rows);
}

/* Adds whether each process is frozen, except for processes that the caller may not freeze. */
static json_t *add_frozen(json_t *rows, struct ipc *ipc)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int frozen = ipc_get_frozen(ipc, (pid_t)value_number(row, "pid"));

		if (frozen >= 0 && json_object_set_new(row, "frozen", json_boolean(frozen)) < 0) {
			json_decref(rows);
			return NULL;
		}
	}
	return rows;
}

/* Prints why the list is empty or incomplete. If the policy had a problem when the service manager
 * started, every name is hidden. If an activation file had one, no activation file is in force. */
static void explain_nothing(struct service_manager *manager)
{
	char problem[512];
	int state = bus_policy_problem(manager, problem, sizeof(problem));

	if (state == BUS_POLICY_OUTDATED || state == BUS_ACTIVATIONS_OUTDATED)
		print_error(stderr, STATUS_OK, "correct the file, then: ipcctl policy reload", NULL,
			    problem);
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
		{ "FROZEN", "frozen", COLOR_YELLOW, false },
	};
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL;
	int status;

	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, argc ? argv[0] : "*", activatable, &rows);
	if (status)
		return status;
	if (!json_array_size(rows)) {
		explain_nothing(manager);
		if (argc && !strchr(argv[0], '*')) {
			json_decref(rows);
			return activatable ?
				       fail_with(STATUS_NOT_FOUND, NULL,
						 "no activation file (ipcbus-services(5)) has the name %s",
						 argv[0]) :
				       bus_no_service(argv[0]);
		}
	}
	if (activatable && !names_only)
		return put_activatable(rows);
	return names_only ? put_names(rows) : out_table(columns, 7, add_frozen(rows, ipc));
}

const struct verb verb_list = {
	.name = "list",
	.arguments = "[NAME|'PREFIX*']",
	.summary = "list services: name, process, unit, user, interface, frozen or not",
	.description =
		"Lists all services, or NAME only, or those whose names begin with PREFIX. For each it\n"
		"prints the process and its systemd unit, the user, and the interface that the process\n"
		"registered. The pid is 0 if the service manager cannot see the process. FROZEN is yes or\n"
		"no, or - if you may not freeze the process.\n"
		"\n"
		"With --activatable it lists the names of activation files, ipcbus-services(5), instead of\n"
		"registered names: whether the program is down, starting or up, its user, its unit or\n"
		"path, and the file; the number of failures in a row, the last failure, and the time of\n"
		"the next start.\n",
	.example = "  ipcctl list 'demo.*'\n"
		   "  ipcctl list --activatable\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.options = options,
	.max = 1,
	.run = run,
};
