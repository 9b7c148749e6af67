/* SPDX-License-Identifier: MIT */
/*
 * A bus without a service manager, which an ipcbusd of this build runs.
 */
#ifndef IPC_DAEMON_RUN_H
#define IPC_DAEMON_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <ipc/test.h>

static inline struct ipc_test_bus *bus_new(void)
{
	const char *build = getenv("B");
	char daemon[256];
	const struct ipc_test_options options = {
		.size = sizeof(options),
		.flags = IPC_TEST_NO_MANAGER,
		.ipcbusd = daemon,
	};
	struct ipc_test_bus *bus;

	snprintf(daemon, sizeof(daemon), "%s/daemon/ipcbusd", build ? build : "build");
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), 0);
	return bus;
}

#endif /* IPC_DAEMON_RUN_H */
