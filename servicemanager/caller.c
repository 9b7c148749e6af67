// SPDX-License-Identifier: MIT
/*
 * The caller of a method: see caller.h. The driver reports the effective ids. The
 * supplementary groups are read from /proc. If the driver has a pidfd of the caller
 * afterwards, the pid was not reused, so the file was that of the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"

/* Parses the list after "Groups:" in a /proc/PID/status. Returns how many there are, or
 * -ENOMEM. The caller frees *ret_groups. */
static int groups_from(const char *list, gid_t **ret_groups)
{
	/* Each takes a digit and a blank. */
	gid_t *groups = calloc(strlen(list) / 2 + 1, sizeof(*groups));
	int n = 0;

	if (!groups)
		return -ENOMEM;

	for (char *end;; list = end) {
		unsigned long group = strtoul(list, &end, 10);

		if (end == list)
			break;
		groups[n++] = (gid_t)group;
	}

	*ret_groups = groups;
	return n;
}

/* Returns how many there are, or -errno. */
static int read_status(pid_t pid, gid_t **ret_groups)
{
	char path[32], *line = NULL;
	size_t size = 0;
	int r = -EBADMSG;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return -errno;

	while (r == -EBADMSG && getline(&line, &size, status) > 0)
		if (!strncmp(line, "Groups:", strlen("Groups:")))
			r = groups_from(line + strlen("Groups:"), ret_groups);
	if (ferror(status))
		r = -errno;
	free(line);
	fclose(status);
	return r;
}

/* A caller in another pid namespace has no pid here, and no groups that we could know. */
static int read_groups(struct caller *caller, const struct ipc_call *call)
{
	int pidfd, n;

	if (!ipc_call_pid(call))
		return 0;

	n = read_status(ipc_call_pid(call), &caller->groups);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : n;

	/* The caller had this pid until now, so the status was its own. */
	pidfd = ipc_call_pidfd(call);
	if (pidfd < 0)
		return pidfd;

	close(pidfd);
	caller->subject.groups = caller->groups;
	caller->subject.n_groups = (size_t)n;
	return 0;
}

int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy)
{
	const char *label = ipc_call_label(call);
	int r = 0;

	*caller = (struct caller){
		.subject = { .uid = ipc_call_uid(call), .gid = ipc_call_gid(call) },
	};
	if (label) {
		/* A copy, because that of the call ends with the call. */
		caller->label = strdup(label);
		caller->subject.label = caller->label;
		r = caller->label ? 0 : -ENOMEM;
	}
	if (r == 0 && policy_asks_for_groups(policy))
		r = read_groups(caller, call);
	if (r < 0)
		caller_done(caller);
	return r;
}

void caller_done(struct caller *caller)
{
	free(caller->groups);
	free(caller->label);
	*caller = (struct caller){ .groups = NULL };
}
