/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: root has all of them. The root of a user namespace has all of them there. That of
 * the first one, in ipcbusd the user who runs it, has them everywhere, but its limits hold.
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
