// SPDX-License-Identifier: MIT
/*
 * Proxy: an object of another process, and calls to it. Two Proxies of a connection are equal if
 * they refer to the same object. After close(), a Proxy equals only itself, and its id is 0.
 */
#include <errno.h>
#include "core.h"

static struct proxy *of(PyObject *self)
{
	return (struct proxy *)self;
}

static void end(struct part *part)
{
	struct ipc_proxy *proxy = ((struct proxy *)part)->proxy;
	struct ipc *ipc;

	((struct proxy *)part)->proxy = NULL;
	if (!proxy)
		return;
	ipc = part_hold(part);
	Py_BEGIN_ALLOW_THREADS
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
}

PyObject *proxy_new(struct connection *connection, struct ipc_proxy *native)
{
	struct proxy *proxy = (struct proxy *)part_new(proxy_type, connection, end);

	if (!proxy) {
		ipc_proxy_unref(native);
		return NULL;
	}
	proxy->proxy = native;
	return part_add(&proxy->part) ? (PyObject *)proxy : NULL;
}

static void dealloc(PyObject *self)
{
	part_remove(&of(self)->part);
	end(&of(self)->part);
	part_free(&of(self)->part);
}

/* --- What a call takes ----------------------------------------------------------- */

/*
 * The arguments of all functions that send: method, data, entries, flags, timeout_usec, metadata,
 * parent. flags are the flags of the message, and DETACHED. If timeout_usec is 0, the default
 * applies; a oneway then does not wait for space. metadata is None or a tuple of str: name, value,
 * ... parent is a Call, Stream or None.
 */
#define SEND_ARGS	7

/* A message to send, with references of all that it uses. The caller's arguments own the texts of
 * the metadata. */
struct sending {
	struct outgoing out;
	struct ipc_options options;
	struct ipc_proxy *proxy;
	struct ipc *ipc;
	struct ipc_cancellation *cancellation;
	const char *metadata[METADATA_MAX + 1];
};

static bool set_metadata(struct sending *s, PyObject *metadata)
{
	Py_ssize_t n;

	if (metadata == Py_None)
		return true;
	if (!PyTuple_Check(metadata) || PyTuple_Size(metadata) % 2) {
		PyErr_SetString(PyExc_TypeError, "metadata must be a tuple of names and values");
		return false;
	}
	n = PyTuple_Size(metadata);
	if (n > METADATA_MAX) {
		fail(-E2BIG, NULL);
		return false;
	}
	for (Py_ssize_t i = 0; i < n; i++)
		if (!get_text(PyTuple_GetItem(metadata, i), "metadata", false, &s->metadata[i]))
			return false;
	s->metadata[n] = NULL;
	s->options.metadata = s->metadata;
	return true;
}

static bool set_parent(struct sending *s, PyObject *parent)
{
	struct call *call = (struct call *)parent;

	if (parent == Py_None)
		return true;
	if (Py_TYPE(parent) == stream_type) {
		s->options.parent_stream = stream_ref(parent);
		return true;
	}
	if (Py_TYPE(parent) != call_type) {
		PyErr_Format(PyExc_TypeError, "%R is no Call or Stream", parent);
		return false;
	}
	/* After the reply, new calls of the handler do not depend on the served call. */
	if (call->call && !call->replied)
		s->options.parent = ipc_call_ref(call->call);
	return true;
}

static void sending_done(struct sending *s)
{
	outgoing_done(&s->out);
	Py_BEGIN_ALLOW_THREADS
	ipc_call_unref(s->options.parent);
	ipc_stream_unref(s->options.parent_stream);
	ipc_cancellation_unref(s->cancellation);
	ipc_proxy_unref(s->proxy);
	ipc_unref(s->ipc);
	Py_END_ALLOW_THREADS
}

static bool sending_init(struct sending *s, struct proxy *proxy, PyObject *const *args)
{
	uint32_t method, flags;

	s->options = (struct ipc_options){ 0 };
	s->cancellation = NULL;
	if (!get_u32(args[0], &method) || !get_u32(args[3], &flags) ||
	    !get_u64(args[4], &s->options.timeout_usec))
		return false;
	s->ipc = connection_hold(proxy->part.connection);
	if (!s->ipc)
		return false;
	if (!outgoing_init(&s->out, proxy->part.connection, args[1], args[2])) {
		ipc_unref(s->ipc);
		return false;
	}
	s->proxy = ipc_proxy_ref(proxy->proxy);
	s->out.message.method = method;
	s->out.message.flags = flags & ~IPC_DETACHED;
	s->options.flags = flags & IPC_DETACHED;
	if (set_metadata(s, args[5]) && set_parent(s, args[6]))
		return true;
	sending_done(s);
	return false;
}

/* Makes close() and cancel() of other threads end a call that blocks. */
static void set_cancelable(struct sending *s, struct proxy *proxy)
{
	s->cancellation = connection_cancellation(proxy->part.connection);
	s->options.cancellation = s->cancellation;
}

/* --- Calls ----------------------------------------------------------------------- */

static PyObject *proxy_call(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_raw_message *reply = NULL;
	struct sending s;
	PyObject *result;
	int r;

	if (!args_check("call", n, SEND_ARGS, SEND_ARGS) || !sending_init(&s, of(self), args))
		return NULL;
	set_cancelable(&s, of(self));
	Py_BEGIN_ALLOW_THREADS
	r = ipc_raw_call(s.proxy, &s.out.message, &s.options, &reply, &error);
	Py_END_ALLOW_THREADS
	result = r < 0 ? connection_fail(of(self)->part.connection, r, &error) :
			 message_new(of(self)->part.connection, reply);
	ipc_error_done(&error);
	sending_done(&s);
	return interrupt_raise(result);
}

static void replied(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		    void *userdata)
{
	PyObject *message = NULL, *exception = NULL;
	struct slot *slot = userdata;
	PyGILState_STATE state;

	if (!python_enter(&state))
		return;
	if (!slot->callback) {
		python_leave(state);
		return;
	}
	if (result < 0) {
		exception = make_error(result, error);
	} else {
		ipc_raw_keep(reply);
		message = message_new(slot->part.connection, reply);
	}
	slot_settle(slot, message, exception);
	python_leave(state);
}

static int start_call(struct ipc *ipc, struct slot *slot, void *data, struct ipc_slot **ret_slot)
{
	struct sending *s = data;

	(void)ipc;
	return ipc_raw_call_async(s->proxy, &s->out.message, &s->options, replied, slot, ret_slot);
}

/* call_async(..., callback) -> Slot: callback(Message or None, exception or None) runs once, on a
 * serving thread or in close(), unless Slot.end() comes first. */
static PyObject *call_async(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct sending s;
	PyObject *slot;

	if (!args_check("call_async", n, SEND_ARGS + 1, SEND_ARGS + 1) ||
	    !sending_init(&s, of(self), args))
		return NULL;
	slot = slot_new(of(self)->part.connection, args[SEND_ARGS], /* once= */ true, start_call,
			&s);
	sending_done(&s);
	return slot;
}

static PyObject *oneway(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct sending s;
	int r;

	if (!args_check("oneway", n, SEND_ARGS, SEND_ARGS) || !sending_init(&s, of(self), args))
		return NULL;
	/* For a oneway, the library takes the flags from the options. */
	s.options.flags |= s.out.message.flags;
	s.out.message.flags = 0;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_raw_oneway(s.proxy, &s.out.message, &s.options);
	Py_END_ALLOW_THREADS
	sending_done(&s);
	if (r < 0)
		return interrupt_raise(connection_fail(of(self)->part.connection, r, NULL));
	return interrupt_raise(Py_NewRef(Py_None));
}

/* --- Streams --------------------------------------------------------------------- */

/* The arguments of functions that open a stream: method, flags, timeout_usec, metadata, parent,
 * window. */
#define OPEN_ARGS	6

static bool opening_init(struct sending *s, struct proxy *proxy, PyObject *const *args)
{
	PyObject *all[SEND_ARGS] = {
		args[0], /* data= */ Py_None, /* entries= */ Py_None,
		args[1], args[2], args[3], args[4],
	};
	uint32_t window;

	if (!get_u32(args[5], &window) || !sending_init(s, proxy, all))
		return false;
	s->options.window = window;
	return true;
}

/* open(...) -> Stream: blocks until the server has accepted the stream */
static PyObject *open_stream(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_stream *stream = NULL;
	struct sending s;
	PyObject *result;
	int r;

	if (!args_check("open", n, OPEN_ARGS, OPEN_ARGS) || !opening_init(&s, of(self), args))
		return NULL;
	set_cancelable(&s, of(self));
	Py_BEGIN_ALLOW_THREADS
	r = ipc_raw_stream_open(s.proxy, s.out.message.method, &s.options, &stream, &error);
	Py_END_ALLOW_THREADS
	result = r < 0 ? connection_fail(of(self)->part.connection, r, &error) :
			 stream_new(of(self)->part.connection, stream);
	ipc_error_done(&error);
	sending_done(&s);
	return interrupt_raise(result);
}

static void opened(int result, struct ipc_stream *native, const struct ipc_error *error,
		   void *userdata)
{
	PyObject *stream = NULL, *exception = NULL;
	struct slot *slot = userdata;
	PyGILState_STATE state;

	if (!python_enter(&state))
		return;
	atomic_fetch_sub(&slot->part.connection->openings, 1);
	if (!slot->callback) {
		/* A stream without callbacks is canceled by its last unref. */
		Py_BEGIN_ALLOW_THREADS
		ipc_stream_unref(native);
		Py_END_ALLOW_THREADS
	} else {
		if (result < 0)
			exception = make_error(result, error);
		else
			stream = stream_new(slot->part.connection, native);
		slot_settle(slot, stream, exception);
	}
	slot_finish(slot);
	python_leave(state);
}

static int start_opening(struct ipc *ipc, struct slot *slot, void *data,
			 struct ipc_slot **ret_slot)
{
	atomic_uint *openings = &slot->part.connection->openings;
	struct sending *s = data;
	int r;

	(void)ret_slot;
	r = ipc_cancellation_new(ipc, &slot->cancellation);
	if (r < 0)
		return r;
	/* opened() may run, and drop the slot's reference, before the function returns. */
	s->options.cancellation = ipc_cancellation_ref(slot->cancellation);
	atomic_fetch_add(openings, 1);
	r = ipc_raw_stream_open_async(s->proxy, s->out.message.method, &s->options, opened, slot);
	if (r < 0)
		atomic_fetch_sub(openings, 1);
	ipc_cancellation_unref(s->options.cancellation);
	return r;
}

/* open_async(..., callback) -> Slot: as call_async(), with a Stream */
static PyObject *open_async(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct sending s;
	PyObject *slot;

	if (!args_check("open_async", n, OPEN_ARGS + 1, OPEN_ARGS + 1) ||
	    !opening_init(&s, of(self), args))
		return NULL;
	slot = slot_new(of(self)->part.connection, args[OPEN_ARGS], /* once= */ true,
			start_opening, &s);
	sending_done(&s);
	return slot;
}

/* --- Watches --------------------------------------------------------------------- */

static void died(struct ipc_proxy *proxy, void *userdata)
{
	PyGILState_STATE state;

	(void)proxy;
	if (!python_enter(&state))
		return;
	slot_notify(userdata, PyTuple_New(0));
	python_leave(state);
}

static int start_death(struct ipc *ipc, struct slot *slot, void *data, struct ipc_slot **ret_slot)
{
	(void)ipc;
	return ipc_proxy_on_death(data, died, slot, ret_slot);
}

/* on_death(callback) -> Slot: callback() runs once, on a serving thread, or soon if the object is
 * already dead. Dropping the Slot does not end the watch. */
static PyObject *on_death(PyObject *self, PyObject *callback)
{
	struct ipc_proxy *proxy = of(self)->proxy;
	PyObject *slot;

	if (!proxy)
		return fail_closed();
	ipc_proxy_ref(proxy);
	slot = slot_new(of(self)->part.connection, callback, /* once= */ false, start_death, proxy);
	Py_BEGIN_ALLOW_THREADS
	ipc_proxy_unref(proxy);
	Py_END_ALLOW_THREADS
	return slot;
}

/* --- The type -------------------------------------------------------------------- */

static PyObject *get_id(PyObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromUnsignedLongLong(ipc_proxy_id(of(self)->proxy));
}

static PyObject *get_connection(PyObject *self, void *closure)
{
	(void)closure;
	return Py_NewRef((PyObject *)of(self)->part.connection);
}

static PyObject *compare(PyObject *self, PyObject *other, int operation)
{
	bool equal;

	if (Py_TYPE(other) != proxy_type || (operation != Py_EQ && operation != Py_NE))
		Py_RETURN_NOTIMPLEMENTED;
	equal = self == other || (of(self)->proxy && of(self)->proxy == of(other)->proxy);
	return PyBool_FromLong(equal == (operation == Py_EQ));
}

/* Returns the hash of the connection, because the hash must not change at close(). */
static Py_hash_t hash(PyObject *self)
{
	return (Py_hash_t)((uintptr_t)of(self)->part.connection >> 4);
}

static PyMethodDef methods[] = {
	{ "call", FAST(proxy_call), METH_FASTCALL, NULL },
	{ "call_async", FAST(call_async), METH_FASTCALL, NULL },
	{ "oneway", FAST(oneway), METH_FASTCALL, NULL },
	{ "open", FAST(open_stream), METH_FASTCALL, NULL },
	{ "open_async", FAST(open_async), METH_FASTCALL, NULL },
	{ "on_death", on_death, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "id", get_id, NULL, NULL, NULL },
	{ "connection", get_connection, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ Py_tp_richcompare, compare },
	{ Py_tp_hash, hash },
	{ 0, NULL },
};

PyType_Spec proxy_spec = {
	.name = "ipcbus._core.Proxy",
	.basicsize = sizeof(struct proxy),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
