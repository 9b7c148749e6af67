// SPDX-License-Identifier: MIT
/*
 * The common options, and the bus that they select: see ipcctl.h.
 */
#include <err.h>
#include <stdlib.h>

#include "ipcctl.h"

struct ctl ctl;

const struct ctl_bus *ctl_bus(void)
{
	static struct ctl_bus bus;

	/* Fails only if memory is short. No verb can work then. */
	if (!bus.path && ipc_find_bus(ctl.bus, &bus.path, &bus.kind, &bus.reason) < 0)
		errx(STATUS_FAILED, "out of memory");
	return &bus;
}

const char *ctl_bus_path(void)
{
	return ctl_bus()->path;
}
