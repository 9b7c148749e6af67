// SPDX-License-Identifier: MIT
/*
 * Connection: an open bus, its events and names, and the list of its parts. See core.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <ipc/rpc.h>

#include "core.h"

/* All open connections, to be closed when the interpreter exits. Protected by the GIL. */
static struct connection *connections;

static struct connection *of(PyObject *self)
{
	return (struct connection *)self;
}

struct ipc *connection_hold(struct connection *connection)
{
	if (connection->ipc)
		return ipc_ref(connection->ipc);
	fail_closed();
	return NULL;
}

/* Drops a reference that may be the last. */
static void drop(struct ipc *ipc)
{
	Py_BEGIN_ALLOW_THREADS
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
}

/* Returns whether a blocking function ended because another thread called close(). */
static bool is_closed(const struct connection *connection, int r)
{
	return (r == -ECANCELED || r == -EINTR) && !connection->ipc;
}

PyObject *connection_fail(struct connection *connection, int r, const struct ipc_error *error)
{
	return is_closed(connection, r) ? fail_closed() : fail(r, error);
}

/* --- Parts ----------------------------------------------------------------------- */

struct part *part_new(PyTypeObject *type, struct connection *connection,
		      void (*end)(struct part *part))
{
	struct part *part = (struct part *)PyType_GenericAlloc(type, 0);

	if (!part)
		return NULL;
	Py_INCREF((PyObject *)connection);
	part->connection = connection;
	part->end = end;
	return part;
}

bool part_add(struct part *part)
{
	struct connection *connection = part->connection;

	if (!connection->ipc) {
		part->end(part);
		Py_DECREF((PyObject *)part);
		fail_closed();
		return false;
	}
	part->next = connection->parts;
	part->link = &connection->parts;
	if (part->next)
		part->next->link = &part->next;
	connection->parts = part;
	return true;
}

void part_remove(struct part *part)
{
	if (!part->link)
		return;
	*part->link = part->next;
	if (part->next)
		part->next->link = part->link;
	part->link = NULL;
}

struct ipc *part_hold(struct part *part)
{
	struct ipc *last = part->connection->last;

	return last ? ipc_ref(last) : NULL;
}

void part_free(struct part *part)
{
	PyTypeObject *type = Py_TYPE((PyObject *)part);

	Py_DECREF((PyObject *)part->connection);
	PyObject_Free(part);
	Py_DECREF((PyObject *)type);
}

/* --- Opening and closing --------------------------------------------------------- */

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	unsigned long long region = IPC_REGION_DEFAULT;
	struct connection *connection;
	char message[IPC_ERROR_TEXT_MAX];
	const char *path = NULL;
	struct ipc *ipc;
	int r;

	if (kwargs && PyDict_Size(kwargs)) {
		PyErr_SetString(PyExc_TypeError, "Connection() takes no keyword arguments");
		return NULL;
	}
	if (!PyArg_ParseTuple(args, "|zK:Connection", &path, &region))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_open_sized(&ipc, path, (size_t)region);
	Py_END_ALLOW_THREADS
	if (r < 0)
		return fail_saying(r, ipc_open_error_text(message, sizeof(message), path, r));

	connection = (struct connection *)PyType_GenericAlloc(type, 0);
	if (!connection) {
		drop(ipc);
		return NULL;
	}
	r = ipc_cancellation_new(ipc, &connection->closing);
	if (r < 0) {
		Py_DECREF((PyObject *)connection);
		drop(ipc);
		return fail(r, NULL);
	}
	connection->ipc = connection->last = ipc;
	interrupt_set(connection);
	connection->next = connections;
	connection->link = &connections;
	if (connection->next)
		connection->next->link = &connection->next;
	connections = connection;
	return (PyObject *)connection;
}

/* Limits for serving the remaining events at close(). */
#define LAST_EVENTS	1000
#define LAST_WAIT_USEC	100000

/*
 * Serves the remaining events. Streams with callbacks, and streams that are being opened, keep the
 * connection open until ipc_process() has served their end. Oneways are discarded. Returns true if
 * more events may be pending.
 */
static bool serve_last(struct connection *connection, struct ipc *ipc)
{
	int r = 1;

	for (int i = 0; i < LAST_EVENTS && r > 0; i++) {
		Py_BEGIN_ALLOW_THREADS
		r = ipc_process(ipc);
		if (r == 0)
			r = ipc_wait_event(ipc, connection->openings ? LAST_WAIT_USEC : 0);
		Py_END_ALLOW_THREADS
	}
	return r > 0;
}

/* Closes the connection, once: ends its parts, and serves the remaining events. at_exit: does not
 * cancel calls of other threads, because they would print an exception. */
static void close_connection(struct connection *connection, bool at_exit)
{
	struct ipc_cancellation *closing = connection->closing;
	struct ipc *ipc = connection->ipc;
	bool used = connection->parts, more;
	struct part *part;

	connection->ipc = NULL;
	if (!ipc)
		return;
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	connection->closing = NULL;
	atomic_store(&connection->closed, true);
	Py_BEGIN_ALLOW_THREADS
	if (!at_exit)
		ipc_cancel(closing);
	ipc_cancellation_unref(closing);
	Py_END_ALLOW_THREADS
	while ((part = connection->parts)) {
		Py_INCREF((PyObject *)part);
		part_remove(part);
		part->end(part);
		Py_DECREF((PyObject *)part);
	}
	more = used && serve_last(connection, ipc);
	if (connection->discarded) {
		Py_BEGIN_ALLOW_THREADS
		ipc_log(LOG_WARNING, "ipc: %s%u %s discarded: this connection closed",
			more ? "at least " : "", connection->discarded,
			connection->discarded == 1 ? "oneway was" : "oneways were");
		Py_END_ALLOW_THREADS
	}
	connection->last = NULL;
	drop(ipc);
}

void connections_close_all(void)
{
	while (connections) {
		struct connection *connection = connections;

		Py_INCREF((PyObject *)connection);
		close_connection(connection, /* at_exit= */ true);
		Py_DECREF((PyObject *)connection);
	}
}

static PyObject *close_(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	close_connection(of(self), /* at_exit= */ false);
	return interrupt_raise(Py_NewRef(Py_None));
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	/* Each part holds a reference of the connection, so no part is left. */
	close_connection(of(self), /* at_exit= */ false);
	PyObject_Free(self);
	Py_DECREF((PyObject *)type);
}

static PyObject *get_closed(PyObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(!of(self)->ipc);
}

/* --- Events ---------------------------------------------------------------------- */

static PyObject *fileno_(PyObject *self, PyObject *nothing)
{
	struct ipc *ipc = connection_hold(of(self));
	int r;

	(void)nothing;
	if (!ipc)
		return NULL;
	r = ipc_get_fd(ipc);
	drop(ipc);
	return r < 0 ? fail(r, NULL) : PyLong_FromLong(r);
}

/* process(most) -> bool: serves at most that many events, and after stop() a single event. Returns
 * True if more may be pending. */
static PyObject *process(PyObject *self, PyObject *most)
{
	struct connection *connection = of(self);
	struct ipc *ipc = connection_hold(connection);
	long left;
	int r = 0;

	if (!ipc)
		return NULL;
	left = PyLong_AsLong(most);
	if (left == -1 && PyErr_Occurred()) {
		drop(ipc);
		return NULL;
	}
	Py_BEGIN_ALLOW_THREADS
	for (; left > 0 && !interrupt_is_kept(); left--) {
		r = ipc_process(ipc);
		if (r <= 0 || atomic_load(&connection->stopped))
			break;
	}
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	return interrupt_raise(r < 0 ? fail(r, NULL) : PyBool_FromLong(r));
}

/* stop(): ends a running process() after its handler. */
static PyObject *stop(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	atomic_store(&of(self)->stopped, true);
	Py_RETURN_NONE;
}

/* --- Names ----------------------------------------------------------------------- */

PyObject *connection_fail_name(struct connection *connection, const char *name, bool own, int r)
{
	char message[512];

	if (is_closed(connection, r))
		return fail_closed();
	if (!own || r != -ENOENT)
		return fail_saying(r, ipc_name_error_text(message, sizeof(message), name, r));
	snprintf(message, sizeof(message), "%.255s: %s", name, IPC_NAME_NOT_OWNED);
	return fail_saying(r, message);
}

/* cancellation() -> Slot: see set_cancellation() */
static PyObject *cancellation(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	return slot_new_cancellation(of(self));
}

static void registered(struct ipc *ipc, const char *name, enum ipc_registration_event event,
		       int error, void *userdata)
{
	PyObject *exception = NULL;
	PyGILState_STATE state;

	(void)ipc;
	if (!python_enter(&state))
		return;
	if (event == IPC_REGISTRATION_FAILED)
		exception = make_error(error, NULL);
	else
		exception = Py_NewRef(Py_None);
	slot_notify(userdata, exception ? Py_BuildValue("(siN)", name, (int)event, exception) :
					  NULL);
	python_leave(state);
}

static int start_registration(struct ipc *ipc, struct slot *slot, void *data,
			      struct ipc_slot **ret_slot)
{
	(void)data;
	return ipc_on_registration(ipc, registered, slot, ret_slot);
}

/* on_registration(callback) -> Slot: callback(name, REGISTRATION_*, exception or None) */
static PyObject *on_registration(PyObject *self, PyObject *callback)
{
	return slot_new(of(self), callback, /* once= */ false, start_registration, NULL);
}

static void writable(struct ipc *ipc, void *userdata)
{
	PyGILState_STATE state;

	(void)ipc;
	if (!python_enter(&state))
		return;
	slot_notify(userdata, PyTuple_New(0));
	python_leave(state);
}

static int start_writable(struct ipc *ipc, struct slot *slot, void *data,
			  struct ipc_slot **ret_slot)
{
	(void)data;
	return ipc_on_writable(ipc, writable, slot, ret_slot);
}

static PyObject *on_writable(PyObject *self, PyObject *callback)
{
	return slot_new(of(self), callback, /* once= */ false, start_writable, NULL);
}

static void bus_changed(struct ipc *ipc, enum ipc_bus_event event, void *userdata)
{
	PyGILState_STATE state;

	(void)ipc;
	if (!python_enter(&state))
		return;
	slot_notify(userdata, Py_BuildValue("(O)", event == IPC_BUS_UP ? Py_True : Py_False));
	python_leave(state);
}

static int start_reconnect(struct ipc *ipc, struct slot *slot, void *data,
			   struct ipc_slot **ret_slot)
{
	(void)data;
	return ipc_set_reconnect(ipc, bus_changed, slot, ret_slot);
}

/* set_reconnect(callback) -> Slot: callback(False) when the bus has ended, callback(True) when it
 * is back */
static PyObject *set_reconnect(PyObject *self, PyObject *callback)
{
	return slot_new(of(self), callback, /* once= */ false, start_reconnect, NULL);
}

/* --- Settings -------------------------------------------------------------------- */

static PyObject *set_timeout(PyObject *self, PyObject *value)
{
	struct ipc *ipc;
	uint64_t usec;
	int r;

	if (!get_u64(value, &usec))
		return NULL;
	ipc = connection_hold(of(self));
	if (!ipc)
		return NULL;
	r = ipc_set_timeout(ipc, usec);
	drop(ipc);
	if (r < 0)
		return fail(r, NULL);
	Py_RETURN_NONE;
}

static PyObject *make_object(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	return object_create(of(self), args, n);
}

static PyMethodDef methods[] = {
	{ "close", close_, METH_NOARGS, NULL },
	{ "fileno", fileno_, METH_NOARGS, NULL },
	{ "process", process, METH_O, NULL },
	{ "stop", stop, METH_NOARGS, NULL },
	{ "cancellation", cancellation, METH_NOARGS, NULL },
	{ "register", FAST(name_register), METH_FASTCALL, NULL },
	{ "unregister", FAST(name_unregister), METH_FASTCALL, NULL },
	{ "get", FAST(name_get), METH_FASTCALL, NULL },
	{ "check", FAST(name_check), METH_FASTCALL, NULL },
	{ "list", FAST(name_list), METH_FASTCALL, NULL },
	{ "watch", FAST(name_watch), METH_FASTCALL, NULL },
	{ "on_registration", on_registration, METH_O, NULL },
	{ "on_writable", on_writable, METH_O, NULL },
	{ "set_reconnect", set_reconnect, METH_O, NULL },
	{ "set_timeout", set_timeout, METH_O, NULL },
	{ "object", FAST(make_object), METH_FASTCALL, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "closed", get_closed, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_new, new },
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ 0, NULL },
};

PyType_Spec connection_spec = {
	.name = "ipcbus._core.Connection",
	.basicsize = sizeof(struct connection),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
