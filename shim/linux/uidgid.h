/* SPDX-License-Identifier: MIT */
/* User and group ids of the kernel. */
#pragma once

#include "../kernel.h"

typedef struct {
	u32 val;
} kuid_t;

typedef struct {
	u32 val;
} kgid_t;

#define GLOBAL_ROOT_UID ((kuid_t){ 0 })

static inline bool uid_lt(kuid_t a, kuid_t b)
{
	return a.val < b.val;
}

static inline bool uid_eq(kuid_t a, kuid_t b)
{
	return a.val == b.val;
}

static inline u32 __kuid_val(kuid_t uid)
{
	return uid.val;
}

static inline u32 __kgid_val(kgid_t gid)
{
	return gid.val;
}

struct user_namespace;

/* Returns the kernel's id for an id of the namespace, or -1 if it is not mapped. */
kuid_t make_kuid(struct user_namespace *ns, u32 uid);
kgid_t make_kgid(struct user_namespace *ns, u32 gid);
bool kuid_has_mapping(struct user_namespace *ns, kuid_t uid);
bool kgid_has_mapping(struct user_namespace *ns, kgid_t gid);
