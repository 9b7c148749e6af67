/* SPDX-License-Identifier: MIT */
/*
 * What the policy allows a caller, for the handlers; and CheckPolicy(), for those who
 * only ask.
 */
#ifndef SERVICEMANAGER_ACCESS_H
#define SERVICEMANAGER_ACCESS_H

#include "caller.h"
#include "servicemanager.ipc.h"

struct manager;

/* Whether the caller has all these rights (enum policy_right, or'ed) on the name. The
 * first right that is missing decides. */
struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name);
/* The same for the caller of a method. -ENOMEM, or why the caller cannot be known. */
int access_decide_call(const struct manager *manager, const struct ipc_call *call,
		       enum policy_right right, const char *name,
		       struct policy_decision *ret_decision);
/* For a caller who asked about a name that is not theirs: replies as if nobody had it if the
 * policy hides it, and that the policy refuses to find it. 1: it does neither. */
int access_reply_unseen(const struct manager *manager, struct ipc_call *call, const char *name);
bool access_allows(const struct manager *manager, const struct caller *caller, unsigned int rights,
		   const char *name);

int handle_check_policy(struct ipc_call *call, const Ipc__Manager__CheckPolicyRequest *request,
			void *userdata);

#endif /* SERVICEMANAGER_ACCESS_H */
