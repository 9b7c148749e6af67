/* SPDX-License-Identifier: MIT */
/* Rights in a user namespace: its root has all of them, others none. */
#pragma once

#include "cred.h"

#define CAP_KILL	5
#define CAP_SYS_ADMIN	21
#define CAP_SYS_NICE	23
#define CAP_SYS_RESOURCE 24

#define capable(cap) ((void)(cap), !__kuid_val(current_euid()))

static inline bool ns_capable(struct user_namespace *ns, int cap)
{
	return capable(cap) || __kuid_val(current_euid()) == ns->root;
}
