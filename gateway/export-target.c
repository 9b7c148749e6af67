// SPDX-License-Identifier: MIT
/*
 * Targets: see export-target.h. The description is untrusted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/private.h"
#include "export-target.h"
#include "schema/wire.h"

/* Fields of ipc.Description. */
enum { DESCRIPTION_INTERFACE = 1, DESCRIPTION_SET = 2 };

/* --- Types that cannot leave the machine --------------------------------------------- */

/* Maximum nesting of types, which bounds the recursion. Real types are nested less deeply. */
#define MAX_DEPTH 1000

/* A step on the path to a field, beginning at the message of a method. */
struct step {
	const struct step *from;
	const char *name;
	unsigned int depth;
};

static const char *const kinds[] = {
	[KIND_OBJECT] = "an ipc.Object",
	[KIND_FD] = "an ipc.Fd",
};

static void print_way(FILE *file, const struct step *step)
{
	if (step->from) {
		print_way(file, step->from);
		fputc('.', file);
	}
	fputs(step->name, file);
}

/* The limit of fields that are examined for all methods, against hostile descriptions. */
#define MAX_EXAMINED 1000000

struct examination {
	const struct schema *schema;
	unsigned char *visited; /* a byte for each type; of earlier methods, types that may leave */
	unsigned int fields;	/* examined so far */
	FILE *why;
};

/* Returns true, and writes the reason, if a message of the type can contain an object or an fd. */
static bool stays_here(struct examination *exam, const struct schema_type *type,
		       const struct step *step)
{
	unsigned char *visited = &exam->visited[type - exam->schema->types];

	if (type->kind == KIND_OBJECT || type->kind == KIND_FD) {
		print_way(exam->why, step);
		fprintf(exam->why, " is %s, which cannot leave the machine", kinds[type->kind]);
		return true;
	}
	if (*visited)
		return false;
	if (step->depth > MAX_DEPTH || exam->fields > MAX_EXAMINED) {
		fprintf(exam->why, "types lie in each other more than %u deep, or are too many",
			MAX_DEPTH);
		return true;
	}
	*visited = 1;
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct schema_field *field = &type->fields[i];
		const struct step next = { step, field->name, step->depth + 1 };

		exam->fields++;
		if (field->type == FIELD_MESSAGE && stays_here(exam, field->is, &next))
			return true;
	}
	return false;
}

/* After a method that is refused, not all fields of the visited types have been examined. */
static int check_method(struct examination *exam, const struct schema_method *method)
{
	const struct step name = { NULL, method->name, 0 };
	const struct step request = { &name, "request", 1 }, reply = { &name, "reply", 1 };

	if (!stays_here(exam, method->request, &request) &&
	    !stays_here(exam, method->reply, &reply))
		return 0;
	memset(exam->visited, 0, exam->schema->n_types);
	return -ENOTSUP;
}

int target_check(const struct schema *schema, FILE *why)
{
	struct examination exam = { .schema = schema, .why = why };
	int r = 0;

	exam.visited = calloc(schema->n_types + 1, 1);
	if (!exam.visited)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < schema->n_methods; i++)
		r = check_method(&exam, &schema->methods[i]);
	free(exam.visited);
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

/* Returns 0 or -ENOMEM. If the method is refused, sets the reason. */
static int examine(struct examination *exam, const struct schema_method *method, char **ret_refusal)
{
	char *text = NULL;
	size_t size;
	bool refused;

	exam->why = open_memstream(&text, &size);
	if (!exam->why)
		return -ENOMEM;
	refused = check_method(exam, method) < 0;
	if (fclose(exam->why))
		return -ENOMEM;
	if (refused)
		*ret_refusal = text;
	else
		free(text);
	return 0;
}

/* Finds the methods whose messages cannot leave the machine. */
static int refuse_methods(struct target *target)
{
	const struct schema *schema = target->schema;
	struct examination exam = { .schema = schema };
	int r = 0;

	exam.visited = calloc(schema->n_types + 1, 1);
	target->refusals = calloc(schema->n_methods + 1, sizeof(*target->refusals));
	if (!exam.visited || !target->refusals)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < schema->n_methods; i++)
		r = examine(&exam, &schema->methods[i], &target->refusals[i]);
	free(exam.visited);
	return r;
}

const char *target_refusal(const struct target *target, const struct schema_method *method)
{
	return target->refusals[method - target->schema->methods];
}

static int build(struct target *target, const void *description, size_t size, FILE *why)
{
	const void *message;
	int r;

	r = ipc_payload_message(description, size, &message, &size);
	if (r == 0)
		r = parse(message, size, &target->schema);
	if (r == 0)
		return refuse_methods(target);
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
	for (size_t i = 0; target->refusals && i < target->schema->n_methods; i++)
		free(target->refusals[i]);
	free(target->refusals);
	schema_free(target->schema);
	ipc_proxy_unref(target->proxy);
	free(target);
	return NULL;
}
