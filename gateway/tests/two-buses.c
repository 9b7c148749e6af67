// SPDX-License-Identifier: MIT
/*
 * Preloaded into a program of tests/suite/e2e, which then runs across a link, unchanged. Its
 * servers open the bus $LINK_BUS, and instead of becoming the manager they register there as
 * $LINK_NAME. Its clients find that name on their own bus.
 *
 * A server is a process that requests a signal at its parent's death. If a case has started no
 * process, its server is in its own process, on the first connection that it opens.
 *
 * This file does not call the object of the server. Some servers expect every message to come from
 * their client, and some do not serve before their client sends a message.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <ipc/raw.h>

#define WAIT_USEC	10000000
#define RETRY_NSEC	2000000
#define RETRIES		5000

static bool is_server;

/* The runner is 0, its cases are 1, and their child processes are 2. */
static int depth;

static bool has_forked, has_opened;

static void *next(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (!symbol)
		abort();
	return symbol;
}

int prctl(int option, ...)
{
	int (*real)(int, unsigned long, unsigned long, unsigned long, unsigned long);
	unsigned long all[4];
	va_list args;

	va_start(args, option);
	for (int i = 0; i < 4; i++)
		all[i] = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_PDEATHSIG)
		is_server = true;
	real = next("prctl");
	return real(option, all[0], all[1], all[2], all[3]);
}

pid_t fork(void)
{
	pid_t (*real)(void) = next("fork");
	pid_t pid = real();

	has_forked = pid != 0;
	if (!pid) {
		depth++;
		has_opened = false;
	}
	return pid;
}

/* Returns whether the connection that is being opened is a server's. */
static bool opens_server(void)
{
	bool first = depth == 1 && !has_forked && !has_opened;

	has_opened = true;
	return is_server || first;
}

int ipc_open_sized(struct ipc **ret_ipc, const char *device, size_t region_size)
{
	int (*real)(struct ipc **, const char *, size_t) = next("ipc_open_sized");
	bool server = opens_server();

	return real(ret_ipc, server && !device ? getenv("LINK_BUS") : device, region_size);
}

int ipc_open(struct ipc **ret_ipc, const char *device)
{
	return ipc_open_sized(ret_ipc, device, IPC_REGION_DEFAULT);
}

/* Waits until the client's bus has the name, or no longer has it. */
static int await_name(struct ipc *near, bool is_there)
{
	const struct timespec pause = { .tv_nsec = RETRY_NSEC };
	int r;

	for (int i = 0; i < RETRIES; i++) {
		r = ipc_check_name(near, getenv("LINK_NAME"), NULL);
		if (r == (is_there ? 0 : -ENOENT))
			return 0;
		if (r < 0 && r != -ENOENT)
			return r;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

/* Returns when clients can find this server instead of the server of an earlier case. */
int ipc_set_manager(struct ipc *ipc, struct ipc_object *object)
{
	int (*real)(struct ipc **, const char *, size_t) = next("ipc_open_sized");
	struct ipc *near;
	int r;

	r = real(&near, NULL, IPC_REGION_DEFAULT);
	if (r < 0)
		return r;
	r = await_name(near, /* is_there= */ false);
	if (r == 0)
		r = ipc_register_name(ipc, getenv("LINK_NAME"), object, NULL);
	if (r == 0)
		r = await_name(near, /* is_there= */ true);
	ipc_unref(near);
	/* Events that the registration has caused do not belong to the case. */
	while (r == 0 && (r = ipc_process(ipc)) > 0)
		r = 0;
	return r;
}

int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy)
{
	return ipc_proxy_wait(ipc, getenv("LINK_NAME"), NULL, WAIT_USEC, ret_proxy);
}
