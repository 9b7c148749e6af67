// SPDX-License-Identifier: MIT
/*
 * lang=python: X_ipc.pyi, the types of X_ipc.py for type checkers and editors. A request is a
 * message, or its fields as keyword arguments. Fields of the types in ipc.proto take the Python
 * objects that they represent.
 */
#include <string.h>

#include "emit_python.h"
#include "names.h"

typedef Google__Protobuf__FieldDescriptorProto Field;

#define KIND(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name

/* --- Fields ------------------------------------------------------------------------- */

/* Returns the type of the values that a program may give for a message. */
static const char *content_type(struct emitter *e, const struct type *type)
{
	const char *message = python_type(e->arena, type);

	if (!strcmp(type->full_name, "google.protobuf.Value"))
		return arena_printf(e->arena, "_Union[%s, _stubs.JsonLike]", message);
	if (!strcmp(type->full_name, "google.protobuf.ListValue"))
		return arena_printf(e->arena, "_Union[%s, _stubs.JsonList]", message);
	return arena_printf(e->arena, "_Union[%s, _Mapping[str, _Any]]", message);
}

static const char *message_type(struct emitter *e, const struct type *type)
{
	static const struct {
		const char *name;
		const char *as;
	} special[] = {
		{ "ipc.Object", "_stubs.ObjectLike" },
		{ "ipc.Fd", "_stubs.FdLike" },
		{ "ipc.Memory", "_stubs.FdLike" },
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (!strcmp(type->full_name, special[i].name))
			return special[i].as;
	return content_type(e, type);
}

static const char *value_type(struct emitter *e, const struct types *types, const Field *field)
{
	switch (field->type) {
	case KIND(DOUBLE):
	case KIND(FLOAT):
		return "float";
	case KIND(BOOL):
		return "bool";
	case KIND(STRING):
		return "str";
	case KIND(BYTES):
		return "bytes";
	case KIND(ENUM):
		return "_Union[int, str]";
	case KIND(MESSAGE):
	case KIND(GROUP):
		return message_type(e, types_find(types, field->type_name));
	default:
		return "int";
	}
}

/* Returns the message type that the field names, or NULL. */
static const struct type *named_type(const struct types *types, const Field *field)
{
	const struct type *type;

	if (field->type != KIND(MESSAGE))
		return NULL;
	type = types_find(types, field->type_name);
	if (type_is_map(type))
		return named_type(types, type->descriptor->field[1]);
	return strncmp(type->full_name, "ipc.", strlen("ipc.")) ? type : NULL;
}

static const char *field_type(struct emitter *e, const struct types *types, const Field *field)
{
	const char *value = value_type(e, types, field);
	const struct type *type;

	if (field->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
		return arena_printf(e->arena, "_Optional[%s]", value);
	type = field->type == KIND(MESSAGE) ? types_find(types, field->type_name) : NULL;
	if (type && type_is_map(type))
		return arena_printf(e->arena, "_Mapping[%s, %s]",
				    value_type(e, types, type->descriptor->field[0]),
				    value_type(e, types, type->descriptor->field[1]));
	return arena_printf(e->arena, "_Iterable[%s]", value);
}

/* Returns whether a field can be a keyword argument. Others can only be set in a message. */
static bool is_keyword_argument(const char *name, bool pushes)
{
	return !python_is_keyword(name) && strcmp(name, "self") && strcmp(name, "timeout") &&
	       strcmp(name, "metadata") && strcmp(name, "detached") &&
	       !(pushes && !strcmp(name, "window"));
}

/* Writes fields as arguments of a method. pushes: of a method with a stream of replies. */
static void emit_fields(struct emitter *e, const struct types *types, const struct type *type,
			bool pushes)
{
	if (!strcmp(type->full_name, "google.protobuf.Struct")) {
		emit(e, "        **fields: _stubs.JsonLike,\n");
		return;
	}
	if (!strcmp(type->full_name, "google.protobuf.Value") ||
	    !strcmp(type->full_name, "google.protobuf.ListValue"))
		return;
	for (size_t i = 0; i < type->descriptor->n_field; i++) {
		const Field *field = type->descriptor->field[i];

		if (is_keyword_argument(field->name, pushes))
			emit(e, "        %s: %s = ...,\n", field->name, field_type(e, types, field));
	}
}

/* --- Classes --------------------------------------------------------------------------- */

static const char *request_type(struct emitter *e, const struct method *m)
{
	return m->has_request ? python_type(e->arena, m->request) : "None";
}

/* Returns the type that a client receives, which includes objects and files. */
static const char *received(struct emitter *e, const struct method *m, const char *module)
{
	const char *type = m->has_reply ? python_type(e->arena, m->reply) : "None";

	if (m->has_reply && m->reply->holds & TYPE_HOLDS_OBJECTS)
		return arena_printf(e->arena, "%s.Received[%s]", module, type);
	return type;
}

static void emit_client_class(struct emitter *e, const struct service *s, const char *ending,
			const char *module, const char *async)
{
	emit(e, "\nclass %s%s(%s.TypedProxy):\n", s->ident, ending, module);
	emit(e, "    INTERFACE: _stubs.Interface\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];
		bool request = m->has_request && !m->sends;

		emit(e, "    %sdef %s(\n        self,\n", m->streams ? "" : async,
		     m->ident);
		if (request)
			emit(e, "        request: _Optional[%s] = ...,\n        /,\n",
			     content_type(e, m->request));
		emit(e, "        *,\n        timeout: _Optional[float] = ...,\n");
		emit(e, "        metadata: _Optional[_Mapping[str, str]] = ...,\n");
		emit(e, "        detached: bool = ...,\n");
		if (m->pushes)
			emit(e, "        window: _Optional[int] = ...,\n");
		if (request)
			emit_fields(e, e->types, m->request, m->pushes);
		if (m->streams)
			emit(e, "    ) -> %s.Stream[%s, %s]: ...\n", module, request_type(e, m),
			     received(e, m, module));
		else
			emit(e, "    ) -> %s: ...\n", received(e, m, module));
	}
	if (!s->n_methods)
		emit(e, "    ...\n");
}

static void emit_service_class(struct emitter *e, const struct service *s, const char *ending,
			 const char *module, bool async)
{
	const char *iterator = async ? "_AsyncIterator" : "_Iterator";

	emit(e, "\nclass %s%s(%s.Service):\n", s->ident, ending, module);
	emit(e, "    INTERFACE: _stubs.Interface\n");
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct method *m = &s->methods[i];
		const char *reply = "None";

		if (m->has_reply)
			reply = content_type(e, m->reply);
		if (m->pushes)
			reply = arena_printf(e->arena, "%s[%s]", iterator, reply);
		emit(e, "    %sdef %s(\n        self,\n", async && !m->pushes ? "async " : "",
		     m->ident);
		if (m->sends)
			emit(e, "        requests: %s[%s],\n", iterator, request_type(e, m));
		else if (m->has_request)
			emit(e, "        request: %s,\n", request_type(e, m));
		emit(e, "        context: %s.Context,\n        /,\n    ) -> %s: ...\n", module, reply);
	}
	if (!s->n_methods)
		emit(e, "    ...\n");
}

/* Imports all types that the file names, including the types of request fields. */
static void emit_imports(struct emitter *e)
{
	const struct type **list;
	size_t n = 0, most = 0;

	for (size_t i = 0; i < e->unit->n_services; i++) {
		const struct service *s = &e->unit->services[i];

		for (size_t j = 0; j < s->n_methods; j++)
			most += 2 + 3 * s->methods[j].request->descriptor->n_field;
	}
	list = arena_array(e->arena, most + 1, sizeof(*list));
	for (size_t i = 0; i < e->unit->n_services; i++) {
		const struct service *s = &e->unit->services[i];

		for (size_t j = 0; j < s->n_methods; j++) {
			const struct method *m = &s->methods[j];

			if (m->has_reply)
				list[n++] = m->reply;
			if (!m->has_request)
				continue;
			list[n++] = m->request;
			for (size_t k = 0; k < m->request->descriptor->n_field; k++) {
				const struct type *type =
					named_type(e->types, m->request->descriptor->field[k]);

				if (type)
					list[n++] = type;
			}
		}
	}
	python_imports(e, n, list, true);
}

void emit_python_types(struct emitter *e)
{
	python_head(e);
	emit(e, "from collections.abc import AsyncIterator as _AsyncIterator\n"
		"from collections.abc import Iterable as _Iterable, Iterator as _Iterator\n"
		"from collections.abc import Mapping as _Mapping\n"
		"from typing import Any as _Any, Optional as _Optional, Union as _Union\n\n");
	emit_imports(e);
	emit(e, "from ipcbus import aio as _aio, stubs as _stubs, sync as _sync\n");
	for (size_t i = 0; i < e->unit->n_services; i++) {
		const struct service *s = &e->unit->services[i];

		emit_client_class(e, s, "", "_aio", "async ");
		emit_service_class(e, s, "Service", "_aio", true);
		emit_client_class(e, s, "Sync", "_sync", "");
		emit_service_class(e, s, "SyncService", "_sync", false);
	}
}
