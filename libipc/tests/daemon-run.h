/* SPDX-License-Identifier: MIT */
/*
 * A bus of an ipcbusd of this build.
 */
#ifndef IPC_DAEMON_RUN_H
#define IPC_DAEMON_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <ipc/test.h>

static inline struct ipc_test_bus *bus_new_with(unsigned int flags)
{
	const char *build = getenv("B") ?: "build";
	char daemon[256], manager[256];
	const struct ipc_test_options options = {
		.size = sizeof(options),
		.flags = flags,
		.ipcbusd = daemon,
		.servicemanager = manager,
	};
	struct ipc_test_bus *bus;

	snprintf(daemon, sizeof(daemon), "%s/daemon/ipcbusd", build);
	snprintf(manager, sizeof(manager), "%s/servicemanager/servicemanager", build);
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), 0);
	return bus;
}

/* Without a service manager. */
static inline struct ipc_test_bus *bus_new(void)
{
	return bus_new_with(IPC_TEST_NO_MANAGER);
}

#endif /* IPC_DAEMON_RUN_H */
