/* SPDX-License-Identifier: MIT */
/* Credentials of the current task. */
#pragma once

#include "sched.h"
#include "uidgid.h"
#include "user_namespace.h"

struct cred {
	refcount_t ref;
	kuid_t euid;
	kgid_t egid;
	struct user_namespace *user_ns;
};

#define current_cred() ((const struct cred *)current->cred)
#define current_euid() (current_cred()->euid)
#define current_fsuid() (current_cred()->euid)
#define current_fsgid() (current_cred()->egid)
#define current_user_ns() (current_cred()->user_ns)
#define current_egid() (current_cred()->egid)
