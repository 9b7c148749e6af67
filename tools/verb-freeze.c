// SPDX-License-Identifier: MIT
/*
 * ipcctl freeze and thaw: stop and resume the delivery of calls and oneways to a process.
 */
#include <errno.h>
#include <stdio.h>

#include "bus.h"
#include "ipcctl.h"
#include "output.h"
#include "process.h"
#include "verbs.h"

/* Timeout for the process to finish the calls that it has received. */
#define FREEZE_TIMEOUT_MS 3000

static int fail_to(const char *what, pid_t pid, int error)
{
	char hint[64] = "wait longer: --timeout S";

	if (error == -EAGAIN && process_is_stopped(pid))
		snprintf(hint, sizeof(hint), "it is stopped (SIGSTOP); continue it: kill -CONT %d",
			 (int)pid);
	if (error == -EAGAIN)
		return fail_with(STATUS_TIMEOUT, hint,
				 "cannot freeze process %d: it did not reply to all calls in time",
				 (int)pid);
	if (error == -ESRCH)
		return fail_not_on_bus(pid);
	if (error == -EBUSY)
		return fail_with(STATUS_FAILED, "try again",
				 "another program is freezing process %d at this moment", (int)pid);
	if (error == -EPERM)
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "cannot %s process %d: it belongs to another user", what, (int)pid);
	return fail_errno(error, what);
}

/* frozen: after the change. was_frozen: before it. missed: IPC_FROZEN_*, the kinds of messages that
 * arrived while the process was frozen. */
static int put(pid_t pid, bool frozen, bool was_frozen, int missed)
{
	if (ctl.json)
		return out_json(json_pack("{s:i, s:b, s:b, s:b, s:b}", "pid", (int)pid, "frozen",
					  frozen, "was_frozen", was_frozen, "calls_failed",
					  missed & IPC_FROZEN_CALL, "oneways_queued",
					  missed & IPC_FROZEN_ONEWAY));
	printf("process %d %s%s%s\n", (int)pid,
	       frozen	  ? "is frozen" :
	       was_frozen ? "is thawed" :
			    "was not frozen",
	       missed & IPC_FROZEN_CALL ? "; calls to it failed while it was frozen" : "",
	       missed & IPC_FROZEN_ONEWAY ? "; queued oneways arrive now" : "");
	return STATUS_OK;
}

static int run(const char *process, bool freeze)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t timeout_usec = 1000 * (uint64_t)(ctl.timeout_ms ?: FREEZE_TIMEOUT_MS);
	pid_t pid;
	int status, was_frozen, r;

	status = bus_process(process, &pid);
	if (!status)
		status = bus_open(&ipc);
	if (status)
		return status;
	r = was_frozen = ipc_get_frozen(ipc, pid);
	if (r >= 0)
		r = freeze ? ipc_freeze(ipc, pid, timeout_usec) : ipc_thaw(ipc, pid);
	if (r < 0)
		return fail_to(freeze ? "freeze" : "thaw", pid, r);
	/* A thaw of a process that is not frozen returns the messages of an earlier freeze. */
	return put(pid, freeze, was_frozen, freeze || !was_frozen ? 0 : r);
}

static int run_freeze(int argc, char **argv)
{
	(void)argc;
	return run(argv[0], true);
}

static int run_thaw(int argc, char **argv)
{
	(void)argc;
	return run(argv[0], false);
}

const struct verb verb_freeze = {
	.name = "freeze",
	.arguments = "PID|NAME",
	.summary = "refuse calls to a process and hold its oneways",
	.description =
		"Freezes the process PID, or the process that registered NAME. Until it is thawed, calls\n"
		"to it fail with EHOSTDOWN and oneways stay queued. Before that, it may finish the calls\n"
		"that it has received, for at most --timeout seconds (default: 3). If it does not finish\n"
		"them, it is not frozen and the status is 7. Only root, the user of the process, and the\n"
		"user of ipcbusd may do this.\n",
	.example = "  ipcctl freeze demo.echo\n",
	.timeout = "3",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.min = 1,
	.max = 1,
	.keeps_time = true,
	.run = run_freeze,
};

const struct verb verb_thaw = {
	.name = "thaw",
	.arguments = "PID|NAME",
	.summary = "end freeze",
	.description =
		"Thaws a process that ipcctl freeze has frozen, and prints whether calls failed and\n"
		"oneways were queued meanwhile. If the process was not frozen, prints that, and succeeds.\n",
	.example = "  ipcctl thaw demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.min = 1,
	.max = 1,
	.run = run_thaw,
};
