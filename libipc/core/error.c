// SPDX-License-Identifier: MIT
/*
 * What went wrong: for people, by users alone, for the library prints nothing of its
 * own accord; and from one side to the other, errors.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

void ipc_error_done(struct ipc_error *error)
{
	if (!error)
		return;
	free(error->name);
	free(error->message);
	free(error->details);
	*error = (struct ipc_error)IPC_ERROR_INIT;
}

int error_set(struct ipc_error *error, int code)
{
	if (error) {
		ipc_error_done(error);
		error->code = code;
	}
	return code;
}

/* --- From one side to the other ---------------------------------------------------- */

static char *dup_text(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

static void dup_details(struct ipc_error *error, const ProtobufCBinaryData *details)
{
	error->details = details->len ? malloc(details->len) : NULL;
	if (!error->details)
		return;
	memcpy(error->details, details->data, details->len);
	error->details_size = details->len;
}

int error_explain(struct ipc_error *error, int code, const Ipc__Error *explained)
{
	error_set(error, code);
	if (!error)
		return code;
	error->name = dup_text(explained->name);
	error->message = dup_text(explained->message);
	error->number = explained->has_number ? explained->number : 0;
	if (explained->has_details)
		dup_details(error, &explained->details);
	return code;
}

void error_describe(const struct ipc_error *error, Ipc__Error *ret_explained)
{
	*ret_explained = (Ipc__Error)IPC__ERROR__INIT;
	ret_explained->name = error->name;
	ret_explained->message = error->message;
	ret_explained->has_number = error->number != 0;
	ret_explained->number = error->number;
	ret_explained->has_details = error->details_size != 0;
	ret_explained->details.data = error->details;
	ret_explained->details.len = error->details_size;
}

int error_check(const struct ipc_error *error, int *ret_code)
{
	int code;

	if (!error || !error->name || (error->details_size && !error->details))
		return -EINVAL;
	code = error->code > 0 ? -error->code : error->code;
	if (code < -ERRNO_MAX)
		return -EINVAL;
	*ret_code = code ?: -EREMOTEIO;
	return 0;
}

/* --- For people --------------------------------------------------------------------- */

/* The errnos to which this library gives a meaning of its own. */
static const struct {
	int code;
	const char *meaning;
} meanings[] = {
	{ ECHILD, "the connection belongs to the parent process; open another after fork()" },
	{ EOWNERDEAD, "the object's process died or destroyed the object" },
	{ ENOENT, "no such name or device" },
	{ EHOSTDOWN, "the service is frozen" },
	{ EHOSTUNREACH, "activation of the service failed" },
	{ ENOTCONN, "no servicemanager is running" },
	{ EOPNOTSUPP, "the object has no such method" },
	{ EBADMSG, "the message does not match its type" },
	{ EPROTOTYPE, "the object has another interface, or an incompatible version of it" },
	{ EPROTO, "the two sides disagree about the kind of the method" },
	{ EREMOTEIO, "the service reports an error" },
	{ ENOMSG, "the server ended the call without a reply" },
	{ EMSGSIZE, "the message is larger than the receiver can ever accept" },
	{ ENOSPC, "the receiver has no space for the message at the moment" },
	{ EAGAIN, "the receiver has no space, or no message has arrived; try again later" },
	{ EPERM, "not permitted, or the receiver does not accept file descriptors" },
	{ EALREADY, "the call already has a reply, or the stream has ended" },
	{ EEXIST, "a service of another user has that name" },
	{ EXDEV, "the object belongs to this connection, or to another one" },
	{ EDQUOT, "a quota is used up" },
	{ ELOOP, "calls are nested too deeply, or the message contains a bus" },
	{ ENOBUFS, "the receiver is not ready for messages" },
	{ ETIMEDOUT, "the time limit expired" },
	{ ECANCELED, "the call or stream was canceled" },
	{ EDEADLK, "this thread waits for a reply and cannot serve" },
};

const char *ipc_strerror(int code)
{
	const char *text;

	if (code < 0)
		code = -code;
	if (!code)
		return "no error";

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return meanings[i].meaning;

	text = strerrordesc_np(code);
	return text ? text : "unknown error";
}

int ipc_fail(const char *what, int code, const struct ipc_error *error)
{
	const char *name = error ? error->name : NULL;
	const char *message = error ? error->message : NULL;

	if (!message)
		message = ipc_strerror(code);
	if (name)
		fprintf(stderr, "%s: %s: %s\n", what, name, message);
	else
		fprintf(stderr, "%s: %s\n", what, message);
	return 1;
}
