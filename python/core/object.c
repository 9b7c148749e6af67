// SPDX-License-Identifier: MIT
/*
 * Object: an object of this process that other processes can call. Call: a request that is served.
 *
 * serve(call) runs on a serving thread. The server must end each call with release(). Until then
 * the caller waits, and later oneways to the object wait too.
 */
#include <errno.h>
#include <string.h>

#include "core.h"

/* --- Calls ----------------------------------------------------------------------- */

static struct call *call_of(PyObject *self)
{
	return (struct call *)self;
}

static void call_drop(struct call *call)
{
	struct ipc_call *native = call->call;

	call->call = NULL;
	call->request = NULL;
	if (!native)
		return;
	Py_BEGIN_ALLOW_THREADS
	ipc_call_unref(native);
	Py_END_ALLOW_THREADS
}

static void call_release(struct call *call)
{
	PyObject *callback = call->on_cancel;

	call->on_cancel = NULL;
	Py_XDECREF(callback);
	call->released = true;
	if (!call->exports)
		call_drop(call);
}

/* Fails a call without a reply, so that its caller does not wait for it, and releases the call. The
 * handler of a oneway may be running: close() does not end it. */
static void call_end(struct part *part)
{
	struct call *call = (struct call *)part;
	struct ipc_call *native = call->call;

	if (native && !call->replied && !ipc_call_is_oneway(native)) {
		call->replied = true;
		Py_BEGIN_ALLOW_THREADS
		ipc_call_fail(native, ENOMSG, NULL, "the server closed its connection");
		Py_END_ALLOW_THREADS
	}
	call_release(call);
}

/* refuse(): as close() ends a call. A oneway that no handler got counts as discarded. */
static PyObject *call_refuse(PyObject *self, PyObject *nothing)
{
	struct call *call = call_of(self);

	(void)nothing;
	call->part.connection->discarded += call->call && ipc_call_is_oneway(call->call);
	part_remove(&call->part);
	call_end(&call->part);
	Py_RETURN_NONE;
}

static void call_dealloc(PyObject *self)
{
	part_remove(&call_of(self)->part);
	call_release(call_of(self));
	part_free(&call_of(self)->part);
}

static PyObject *fail_released(void)
{
	PyErr_SetString(PyExc_ValueError, "the call has ended");
	return NULL;
}

/* Raises the error for a call that close() or release() has ended. Returns NULL. */
static PyObject *fail_ended(const struct call *call)
{
	return call->part.connection->ipc ? fail_released() : fail_closed();
}

/* reply(data, entries) */
static PyObject *call_reply(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct call *call = call_of(self);
	struct ipc_call *native = call->call;
	struct outgoing out;
	int r;

	if (!args_check("reply", n, 2, 2))
		return NULL;
	if (!native)
		return fail_ended(call);
	if (!outgoing_init(&out, call->part.connection, args[0], args[1]))
		return NULL;
	ipc_call_ref(native);
	Py_BEGIN_ALLOW_THREADS
	r = ipc_raw_reply(native, &out.message);
	ipc_call_unref(native);
	Py_END_ALLOW_THREADS
	outgoing_done(&out);
	if (r < 0)
		return fail(r, NULL);
	call->replied = true;
	Py_RETURN_NONE;
}

/* error(code, number, name, text, details): code is a positive errno, or 0 with a name */
static PyObject *call_error(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_call *native = call_of(self)->call;
	struct ipc_error error = IPC_ERROR_INIT;
	const char *name, *text;
	Py_buffer details;
	int r;

	if (!args_check("error", n, 5, 5) || !get_text(args[2], "name", true, &name) ||
	    !get_text(args[3], "text", true, &text))
		return NULL;
	if (!native)
		return fail_ended(call_of(self));
	error.code = -(int)PyLong_AsLong(args[0]);
	error.number = (int)PyLong_AsLong(args[1]);
	if (PyErr_Occurred() || PyObject_GetBuffer(args[4], &details, PyBUF_SIMPLE) < 0)
		return NULL;
	error.name = (char *)name;
	error.text = (char *)text;
	error.details = details.buf;
	error.details_size = (size_t)details.len;
	ipc_call_ref(native);
	Py_BEGIN_ALLOW_THREADS
	r = ipc_call_fail_with(native, &error);
	ipc_call_unref(native);
	Py_END_ALLOW_THREADS
	PyBuffer_Release(&details);
	if (r < 0)
		return fail(r, NULL);
	call_of(self)->replied = true;
	Py_RETURN_NONE;
}

static PyObject *call_release_method(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	part_remove(&call_of(self)->part);
	call_release(call_of(self));
	Py_RETURN_NONE;
}

/* --- Cancellation ---------------------------------------------------------------- */

static void canceled(struct ipc_call *native, void *userdata)
{
	struct call *call = userdata;
	PyObject *callback, *result;
	PyGILState_STATE state;

	(void)native;
	if (!python_enter(&state))
		return;
	callback = call->on_cancel;
	call->on_cancel = NULL;
	if (callback) {
		result = PyObject_CallNoArgs(callback);
		if (!result)
			callback_failed(callback);
		Py_XDECREF(result);
		Py_DECREF(callback);
	}
	python_leave(state);
}

static void cancel_destroyed(void *userdata)
{
	PyGILState_STATE state;

	if (!python_enter(&state))
		return;
	Py_DECREF((PyObject *)userdata);
	python_leave(state);
}

/*
 * on_cancel(callback) -> bool: the callback runs once, without arguments, on a serving thread, when
 * no reply is needed any more. Returns False for a oneway.
 */
static PyObject *call_on_cancel(PyObject *self, PyObject *callback)
{
	struct ipc_call *native = call_of(self)->call;
	struct ipc_slot *slot = NULL;
	int r;

	if (!native)
		return fail_released();
	if (call_of(self)->on_cancel)
		return fail(-EALREADY, NULL);
	call_of(self)->on_cancel = Py_NewRef(callback);
	Py_INCREF(self);
	ipc_call_ref(native);
	Py_BEGIN_ALLOW_THREADS
	r = ipc_call_on_cancel(native, canceled, self, &slot);
	if (r == 0) {
		ipc_slot_set_destroy(slot, cancel_destroyed);
		ipc_slot_detach(slot);
	}
	ipc_call_unref(native);
	Py_END_ALLOW_THREADS
	if (r == 0)
		Py_RETURN_TRUE;
	Py_CLEAR(call_of(self)->on_cancel);
	Py_DECREF(self);
	if (r == -EINVAL) {
		call_of(self)->oneway = !call_of(self)->replied;
		Py_RETURN_FALSE;
	}
	return fail(r, NULL);
}

/* --- What a call shows ----------------------------------------------------------- */

enum { CALL_METHOD, CALL_UID, CALL_GID, CALL_PID, CALL_CANCELED };

static PyObject *call_number(PyObject *self, void *closure)
{
	const struct ipc_call *native = call_of(self)->call;

	if (!native)
		return fail_released();
	switch ((intptr_t)closure) {
	case CALL_METHOD:
		return PyLong_FromUnsignedLong(call_of(self)->request->method);
	case CALL_CANCELED:
		return PyBool_FromLong(ipc_call_is_canceled(native));
	case CALL_UID:
		return PyLong_FromUnsignedLong(ipc_call_uid(native));
	case CALL_GID:
		return PyLong_FromUnsignedLong(ipc_call_gid(native));
	default:
		return PyLong_FromLong(ipc_call_pid(native));
	}
}

static PyObject *call_label(PyObject *self, void *closure)
{
	const struct ipc_call *native = call_of(self)->call;

	(void)closure;
	return native ? decode(ipc_call_label(native)) : fail_released();
}

static PyObject *call_pidfd(PyObject *self, PyObject *nothing)
{
	const struct ipc_call *native = call_of(self)->call;
	int r;

	(void)nothing;
	if (!native)
		return fail_released();
	r = ipc_call_pidfd(native);
	return r < 0 ? fail(r, NULL) : PyLong_FromLong(r);
}

static PyObject *call_remaining(PyObject *self, void *closure)
{
	const struct ipc_call *native = call_of(self)->call;

	(void)closure;
	return native ? PyLong_FromUnsignedLongLong(ipc_call_remaining(native)) : fail_released();
}

static PyObject *call_oneway(PyObject *self, void *closure)
{
	struct call *call = call_of(self);

	(void)closure;
	if (call->oneway < 0 && !call->replied) {
		if (!call->call)
			return fail_released();
		call->oneway = ipc_call_is_oneway(call->call);
	}
	return PyBool_FromLong(call->oneway > 0);
}

static PyObject *call_get_replied(PyObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(call_of(self)->replied);
}

static PyObject *call_entries(PyObject *self, void *closure)
{
	const struct ipc_raw_message *request = call_of(self)->request;

	(void)closure;
	return request ? entries_list(request->entries, request->n_entries) : fail_released();
}

static PyObject *call_take(PyObject *self, PyObject *index)
{
	const struct ipc_raw_message *request = call_of(self)->request;
	size_t i = PyLong_AsSize_t(index);

	if (PyErr_Occurred())
		return NULL;
	if (!request)
		return fail_released();
	if (i >= request->n_entries) {
		PyErr_SetString(PyExc_IndexError, "the message has fewer entries");
		return NULL;
	}
	return entry_take(call_of(self)->part.connection, &request->entries[i]);
}

static PyObject *call_metadata(PyObject *self, PyObject *text)
{
	const struct ipc_call *native = call_of(self)->call;
	const char *name;

	if (!get_text(text, "name", false, &name))
		return NULL;
	return native ? decode(ipc_call_metadata(native, name)) : fail_released();
}

static int call_get_buffer(PyObject *self, Py_buffer *view, int flags)
{
	struct call *call = call_of(self);

	if (!call->call || call->released) {
		view->obj = NULL;
		fail_released();
		return -1;
	}
	if (PyBuffer_FillInfo(view, self, (void *)call->data, (Py_ssize_t)call->size,
			      /* readonly= */ 1, flags) < 0)
		return -1;
	call->exports++;
	return 0;
}

static void call_release_buffer(PyObject *self, Py_buffer *view)
{
	(void)view;
	if (!--call_of(self)->exports && call_of(self)->released)
		call_drop(call_of(self));
}

static Py_ssize_t call_length(PyObject *self)
{
	return (Py_ssize_t)call_of(self)->size;
}

static PyMethodDef call_methods[] = {
	{ "reply", FAST(call_reply), METH_FASTCALL, NULL },
	{ "error", FAST(call_error), METH_FASTCALL, NULL },
	{ "on_cancel", call_on_cancel, METH_O, NULL },
	{ "take", call_take, METH_O, NULL },
	{ "metadata", call_metadata, METH_O, NULL },
	{ "pidfd", call_pidfd, METH_NOARGS, NULL },
	{ "refuse", call_refuse, METH_NOARGS, NULL },
	{ "release", call_release_method, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef call_members[] = {
	{ "method", call_number, NULL, NULL, (void *)CALL_METHOD },
	{ "uid", call_number, NULL, NULL, (void *)CALL_UID },
	{ "gid", call_number, NULL, NULL, (void *)CALL_GID },
	{ "pid", call_number, NULL, NULL, (void *)CALL_PID },
	{ "is_canceled", call_number, NULL, NULL, (void *)CALL_CANCELED },
	{ "label", call_label, NULL, NULL, NULL },
	{ "remaining", call_remaining, NULL, NULL, NULL },
	{ "oneway", call_oneway, NULL, NULL, NULL },
	{ "replied", call_get_replied, NULL, NULL, NULL },
	{ "data", get_view, NULL, NULL, NULL },
	{ "entries", call_entries, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot call_slots[] = {
	{ Py_tp_dealloc, call_dealloc },
	{ Py_tp_methods, call_methods },
	{ Py_tp_getset, call_members },
	{ Py_sq_length, call_length },
	{ Py_bf_getbuffer, call_get_buffer },
	{ Py_bf_releasebuffer, call_release_buffer },
	{ 0, NULL },
};

PyType_Spec call_spec = {
	.name = "ipcbus._core.Call",
	.basicsize = sizeof(struct call),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = call_slots,
};

/* --- Serving --------------------------------------------------------------------- */

static struct call *call_new(struct connection *connection, struct ipc_call *native,
			     const struct ipc_raw_message *request, int *ret_error)
{
	struct call *call = (struct call *)part_new(call_type, connection, call_end);

	*ret_error = -ENOMEM;
	if (!call)
		return NULL;
	*ret_error = ipc_payload_message(request->data, request->size, &call->data, &call->size);
	if (*ret_error < 0) {
		Py_DECREF((PyObject *)call);
		return NULL;
	}
	call->call = ipc_call_ref(native);
	call->request = request;
	call->oneway = -1;
	/* If the connection is closed, the caller gets ENOMSG. */
	*ret_error = 0;
	connection->discarded += !connection->ipc && ipc_call_is_oneway(native);
	return part_add(&call->part) ? call : NULL;
}

static int serve(struct ipc_call *native, const struct ipc_raw_message *request, void *userdata)
{
	struct object_state *state = userdata;
	PyGILState_STATE gil;
	PyObject *result;
	struct call *call;
	int r;

	if (!python_enter(&gil))
		return -ECANCELED;
	call = call_new(state->connection, native, request, &r);
	if (!call) {
		PyErr_Clear();
		python_leave(gil);
		return r;
	}
	result = PyObject_CallFunctionObjArgs(state->serve, (PyObject *)call, NULL);
	if (!result)
		callback_failed(state->serve);
	r = result ? 0 : -EIO;
	Py_XDECREF(result);
	Py_DECREF((PyObject *)call);
	python_leave(gil);
	return r;
}

static int serve_stream(struct ipc_stream *native, uint32_t method, void *userdata)
{
	struct object_state *state = userdata;
	PyObject *stream, *result = NULL;
	PyGILState_STATE gil;

	if (!python_enter(&gil))
		return -ECANCELED;
	stream = stream_new(state->connection, ipc_stream_ref(native));
	if (stream)
		result = PyObject_CallFunction(state->stream, "OI", stream, (unsigned int)method);
	if (!result)
		callback_failed(state->stream);
	Py_XDECREF(stream);
	Py_XDECREF(result);
	python_leave(gil);
	return result ? 0 : -EIO;
}

static void state_free(struct object_state *state)
{
	Py_XDECREF(state->serve);
	Py_XDECREF(state->stream);
	Py_XDECREF(state->owner);
	Py_DECREF((PyObject *)state->connection);
	PyMem_Free(state->interface);
	PyMem_Free(state);
}

static void destroy(void *userdata)
{
	PyGILState_STATE gil;

	if (!python_enter(&gil))
		return;
	state_free(userdata);
	python_leave(gil);
}

static struct object *of(PyObject *self)
{
	return (struct object *)self;
}

static void end(struct part *part)
{
	struct ipc_object *object = ((struct object *)part)->object;
	struct ipc *ipc;

	((struct object *)part)->object = NULL;
	if (!object)
		return;
	ipc = part_hold(part);
	Py_BEGIN_ALLOW_THREADS
	ipc_object_unref(object);
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
}

PyObject *object_new(struct connection *connection, struct ipc_object *native)
{
	struct object *object = (struct object *)part_new(object_type, connection, end);

	if (!object) {
		ipc_object_unref(native);
		return NULL;
	}
	object->object = native;
	return part_add(&object->part) ? (PyObject *)object : NULL;
}

static struct object_state *state_new(struct connection *connection, const char *interface,
				      uint32_t flags, PyObject *const *args)
{
	struct object_state *state = PyMem_Calloc(1, sizeof(*state));
	size_t size = interface ? strlen(interface) + 1 : 0;

	if (!state) {
		PyErr_NoMemory();
		return NULL;
	}
	Py_INCREF((PyObject *)connection);
	state->connection = connection;
	state->serve = Py_NewRef(args[0]);
	state->owner = Py_NewRef(args[1]);
	state->stream = args[2] == Py_None ? NULL : Py_NewRef(args[2]);
	state->interface = size ? PyMem_Malloc(size) : NULL;
	if (size && !state->interface) {
		state_free(state);
		PyErr_NoMemory();
		return NULL;
	}
	if (size)
		memcpy(state->interface, interface, size);
	state->ops = (struct ipc_raw_ops){
		.interface = state->interface,
		.flags = flags,
		.serve = serve,
		.stream = state->stream ? serve_stream : NULL,
		.destroy = destroy,
	};
	return state;
}

static int set_up(struct ipc_object *object, uint32_t features, uint32_t window)
{
	const struct ipc_object_limits limits = { .size = sizeof(limits), .window = window };
	int r = ipc_object_set_flags(object, features);

	return r < 0 ? r : ipc_object_set_limits(object, &limits);
}

/* object(interface or None, flags, serve, owner, stream or None, OBJECT_*, window) -> Object:
 * serve(Call), and stream(Stream, method) */
PyObject *object_create(struct connection *connection, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_object *native;
	struct object_state *state;
	const char *interface;
	uint32_t flags, features, window;
	PyObject *object;
	struct ipc *ipc;
	int r;

	if (!args_check("object", n, 7, 7) || !get_text(args[0], "interface", true, &interface) ||
	    !get_u32(args[1], &flags) || !get_u32(args[5], &features) ||
	    !get_u32(args[6], &window))
		return NULL;
	if (!PyCallable_Check(args[2])) {
		PyErr_Format(PyExc_TypeError, "%R is not callable", args[2]);
		return NULL;
	}
	ipc = connection_hold(connection);
	if (!ipc)
		return NULL;
	state = state_new(connection, interface, flags, args + 2);
	if (!state) {
		ipc_unref(ipc);
		return NULL;
	}
	r = ipc_raw_object_new(ipc, &state->ops, state, &native);
	if (r < 0) {
		state_free(state);
		object = fail(r, NULL);
	} else {
		r = set_up(native, features, window);
		/* Without a reference, the object frees the state. */
		if (r < 0)
			ipc_object_unref(native);
		object = r < 0 ? fail(r, NULL) : object_new(connection, native);
	}
	Py_BEGIN_ALLOW_THREADS
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	return object;
}

static PyObject *get_owner(PyObject *self, void *closure)
{
	const struct object_state *state;

	(void)closure;
	if (!of(self)->object)
		Py_RETURN_NONE;
	state = ipc_object_userdata(of(self)->object);
	return Py_NewRef(state->owner);
}

static PyObject *get_id(PyObject *self, void *closure)
{
	uint64_t id;
	int r;

	(void)closure;
	if (!of(self)->object)
		return fail_closed();
	r = ipc_object_id(of(self)->object, &id);
	return r < 0 ? fail(r, NULL) : PyLong_FromUnsignedLongLong(id);
}

/* close(): drops this process's reference. The object ends when no process refers to it any
 * more. */
static PyObject *object_close(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	part_remove(&of(self)->part);
	end(&of(self)->part);
	Py_RETURN_NONE;
}

/* end(): ends the object for all processes. Does nothing if it was never sent or registered. */
static PyObject *object_end(PyObject *self, PyObject *nothing)
{
	struct ipc_object *object = of(self)->object;
	struct ipc *ipc;

	(void)nothing;
	if (!object)
		Py_RETURN_NONE;
	ipc_object_ref(object);
	ipc = part_hold(&of(self)->part);
	Py_BEGIN_ALLOW_THREADS
	ipc_object_end(object);
	ipc_object_unref(object);
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	Py_RETURN_NONE;
}

static void dealloc(PyObject *self)
{
	part_remove(&of(self)->part);
	end(&of(self)->part);
	part_free(&of(self)->part);
}

static PyMethodDef methods[] = {
	{ "close", object_close, METH_NOARGS, NULL },
	{ "end", object_end, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "id", get_id, NULL, NULL, NULL },
	{ "owner", get_owner, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ 0, NULL },
};

PyType_Spec object_spec = {
	.name = "ipcbus._core.Object",
	.basicsize = sizeof(struct object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
