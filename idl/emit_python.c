// SPDX-License-Identifier: MIT
/*
 * lang=python: X_ipc.py, the clients and services of a file. Messages are protobuf's own, of
 * X_pb2.py. What is the same for all services is in the package: python/ipcbus/stubs.py.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "emit_python.h"
#include "names.h"

#define BYTES_PER_LINE 16

/* --- Names ---------------------------------------------------------------------- */

static int compare_words(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

bool python_is_keyword(const char *word)
{
	/* Sorted. */
	static const char *const words[] = {
		"False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
		"continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
		"global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass",
		"raise", "return", "try", "while", "with", "yield",
	};

	return bsearch(word, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]),
		       compare_words);
}

/* What the classes of the package have: python/ipcbus/aio.py and sync.py. */
static bool is_taken(const char *name)
{
	static const char *const words[] = {
		"ACCEPT_FDS", "INTERFACE", "bus", "call", "on_death", "oneway", "open", "ping",
		"serve", "wait_dead",
	};

	return *name == '_' || bsearch(name, words, sizeof(words) / sizeof(words[0]),
				       sizeof(words[0]), compare_words);
}

const char *python_class(struct arena *arena, const struct service *service)
{
	return arena_printf(arena, "%s%s", service->name,
			    python_is_keyword(service->name) ? "_" : "");
}

const char *python_method(struct arena *arena, const struct method *method)
{
	bool other = python_is_keyword(method->name) || is_taken(method->name);

	return arena_printf(arena, "%s%s", method->name, other ? "_" : "");
}

static char *without_ending(struct arena *arena, const char *file)
{
	char *base = name_file_base(arena, file);

	for (char *at = base; *at; at++)
		if (*at == '-')
			*at = '_';
	return base;
}

const char *python_base(struct arena *arena, const struct unit *unit)
{
	return without_ending(arena, unit->file);
}

const char *python_module(struct arena *arena, const char *file)
{
	char *base = without_ending(arena, file);

	for (char *at = base; *at; at++)
		if (*at == '/')
			*at = '.';
	return arena_printf(arena, "%s_pb2", base);
}

const char *python_type(struct arena *arena, const struct type *type)
{
	const char *package = type->file->package ?: "";
	const char *path = type->full_name + strlen(package) + (*package != 0);
	const char *name = python_module(arena, type->file->name);

	while (*path) {
		size_t length = strcspn(path, ".");
		const char *part = arena_strndup(arena, path, length);

		name = arena_printf(arena, python_is_keyword(part) ? "getattr(%s, \"%s\")" : "%s.%s",
				    name, part);
		path += length + (path[length] == '.');
	}
	return name;
}

/* --- Checks --------------------------------------------------------------------- */

static void check_methods(const struct unit *unit, const struct request *request,
			  const struct service *service, struct diag *diag)
{
	const Google__Protobuf__FileDescriptorProto *file = request_file(request, unit->file);

	for (size_t i = 0; i < service->n_methods; i++) {
		const char *name = python_method(request->arena, &service->methods[i]);

		for (size_t j = 0; j < service->n_methods; j++)
			if (i != j && !strcmp(name, service->methods[j].name))
				diag_add(diag, unit->file, file->source_code_info,
					 service->methods[i].place,
					 "rpc %s.%s: its name in Python, %s, is that of another rpc",
					 service->name, service->methods[i].name, name);
	}
}

/* The names that a service has at the top of the file, as formats of its own. */
static const char *const class_names[] = { "%s", "_%s", "%sSync", "%sService", "%sSyncService" };

#define N_CLASS_NAMES (sizeof(class_names) / sizeof(class_names[0]))

static void check_service(const struct unit *unit, const struct request *request, size_t index,
			  struct diag *diag)
{
	const Google__Protobuf__FileDescriptorProto *file = request_file(request, unit->file);
	const struct service *service = &unit->services[index];

	for (size_t i = 0; i < index * N_CLASS_NAMES; i++) {
		const struct service *other = &unit->services[i / N_CLASS_NAMES];
		const char *name = arena_printf(request->arena, class_names[i % N_CLASS_NAMES],
						python_class(request->arena, other));

		for (size_t j = 0; j < N_CLASS_NAMES; j++)
			if (!strcmp(name, arena_printf(request->arena, class_names[j],
						       python_class(request->arena, service))))
				diag_add(diag, unit->file, file->source_code_info, service->place,
					 "service %s: its class %s in Python is one of service %s",
					 service->name, name, other->name);
	}
}

void python_check(const struct unit *unit, const struct request *request, struct diag *diag)
{
	const Google__Protobuf__FileDescriptorProto *file = request_file(request, unit->file);
	const char *path = python_base(request->arena, unit);

	while (*path) {
		size_t length = strcspn(path, "/");
		const char *part = arena_strndup(request->arena, path, length);

		if (!name_is_identifier(part) || python_is_keyword(part))
			diag_add(diag, unit->file, file->source_code_info, (struct path){ 0 },
				 "Python cannot import \"%s\"; rename it", part);
		path += length + (path[length] == '/');
	}
	for (size_t i = 0; i < unit->n_services; i++) {
		check_service(unit, request, i, diag);
		check_methods(unit, request, &unit->services[i], diag);
	}
}

/* --- The head --------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void python_imports(struct emitter *e, size_t n_types, const struct type *const *types)
{
	const char **modules = arena_array(e->arena, n_types + 1, sizeof(*modules));

	for (size_t i = 0; i < n_types; i++)
		modules[i] = python_module(e->arena, types[i]->file->name);
	qsort(modules, n_types, sizeof(*modules), compare_names);
	for (size_t i = 0; i < n_types; i++)
		if (!i || strcmp(modules[i - 1], modules[i]))
			emit(e, "import %s\n", modules[i]);
}

void python_head(struct emitter *e)
{
	if (e->unit->license)
		emit(e, "# SPDX-License-Identifier: %s\n", e->unit->license);
	emit(e, "# Generated by protoc-gen-ipc from %s. Do not edit.\n", e->unit->file);
}

/* Requests and replies, but not ipc.None. */
static void emit_imports(struct emitter *e)
{
	const struct unit *unit = e->unit;
	const struct type **types;
	size_t n = 0;

	for (size_t i = 0; i < unit->n_services; i++)
		n += unit->services[i].n_methods;
	types = arena_array(e->arena, 2 * n + 1, sizeof(*types));
	n = 0;
	for (size_t i = 0; i < unit->n_services; i++) {
		for (size_t j = 0; j < unit->services[i].n_methods; j++) {
			const struct method *m = &unit->services[i].methods[j];

			if (m->has_request)
				types[n++] = m->request;
			if (m->has_reply)
				types[n++] = m->reply;
		}
	}
	python_imports(e, n, types);
}

static void emit_set(struct emitter *e)
{
	emit(e, "# A google.protobuf.FileDescriptorSet of the file and its imports.\n_SET = (");
	for (size_t i = 0; i < e->unit->set_size; i++) {
		if (i % BYTES_PER_LINE == 0)
			emit(e, "%s\n    b\"", i ? "\"" : "");
		emit(e, "\\x%02x", e->unit->set[i]);
	}
	emit(e, "%s\n)\n", e->unit->set_size ? "\"" : "\n    b\"\"");
}

/* --- Services ---------------------------------------------------------------------- */

/* The author's comment, which may contain anything. */
static void emit_doc(struct emitter *e, const char *indent, const char *comment)
{
	if (!comment || !comment[strspn(comment, " \t\r\n")])
		return;
	emit(e, "%s\"\"\"", indent);
	comment += strspn(comment, " \t\r\n");
	for (; *comment; comment++) {
		const char *rest = comment + strspn(comment, " \t\r\n");

		if (!*rest)
			break;
		if (*comment == '\n') {
			/* Empty lines stay empty; protoc keeps the blank after the slashes. */
			emit(e, "\n");
			if (comment[1] == ' ')
				comment++;
			if (comment[1] != '\n')
				emit(e, "%s", indent);
		} else if (*comment == '\\' || *comment == '"') {
			emit(e, "\\%c", *comment);
		} else {
			emit(e, "%c", (unsigned char)*comment < ' ' && *comment != '\t' ? ' ' : *comment);
		}
	}
	emit(e, "\"\"\"\n");
}

static void emit_entry(struct emitter *e, const struct method *m)
{
	const struct {
		bool set;
		const char *name;
	} flags[] = {
		{ m->oneway, "oneway" },
		{ m->sends, "sends" },
		{ m->pushes, "pushes" },
		{ m->request->holds & (TYPE_HOLDS_OBJECTS | TYPE_HOLDS_BLOBS), "request_holds" },
		{ m->has_reply && m->reply->holds & (TYPE_HOLDS_OBJECTS | TYPE_HOLDS_BLOBS),
		  "reply_holds" },
	};

	emit(e, "        _stubs.Method(\n            \"%s\",\n            \"%s\",\n", m->name,
	     python_method(e->arena, m));
	emit(e, m->code & 0x80000000 ? "            0x%08x,\n" : "            %u,\n", m->code);
	emit(e, "            %s,\n", m->has_request ? python_type(e->arena, m->request) : "None");
	emit(e, "            %s,\n", m->has_reply ? python_type(e->arena, m->reply) : "None");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].set)
			emit(e, "            %s=True,\n", flags[i].name);
	if (m->timeout_ms)
		emit(e, "            timeout=%" PRIu32 ".%03" PRIu32 ",\n", m->timeout_ms / 1000,
		     m->timeout_ms % 1000);
	emit(e, "        ),\n");
}

static void emit_methods(struct emitter *e, const struct service *s)
{
	emit(e, "\n_%s = _stubs.Interface(\n    \"%s\",\n    0x%016" PRIx64 ",\n    _SET,\n    (\n",
	     python_class(e->arena, s), s->full_name, s->hash);
	for (size_t i = 0; i < s->n_methods; i++)
		emit_entry(e, &s->methods[i]);
	emit(e, "    ),\n)\n");
}

static const char *invocation(const struct method *m)
{
	return m->streams ? "_stream" : m->oneway ? "_send" : "_invoke";
}

static void emit_client_class(struct emitter *e, const struct service *s, const char *ending,
			const char *module)
{
	const char *class = python_class(e->arena, s);

	emit(e, "\n\nclass %s%s(%s.Client):\n", class, ending, module);
	emit_doc(e, "    ", s->comment);
	emit(e, "\n    INTERFACE = _%s\n", class);
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];
		bool request = m->has_request && !m->sends;

		emit(e, "\n    def %s(self, %s*, timeout=None, metadata=None, detached=False%s):\n",
		     python_method(e->arena, m), request ? "request=None, /, " : "",
		     request ? ", **fields" : "");
		emit_doc(e, "        ", m->comment);
		emit(e, "        return self.%s(_%s.methods[%zu], %s, timeout, metadata, detached)\n",
		     invocation(m), class, i, request ? "request, fields" : "None, None");
	}
}

/* Of a handler that its author did not write, the base class says so. */
static void emit_service_class(struct emitter *e, const struct service *s, const char *ending,
			 const char *module, const char *async)
{
	const char *class = python_class(e->arena, s);
	bool accepts = false;

	emit(e, "\n\nclass %s%s(%s.Service):\n", class, ending, module);
	emit_doc(e, "    ", s->comment);
	emit(e, "\n    INTERFACE = _%s\n", class);
	for (size_t i = 0; i < s->n_methods; i++)
		accepts |= s->methods[i].request->holds & (TYPE_HOLDS_OBJECTS | TYPE_HOLDS_BLOBS);
	if (accepts)
		emit(e, "    ACCEPT_FDS = True\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];

		emit(e, "\n    %sdef %s(self, %scontext):\n", m->pushes ? "" : async,
		     python_method(e->arena, m),
		     m->sends ? "requests, " : m->has_request ? "request, " : "");
		emit_doc(e, "        ", m->comment);
		emit(e, "        raise self._unimplemented(_%s.methods[%zu])\n", class, i);
	}
}

void emit_python(struct emitter *e)
{
	python_head(e);
	emit(e, "\"\"\"Clients and services of %s.\"\"\"\n\n", e->unit->file);
	emit_imports(e);
	emit(e, "from ipcbus import aio as _aio, stubs as _stubs, sync as _sync\n\n");
	emit_set(e);
	for (size_t i = 0; i < e->unit->n_services; i++) {
		const struct service *s = &e->unit->services[i];

		emit_methods(e, s);
		emit_client_class(e, s, "", "_aio");
		emit_service_class(e, s, "Service", "_aio", "async ");
		emit_client_class(e, s, "Sync", "_sync");
		emit_service_class(e, s, "SyncService", "_sync", "");
	}
}
