/* SPDX-License-Identifier: MIT */
/*
 * All verbs, in the order of the help. Each verb is in verb-NAME.c; ping is in verb-describe.c,
 * thaw is in verb-freeze.c.
 */
#ifndef IPCCTL_VERBS_H
#define IPCCTL_VERBS_H

#include "ipcctl.h"

#define VERBS                                                                                      \
	VERB(list)                                                                                 \
	VERB(tree)                                                                                 \
	VERB(describe)                                                                             \
	VERB(call)                                                                                 \
	VERB(ping)                                                                                 \
	VERB(dump)                                                                                 \
	VERB(wait)                                                                                 \
	VERB(watch)                                                                                \
	VERB(top)                                                                                  \
	VERB(monitor)                                                                              \
	VERB(stats)                                                                                \
	VERB(freeze)                                                                               \
	VERB(thaw)                                                                                 \
	VERB(policy)                                                                               \
	VERB(info)                                                                                 \
	VERB(doctor)

#define VERB(name) extern const struct verb verb_##name;
VERBS
#undef VERB

#endif
