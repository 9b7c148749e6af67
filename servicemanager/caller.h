/* SPDX-License-Identifier: MIT */
/*
 * What the policy must know of a caller: ids and label, which the kernel reports, and the
 * supplementary groups, if a rule is about groups. A call that waits and a watch keep it,
 * because the policy decides again for each object and each notification.
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

/* -ENOMEM, or why the groups cannot be read; -ESRCH: the caller has died. */
int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy);
void caller_done(struct caller *caller);

#endif /* SERVICEMANAGER_CALLER_H */
