// SPDX-License-Identifier: MIT
/*
 * ipcctl wait: waits until a service manager runs and services are registered. It does not poll:
 * the service manager replies when a service registers the name.
 */
#include <errno.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "output.h"
#include "verbs.h"

static int wait_manager(void)
{
	int r;

	do
		r = ipc_wait_manager(ctl_bus_path(), UINT64_MAX);
	while (r == -EINTR);
	return r < 0 ? fail_errno(r, "wait for a service manager") : STATUS_OK;
}

/* The service manager may start later, or exit before it replies. */
static int wait_name(struct ipc *ipc, const char *name)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	int r;

	do {
		int status;

		deadline_message(NULL, "wait for %s: no service manager started", name);
		status = wait_manager();
		if (status)
			return status;
		deadline_message(NULL, "service %s was not registered", name);
		r = ipc_proxy_wait(ipc, name, NULL, IPC_NEVER, &proxy);
	} while (r == -ENOTCONN || r == -EINTR);

	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, NAME_HINT, "\"%s\" is not a valid name", name);
	return r < 0 ? fail_errno(r, name) : STATUS_OK;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status;

	deadline_message(NULL, "no service manager started");
	status = bus_open(&ipc);
	if (!status && argc == 0)
		status = wait_manager();
	for (int i = 0; !status && i < argc; i++)
		status = wait_name(ipc, argv[i]);
	if (status || !ctl.json)
		return status;
	return out_json(json_pack("{s:b}", "found", 1));
}

const struct verb verb_wait = {
	.name = "wait",
	.arguments = "[NAME]...",
	.summary = "wait until services are registered",
	.description =
		"Waits until a service manager runs, and then until each NAME is registered.\n",
	.example = "  ipcctl wait --timeout 10 && ./server &\n"
		   "  ipcctl wait --timeout 10 demo.echo && ./client\n",
	.timeout = NO_TIMEOUT,
	.statuses = ON_BUS,
	.max = 64,
	.run = run,
};
