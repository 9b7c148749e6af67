// SPDX-License-Identifier: MIT
/*
 * ipcctl wait: until there is a service of that name. Nothing is polled: the
 * service manager answers when somebody registers it.
 */
#include <errno.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "verbs.h"

/* The manager may be away, too, and may go before it has answered. */
static int wait_name(struct ipc *ipc, const char *name)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	int r;

	do {
		r = ipc_wait_manager(ctl_device(), UINT64_MAX);
		if (r < 0 && r != -EINTR)
			return fail_errno(r, "waiting for a service manager");
		r = ipc_wait_name(ipc, name, &proxy);
	} while (r == -ENOTCONN || r == -EINTR);

	if (r == -EINVAL)
		return fail_with(STATUS_USAGE,
				 "a name is 1 to 127 letters, digits and any of _ . / -",
				 "\"%s\" is no name", name);
	return r < 0 ? fail_errno(r, name) : STATUS_OK;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status;

	status = bus_open(&ipc);
	for (int i = 0; !status && i < argc; i++)
		status = wait_name(ipc, argv[i]);
	if (status || !ctl.json)
		return status;
	return out_json(json_pack("{s:b}", "found", 1));
}

const struct verb verb_wait = {
	.name = "wait",
	.arguments = "NAME...",
	.summary = "wait until services are there",
	.help = "Waits until each NAME is registered, also for the service manager itself. Ends with\n"
		"status 0 then, or with 7 when the time of --timeout is over.\n",
	.min = 1,
	.max = 64,
	.run = run,
};
