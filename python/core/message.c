// SPDX-License-Identifier: MIT
/*
 * Message: a reply, as a read-only buffer. A memoryview of it shows the region itself. The memory
 * returns to the driver at release() or with the last reference, but not before the last memoryview
 * is gone.
 */
#include "core.h"

struct message {
	struct part part;
	struct ipc_raw_message *raw;	/* NULL: released */
	Py_ssize_t exports;
};

static struct message *of(PyObject *self)
{
	return (struct message *)self;
}

static void release(struct message *message)
{
	struct ipc_raw_message *raw = message->raw;

	message->raw = NULL;
	if (!raw)
		return;
	part_remove(&message->part);
	Py_BEGIN_ALLOW_THREADS
	ipc_raw_free(raw);
	Py_END_ALLOW_THREADS
}

static void end(struct part *part)
{
	struct message *message = (struct message *)part;

	if (!message->exports)
		release(message);
}

PyObject *message_new(struct connection *connection, struct ipc_raw_message *raw)
{
	struct message *message = (struct message *)part_new(message_type, connection, end);

	if (!message) {
		ipc_raw_free(raw);
		return NULL;
	}
	message->raw = raw;
	return part_add(&message->part) ? (PyObject *)message : NULL;
}

static PyObject *fail_released(void)
{
	PyErr_SetString(PyExc_ValueError, "the message was released");
	return NULL;
}

static PyObject *get_entries(PyObject *self, void *closure)
{
	const struct ipc_raw_message *raw = of(self)->raw;

	(void)closure;
	return raw ? entries_list(raw->entries, raw->n_entries) : fail_released();
}

static PyObject *take(PyObject *self, PyObject *index)
{
	struct ipc_raw_message *raw = of(self)->raw;
	size_t i = PyLong_AsSize_t(index);

	if (PyErr_Occurred())
		return NULL;
	if (!raw)
		return fail_released();
	if (i >= raw->n_entries) {
		PyErr_SetString(PyExc_IndexError, "the message has fewer entries");
		return NULL;
	}
	return entry_take(of(self)->part.connection, &raw->entries[i]);
}

static PyObject *message_release(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	if (of(self)->exports) {
		PyErr_Format(PyExc_BufferError, "%zd views of the message are in use",
			     of(self)->exports);
		return NULL;
	}
	release(of(self));
	Py_RETURN_NONE;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
	struct message *message = of(self);

	if (!message->raw) {
		view->obj = NULL;
		fail_released();
		return -1;
	}
	if (PyBuffer_FillInfo(view, self, (void *)message->raw->data,
			      (Py_ssize_t)message->raw->size, /* readonly= */ 1, flags) < 0)
		return -1;
	message->exports++;
	return 0;
}

static void release_buffer(PyObject *self, Py_buffer *view)
{
	(void)view;
	/* After close(), the last view must release the memory. */
	if (!--of(self)->exports && !of(self)->part.link)
		release(of(self));
}

static Py_ssize_t length(PyObject *self)
{
	return of(self)->raw ? (Py_ssize_t)of(self)->raw->size : 0;
}

static void dealloc(PyObject *self)
{
	part_remove(&of(self)->part);
	release(of(self));
	part_free(&of(self)->part);
}

static PyMethodDef methods[] = {
	{ "take", take, METH_O, NULL },
	{ "release", message_release, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "data", get_view, NULL, NULL, NULL },
	{ "entries", get_entries, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ Py_sq_length, length },
	{ Py_bf_getbuffer, get_buffer },
	{ Py_bf_releasebuffer, release_buffer },
	{ 0, NULL },
};

PyType_Spec message_spec = {
	.name = "ipcbus._core.Message",
	.basicsize = sizeof(struct message),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
