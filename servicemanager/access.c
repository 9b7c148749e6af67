// SPDX-License-Identifier: MIT
/*
 * Callers, and what the policy allows them. The driver reports the effective ids. The
 * supplementary groups are read from /proc. If the driver still has a pidfd of the caller
 * after that, the pid was not reused, so the file was that of the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manager.h"

/* --- Callers -------------------------------------------------------------------------- */

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

/* --- Decisions ------------------------------------------------------------------------ */

struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name)
{
	struct policy_decision decision = { POLICY_ALLOW, NULL };

	for (unsigned int right = 1; right <= rights; right <<= 1) {
		if (!(rights & right))
			continue;
		decision = policy_decide(manager->options.policy, &caller->subject,
					 (enum policy_right)right, name);
		if (decision.verdict != POLICY_ALLOW)
			break;
	}

	return decision;
}

bool access_allows(const struct manager *manager, const struct caller *caller, unsigned int rights,
		   const char *name)
{
	return access_decide(manager, caller, rights, name).verdict == POLICY_ALLOW;
}

int access_decide_call(const struct manager *manager, const struct ipc_call *call,
		       enum policy_right right, const char *name,
		       struct policy_decision *ret_decision)
{
	struct caller caller;
	int r = caller_init(&caller, call, manager->options.policy);

	if (r < 0)
		return r;

	*ret_decision = access_decide(manager, &caller, right, name);
	caller_done(&caller);
	return 0;
}

int access_reply_unseen(const struct manager *manager, struct ipc_call *call, const char *name)
{
	struct policy_decision decision;
	int r = access_decide_call(manager, call, POLICY_FIND, name, &decision);

	if (r < 0)
		return r;
	if (decision.verdict == POLICY_HIDE)
		return reply_unknown(call);

	return decision.verdict == POLICY_ALLOW ? 1 : reply_denied(call, &decision, name);
}
