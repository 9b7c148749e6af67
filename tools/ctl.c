// SPDX-License-Identifier: MIT
/*
 * The options of every verb: see ipcctl.h.
 */
#include <stdlib.h>

#include "ipcctl.h"

struct ctl ctl;

const char *ctl_device(void)
{
	const char *device = ctl.device ? ctl.device : getenv("IPCBUS_DEVICE");

	return device && *device ? device : "/dev/ipcbus";
}
