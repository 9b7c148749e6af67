/* SPDX-License-Identifier: MIT */
/*
 * The object and the interface behind an exported name. A target never changes. If the name gets
 * another object, it gets another target. Calls that use the old target continue with it.
 */
#ifndef GATEWAY_EXPORT_TARGET_H
#define GATEWAY_EXPORT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <ipc/ipc.h>

#include "schema/schema.h"

struct target {
	struct ipc_proxy *proxy;
	struct schema *schema;
	char **refusals;	/* for each method of the schema: see target_refusal() */
	unsigned int refs;	/* atomic */
};

/*
 * Create a target from the object, to which it takes a reference, and the bytes of its
 * ipc.Description. The caller must release *ret_target with target_unref(). On failure, the caller
 * must free *ret_why, which is a sentence for people, or NULL if memory is short.
 *
 *   -ENOENT   The object describes no interface.
 *   -EBADMSG  The description is malformed.
 *   -ENOMEM
 */
int target_new(struct ipc_proxy *proxy, const void *description, size_t size,
	       struct target **ret_target, char **ret_why);
/* Returns why messages of a method cannot leave the machine, as a path to a field, or NULL if they
 * can. */
const char *target_refusal(const struct target *target, const struct schema_method *method);
/* Check whether messages of an interface can leave the machine. Returns 0 or -ENOMEM. If not,
 * returns -ENOTSUP and writes the path to the field to why. */
int target_check(const struct schema *schema, FILE *why);

struct target *target_ref(struct target *target);
struct target *target_unref(struct target *target);

#endif /* GATEWAY_EXPORT_TARGET_H */
