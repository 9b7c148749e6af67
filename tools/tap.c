// SPDX-License-Identifier: MIT
/*
 * A monitor's connection: see tap.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "bus.h"
#include "ipcctl.h"
#include "tap.h"

/* Records have half of it. */
#define REGION_SIZE ((size_t)64 << 20)

struct tap {
	struct ipc *ipc;
	tap_cb cb;
	void *userdata;
	int result;	/* of cb: not 0 once it has enough */
};

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
	(void)signal;
	stopped = 1;
}

void tap_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool tap_stopped(void)
{
	return stopped;
}

uint64_t tap_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int cannot(int error)
{
	switch (error) {
	case -EPERM:
		return complain(STATUS_DENIED, "try it as root: sudo ipcctl ...",
				"you may not monitor the bus %s", ctl_device());
	case -EDQUOT:
		return complain(STATUS_FAILED, "end one of the others: ipcctl top, monitor, graph",
				"the bus has as many monitors as it may have");
	case -ESRCH:
		return complain(STATUS_NOT_FOUND, "ipcctl stats shows those that have it open",
				"there is no such process");
	case -ENOTTY:
		return complain(STATUS_FAILED, "ipcctl doctor says more",
				"the driver is too old for monitors");
	default:
		return fail_errno(error, "monitor");
	}
}

static void on_record(struct ipc *ipc, const struct ipc_record *record, void *userdata)
{
	struct tap *tap = userdata;

	(void)ipc;
	if (!tap->result)
		tap->result = tap->cb(record, tap->userdata);
}

int tap_open(struct tap **ret_tap, unsigned int flags, pid_t pid, size_t max_data, tap_cb cb,
	     void *userdata)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int status, r;

	if (!tap)
		return fail_memory();
	tap->cb = cb;
	tap->userdata = userdata;
	status = bus_open_sized(&tap->ipc, REGION_SIZE);
	if (!status) {
		r = ipc_monitor(tap->ipc, flags, pid, max_data, on_record, tap);
		status = r < 0 ? cannot(r) : STATUS_OK;
	}
	if (status)
		tap_close(tap);
	else
		*ret_tap = tap;
	return status;
}

struct tap *tap_close(struct tap *tap)
{
	if (tap)
		ipc_unref(tap->ipc);
	free(tap);
	return NULL;
}

/* Waits for a record until then: 0, or -errno. */
static int await(const struct tap *tap, uint64_t until, uint64_t now)
{
	int r = ipc_wait(tap->ipc, until ? (until - now) / 1000 + 1 : UINT64_MAX);

	return r < 0 && r != -EINTR ? r : 0;
}

int tap_run(struct tap *tap, uint64_t until)
{
	uint64_t now = 0;
	int r = 0;

	while (r >= 0 && !tap->result && !stopped && (!until || (now = tap_now()) < until)) {
		r = ipc_process(tap->ipc);
		if (r == 0)
			r = await(tap, until, now);
	}
	if (r < 0)
		return fail_errno(r, "monitor");
	return tap->result > 0 ? tap->result : STATUS_OK;
}
