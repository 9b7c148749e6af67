// SPDX-License-Identifier: MIT
/*
 * The methods that every object of generated code serves: ping, describe and dump. First the
 * server's side. serve.c looks here if the object's own interface has no method with the number of
 * a request. Then the client's calls of these methods.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/errors.h"
#include "shm/memfd.h"
#include "typed.h"

/* Maximum number of bytes of a dump: the size of the file that ipc_proxy_dump() sends. */
#define DUMP_MAX ((size_t)64 << 20)

static const Ipc__None none = IPC__NONE__INIT;

static int ping(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		void *userdata)
{
	(void)request, (void)ops, (void)userdata;
	return ipc_rpc_reply(call, call->method, &none.base);
}

static int describe(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		    void *userdata)
{
	const struct ipc_interface *interface = typed_object(call->object)->interface;
	Ipc__Description reply = IPC__DESCRIPTION__INIT;

	(void)request, (void)ops, (void)userdata;
	reply.interface = (char *)interface->name;
	reply.has_descriptor_set = true;
	reply.descriptor_set.data = (uint8_t *)interface->descriptor;
	reply.descriptor_set.len = interface->descriptor_size;
	return ipc_rpc_reply(call, call->method, &reply.base);
}

/* Beyond this process's RLIMIT_FSIZE, write() raises SIGXFSZ in its thread, which would end the
 * server. While the signal is blocked, write() fails with EFBIG only. */
static int write_dump(struct ipc_call *call, ipc_dump_cb cb, const Ipc__DumpRequest *request,
		      void *userdata)
{
	const struct timespec now = { 0 };
	sigset_t signals, before;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	r = cb(call, request->fd->fd, request->args, request->n_args, userdata);
	if (!sigismember(&before, SIGXFSZ)) {
		sigtimedwait(&signals, /* info= */ NULL, &now);
		pthread_sigmask(SIG_UNBLOCK, &signals, /* oldset= */ NULL);
	}
	return r;
}

static int dump(struct ipc_call *call, const ProtobufCMessage *message, const void *ops,
		void *userdata)
{
	const Ipc__DumpRequest *request = (const Ipc__DumpRequest *)message;
	ipc_dump_cb cb = typed_object(call->object)->dump;
	const char *name = call->object->interface;
	int r;

	(void)ops;
	if (!cb)
		return ipc_call_fail(call, EOPNOTSUPP, NULL, "%s has nothing to dump", name);
	if (call->uid != 0 && call->uid != geteuid())
		return ipc_call_fail(call, EPERM, NULL,
				     "only root and the user of the server may dump %s", name);
	if (!request->fd || request->fd->fd < 0)
		return ipc_call_fail(call, EBADF, NULL, "dump needs a file to write to");
	/* Only files of memory have seals. A write to any other file could wait for its reader for
	 * ever, or raise SIGPIPE, which ends the server. */
	if (fcntl(request->fd->fd, F_GET_SEALS) < 0)
		return ipc_call_fail(call, EBADF, NULL, "dump writes only to a file of memory");

	r = write_dump(call, cb, request, userdata);
	if (r < 0 || call->replied)
		return r;
	return ipc_rpc_reply(call, call->method, &none.base);
}

/* In the order of the numbers: builtin_find() takes the number as an index. */
static const struct ipc_method methods[] = {
	{
		.number = IPC_NUMBER_PING,
		.name = "ping",
		.request = &ipc__none__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = ping,
	},
	{
		.number = IPC_NUMBER_DESCRIBE,
		.name = "describe",
		.request = &ipc__none__descriptor,
		.reply = &ipc__description__descriptor,
		.invoke = describe,
	},
	{
		.number = IPC_NUMBER_DUMP,
		.flags = IPC_METHOD_REQUEST_OBJECTS,
		.name = "dump",
		.request = &ipc__dump_request__descriptor,
		.reply = &ipc__none__descriptor,
		.invoke = dump,
	},
};

const struct ipc_method *builtin_find(uint32_t number)
{
	uint32_t i = number - IPC_NUMBER_BUILTIN;

	return i < sizeof(methods) / sizeof(methods[0]) ? &methods[i] : NULL;
}

int ipc_proxy_ping(struct ipc_proxy *proxy, struct ipc_error *error)
{
	return ipc_rpc_call_with(proxy, builtin_find(IPC_NUMBER_PING), NULL, &none.base, NULL,
				 error);
}

/* The size of the text. A page without text may follow, because memory can come in large pages. */
static off_t text_size(int fd)
{
	off_t end = lseek(fd, 0, SEEK_HOLE), begin;
	char block[4096];
	ssize_t n = 0;

	/* In blocks, because a hostile object may fill the file with zeros. */
	while (!n && end > 0) {
		begin = (end - 1) / (off_t)sizeof(block) * (off_t)sizeof(block);
		n = pread(fd, block, (size_t)(end - begin), begin);
		if (n != end - begin)
			return end;
		while (n && !block[n - 1])
			n--;
		end = begin + n;
	}
	return end;
}

static int copy_text(int from, int to)
{
	off_t end = text_size(from), at = 0;
	char buffer[4096];
	ssize_t n = 0;

	while (at < end && n >= 0) {
		size_t left = (size_t)(end - at);

		n = pread(from, buffer, left < sizeof(buffer) ? left : sizeof(buffer), at);
		if (n > 0)
			n = write(to, buffer, (size_t)n);
		if (n < 0 && errno == EINTR)
			n = 0;
		at += n;
	}
	return n < 0 ? -errno : 0;
}

/* Returns a file for the text. Its size is sealed, so that an object without end in its dump fills
 * no more memory. */
static int make_file(void)
{
	int fd = memory_file(DUMP_MAX);
	int r = fd < 0 ? fd : memory_seal(fd, /* seals= */ 0);

	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

int ipc_proxy_dump(struct ipc_proxy *proxy, int fd, const char *const *args, size_t n_args,
		   struct ipc_error *error)
{
	Ipc__DumpRequest request = IPC__DUMP_REQUEST__INIT;
	struct ipc_error own = IPC_ERROR_INIT;
	Ipc__Fd file = IPC__FD__INIT;
	int r, copied;

	if (n_args && !args)
		return error_set(error, -EINVAL);
	if (fcntl(fd, F_GETFD) < 0)
		return error_set(error, -EBADF);
	file.fd = make_file();
	if (file.fd < 0)
		return error_set(error, file.fd);
	request.fd = &file;
	request.args = (char **)args;
	request.n_args = n_args;
	error = error ?: &own;
	r = ipc_rpc_call_with(proxy, builtin_find(IPC_NUMBER_DUMP), NULL, &request.base, NULL,
			      error);
	/* The bus refuses the file, because the object accepts none. */
	if (r == -EPERM && error->origin == IPC_ORIGIN_BUS)
		r = error->code = -EOPNOTSUPP;
	copied = copy_text(file.fd, fd);
	close(file.fd);
	if (r == 0 && copied < 0)
		r = error_set(error, copied);
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
	r = ipc_rpc_call_with(proxy, builtin_find(IPC_NUMBER_DESCRIBE), NULL, &none.base, &reply,
			      error);
	if (r < 0)
		return r;

	*ret_description = (Ipc__Description *)reply;
	return 0;
}
