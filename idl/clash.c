// SPDX-License-Identifier: MIT
/*
 * Every name that the emitters generate at file scope is entered into one table. A name
 * that is new in the emitters must be added here; otherwise only the user's compiler
 * finds a clash.
 */
#define _GNU_SOURCE
#include <search.h>
#include <string.h>

#include "clash.h"
#include "names.h"

struct c_name {
	const char *name;
	const char *owner; /* "rpc Echo.Say" */
};

struct table {
	struct arena *arena;
	const struct unit *unit;
	const Google__Protobuf__SourceCodeInfo *source;
	struct diag *diag;
	void *root; /* tsearch(3) */
};

/* What a method has. */
#define CALL	(1U << 0) /* it is no stream */
#define REPLIED (1U << 1) /* a call that is no oneway */
#define REPLY	(1U << 2) /* a call with a reply that is not empty */
#define STREAM	(1U << 3)
#define SENDS	(1U << 4) /* a stream of requests */
#define PUSHES	(1U << 5) /* a stream of replies */
#define FINISH	(1U << 6) /* a stream with one reply */

/* The names of a method that has it, as formats of prefix and snake. */
static const struct {
	unsigned int has;
	const char *format;
} method_names[] = {
	{ CALL, "%s_%s" },		 { CALL, "%s_%s_with" },
	{ CALL, "%s_invoke_%s" },	 { REPLIED | FINISH, "%s_reply_%s" },
	{ REPLIED, "%s_%s_cb" },	 { REPLIED, "%s_%s_async" },
	{ REPLIED, "%s_complete_%s" },	 { REPLY, "%s_%s_reply_keep" },
	{ REPLY, "%s_%s_reply_free" },	 { REPLY, "%s_%s_reply_freep" },
	{ STREAM, "%s_%s_open" },	 { STREAM, "%s_start_%s" },
	{ SENDS, "%s_%s_send" },	 { SENDS, "%s_pull_%s" },
	{ PUSHES, "%s_%s_receive" },	 { PUSHES, "%s_push_%s" },
	{ FINISH, "%s_%s_finish" },	 { FINISH, "%s_%s_finish_cb" },
	{ PUSHES, "%s_%s_receive_cb" },	 { STREAM, "%s_%s_set_ops" },
	{ STREAM, "%s_received_%s" },	 { SENDS, "%s_pull_%s_cb" },
	{ SENDS, "%s_set_ops_%s" },	 { SENDS, "%s_pulled_%s" },
};

/* The names of a service itself. */
static const char *const service_names[] = {
	"struct %s", "struct %s_ops", "%s_interface", "%s_connect", "%s_await", "%s_take",
	"%s_from_proxy", "%s_ref", "%s_unref", "%s_unrefp", "%s_proxy", "%s_on_death",
	"%s_object_new", "%s_register", "%s_method_table",
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static int compare_c_names(const void *a, const void *b)
{
	return strcmp(((const struct c_name *)a)->name, ((const struct c_name *)b)->name);
}

/* Returns false if the name is taken: one error for each owner is enough. */
static bool table_add(struct table *table, const char *name, const char *owner,
		      struct path place)
{
	struct c_name *entry = arena_alloc(table->arena, sizeof(*entry));
	struct c_name **found;

	*entry = (struct c_name){ .name = name, .owner = owner };
	found = tsearch(entry, &table->root, compare_c_names);
	if (!found)
		out_of_memory();

	if (*found != entry) {
		diag_add(table->diag, table->unit->file, table->source, place,
			 "%s: %s already has the C name %s; rename one of them", owner,
			 (*found)->owner, name);
		return false;
	}

	if (name_is_libc(name)) {
		diag_add(table->diag, table->unit->file, table->source, place,
			 "%s: the C library has a function %s; choose another prefix with "
			 "option (ipc.c_prefix)",
			 owner, name);
		return false;
	}

	return true;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void add_service(struct table *table, const struct service *service)
{
	const char *owner = arena_printf(table->arena, "service %s", service->name);

	for (size_t i = 0; i < LENGTH(service_names); i++)
		if (!table_add(table,
			       arena_printf(table->arena, service_names[i], service->prefix),
			       owner, service->place))
			return;
}

static void add_codec(struct table *table, const struct codec *codec)
{
	static const char *const names[] = { "%s__put", "%s__take", "%s__codec" };
	const char *owner = arena_printf(table->arena, "message %s", codec->type->full_name);

	for (size_t i = 0; i < LENGTH(names); i++)
		table_add(table, arena_printf(table->arena, names[i], codec->name), owner,
			  (struct path){ 0 });
}

static unsigned int method_has(const struct method *method)
{
	if (method->streams)
		return STREAM | (method->sends ? SENDS : 0) | (method->pushes ? PUSHES : FINISH);

	return CALL | (method->oneway ? 0 : REPLIED) | (method->has_reply ? REPLY : 0);
}

static void add_method(struct table *table, const struct service *service,
		       const struct method *method)
{
	const char *owner = arena_printf(table->arena, "rpc %s.%s", service->name, method->name);

	/* protoc-c's own name, which is the same for more names: GetHTTPS and GetHttps. */
	const char *pb_c = arena_printf(table->arena, "%s__%s",
					name_c_lower(table->arena, service->pb_name),
					name_c_lower(table->arena, method->name));

	if (!table_add(table, method->index, owner, method->place) ||
	    !table_add(table, pb_c, owner, method->place))
		return;
	for (size_t i = 0; i < LENGTH(method_names); i++)
		if ((method_names[i].has & method_has(method)) &&
		    !table_add(table,
			       arena_printf(table->arena, method_names[i].format,
					    service->prefix, method->snake),
			       owner, method->place))
			return;
}

#pragma GCC diagnostic pop

static void keep(void *entry)
{
	(void)entry;
}

void clash_check(const struct unit *unit, struct arena *arena,
		 const Google__Protobuf__SourceCodeInfo *source, struct diag *diag)
{
	struct table table = {
		.arena = arena,
		.unit = unit,
		.source = source,
		.diag = diag,
	};

	table_add(&table, "file_descriptor_set", "the generated file", (struct path){ 0 });
	for (size_t i = 0; i < unit->codecs.count; i++)
		add_codec(&table, &unit->codecs.list[i]);
	for (size_t i = 0; i < unit->n_services; i++)
		add_service(&table, &unit->services[i]);

	for (size_t i = 0; i < unit->n_services; i++)
		for (size_t j = 0; j < unit->services[i].n_methods; j++)
			add_method(&table, &unit->services[i], &unit->services[i].methods[j]);

	tdestroy(table.root, keep);
}
