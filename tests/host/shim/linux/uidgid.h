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
