// SPDX-License-Identifier: MIT
/*
 * The table of errnos and statuses: see status.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "schema/wire.h"

/* Errnos and their statuses, for both directions. If several errnos have the same status, the
 * status becomes the first of these errnos. */
static const struct {
	int code;
	enum net_code status;
} table[] = {
	{ ECANCELED, NET_CANCELLED },
	{ EREMOTEIO, NET_UNKNOWN },
	{ EINVAL, NET_INVALID_ARGUMENT },
	{ EBADMSG, NET_INVALID_ARGUMENT },
	{ ETIMEDOUT, NET_DEADLINE_EXCEEDED },
	{ ENOENT, NET_NOT_FOUND },
	{ ESRCH, NET_NOT_FOUND },
	{ ENODEV, NET_NOT_FOUND },
	{ EEXIST, NET_ALREADY_EXISTS },
	{ EACCES, NET_PERMISSION_DENIED },
	{ EPERM, NET_PERMISSION_DENIED },
	{ EROFS, NET_PERMISSION_DENIED },
	{ EDQUOT, NET_RESOURCE_EXHAUSTED },
	{ EMSGSIZE, NET_RESOURCE_EXHAUSTED },
	{ E2BIG, NET_RESOURCE_EXHAUSTED },
	{ ENOSPC, NET_RESOURCE_EXHAUSTED },
	{ ENOMEM, NET_RESOURCE_EXHAUSTED },
	{ ENOBUFS, NET_RESOURCE_EXHAUSTED },
	{ EMFILE, NET_RESOURCE_EXHAUSTED },
	{ ENFILE, NET_RESOURCE_EXHAUSTED },
	{ EBUSY, NET_FAILED_PRECONDITION },
	{ ENOTEMPTY, NET_FAILED_PRECONDITION },
	{ EALREADY, NET_FAILED_PRECONDITION },
	{ EISCONN, NET_FAILED_PRECONDITION },
	{ ESTALE, NET_ABORTED },
	{ EDEADLK, NET_ABORTED },
	{ ERANGE, NET_OUT_OF_RANGE },
	{ EOVERFLOW, NET_OUT_OF_RANGE },
	{ EDOM, NET_OUT_OF_RANGE },
	{ EOPNOTSUPP, NET_UNIMPLEMENTED },
	{ ENOSYS, NET_UNIMPLEMENTED },
	{ EPROTO, NET_INTERNAL },
	{ EPROTOTYPE, NET_INTERNAL },
	{ ENOMSG, NET_INTERNAL },
	{ EIO, NET_INTERNAL },
	{ ELOOP, NET_INTERNAL },
	{ EHOSTUNREACH, NET_UNAVAILABLE },
	{ EOWNERDEAD, NET_UNAVAILABLE },
	{ EHOSTDOWN, NET_UNAVAILABLE },
	{ ENOTCONN, NET_UNAVAILABLE },
	{ ECONNRESET, NET_UNAVAILABLE },
	{ EAGAIN, NET_UNAVAILABLE },
	{ ESHUTDOWN, NET_UNAVAILABLE },
	{ EUCLEAN, NET_DATA_LOSS },
	{ EKEYREJECTED, NET_UNAUTHENTICATED },
};
#define N_ENTRIES (sizeof(table) / sizeof(*table))

static const char *const names[] = {
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
};

enum net_code status_of_errno(int code)
{
	code = code < 0 ? -code : code;
	if (!code)
		return NET_OK;
	for (size_t i = 0; i < N_ENTRIES; i++)
		if (table[i].code == code)
			return table[i].status;
	return NET_UNKNOWN;
}

int status_to_errno(enum net_code code)
{
	if (code == NET_OK)
		return 0;
	for (size_t i = 0; i < N_ENTRIES; i++)
		if (table[i].status == code)
			return -table[i].code;
	return -EREMOTEIO;
}

const char *status_errno_name(int code)
{
	return strerrorname_np(code < 0 ? -code : code) ?: "";
}

const char *status_name(enum net_code code)
{
	return (size_t)code < sizeof(names) / sizeof(*names) ? names[code] : "";
}

/* --- Details ------------------------------------------------------------------------- */

static void put_text(struct wire_buffer *to, uint32_t number, const char *text)
{
	if (text && *text)
		wire_put_field(to, number, text, strlen(text));
}

/* Puts an entry of a map<string, string>. */
static void put_entry(struct wire_buffer *to, uint32_t number, const char *key, const char *value)
{
	size_t begin = to->size;

	put_text(to, 1, key);
	put_text(to, 2, value);
	wire_wrap(to, begin, number, WIRE_BYTES);
}

/* Puts a google.rpc.ErrorInfo: reason, domain, metadata. */
static void put_info(struct wire_buffer *to, const struct ipc_error *error, int r,
		     const char *interface)
{
	const char *code = status_errno_name(r);
	char number[16];
	size_t begin;

	put_text(to, 1, "type.googleapis.com/google.rpc.ErrorInfo");
	begin = to->size;
	put_text(to, 1, error->name ?: code);
	put_text(to, 2, interface);
	put_entry(to, 3, "errno", code);
	if (error->cause)
		put_entry(to, 3, "cause", status_errno_name(error->cause));
	if (error->number) {
		snprintf(number, sizeof(number), "%d", error->number);
		put_entry(to, 3, "number", number);
	}
	wire_wrap(to, begin, 2, WIRE_BYTES);
}

void status_put_error(struct wire_buffer *to, const struct ipc_error *error)
{
	put_text(to, 1, error->name);
	put_text(to, 2, error->text);
	if (error->number) {
		wire_put_tag(to, 3, WIRE_VARINT);
		wire_put_value(to, WIRE_VARINT, wire_zigzag(error->number));
	}
	if (error->details_size)
		wire_put_field(to, 4, error->details, error->details_size);
}

/* Puts the error as an Any. */
static void put_error(struct wire_buffer *to, const struct ipc_error *error)
{
	size_t begin;

	put_text(to, 1, "type.googleapis.com/ipc.Error");
	begin = to->size;
	status_put_error(to, error);
	wire_wrap(to, begin, 2, WIRE_BYTES);
}

/* Puts a google.rpc.Status: code, message, details. */
static void put_status(struct wire_buffer *to, enum net_code code, const char *message, int r,
		       const struct ipc_error *error, const char *interface)
{
	size_t begin;

	wire_put_tag(to, 1, WIRE_VARINT);
	wire_put_value(to, WIRE_VARINT, code);
	put_text(to, 2, message);
	begin = to->size;
	put_info(to, error, r, interface);
	wire_wrap(to, begin, 3, WIRE_BYTES);
	begin = to->size;
	put_error(to, error);
	if (begin + (to->size - begin) + 8 > STATUS_DETAILS_MAX)
		to->size = begin;
	else
		wire_wrap(to, begin, 3, WIRE_BYTES);
	if (to->size > STATUS_DETAILS_MAX)
		to->size = 0;
}

/* Cuts a text that is too long at the beginning of a UTF-8 character. */
static void cut(char *text, size_t size)
{
	if (strlen(text) <= size)
		return;
	while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	text[size] = 0;
}

struct status status_of(int r, const struct ipc_error *error, const char *interface)
{
	const struct ipc_error none = { .size = sizeof(none), .code = r };
	struct status status = { .is.code = status_of_errno(r) };
	struct wire_buffer details = { 0 };
	const char *text = ipc_strerror(r);

	if (r == 0)
		return status;
	if (error && (error->text || error->name))
		text = error->text ?: error->name;
	status.message = strdup(text);
	if (status.message)
		cut(status.message, STATUS_MESSAGE_MAX);
	put_status(&details, status.is.code, status.message, r, error ?: &none, interface);
	status.details = details.data;
	status.is.message = status.message;
	if (!details.failed) {
		status.is.details = details.data;
		status.is.details_size = details.size;
	}
	return status;
}

void status_done(struct status *status)
{
	free(status->message);
	free(status->details);
	*status = (struct status){ .is.code = NET_OK };
}

void status_finish(struct net_call *call, int r, const struct ipc_error *error,
		   const char *interface)
{
	struct status status = status_of(r, error, interface);

	net_call_finish(call, &status.is);
	status_done(&status);
}

void status_say(struct net_call *call, enum net_code code, const char *format, ...)
{
	struct net_status status = { .code = code };
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (message)
		cut(message, STATUS_MESSAGE_MAX);
	status.message = message;
	net_call_finish(call, &status);
	free(message);
}

void status_refuse_message(struct net_call *call)
{
	status_say(call, NET_INVALID_ARGUMENT, "the request is not a valid message");
}

/* --- Details that arrive ---------------------------------------------------------------- */

/* Finds the bytes of an ipc.Error in its Any. */
static bool find_in_any(struct wire any, struct wire *ret_error)
{
	static const char type[] = "type.googleapis.com/ipc.Error";
	struct wire_field field;
	bool is_error = false;

	*ret_error = (struct wire){ 0 };
	while (wire_next(&any, &field) > 0) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			is_error = field.bytes.end - field.bytes.at == sizeof(type) - 1 &&
				   !memcmp(field.bytes.at, type, sizeof(type) - 1);
		else if (field.number == 2)
			*ret_error = field.bytes;
	}
	return is_error && ret_error->at;
}

static bool find_error(const struct net_status *status, struct wire *ret_error)
{
	struct wire wire = wire_of(status->details, status->details_size);
	struct wire_field field;

	while (status->details && wire_next(&wire, &field) > 0)
		if (field.number == 3 && field.type == WIRE_BYTES &&
		    find_in_any(field.bytes, ret_error))
			return true;
	return false;
}

static int set_text(char **text, struct wire bytes)
{
	free(*text);
	*text = wire_text(bytes);
	return *text ? 0 : -ENOMEM;
}

static int take_field(const struct wire_field *field, struct ipc_error *error)
{
	if (field->number == 3 && field->type == WIRE_VARINT)
		error->number = (int)wire_unzigzag(field->value);
	if (field->type != WIRE_BYTES)
		return 0;
	if (field->number == 1)
		return set_text(&error->name, field->bytes);
	if (field->number == 2)
		return set_text(&error->text, field->bytes);
	if (field->number == 4) {
		free(error->details);
		error->details_size = (size_t)(field->bytes.end - field->bytes.at);
		error->details = malloc(error->details_size + 1);
		if (!error->details)
			return -ENOMEM;
		memcpy(error->details, field->bytes.at, error->details_size);
	}
	return 0;
}

/* Returns 1 on success, 0 if the bytes are not a valid error, or -ENOMEM. */
static int take_error(struct wire wire, struct ipc_error *error)
{
	struct wire_field field;
	int r = 0, more;

	while (r == 0 && (more = wire_next(&wire, &field)) != 0)
		r = more < 0 ? more : take_field(&field, error);
	if (r == 0)
		return error->name != NULL;
	return r == -ENOMEM ? r : 0;
}

int status_to_error(const struct net_status *status, struct ipc_error *ret_error)
{
	struct ipc_error error = IPC_ERROR_INIT;
	struct wire wire;
	int r = find_error(status, &wire) ? take_error(wire, &error) : 0;

	if (r == 0) {
		ipc_error_done(&error);
		error = (struct ipc_error)IPC_ERROR_INIT;
		if (asprintf(&error.name, "grpc.%s", status_name(status->code)) < 0)
			error.name = NULL;
		error.text = strdup(status->message ?: "");
		if (!error.name || !error.text)
			r = -ENOMEM;
	}
	error.code = status_to_errno(status->code);
	if (r < 0)
		ipc_error_done(&error);
	else
		*ret_error = error;
	return r < 0 ? r : 0;
}
