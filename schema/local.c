// SPDX-License-Identifier: MIT
/*
 * Methods whose messages cannot leave the machine: see schema.h. The description is untrusted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

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

/* Returns true, and writes the reason, if a message of the method can contain an object or an fd.
 * Then not all fields of the visited types have been examined. */
static bool is_local(struct examination *exam, const struct schema_method *method)
{
	const struct step name = { NULL, method->name, 0 };
	const struct step request = { &name, "request", 1 }, reply = { &name, "reply", 1 };

	if (!stays_here(exam, method->request, &request) &&
	    !stays_here(exam, method->reply, &reply))
		return false;
	memset(exam->visited, 0, exam->schema->n_types);
	return true;
}

/* Returns 0 or -ENOMEM. If messages of the method cannot leave the machine, sets the reason. */
static int examine(struct examination *exam, const struct schema_method *method, char **ret_reason)
{
	char *text = NULL;
	size_t size;
	bool local;

	exam->why = open_memstream(&text, &size);
	if (!exam->why)
		return -ENOMEM;
	local = is_local(exam, method);
	if (fclose(exam->why))
		return -ENOMEM;
	if (local)
		*ret_reason = text;
	else
		free(text);
	return 0;
}

int schema_find_local(const struct schema *schema, char ***ret_reasons)
{
	struct examination exam = { .schema = schema };
	char **reasons;
	int r = 0;

	exam.visited = calloc(schema->n_types + 1, 1);
	reasons = calloc(schema->n_methods + 1, sizeof(*reasons));
	if (!exam.visited || !reasons)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < schema->n_methods; i++)
		r = examine(&exam, &schema->methods[i], &reasons[i]);
	free(exam.visited);
	if (r == 0)
		*ret_reasons = reasons;
	else
		schema_free_local(schema, reasons);
	return r;
}

void schema_free_local(const struct schema *schema, char **reasons)
{
	for (size_t i = 0; reasons && i < schema->n_methods; i++)
		free(reasons[i]);
	free(reasons);
}
