/* SPDX-License-Identifier: MIT */
/* User namespaces: the first one, and others in which nobody but its root is known. */
#pragma once

#include "refcount.h"
#include "uidgid.h"

/**
 * struct user_namespace - one user namespace
 * @ref: who uses it
 * @parent: NULL of the first
 * @owner: who made it
 * @root: the id that is 0 inside; all others but the first's are overflow ids
 * @owned: ids are those of the first, and it is only there for its owner
 */
struct user_namespace {
	refcount_t ref;
	struct user_namespace *parent;
	kuid_t owner;
	u32 root;
	bool owned;
};

#define SHIM_OVERFLOW_ID 65534

extern struct user_namespace init_user_ns;

struct user_namespace *get_user_ns(struct user_namespace *ns);
void put_user_ns(struct user_namespace *ns);
u32 from_kuid_munged(struct user_namespace *ns, kuid_t uid);
u32 from_kgid_munged(struct user_namespace *ns, kgid_t gid);
