// SPDX-License-Identifier: MIT
/*
 * The options of every verb: see ipcctl.h.
 */
#include <stdlib.h>

#include "ipcctl.h"

struct ctl ctl;

const struct ctl_bus *ctl_bus(void)
{
	static struct ctl_bus bus;

	/* Without memory for a path nothing else would work. */
	if (!bus.path && ipc_find_bus(ctl.device, &bus.path, &bus.kind, &bus.reason) < 0)
		exit(fail_memory());
	return &bus;
}

const char *ctl_device(void)
{
	return ctl_bus()->path;
}
