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
	const struct source *source;
	struct diag *diag;
	void *root; /* tsearch(3) */
};

/* The names of a method, as formats of prefix and snake. */
static const char *const method_names[] = { "%s_%s", "%s_%s_with", "%s_invoke_%s" };
static const char *const replied_names[] = { "%s_reply_%s", "%s_%s_cb", "%s_%s_async",
					      "%s_complete_%s" };
static const char *const reply_names[] = { "%s_%s_reply_keep", "%s_%s_reply_free",
					   "%s_%s_reply_freep" };

static const char *const stream_names[] = { "%s_%s_open", "%s_start_%s" };
static const char *const sends_names[] = { "%s_%s_send", "%s_pull_%s" };
static const char *const pushes_names[] = { "%s_%s_receive", "%s_push_%s" };
static const char *const finish_names[] = { "%s_%s_finish", "%s_reply_%s" };

/* The names of a service itself. */
static const char *const service_names[] = {
	"struct %s", "struct %s_ops", "%s_interface", "%s_connect", "%s_await", "%s_take",
	"%s_from_proxy", "%s_ref", "%s_unref", "%s_unrefp", "%s_proxy", "%s_on_death",
	"%s_off_death", "%s_object_new", "%s_register", "%s_method_table",
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

static bool add_method_names(struct table *table, const struct service *service,
			     const struct method *method, const char *owner,
			     const char *const *formats, size_t n_formats)
{
	for (size_t i = 0; i < n_formats; i++)
		if (!table_add(table,
			       arena_printf(table->arena, formats[i], service->prefix,
					    method->snake),
			       owner, method->place))
			return false;

	return true;
}

static void add_service(struct table *table, const struct service *service)
{
	const char *owner = arena_printf(table->arena, "service %s", service->name);

	for (size_t i = 0; i < LENGTH(service_names); i++)
		if (!table_add(table,
			       arena_printf(table->arena, service_names[i], service->prefix),
			       owner, service->place))
			return;
}

#pragma GCC diagnostic pop

static void add_stream(struct table *table, const struct service *service,
		       const struct method *method, const char *owner)
{
	if (!add_method_names(table, service, method, owner, stream_names, LENGTH(stream_names)))
		return;
	if (method->sends &&
	    !add_method_names(table, service, method, owner, sends_names, LENGTH(sends_names)))
		return;
	if (method->pushes)
		add_method_names(table, service, method, owner, pushes_names, LENGTH(pushes_names));
	else
		add_method_names(table, service, method, owner, finish_names, LENGTH(finish_names));
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
	if (method->streams) {
		add_stream(table, service, method, owner);
		return;
	}
	if (!add_method_names(table, service, method, owner, method_names, LENGTH(method_names)))
		return;

	if (!method->oneway && !add_method_names(table, service, method, owner, replied_names,
						 LENGTH(replied_names)))
		return;

	if (method->has_reply)
		add_method_names(table, service, method, owner, reply_names, LENGTH(reply_names));
}

static void keep(void *entry)
{
	(void)entry;
}

void clash_check(const struct unit *unit, struct arena *arena, const struct source *source,
		 struct diag *diag)
{
	struct table table = {
		.arena = arena,
		.unit = unit,
		.source = source,
		.diag = diag,
	};

	table_add(&table, "file_descriptor_set", "the generated file", (struct path){ 0 });
	for (size_t i = 0; i < unit->n_services; i++)
		add_service(&table, &unit->services[i]);

	for (size_t i = 0; i < unit->n_services; i++)
		for (size_t j = 0; j < unit->services[i].n_methods; j++)
			add_method(&table, &unit->services[i], &unit->services[i].methods[j]);

	tdestroy(table.root, keep);
}
