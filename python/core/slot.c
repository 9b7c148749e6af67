// SPDX-License-Identifier: MIT
/*
 * Slot: a callback, or a cancellation. The library holds a reference from start() until
 * destroyed() or slot_finish() has run, so the Slot of a callback always exists. After end() or
 * slot_end() has returned, no callback begins: a callback must first take the GIL, and then finds
 * slot->callback NULL.
 */
#include <errno.h>
#include <stdlib.h>

#include "core.h"

static struct slot *of_part(struct part *part)
{
	return (struct slot *)part;
}

static void destroyed(void *userdata)
{
	PyGILState_STATE state;

	if (!python_enter(&state))
		return;
	Py_DECREF((PyObject *)userdata);
	python_leave(state);
}

static void drop_cancellation(struct slot *slot)
{
	struct ipc_cancellation *cancellation = slot->cancellation;

	slot->cancellation = NULL;
	if (!cancellation)
		return;
	Py_BEGIN_ALLOW_THREADS
	ipc_cancellation_unref(cancellation);
	Py_END_ALLOW_THREADS
}

static void end_native(struct slot *slot)
{
	/* slot_finish() may run on another thread while the GIL is released. */
	struct ipc_cancellation *cancellation = ipc_cancellation_ref(slot->cancellation);
	struct ipc_slot *native = slot->slot;

	slot->slot = NULL;
	Py_BEGIN_ALLOW_THREADS
	ipc_slot_end_async(native);
	ipc_cancel(cancellation);
	ipc_cancellation_unref(cancellation);
	Py_END_ALLOW_THREADS
	/* The cancellation of a call must not keep the connection open. A thread may use any other
	 * until the Slot is freed. */
	if (slot->once)
		drop_cancellation(slot);
}

/* For close() of the connection: as slot_end(), but the callback of a call gets ECANCELED. */
static void end(struct part *part)
{
	struct slot *slot = of_part(part);
	PyObject *callback = slot->callback;
	PyObject *error, *result;

	slot->callback = NULL;
	end_native(slot);
	if (!callback)
		return;
	if (slot->once) {
		error = make_error(-ECANCELED, NULL);
		result = error ? PyObject_CallFunctionObjArgs(callback, Py_None, error, NULL) :
				 NULL;
		if (!result)
			callback_failed(callback);
		Py_XDECREF(result);
		Py_XDECREF(error);
	}
	Py_DECREF(callback);
}

PyObject *slot_new(struct connection *connection, PyObject *callback, bool once, slot_start start,
		   void *data)
{
	struct ipc_slot *native = NULL;
	struct slot *slot;
	struct ipc *ipc;
	int r;

	if (!PyCallable_Check(callback)) {
		PyErr_Format(PyExc_TypeError, "%R is not callable", callback);
		return NULL;
	}
	ipc = connection_hold(connection);
	if (!ipc)
		return NULL;
	slot = of_part(part_new(slot_type, connection, end));
	if (!slot) {
		ipc_unref(ipc);
		return NULL;
	}
	slot->once = once;
	Py_INCREF(callback);
	slot->callback = callback;

	/* The library's reference. */
	Py_INCREF((PyObject *)slot);
	Py_BEGIN_ALLOW_THREADS
	r = start(ipc, slot, data, &native);
	if (native)
		ipc_slot_set_destroy(native, destroyed);
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	if (r < 0) {
		Py_DECREF((PyObject *)slot);
		Py_CLEAR(slot->callback);
		if (slot->name)
			connection_fail_name(connection, slot->name, slot->own_name, r);
		else
			fail(r, NULL);
		Py_DECREF((PyObject *)slot);
		return NULL;
	}
	slot->slot = native;
	return part_add(&slot->part) ? (PyObject *)slot : NULL;
}

void slot_notify(struct slot *slot, PyObject *args)
{
	PyObject *callback = slot->callback;
	PyObject *result = NULL;

	if (!callback) {
		Py_XDECREF(args);
		/* Without memory for the arguments there is an exception, which nobody can get. */
		PyErr_Clear();
		return;
	}
	Py_INCREF(callback);
	if (slot->once)
		Py_CLEAR(slot->callback);
	if (args)
		result = PyObject_Call(callback, args, NULL);
	if (!result)
		callback_failed(callback);
	Py_XDECREF(result);
	Py_XDECREF(args);
	Py_DECREF(callback);
}

void slot_settle(struct slot *slot, PyObject *value, PyObject *exception)
{
	PyObject *args = NULL;

	if (!value && !exception) {
		PyObject *type, *traceback;

		PyErr_Fetch(&type, &exception, &traceback);
		PyErr_NormalizeException(&type, &exception, &traceback);
		Py_XDECREF(type);
		Py_XDECREF(traceback);
	}
	args = PyTuple_Pack(2, value ? value : Py_None, exception ? exception : Py_None);
	Py_XDECREF(value);
	Py_XDECREF(exception);
	slot_notify(slot, args);
}

void slot_finish(struct slot *slot)
{
	drop_cancellation(slot);
	Py_DECREF((PyObject *)slot);
}

PyObject *slot_new_cancellation(struct connection *connection)
{
	struct ipc *ipc = connection_hold(connection);
	struct slot *slot;
	int r;

	if (!ipc)
		return NULL;
	slot = of_part(part_new(slot_type, connection, end));
	r = slot ? ipc_cancellation_new(ipc, &slot->cancellation) : -ENOMEM;
	Py_BEGIN_ALLOW_THREADS
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	if (r < 0) {
		Py_XDECREF((PyObject *)slot);
		return fail(r, NULL);
	}
	return part_add(&slot->part) ? (PyObject *)slot : NULL;
}

/* The Slot that this thread has set, with a reference, or NULL. */
static __thread struct slot *current;

struct ipc_cancellation *connection_cancellation(struct connection *connection)
{
	return ipc_cancellation_ref(current && current->part.connection == connection ?
					    current->cancellation : connection->closing);
}

PyObject *set_cancellation(PyObject *module, PyObject *slot)
{
	PyObject *before;

	(void)module;
	if (slot != Py_None && Py_TYPE(slot) != slot_type)
		return PyErr_Format(PyExc_TypeError, "%R is no Slot", slot);
	before = current ? (PyObject *)current : Py_NewRef(Py_None);
	current = slot == Py_None ? NULL : (struct slot *)Py_NewRef(slot);
	return before;
}

static PyObject *get_canceled(PyObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(
		ipc_cancellation_is_canceled(((struct slot *)self)->cancellation));
}

/* end() -> None: the callback does not begin any more, but may still run on another thread. Cancels
 * a call without a reply. Does not block. */
static PyObject *slot_end(PyObject *self, PyObject *nothing)
{
	struct slot *slot = (struct slot *)self;

	(void)nothing;
	Py_CLEAR(slot->callback);
	end_native(slot);
	part_remove(&slot->part);
	Py_RETURN_NONE;
}

static void dealloc(PyObject *self)
{
	struct slot *slot = (struct slot *)self;

	part_remove(&slot->part);
	Py_CLEAR(slot->callback);
	/* The library has dropped its reference, so the callback has ended and only memory is
	 * freed. */
	if (slot->slot)
		end_native(slot);
	drop_cancellation(slot);
	free(slot->name);
	part_free(&slot->part);
}

static PyMethodDef methods[] = {
	{ "end", slot_end, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "canceled", get_canceled, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ 0, NULL },
};

PyType_Spec slot_spec = {
	.name = "ipcbus._core.Slot",
	.basicsize = sizeof(struct slot),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
