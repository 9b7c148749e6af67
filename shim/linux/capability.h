/* SPDX-License-Identifier: MIT */
/*
 * Capabilities. Root has all capabilities. The root of a user namespace has all of them in that
 * namespace. The root of the first namespace, in ipcbusd the user who runs it, has all except
 * CAP_SYS_RESOURCE in every namespace.
 */
#pragma once

#include "cred.h"

#define CAP_KILL	5
#define CAP_SYS_ADMIN	21
#define CAP_SYS_NICE	23
#define CAP_SYS_RESOURCE 24

static inline bool capable(int cap)
{
	u32 uid = __kuid_val(current_euid());

	return !uid || (uid == init_user_ns.root && cap != CAP_SYS_RESOURCE);
}

static inline bool ns_capable_noaudit(struct user_namespace *ns, int cap)
{
	(void)ns;
	return capable(cap);
}

static inline bool ns_capable(struct user_namespace *ns, int cap)
{
	return capable(cap) || __kuid_val(current_euid()) == ns->root;
}
