/* SPDX-License-Identifier: MIT */
/*
 * Who calls, as far as the policy asks: ids and label as the kernel says, and the
 * further groups if a rule is about groups. Kept for as long as a call or a watch
 * waits, since the policy is asked again when there is something to tell.
 */
#ifndef SERVICEMANAGER_CALLER_H
#define SERVICEMANAGER_CALLER_H

#include <ipc/ipc.h>

#include "policy.h"

struct caller {
	struct policy_subject subject;
	gid_t *groups;
	char *label;
};

/* -ENOMEM, or why the groups cannot be known. */
int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy);
void caller_done(struct caller *caller);

/* The numbers behind "Groups:" in the text of a /proc/PID/status: how many, or
 * -EBADMSG, -ENOMEM. *ret_groups is to be freed. */
int caller_groups_from(const char *status, gid_t **ret_groups);

#endif /* SERVICEMANAGER_CALLER_H */
