// SPDX-License-Identifier: MIT
/* Errors: texts for people, the log, and the transfer of errors between processes (errors.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/text.h"
#include "errors.h"

/* The end of a text that was cut. */
#define CUT "..."

void ipc_error_done(struct ipc_error *error)
{
	if (!error)
		return;
	free(error->name);
	free(error->text);
	free(error->details);
	memset(&error->code, 0, sizeof(*error) - offsetof(struct ipc_error, code));
}

int error_from(struct ipc_error *error, enum ipc_origin origin, int code)
{
	if (error) {
		ipc_error_done(error);
		error->code = code;
		error->origin = origin;
	}
	return code;
}

/* If the bus has ended, the call may have been sent. */
int error_set(struct ipc_error *error, int code)
{
	return error_from(error, code == -ECONNRESET ? IPC_ORIGIN_BUS : IPC_ORIGIN_HERE, code);
}

/* --- Transfer ---------------------------------------------------------------------- */

enum { ERROR_NAME = 1, ERROR_TEXT, ERROR_NUMBER, ERROR_DETAILS };

/* A copy of the text up to a 0 byte; NULL if the text is empty. */
static char *text_of(struct wire bytes)
{
	size_t size = bytes.at < bytes.end ?
			      strnlen((const char *)bytes.at, (size_t)(bytes.end - bytes.at)) : 0;
	char *text = size ? malloc(size + 1) : NULL;

	if (!text)
		return NULL;
	memcpy(text, bytes.at, size);
	text[size] = '\0';
	return text;
}

static void set_details(struct ipc_error *error, const void *data, size_t size)
{
	free(error->details);
	error->details = size ? malloc(size) : NULL;
	error->details_size = error->details ? size : 0;
	if (error->details)
		memcpy(error->details, data, size);
}

/*
 * Whether only the bus or this side can know the errno: the server died or is frozen, the deadline
 * passed, the call was canceled, or manager or bus are gone. If a peer reports such an errno, it
 * comes from a service behind the peer.
 */
static bool is_from_behind(int code)
{
	return code == -EOWNERDEAD || code == -EHOSTDOWN || code == -ETIMEDOUT ||
	       code == -ECANCELED || code == -ENOTCONN || code == -ECONNRESET ||
	       code == -ECHILD;
}

static int set_peers(struct ipc_error *error, int code)
{
	if (!is_from_behind(code))
		return error_from(error, IPC_ORIGIN_PEER, code);
	error_from(error, IPC_ORIGIN_BEHIND, -EREMOTEIO);
	if (error)
		error->cause = code;
	return -EREMOTEIO;
}

int error_decode(struct ipc_error *error, int code, struct wire explained)
{
	static const uint8_t types[] = {
		[ERROR_NAME] = WIRE_BYTES, [ERROR_TEXT] = WIRE_BYTES,
		[ERROR_NUMBER] = WIRE_VARINT, [ERROR_DETAILS] = WIRE_BYTES,
	};
	struct wire_field fields[ERROR_DETAILS + 1];
	int result = set_peers(error, code);
	struct wire details;

	if (!error || wire_fields(explained, types, ERROR_DETAILS + 1, fields) < 0)
		return result;
	details = fields[ERROR_DETAILS].bytes;
	error->name = text_of(fields[ERROR_NAME].bytes);
	error->text = text_of(fields[ERROR_TEXT].bytes);
	error->number = (int32_t)wire_unzigzag((uint32_t)fields[ERROR_NUMBER].value);
	set_details(error, details.at, (size_t)(details.end - details.at));
	return result;
}

static char *copy_text(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

int error_copy(struct ipc_error *error, const struct ipc_error *from)
{
	error_from(error, from->origin, from->code);
	if (error) {
		error->cause = from->cause;
		error->name = copy_text(from->name);
		error->text = copy_text(from->text);
		error->number = from->number;
		set_details(error, from->details, from->details_size);
	}
	return from->code;
}

size_t error_size(const struct ipc_error *error)
{
	return 4 * WIRE_FIELD_MAX + (error->name ? strlen(error->name) : 0) +
	       (error->text ? strlen(error->text) : 0) + error->details_size;
}

size_t error_encode(const struct ipc_error *error, uint8_t *to)
{
	uint8_t *at = to;

	if (error->name)
		at = wire_put_bytes(at, ERROR_NAME, error->name, strlen(error->name));
	if (error->text)
		at = wire_put_bytes(at, ERROR_TEXT, error->text, strlen(error->text));
	if (error->number)
		at = wire_put_number(at, ERROR_NUMBER, wire_zigzag(error->number));
	if (error->details_size)
		at = wire_put_bytes(at, ERROR_DETAILS, error->details, error->details_size);
	return (size_t)(at - to);
}

int error_check(const struct ipc_error *error, int *ret_code)
{
	int code;

	if (!error || (!error->name && !error->code) || (error->details_size && !error->details))
		return -EINVAL;
	code = error->code > 0 ? -error->code : error->code;
	if (code < -ERRNO_MAX)
		return -EINVAL;
	*ret_code = code ?: -EREMOTEIO;
	return 0;
}

char *error_format(const char *format, va_list args)
{
	char *text;

	return format && vasprintf(&text, format, args) >= 0 ? text : NULL;
}

/* --- For people --------------------------------------------------------------------- */

/* The errnos with a library-specific meaning. */
static const struct {
	int code;
	const char *meaning;
} meanings[] = {
	{ ECHILD, "the connection belongs to the parent process; open another after fork()" },
	{ EOWNERDEAD, "the object is dead: its process has ended it, or died" },
	{ ENOENT, "there is no such name, bus or object" },
	{ ESRCH, "the process is not on this bus, has ended, or is hidden from the daemon" },
	{ EHOSTDOWN, "the object's process is frozen; ipcctl thaw thaws it" },
	{ EHOSTUNREACH, "activation of the name failed; ipcctl list --activatable shows why" },
	{ ENOTCONN, "no service manager is running; start servicemanager" },
	{ ECONNRESET, "the daemon that ran the bus has ended" },
	{ ECONNREFUSED, "no daemon runs the bus: it has ended" },
	{ EOPNOTSUPP, "the object has no such method" },
	{ EBADMSG, "the message does not match its type" },
	{ EPROTOTYPE, "the object has another interface" },
	{ EPIPE, "this side has ended its messages, or the server has ended the stream" },
	{ EPROTO, "the two sides disagree about the kind of the method, or about a stream" },
	{ EREMOTEIO, "the server reports an error" },
	{ ENOMSG, "the server ended the call without a reply" },
	{ EMSGSIZE, "the message is larger than the receiver accepts, or its metadata than 64 KiB" },
	{ ENOSPC, "the receiver has no space for the message at the moment" },
	{ EAGAIN, "the receiver has no space, or no message has arrived; try again later" },
	{ EPERM, "not permitted; or the message has files, which the receiver does not accept" },
	{ EALREADY, "the call already has a reply, or this side has ended the messages of the stream" },
	{ EEXIST, "a living process has registered the name" },
	{ ESTALE, "the name was given to another object, or unregistered by another process" },
	{ EINVAL, "an argument, such as a name, is malformed, out of range, closed or of another "
		  "connection" },
	{ EACCES, "not permitted: by the policy (see ipcctl policy check), or by the "
		  "permissions of the bus (see ipcctl doctor)" },
	{ EBADF, "an object is unknown to this connection or has ended, or a file descriptor is not "
		 "open" },
	{ ENOTTY, "the path is not a bus" },
	{ EISDIR, "the path is a folder, not a bus" },
	{ EXDEV, "the object belongs to this connection where a proxy is expected, or the reverse" },
	{ EDQUOT, "a limit of this user is reached: connections, objects, proxies, watches, "
		  "threads, open calls, files, names, or space at the receiver; ipcctl stats, as "
		  "root, counts only objects (NODES), proxies (HANDLES), threads and space" },
	{ ELOOP, "calls are nested too deeply, or the message contains a bus" },
	{ ENOBUFS, "the receiver is not ready for messages" },
	{ ETIMEDOUT, "the timeout expired" },
	{ EMFILE, "this process has no free file descriptor; raise RLIMIT_NOFILE (ulimit -n)" },
	{ ENFILE, "the daemon of the bus, or the system, has no free file descriptor; raise "
		  "RLIMIT_NOFILE of ipcbusd" },
	{ ECANCELED, "the call or stream was canceled" },
	{ EDEADLK, "this thread waits for a reply, runs a handler, or is the last one that serves" },
	{ ESHUTDOWN, "the server is stopping" },
};

static const char *system_text(int code)
{
	const char *text = strerrordesc_np(code);

	return text ? text : "unknown error";
}

const char *ipc_strerror(int code)
{
	if (code < 0)
		code = -code;
	if (!code)
		return "no error";

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return meanings[i].meaning;
	return system_text(code);
}

/* Whether the server may have chosen the errno. The library reports the errnos below on behalf of
 * a server; its other refusals have a text. */
static bool is_of_service(int code, const struct ipc_error *error)
{
	switch (abs(code)) {
	case EPROTOTYPE:
	case EREMOTEIO:
	case ENOMSG:
	case EMSGSIZE:
	case ECANCELED:
	case ESHUTDOWN:
		return false;
	default:
		return error->origin == IPC_ORIGIN_PEER;
	}
}

char *ipc_printable(char *to, size_t size, const char *text)
{
	const unsigned char *c = (const unsigned char *)(text ?: "");
	size_t n = 0, kept = 0, length;
	/* Write only bytes that change: protobuf-c's empty string is in read-only memory. */
	bool in_place = to == text, shown;

	for (; *c; c += length, n += length) {
		length = utf8_size(c, c + strnlen((const char *)c, 4));
		shown = length && !text_is_hidden(text_code(c, length));
		length = length ?: 1;
		if (n + sizeof(CUT) <= size)
			kept = n;
		if (n + length >= size)
			break;
		if (!shown)
			memset(to + n, '?', length);
		else if (!in_place)
			memcpy(to + n, c, length);
	}
	if (*c && size >= sizeof(CUT))
		memcpy(to + kept, CUT, sizeof(CUT));
	else if (size && (*c || !in_place))
		to[n] = '\0';
	return to;
}

char *ipc_error_text(char *to, size_t size, int code, const struct ipc_error *error)
{
	static const struct ipc_error none = IPC_ERROR_INIT;
	char name[IPC_PRINTABLE_MAX], text[IPC_PRINTABLE_MAX], reported[64] = "";
	const char *said, *reports = reported;
	bool of_service;

	if (!error)
		error = &none;
	of_service = is_of_service(code, error);
	said = error->text ?: of_service ? system_text(abs(code)) :
					   ipc_strerror(error->cause ?: code);
	if (!error->name && error->cause)
		reports = "behind the server: ";
	else if (!error->name && !error->text && of_service)
		snprintf(reported, sizeof(reported), "the server reports %s: ",
			 strerrorname_np(abs(code)) ?: "an error");
	snprintf(to, size, "%s%s%s%s", ipc_printable(name, sizeof(name), error->name),
		 error->name ? ": " : "", reports, ipc_printable(text, sizeof(text), said));
	/* snprintf() may have cut the text in a character: replace the rest of it. */
	return size ? ipc_printable(to, size, to) : to;
}

int ipc_print_error(const char *what, int code, const struct ipc_error *error)
{
	char text[IPC_ERROR_TEXT_MAX];

	fprintf(stderr, "%s: %s\n", what, ipc_error_text(text, sizeof(text), code, error));
	return 1;
}

/* The longest name, and how much of a longer text is shown. */
#define NAME_MAX_SIZE	127
#define NAME_SHOWN	255

/* A pattern ends with '*'. */
static bool is_name(const char *name)
{
	size_t length = strlen(name);
	bool begins = true;

	if (length && name[length - 1] == '*')
		return length <= NAME_MAX_SIZE + 1;
	if (!length || length > NAME_MAX_SIZE)
		return false;
	for (; *name; name++) {
		bool letter = (*name | 0x20) >= 'a' && (*name | 0x20) <= 'z';

		if (!letter && !(*name >= '0' && *name <= '9') && *name != '_' &&
		    (begins || !strchr("./-", *name)))
			return false;
		begins = *name == '/';
	}
	return !begins;
}

char *ipc_name_error_text(char *to, size_t size, const char *name, int code)
{
	char shown[NAME_SHOWN + 1];
	const char *text;

	if (abs(code) == ENOENT)
		text = "no process has registered the name";
	else if (abs(code) == ETIMEDOUT)
		text = "the timeout expired: no process has registered the name, or the service manager does "
		       "not reply";
	else if (abs(code) != EINVAL)
		text = ipc_strerror(code);
	else if (!is_name(name ?: ""))
		text = "the name is malformed; " IPC_NAME_RULE;
	else
		text = "an argument other than the name is out of range, closed or of another "
		       "connection";
	snprintf(to, size, "%s: %s", ipc_printable(shown, sizeof(shown), name), text);
	return size ? ipc_printable(to, size, to) : to;
}

int ipc_print_name_error(const char *name, int code)
{
	char text[IPC_ERROR_TEXT_MAX];

	fprintf(stderr, "%s\n", ipc_name_error_text(text, sizeof(text), name, code));
	return 1;
}

/* --- The log ---------------------------------------------------------------------- */

#define LOG_LINE_MAX	(IPC_ERROR_TEXT_MAX + IPC_PRINTABLE_MAX)

static struct {
	ipc_log_cb cb;
	void *userdata;
} sink;

void ipc_set_log(ipc_log_cb cb, void *userdata)
{
	sink.cb = cb;
	sink.userdata = userdata;
}

void ipc_log(int priority, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	ipc_printable(line, sizeof(line), line);
	if (sink.cb)
		sink.cb(priority, line, sink.userdata);
	else if (priority <= LOG_ERR)
		fprintf(stderr, "%s\n", line);
}

void log_failure(struct ipc *ipc, enum failure_kind kind, int code, const char *name)
{
	static const int codes[] = {
		ENOMEM, EBADMSG, EPROTO, EMSGSIZE, EDQUOT, EOPNOTSUPP, EMFILE,
	};
	unsigned int n = sizeof(codes) / sizeof(codes[0]), i = 0, bit;

	while (i < n && codes[i] != -code)
		i++;
	bit = 1u << (i + (kind == FAILURE_STREAM ? n + 1 : 0));
	if (atomic_fetch_or(&ipc->logged, bit) & bit)
		return;
	ipc_log(LOG_WARNING, "ipc: %s: %s: %s", name ?: "an object",
		kind == FAILURE_STREAM ? "a stream broke off" : "a oneway was discarded",
		ipc_strerror(code));
}
