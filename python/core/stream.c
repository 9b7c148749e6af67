// SPDX-License-Identifier: MIT
/*
 * Stream: one side of a sequence of messages. Threads may wait in send() and receive(), or watch()
 * sets a callback that runs when a send or receive without waiting may succeed. A received message
 * is copied out of the stream at once, with its files and objects.
 *
 * If a callback is set, the library keeps the stream until it has ended. The owner must then call
 * cancel() before it drops the stream.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

struct stream {
	struct part part;
	struct ipc_stream *stream;	/* NULL: canceled or released */
	PyObject *notify;
	bool canceled;
};

static struct stream *of(PyObject *self)
{
	return (struct stream *)self;
}

static void drop(struct stream *stream)
{
	struct ipc_stream *native = stream->stream;

	stream->stream = NULL;
	if (!native)
		return;
	Py_BEGIN_ALLOW_THREADS
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
}

static void end(struct part *part)
{
	struct stream *stream = (struct stream *)part;
	/* Another thread may release the stream while the GIL is released. */
	struct ipc_stream *native = ipc_stream_ref(stream->stream);

	stream->canceled |= native != NULL;
	Py_CLEAR(stream->notify);
	Py_BEGIN_ALLOW_THREADS
	ipc_stream_cancel(native);
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
	drop(stream);
}

PyObject *stream_new(struct connection *connection, struct ipc_stream *native)
{
	struct stream *stream = (struct stream *)part_new(stream_type, connection, end);

	if (!stream) {
		ipc_stream_unref(native);
		return NULL;
	}
	stream->stream = native;
	return part_add(&stream->part) ? (PyObject *)stream : NULL;
}

struct ipc_stream *stream_ref(PyObject *self)
{
	return ipc_stream_ref(of(self)->stream);
}

/* Raises the error for a stream that was canceled or released, or whose connection was closed. */
static PyObject *fail_gone(PyObject *self)
{
	if (!of(self)->part.connection->ipc)
		return fail_closed();
	return fail_saying(-ECANCELED, of(self)->canceled ? "the stream was canceled" :
							    "the stream is closed");
}

/* Takes a reference for code that runs without the GIL. Returns NULL with an exception if the
 * stream is gone. */
static struct ipc_stream *hold(PyObject *self)
{
	if (of(self)->stream)
		return ipc_stream_ref(of(self)->stream);
	fail_gone(self);
	return NULL;
}

static void dealloc(PyObject *self)
{
	part_remove(&of(self)->part);
	Py_CLEAR(of(self)->notify);
	drop(of(self));
	part_free(&of(self)->part);
}

/* --- Callbacks --------------------------------------------------------------------- */

static void notify(void *userdata)
{
	PyObject *callback, *result;
	PyGILState_STATE state;

	if (!python_enter(&state))
		return;
	callback = of(userdata)->notify;
	if (callback) {
		Py_INCREF(callback);
		result = PyObject_CallNoArgs(callback);
		if (!result)
			callback_failed(callback);
		Py_XDECREF(result);
		Py_DECREF(callback);
	}
	python_leave(state);
}

static void on_change(struct ipc_stream *stream, void *userdata)
{
	(void)stream;
	notify(userdata);
}

static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)stream, (void)result, (void)error;
	notify(userdata);
}

/* Notifies the program, and drops the library's reference. If a stream breaks off after the other
 * side has ended its messages, only this callback runs. */
static void destroyed(void *userdata)
{
	PyGILState_STATE state;

	notify(userdata);
	if (!python_enter(&state))
		return;
	Py_CLEAR(of(userdata)->notify);
	Py_DECREF((PyObject *)userdata);
	python_leave(state);
}

/*
 * watch(callback): sets a callback that runs on a serving thread when receive(0) or send(..., 0)
 * may have a new result, or the stream has ended.
 */
static PyObject *watch(PyObject *self, PyObject *callback)
{
	const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = on_change,
		.on_writable = on_change,
		.on_end = on_end,
		.destroy = destroyed,
	};
	struct ipc_stream *native = hold(self);
	int r;

	if (!native)
		return NULL;
	Py_INCREF(callback);
	Py_XDECREF(of(self)->notify);
	of(self)->notify = callback;
	Py_INCREF(self);
	Py_BEGIN_ALLOW_THREADS
	r = ipc_stream_set_ops(native, &ops, self);
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
	if (r < 0) {
		Py_DECREF(self);
		return fail(r, NULL);
	}
	Py_RETURN_NONE;
}

/* --- Waiting ------------------------------------------------------------------------- */

/*
 * A signal does not end a wait of the library, and Python runs signal handlers on the main thread
 * only. The main thread therefore waits in slices, and checks for signals after each slice.
 */
#define SLICE_USEC	100000

struct wait {
	uint64_t left;
	uint64_t end;		/* IPC_NEVER: none */
	bool sliced;
};

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void wait_init(struct wait *wait, uint64_t timeout_usec)
{
	uint64_t now;

	*wait = (struct wait){ .left = timeout_usec, .end = IPC_NEVER };
	wait->sliced = timeout_usec > SLICE_USEC && gettid() == getpid();
	if (!wait->sliced)
		return;
	now = now_usec();
	if (timeout_usec < IPC_NEVER - now)
		wait->end = now + timeout_usec;
}

static uint64_t wait_slice(const struct wait *wait)
{
	return wait->sliced && wait->left > SLICE_USEC ? SLICE_USEC : wait->left;
}

/* Looks for signals after a slice without success. Returns 1 to continue, 0 if the time has
 * expired, or -1 if a signal handler raised an exception. */
static int wait_next(struct wait *wait)
{
	uint64_t now;

	if (!wait->sliced)
		return 0;
	if (PyErr_CheckSignals() < 0)
		return -1;
	if (wait->end == IPC_NEVER)
		return 1;
	now = now_usec();
	if (now >= wait->end)
		return 0;
	wait->left = wait->end - now;
	return 1;
}

/* --- Messages ------------------------------------------------------------------------ */

/* send(data, entries, timeout_usec) */
static PyObject *send(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_stream *native;
	struct outgoing out;
	struct wait wait;
	uint64_t timeout;
	int r, next;

	if (!args_check("send", n, 3, 3) || !get_u64(args[2], &timeout))
		return NULL;
	native = hold(self);
	if (!native)
		return NULL;
	if (!outgoing_init(&out, of(self)->part.connection, args[0], args[1])) {
		ipc_stream_unref(native);
		return NULL;
	}
	wait_init(&wait, timeout);
	do {
		Py_BEGIN_ALLOW_THREADS
		r = ipc_raw_stream_send(native, &out.message, wait_slice(&wait));
		Py_END_ALLOW_THREADS
		next = r == -EAGAIN ? wait_next(&wait) : 0;
	} while (next > 0);
	outgoing_done(&out);
	Py_BEGIN_ALLOW_THREADS
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
	if (next < 0)
		return NULL;
	if (r < 0)
		return fail(r, NULL);
	Py_RETURN_NONE;
}

/* Takes the value of an entry. Returns None for an own object that has ended. */
static PyObject *take_one(struct connection *connection, struct ipc_raw_entry *entry)
{
	if (entry->type == IPC_RAW_OBJECT && !entry->object)
		Py_RETURN_NONE;
	return entry_take(connection, entry);
}

/* Returns a tuple of (tag, kind, value). On failure, closes the files that were taken. */
static PyObject *take_all(struct connection *connection, const struct ipc_raw_message *message)
{
	PyObject *all = PyTuple_New((Py_ssize_t)message->n_entries);
	int fds[IPC_RAW_ENTRIES_MAX];
	size_t n_fds = 0;

	for (size_t i = 0; all && i < message->n_entries; i++) {
		bool is_fd = message->entries[i].type == IPC_RAW_FD;
		PyObject *what = take_one(connection, &message->entries[i]);
		PyObject *entry = NULL;

		if (what && is_fd)
			fds[n_fds++] = (int)PyLong_AsLong(what);
		if (what)
			entry = Py_BuildValue("(KiN)", (unsigned long long)message->entries[i].tag,
					      (int)message->entries[i].type, what);
		if (!entry || PyTuple_SetItem(all, (Py_ssize_t)i, entry) < 0)
			Py_CLEAR(all);
	}
	while (!all && n_fds)
		close(fds[--n_fds]);
	return all;
}

static PyObject *item(struct connection *connection, const struct ipc_raw_message *message)
{
	PyObject *entries = take_all(connection, message);

	if (!entries)
		return NULL;
	return Py_BuildValue("(y#N)", message->data ? (const char *)message->data : "",
			     (Py_ssize_t)message->size, entries);
}

/* Returns the message, None at the end, or NULL with an exception. If only the timeout of the
 * function has expired, the library returns -EAGAIN without an error. */
static PyObject *received(PyObject *self, int r, const struct ipc_raw_message *message,
			  const struct ipc_error *error)
{
	if (r == -EAGAIN && !error->code)
		return fail_saying(r, "no message has arrived in time");
	if (r < 0)
		return fail(r, error);
	return r ? item(of(self)->part.connection, message) : Py_NewRef(Py_None);
}

/* receive(timeout_usec) -> (data, entries), or None at the end */
static PyObject *receive(PyObject *self, PyObject *value)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_raw_message *message;
	struct ipc_stream *native;
	PyObject *result = NULL;
	struct wait wait;
	uint64_t timeout;
	int r, next;

	if (!get_u64(value, &timeout))
		return NULL;
	native = hold(self);
	if (!native)
		return NULL;
	wait_init(&wait, timeout);
	do {
		Py_BEGIN_ALLOW_THREADS
		r = ipc_raw_stream_receive(native, wait_slice(&wait), &message, &error);
		Py_END_ALLOW_THREADS
		next = r == -EAGAIN && !error.code ? wait_next(&wait) : 0;
	} while (next > 0);
	if (next == 0)
		result = received(self, r, message, &error);
	ipc_error_done(&error);
	Py_BEGIN_ALLOW_THREADS
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
	return result;
}

/* --- The end --------------------------------------------------------------------------- */

static PyObject *finish(PyObject *self, const struct ipc_error *error)
{
	struct ipc_stream *native = hold(self);
	int r;

	if (!native)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = error ? ipc_stream_fail_with(native, error) : ipc_stream_end(native);
	ipc_stream_unref(native);
	Py_END_ALLOW_THREADS
	if (r < 0)
		return fail(r, NULL);
	Py_RETURN_NONE;
}

static PyObject *stream_end(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	return finish(self, NULL);
}

/* error(code, number, name, text, details): as Call.error() */
static PyObject *stream_error(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const char *name, *text;
	Py_buffer details;
	PyObject *result;

	if (!args_check("error", n, 5, 5) || !get_text(args[2], "name", true, &name) ||
	    !get_text(args[3], "text", true, &text))
		return NULL;
	error.code = -(int)PyLong_AsLong(args[0]);
	error.number = (int)PyLong_AsLong(args[1]);
	if (PyErr_Occurred() || PyObject_GetBuffer(args[4], &details, PyBUF_SIMPLE) < 0)
		return NULL;
	error.name = (char *)name;
	error.text = (char *)text;
	error.details = details.buf;
	error.details_size = (size_t)details.len;
	result = finish(self, &error);
	PyBuffer_Release(&details);
	return result;
}

/* cancel(): ends both directions. The stream cannot be used afterwards. */
static PyObject *cancel(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	part_remove(&of(self)->part);
	end(&of(self)->part);
	Py_RETURN_NONE;
}

/* release(): drops this side. The other side still receives an end that was sent before. */
static PyObject *release(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	part_remove(&of(self)->part);
	Py_CLEAR(of(self)->notify);
	drop(of(self));
	Py_RETURN_NONE;
}

/* --- Attributes ------------------------------------------------------------------------- */

enum { STREAM_UID, STREAM_GID, STREAM_PID, STREAM_REMAINING, STREAM_CANCELED };

static PyObject *number(PyObject *self, void *closure)
{
	struct ipc_stream *native = of(self)->stream;

	if (!native)
		return fail_gone(self);
	switch ((intptr_t)closure) {
	case STREAM_UID:
		return PyLong_FromUnsignedLong(ipc_stream_uid(native));
	case STREAM_GID:
		return PyLong_FromUnsignedLong(ipc_stream_gid(native));
	case STREAM_PID:
		return PyLong_FromLong(ipc_stream_pid(native));
	case STREAM_REMAINING:
		return PyLong_FromUnsignedLongLong(ipc_stream_remaining(native));
	default:
		return PyBool_FromLong(ipc_stream_is_canceled(native));
	}
}

static PyObject *metadata(PyObject *self, PyObject *text)
{
	const char *name;

	if (!get_text(text, "name", false, &name))
		return NULL;
	if (!of(self)->stream)
		return fail_gone(self);
	return decode(ipc_stream_metadata(of(self)->stream, name));
}

static PyObject *get_label(PyObject *self, void *closure)
{
	(void)closure;
	return of(self)->stream ? decode(ipc_stream_label(of(self)->stream)) : fail_gone(self);
}

static PyMethodDef methods[] = {
	{ "watch", watch, METH_O, NULL },
	{ "send", FAST(send), METH_FASTCALL, NULL },
	{ "receive", receive, METH_O, NULL },
	{ "end", stream_end, METH_NOARGS, NULL },
	{ "error", FAST(stream_error), METH_FASTCALL, NULL },
	{ "cancel", cancel, METH_NOARGS, NULL },
	{ "release", release, METH_NOARGS, NULL },
	{ "metadata", metadata, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "uid", number, NULL, NULL, (void *)STREAM_UID },
	{ "gid", number, NULL, NULL, (void *)STREAM_GID },
	{ "pid", number, NULL, NULL, (void *)STREAM_PID },
	{ "label", get_label, NULL, NULL, NULL },
	{ "remaining", number, NULL, NULL, (void *)STREAM_REMAINING },
	{ "is_canceled", number, NULL, NULL, (void *)STREAM_CANCELED },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ 0, NULL },
};

PyType_Spec stream_spec = {
	.name = "ipcbus._core.Stream",
	.basicsize = sizeof(struct stream),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
