// SPDX-License-Identifier: MIT
/*
 * ipcctl freeze and thaw: keep calls and oneways from processes that are not to
 * run for a while.
 */
#include <errno.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "verbs.h"

/* How long freezing waits for calls that came before. */
#define PATIENCE_MS 3000

static int cannot(int r, pid_t pid, const char *what)
{
	if (r == -EAGAIN)
		return fail_with(STATUS_TIMEOUT, "give it more time: --timeout SECONDS",
				 "process %d has calls that it does not answer", (int)pid);
	if (r == -ESRCH)
		return fail_with(STATUS_NOT_FOUND, "ipcctl list shows who is",
				 "process %d is not on %s", (int)pid, ctl_device());
	if (r == -EBUSY)
		return fail_with(STATUS_FAILED, NULL, "somebody else is freezing process %d",
				 (int)pid);
	return fail_errno(r, what);
}

static int said(pid_t pid, bool frozen, int came)
{
	if (ctl.json)
		return out_json(json_pack("{s:i, s:b, s:b, s:b}", "pid", (int)pid, "frozen", frozen,
					  "calls_refused", came & IPC_FROZEN_CALL, "oneways_kept",
					  came & IPC_FROZEN_ONEWAY));
	printf("process %d is %s%s%s%s\n", (int)pid, frozen ? "frozen" : "thawed",
	       came ? "; meanwhile there were " : "",
	       came & IPC_FROZEN_CALL ? "calls, which failed" : "",
	       came == (IPC_FROZEN_CALL | IPC_FROZEN_ONEWAY) ? ", and oneways, which come now" :
	       came == IPC_FROZEN_ONEWAY			 ? "oneways, which come now" :
							   "");
	return STATUS_OK;
}

static int run_freeze(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	pid_t pid;
	int status, r;

	(void)argc;
	status = bus_process(argv[0], &pid);
	if (!status)
		status = bus_open(&ipc);
	if (status)
		return status;
	r = ipc_freeze(ipc, pid, ctl.timeout_ms ? ctl.timeout_ms : PATIENCE_MS);
	return r < 0 ? cannot(r, pid, "freeze") : said(pid, true, 0);
}

static int run_thaw(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	pid_t pid;
	int status, r;

	(void)argc;
	status = bus_process(argv[0], &pid);
	if (!status)
		status = bus_open(&ipc);
	if (status)
		return status;
	r = ipc_thaw(ipc, pid);
	return r < 0 ? cannot(r, pid, "thaw") : said(pid, false, r);
}

const struct verb verb_freeze = {
	.name = "freeze",
	.arguments = "PID|NAME",
	.summary = "keep calls away from a process",
	.help = "Freezes the process PID, or the one that registered NAME: calls to it fail with\n"
		"\"frozen\" (EHOSTDOWN) and oneways are kept, until it is thawed. Calls that came\n"
		"before are let finish, for --timeout seconds (3): if it does not answer them it is\n"
		"not frozen. For its own user, and for root.\n",
	.min = 1,
	.max = 1,
	.keeps_time = true,
	.run = run_freeze,
};

const struct verb verb_thaw = {
	.name = "thaw",
	.arguments = "PID|NAME",
	.summary = "and let them come again",
	.help = "Ends what ipcctl freeze began, and says what came meanwhile.\n",
	.min = 1,
	.max = 1,
	.run = run_thaw,
};
