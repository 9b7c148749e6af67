/* SPDX-License-Identifier: MIT */
/* User namespaces: the first, and namespaces in which only the root is mapped. */
#pragma once

#include "refcount.h"
#include "uidgid.h"

/**
 * struct user_namespace - a user namespace
 * @ref: references
 * @parent: NULL for the first namespace
 * @owner: user who created it
 * @root: the id that is 0 inside. In all namespaces except the first, other ids are overflow ids.
 * @owned: has the ids of the first namespace; it differs only in its owner
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
