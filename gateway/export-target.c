// SPDX-License-Identifier: MIT
/*
 * Targets: see export-target.h. The description is untrusted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export-target.h"
#include "schema/wire.h"

/* Fields of ipc.Description. */
enum { DESCRIPTION_INTERFACE = 1, DESCRIPTION_SET = 2 };

int target_check(const struct schema *schema, FILE *why)
{
	char **refusals;
	int r;

	r = schema_find_local(schema, &refusals);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < schema_count(schema); i++)
		if (refusals[i]) {
			fputs(refusals[i], why);
			r = -ENOTSUP;
		}
	schema_free_local(schema, refusals);
	return r;
}

/* --- Targets --------------------------------------------------------------------------- */

static int parse(const void *description, size_t size, struct schema **ret_schema)
{
	struct wire wire = wire_of(description, size);
	struct wire_field field, interface = { 0 }, set = { 0 };
	char *name;
	int r;

	while ((r = wire_next(&wire, &field)) > 0) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == DESCRIPTION_INTERFACE)
			interface = field;
		else if (field.number == DESCRIPTION_SET)
			set = field;
	}
	if (r < 0)
		return r;
	if (!interface.number || !set.number)
		return -ENOENT;
	name = wire_text(interface.bytes);
	if (!name)
		return -ENOMEM;
	r = schema_new(set.bytes.at, set.bytes.end - set.bytes.at, name, ret_schema);
	free(name);
	return r;
}

const char *target_refusal(const struct target *target, const struct schema_method *method)
{
	return target->refusals[method - schema_at(target->schema, 0)];
}

static int build(struct target *target, const void *description, size_t size, FILE *why)
{
	const void *message;
	int r;

	r = ipc_payload_message(description, size, &message, &size);
	if (r == 0)
		r = parse(message, size, &target->schema);
	if (r == 0)
		return schema_find_local(target->schema, &target->refusals);
	if (r == -ENOENT)
		fputs("it describes no interface", why);
	else
		fprintf(why, "its description is not usable: %s", ipc_strerror(r));
	return r;
}

int target_new(struct ipc_proxy *proxy, const void *description, size_t size,
	       struct target **ret_target, char **ret_why)
{
	struct target *target = calloc(1, sizeof(*target));
	char *text = NULL;
	size_t length;
	FILE *why;
	int r;

	*ret_why = NULL;
	why = target ? open_memstream(&text, &length) : NULL;
	if (!why) {
		free(target);
		return -ENOMEM;
	}
	target->refs = 1;
	target->proxy = ipc_proxy_ref(proxy);
	r = build(target, description, size, why);
	if (fclose(why) || r == 0) {
		free(text);
		text = NULL;
	}
	if (r < 0) {
		target_unref(target);
		*ret_why = text;
		return r;
	}
	*ret_target = target;
	return 0;
}

struct target *target_ref(struct target *target)
{
	__atomic_add_fetch(&target->refs, 1, __ATOMIC_RELAXED);
	return target;
}

struct target *target_unref(struct target *target)
{
	if (!target || __atomic_sub_fetch(&target->refs, 1, __ATOMIC_ACQ_REL))
		return NULL;
	if (target->schema)
		schema_free_local(target->schema, target->refusals);
	schema_free(target->schema);
	ipc_proxy_unref(target->proxy);
	free(target);
	return NULL;
}
