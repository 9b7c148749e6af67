/* SPDX-License-Identifier: MIT */
/*
 * What is behind an exported name at one time: the object, and the interface that it describes. A
 * target does not change. When the name gets another object, it gets another target, and calls
 * that have the old one go on with it.
 */
#ifndef GATEWAY_TARGET_H
#define GATEWAY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <ipc/ipc.h>

#include "schema.h"

struct target {
	struct ipc_proxy *proxy;
	struct schema *schema;
	unsigned int refs;	/* atomic */
};

/*
 * Make a target of the object and of the bytes of its ipc.Description. The caller releases
 * *ret_target with target_unref(). If it fails, the caller frees *ret_why, which is a sentence
 * for people, or NULL without memory.
 *
 *   -ENOENT   The object describes no interface.
 *   -EBADMSG  The description is malformed.
 *   -ENOTSUP  Messages of the interface cannot leave the machine.
 */
int target_new(struct ipc_proxy *proxy, const void *description, size_t size,
	       struct target **ret_target, char **ret_why);
/* Whether messages of an interface can leave the machine: 0, -ENOMEM, or -ENOTSUP and the field
 * with its way there in why. */
int target_check(const struct schema *schema, FILE *why);

struct target *target_ref(struct target *target);
struct target *target_unref(struct target *target);

#endif /* GATEWAY_TARGET_H */
