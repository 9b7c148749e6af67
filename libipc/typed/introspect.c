// SPDX-License-Identifier: MIT
/*
 * What a client can ask any object: is it there, what is it, what goes on inside,
 * and does it understand what I was built from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../idl/shape.h"
#include "builtin.h"

/* What a stranger describes is not compared when it is larger. */
#define SET_MAX		((size_t)1 << 20)

static const Ipc__None none = IPC__NONE__INIT;

int ipc_proxy_ping(struct ipc_proxy *proxy, struct ipc_error *error)
{
	return ipc_rpc_call_with(proxy, builtin_find(IPC_CODE_PING), NULL, &none.base, NULL, error);
}

int ipc_proxy_dump(struct ipc_proxy *proxy, int fd, const char *const *args, size_t n_args,
		   struct ipc_error *error)
{
	Ipc__DumpRequest request = IPC__DUMP_REQUEST__INIT;
	struct ipc_error own = IPC_ERROR_INIT;
	Ipc__Fd file = IPC__FD__INIT;
	int r;

	file.fd = fd;
	request.fd = &file;
	request.args = (char **)args;
	request.n_args = n_args;
	error = error ?: &own;
	r = ipc_rpc_call_with(proxy, builtin_find(IPC_CODE_DUMP), NULL, &request.base, NULL, error);
	/* The bus refuses the file, because the object accepts none. */
	if (r == -EPERM && error->origin == IPC_ORIGIN_BUS)
		r = error->code = -EOPNOTSUPP;
	ipc_error_done(&own);
	return r;
}

int ipc_rpc_describe(struct ipc_proxy *proxy, Ipc__Description **ret_description,
		     struct ipc_error *error)
{
	ProtobufCMessage *reply;
	int r;

	if (!ret_description)
		return -EINVAL;
	r = ipc_rpc_call_with(proxy, builtin_find(IPC_CODE_DESCRIBE), NULL, &none.base, &reply,
			      error);
	if (r < 0)
		return r;

	*ret_description = (Ipc__Description *)reply;
	return 0;
}

/* --- Does it understand me? ------------------------------------------------------ */

static __attribute__((format(printf, 2, 3))) int differs(struct ipc_error *error,
							 const char *format, ...)
{
	va_list args;

	if (!error)
		return -EPROTOTYPE;

	ipc_error_done(error);
	error->code = -EPROTOTYPE;
	va_start(args, format);
	if (vasprintf(&error->message, format, args) < 0)
		error->message = NULL;
	va_end(args);
	return -EPROTOTYPE;
}

/* A shape and the message that it looks into. */
struct described {
	struct message message;
	struct shape *shape;
	uint64_t block[128];
};

static int described_init(struct described *d, const uint8_t *set, size_t size)
{
	int r;

	d->shape = NULL;
	message_init(&d->message, d->block, sizeof(d->block), size);
	if (size > SET_MAX)
		return -EMSGSIZE;
	r = message_unpack(&d->message, shape_descriptor(), /* borrow= */ false, set, size);
	if (r < 0)
		return r;
	return shape_new(&d->shape, d->message.root);
}

static void described_done(struct described *d)
{
	shape_free(d->shape);
	message_done(&d->message);
}

/* The first difference is reported, the others are counted. */
static void keep_first(void *userdata, const char *text)
{
	char **first = userdata;

	if (!*first)
		*first = strdup(text);
}

static int compare(const struct ipc_interface *mine, const Ipc__Description *theirs,
		   struct ipc_error *error)
{
	struct described me, them;
	char *first = NULL;
	int r;

	r = described_init(&me, mine->descriptor, mine->descriptor_size);
	if (r == 0) {
		r = described_init(&them, theirs->descriptor_set.data, theirs->descriptor_set.len);
		if (r == 0)
			r = shape_compare(me.shape, them.shape, mine->name, SHAPE_TALK, keep_first,
					  &first);
		described_done(&them);
	}
	described_done(&me);

	if (r == 1)
		r = differs(error, "%s", first ?: "it differs");
	else if (r > 0)
		r = differs(error, "%s; and %d more", first ?: "it differs", r - 1);
	free(first);
	return r;
}

int ipc_rpc_check(struct ipc_proxy *proxy, const struct ipc_interface *interface,
		  struct ipc_error *error)
{
	Ipc__Description *theirs;
	int r = interface_check(interface);

	if (r < 0)
		return r;
	r = ipc_rpc_describe(proxy, &theirs, error);
	if (r < 0)
		return r;

	if (!theirs->interface || strcmp(theirs->interface, interface->name))
		r = differs(error, "it is %s, not %s", theirs->interface ?: "something nameless",
			    interface->name);
	else if (!interface->hash || theirs->hash != interface->hash)
		r = compare(interface, theirs, error);
	ipc_rpc_free(&theirs->base);
	if (r < 0 && r != -EPROTOTYPE && error) {
		ipc_error_done(error);
		error->code = r;
	}
	return r;
}
