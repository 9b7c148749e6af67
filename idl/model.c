// SPDX-License-Identifier: MIT
/*
 * Builds the model from descriptors. Reports everything in a .proto file that the generator cannot
 * generate, with its position.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "names.h"
#include "options.h"

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__MethodDescriptorProto MethodProto;
typedef Google__Protobuf__ServiceDescriptorProto ServiceProto;

/* Field numbers of descriptor.proto, for paths. */
#define FILE_OPTIONS	     8
#define SERVICE_NAME	     1
#define SERVICE_METHOD	     2
#define SERVICE_OPTIONS	     3
#define METHOD_NAME	     1
#define METHOD_INPUT	     2
#define METHOD_OUTPUT	     3
#define METHOD_OPTIONS	     4

/* Field numbers of ipc/options.proto. */
#define OPTION_ID	50602
#define OPTION_C_PREFIX 50601
#define OPTION_TIMEOUT	50603
#define OPTION_NAME	50606

#define METHOD_ID_MAX 65535
/* All derived numbers have this bit. */
#define METHOD_ID_DERIVED 0x80000000
#define METHOD_TIMEOUT_MAX (24 * 60 * 60 * 1000)

struct builder {
	struct arena *arena;
	const struct request *request;
	const File *file;
	const Google__Protobuf__SourceCodeInfo *source;
	struct diag *diag;
	bool prefix_package; /* C names begin with the package */
};

#define complain(b, place, ...) \
	diag_add((b)->diag, (b)->file->name, (b)->source, place, __VA_ARGS__)

static bool type_is(const struct type *type, const char *full_name)
{
	return !strcmp(type->full_name, full_name);
}

/* --- Methods -------------------------------------------------------------------- */

static void check_streams(struct builder *b, const struct method *method, struct path place)
{
	if (!method->streams)
		return;
	if (method->oneway)
		complain(b, path_field(place, METHOD_OPTIONS),
			 "rpc %s: a method with streams cannot be a oneway; remove (ipc.oneway)",
			 method->name);
	if (!method->has_request && method->sends)
		complain(b, path_field(place, METHOD_INPUT),
			 "rpc %s: a stream of ipc.None has no content; define a message for it",
			 method->name);
	if (type_is(method->reply, "ipc.None"))
		complain(b, path_field(place, METHOD_OUTPUT),
			 "rpc %s: a method with streams cannot return ipc.None; define a message for it",
			 method->name);
}

static void check_type(struct builder *b, const struct method *method, const struct type *type,
		       struct path place)
{
	if (type_is(type, "ipc.Object") || type_is(type, "ipc.Fd") ||
	    type_is(type, "ipc.Memory"))
		complain(b, place, "rpc %s: %s cannot be a request or reply itself; make it a field of a message",
			 method->name, type->full_name);
	if (type->group && b->request->parameters->language == LANGUAGE_C)
		complain(b, place,
			 "rpc %s: message %s has a group, field %d, which protobuf-c does not "
			 "support; make it a message",
			 method->name, type->group_owner->full_name, type->group->number);
}

static void read_options(struct builder *b, struct method *method, const MethodProto *proto)
{
	struct path place = path_field(method->place, METHOD_OPTIONS);
	const Extensions__Method *options;
	struct bad_option bad;

	options = options_of_method(b->arena, proto->options, b->request->files,
				    b->request->n_files, &bad);
	if (!options) {
		complain(b, path_field(place, (int32_t)bad.number), "rpc %s: %s", method->name,
			 bad.problem);
		return;
	}

	method->oneway = options->oneway;
	method->copy = options->copy;
	method->timeout_ms = (uint32_t)options->timeout_ms;
	if (options->name)
		method->called = options->name;
	if (options->name && !name_is_identifier(options->name))
		complain(b, path_field(place, OPTION_NAME),
			 "rpc %s: (ipc.name) must be an identifier", method->name);
	if (options->has_timeout_ms &&
	    (options->timeout_ms < 1 || options->timeout_ms > METHOD_TIMEOUT_MAX))
		complain(b, path_field(place, OPTION_TIMEOUT),
			 "rpc %s: (ipc.timeout_ms) must be 1 to %d", method->name,
			 METHOD_TIMEOUT_MAX);
	else if (options->has_timeout_ms && options->oneway)
		complain(b, path_field(place, OPTION_TIMEOUT),
			 "rpc %s: a oneway cannot have (ipc.timeout_ms), because it has no reply",
			 method->name);
	if (!options->has_id)
		return;

	method->number = (uint32_t)options->id;
	method->explicit_number = true;
	if (options->id < 1 || options->id > UINT32_MAX ||
	    (options->id > METHOD_ID_MAX && !(options->id & METHOD_ID_DERIVED)))
		complain(b, path_field(place, OPTION_ID),
			 "rpc %s: (ipc.id) must be 1 to %d, or the derived number of an earlier name, "
			 "which is 0x80000000 or more",
			 method->name, METHOD_ID_MAX);
}

static void build_method(struct builder *b, const struct service *service,
			 struct method *method, const MethodProto *proto)
{
	const char *chosen;

	method->name = proto->name;
	method->called = proto->name;
	method->full_name = arena_printf(b->arena, "%s.%s", service->full_name, proto->name);
	method->comment = source_comment(b->source, method->place);
	method->request = types_find(&b->request->types, proto->input_type);
	method->reply = types_find(&b->request->types, proto->output_type);
	method->number = method_number(arena_printf(b->arena, "%s/%s", service->full_name, proto->name));
	read_options(b, method, proto);
	chosen = choices_find(&b->request->parameters->names, method->full_name);
	if (chosen)
		method->called = chosen;
	if (chosen && !name_is_identifier(chosen))
		complain(b, method->place, "rpc %s: parameter name: \"%s\" is not an identifier",
			 method->name, chosen);
	method->has_request = !type_is(method->request, "ipc.None");
	method->sends = proto->client_streaming;
	method->pushes = proto->server_streaming;
	method->streams = method->sends || method->pushes;
	method->has_reply = !type_is(method->reply, "ipc.None") && !method->oneway;
}

static void check_method(struct builder *b, const struct method *method)
{
	struct path place = method->place;

	check_streams(b, method, place);
	check_type(b, method, method->request, path_field(place, METHOD_INPUT));
	check_type(b, method, method->reply, path_field(place, METHOD_OUTPUT));
	if (method->oneway && !type_is(method->reply, "ipc.None"))
		complain(b, path_field(place, METHOD_OUTPUT),
			 "rpc %s: a oneway must return ipc.None, not %s",
			 method->name, method->reply->full_name);
}

/* --- Numbers ---------------------------------------------------------------------- */

static int compare_codes(const void *a, const void *b)
{
	const struct method *x = *(const struct method *const *)a;
	const struct method *y = *(const struct method *const *)b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;

	/* Sort equal numbers by their order in the file, so that the error is about the later
	 * method. */
	return x < y ? -1 : x > y;
}

static void sort_numbers(struct builder *b, struct service *service)
{
	const struct method **sorted;

	sorted = arena_array(b->arena, service->n_methods + 1, sizeof(*sorted));
	for (size_t i = 0; i < service->n_methods; i++)
		sorted[i] = &service->methods[i];

	qsort(sorted, service->n_methods, sizeof(*sorted), compare_codes);
	for (size_t i = 1; i < service->n_methods; i++) {
		if (sorted[i - 1]->number != sorted[i]->number)
			continue;
		if (sorted[i]->explicit_number)
			complain(b,
				 path_field(path_field(sorted[i]->place, METHOD_OPTIONS),
					    OPTION_ID),
				 sorted[i]->number & METHOD_ID_DERIVED ?
					 "rpc %s: rpc %s already has the number 0x%08x; choose another (ipc.id)" :
					 "rpc %s: rpc %s already has the number %u; choose another (ipc.id)",
				 sorted[i]->name, sorted[i - 1]->name, sorted[i]->number);
		else
			complain(b, path_field(sorted[i]->place, METHOD_NAME),
				 "rpc %s: the number derived from its name, 0x%08x, is also that of rpc "
				 "%s; set option (ipc.id) on one of them",
				 sorted[i]->name, sorted[i]->number, sorted[i - 1]->name);
	}

	service->by_number = sorted;
}

/* --- Services --------------------------------------------------------------------- */

/*
 * Returns package and service in snake case: a_b_store for service Store of package a.b. If the
 * last part of the package is the name of the service, it is omitted: echo for service Echo of
 * package echo.
 */
static const char *default_prefix(struct builder *b, const struct service *service)
{
	const char *c_package = options_c_package(b->arena, b->file->options);
	const char *package = !b->prefix_package ? "" : c_package ?: b->file->package ?: "";
	const char *dot = strrchr(package, '.'), *last = dot ? dot + 1 : package;
	const char *name = name_snake(b->arena, service->name);
	size_t length = strlen(package);
	char *joined;

	if (*package && !strcmp(name_snake(b->arena, last), name))
		length = last > package ? (size_t)(last - package) - 1 : 0;
	joined = arena_printf(b->arena, "%.*s%s%s", (int)length, package, length ? "_" : "",
			      service->name);
	for (char *p = joined; (p = strchr(p, '.'));)
		*p = '_';
	name = name_snake(b->arena, joined);
	return *name ? name : name_c_member(b->arena, joined);
}

/* Returns the position that determines the prefix: the option, or the name. */
static struct path build_prefix(struct builder *b, struct service *service,
				const ServiceProto *proto)
{
	struct path place = path_field(service->place, SERVICE_OPTIONS);
	const char *chosen = choices_find(&b->request->parameters->prefixes, service->full_name);
	const Extensions__Service *options;
	struct bad_option bad;

	options = options_of_service(b->arena, proto->options, b->request->files,
				     b->request->n_files, &bad);
	if (!options)
		complain(b, path_field(place, (int32_t)bad.number), "service %s: %s",
			 service->name, bad.problem);

	service->explicit_prefix = chosen || (options && options->c_prefix);
	if (chosen) {
		service->prefix = chosen;
		return service->place;
	}
	if (options && options->c_prefix) {
		service->prefix = options->c_prefix;
		return path_field(place, OPTION_C_PREFIX);
	}

	service->prefix = default_prefix(b, service);
	return path_field(service->place, SERVICE_NAME);
}

static void build_service(struct builder *b, struct service *service,
			  const ServiceProto *proto)
{
	const char *package = b->file->package ?: "";

	service->name = proto->name;
	service->full_name = arena_printf(b->arena, "%s%s%s", package, *package ? "." : "",
					  proto->name);
	service->pb_name = types_pb_name(b->arena, b->file, service->full_name);
	service->comment = source_comment(b->source, service->place);
	service->prefix_place = build_prefix(b, service, proto);

	service->methods = arena_array(b->arena, proto->n_method + 1, sizeof(*service->methods));
	service->n_methods = proto->n_method;
	for (size_t i = 0; i < proto->n_method; i++) {
		struct method *method = &service->methods[i];

		method->place = path_element(service->place, SERVICE_METHOD, i);
		build_method(b, service, method, proto->method[i]);
		check_method(b, method);
	}

	sort_numbers(b, service);
}

/* Returns whether C names begin with the package: by the option, or else by the parameter. */
static bool has_package_prefix(struct builder *b)
{
	const Extensions__File *options;
	struct bad_option bad;

	options = options_of_file(b->arena, b->file->options, b->request->files,
				  b->request->n_files, &bad);
	if (!options)
		complain(b, path_field(path_field((struct path){ 0 }, FILE_OPTIONS),
				       (int32_t)bad.number), "%s", bad.problem);
	if (options && options->has_prefix_package)
		return options->prefix_package;
	return !b->request->parameters->short_prefix;
}

/* Returns true if the parameter services includes the service. */
static bool is_chosen(struct builder *b, const char *full_name)
{
	struct choices *services = &b->request->parameters->interfaces;

	return !services->count || choices_find(services, full_name);
}

static void build_services(struct builder *b, struct unit *unit)
{
	const char *package = b->file->package ?: "";

	for (size_t i = 0; i < b->file->n_service; i++) {
		const ServiceProto *proto = b->file->service[i];
		struct service *service = &unit->services[unit->n_services];

		if (!is_chosen(b, arena_printf(b->arena, "%s%s%s", package, *package ? "." : "",
					       proto->name)))
			continue;
		service->place = path_element((struct path){ 0 }, FILE_SERVICE, i);
		build_service(b, service, proto);
		unit->n_services++;
	}
}

static void add_codecs(struct builder *b, struct unit *unit)
{
	size_t n = 0;

	for (size_t i = 0; i < unit->n_services; i++)
		n += unit->services[i].n_methods;
	unit->codecs.list = arena_array(b->arena, 2 * n + 1, sizeof(*unit->codecs.list));
	for (size_t i = 0; i < unit->n_services; i++) {
		for (size_t j = 0; j < unit->services[i].n_methods; j++) {
			struct method *method = &unit->services[i].methods[j];

			method->request_codec =
				codecs_add(b->arena, &unit->codecs, method->request);
			method->reply_codec = codecs_add(b->arena, &unit->codecs, method->reply);
		}
	}
}

void unit_build(struct unit *unit, const struct request *request, const File *file,
		struct diag *diag)
{
	struct builder b = {
		.arena = request->arena,
		.request = request,
		.file = file,
		.source = file->source_code_info,
		.diag = diag,
	};

	unit->file = file->name;
	unit->request = request;
	unit->proto = file;
	unit->base = name_file_base(b.arena, file->name);
	unit->identifier = name_file_identifier(b.arena, file->name);
	unit->license = source_license(b.source, b.arena);
	unit->services = arena_array(b.arena, file->n_service + 1, sizeof(*unit->services));
	if (!name_is_file(file->name)) {
		complain(&b, (struct path){ 0 }, "C cannot include a file with this name; rename it");
		return;
	}

	b.prefix_package = has_package_prefix(&b);
	build_services(&b, unit);
	add_codecs(&b, unit);
	unit->set = request_file_set(request, file, &unit->set_size);
}
