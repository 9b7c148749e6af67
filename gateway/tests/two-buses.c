// SPDX-License-Identifier: MIT
/*
 * Preloaded into a program of tests/suite/e2e, which then runs across a link, unchanged: its
 * servers open the bus $LINK_BUS, and what they would be as manager they register there as
 * $LINK_NAME. Its clients find that name on their own bus.
 *
 * A server is a process that asks for a signal at its parent's death.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include <ipc/raw.h>

#define WAIT_USEC	10000000
#define RETRY_NSEC	5000000
#define RETRIES		2000

static bool is_server;

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

int ipc_open_sized(struct ipc **ret_ipc, const char *device, size_t region_size)
{
	int (*real)(struct ipc **, const char *, size_t) = next("ipc_open_sized");

	return real(ret_ipc, is_server && !device ? getenv("LINK_BUS") : device, region_size);
}

int ipc_open(struct ipc **ret_ipc, const char *device)
{
	return ipc_open_sized(ret_ipc, device, IPC_REGION_DEFAULT);
}

int ipc_set_manager(struct ipc *ipc, struct ipc_object *object)
{
	return ipc_register_name(ipc, getenv("LINK_NAME"), object, NULL);
}

/* Whether it is what a server of an earlier case left: the gateway may not have noticed yet. */
static bool is_dead(struct ipc_proxy *proxy)
{
	const struct ipc_raw_message describe = { .code = IPC_CODE_DESCRIBE };
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r = ipc_raw_call(proxy, &describe, NULL, NULL, &error);

	return r == -EOWNERDEAD || error.cause == -EOWNERDEAD;
}

int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy)
{
	const struct timespec pause = { .tv_nsec = RETRY_NSEC };
	struct ipc_proxy *proxy;
	int r;

	for (int i = 0; i < RETRIES; i++) {
		r = ipc_wait_name(ipc, getenv("LINK_NAME"), WAIT_USEC, &proxy);
		if (r < 0)
			return r;
		if (!is_dead(proxy)) {
			*ret_proxy = proxy;
			return 0;
		}
		ipc_proxy_unref(proxy);
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}
