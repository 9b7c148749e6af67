// SPDX-License-Identifier: MIT
/*
 * Messages to be sent, and the objects and files of received ones.
 */
#include <errno.h>

#include "core.h"

/* --- Sending --------------------------------------------------------------------- */

static bool set_object(struct ipc_raw_entry *entry, struct connection *connection, PyObject *what)
{
	struct object *object = (struct object *)what;

	if (!object->object || object->part.connection != connection) {
		fail(-EBADF, NULL);
		return false;
	}
	entry->type = IPC_RAW_OBJECT;
	entry->object = ipc_object_ref(object->object);
	return true;
}

static bool set_proxy(struct ipc_raw_entry *entry, struct connection *connection, PyObject *what)
{
	struct proxy *proxy = (struct proxy *)what;

	if (!proxy->proxy || proxy->part.connection != connection) {
		fail(-EBADF, NULL);
		return false;
	}
	entry->type = IPC_RAW_PROXY;
	entry->proxy = ipc_proxy_ref(proxy->proxy);
	return true;
}

static bool set_fd(struct ipc_raw_entry *entry, PyObject *what)
{
	long fd = PyLong_AsLong(what);

	if (fd == -1 && PyErr_Occurred())
		return false;
	if (fd < 0 || fd > INT32_MAX) {
		fail(-EBADF, NULL);
		return false;
	}
	entry->type = IPC_RAW_FD;
	entry->fd = (int32_t)fd;
	return true;
}

static bool set_entry(struct ipc_raw_entry *entry, struct connection *connection, PyObject *pair)
{
	PyObject *tag, *what;

	if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
		PyErr_SetString(PyExc_TypeError, "an entry must be a tuple of a tag and an object or file");
		return false;
	}
	tag = PyTuple_GetItem(pair, 0);
	what = PyTuple_GetItem(pair, 1);
	if (!get_u64(tag, &entry->tag))
		return false;
	if (Py_TYPE(what) == object_type)
		return set_object(entry, connection, what);
	if (Py_TYPE(what) == proxy_type)
		return set_proxy(entry, connection, what);
	if (PyLong_Check(what))
		return set_fd(entry, what);
	PyErr_Format(PyExc_TypeError, "%R is no Object, Proxy or file descriptor", what);
	return false;
}

static bool set_entries(struct outgoing *out, struct connection *connection, PyObject *entries)
{
	Py_ssize_t n;

	if (entries == Py_None)
		return true;
	if (!PyTuple_Check(entries)) {
		PyErr_SetString(PyExc_TypeError, "entries must be a tuple");
		return false;
	}
	n = PyTuple_Size(entries);
	if (n > IPC_RAW_ENTRIES_MAX) {
		fail(-E2BIG, NULL);
		return false;
	}
	out->message.entries = out->entries;
	while (out->message.n_entries < (size_t)n) {
		if (!set_entry(&out->entries[out->message.n_entries], connection,
			       PyTuple_GetItem(entries, (Py_ssize_t)out->message.n_entries)))
			return false;
		out->message.n_entries++;
	}
	return true;
}

bool outgoing_init(struct outgoing *out, struct connection *connection, PyObject *data,
		   PyObject *entries)
{
	out->message = (struct ipc_raw_message){ .method = 0 };
	out->data.obj = NULL;
	if (data != Py_None) {
		if (PyObject_GetBuffer(data, &out->data, PyBUF_SIMPLE) < 0)
			return false;
		out->message.data = out->data.buf;
		out->message.size = (size_t)out->data.len;
	}
	if (set_entries(out, connection, entries))
		return true;
	outgoing_done(out);
	return false;
}

void outgoing_done(struct outgoing *out)
{
	for (size_t i = 0; i < out->message.n_entries; i++) {
		struct ipc_raw_entry *entry = &out->entries[i];

		if (entry->type == IPC_RAW_OBJECT)
			ipc_object_unref(entry->object);
		else if (entry->type == IPC_RAW_PROXY)
			ipc_proxy_unref(entry->proxy);
	}
	if (out->data.obj)
		PyBuffer_Release(&out->data);
}

/* --- Received -------------------------------------------------------------------- */

PyObject *entries_list(const struct ipc_raw_entry *entries, size_t n)
{
	PyObject *list = PyTuple_New((Py_ssize_t)n);

	for (size_t i = 0; list && i < n; i++) {
		PyObject *pair = Py_BuildValue("(Ki)", (unsigned long long)entries[i].tag,
					       (int)entries[i].type);

		if (!pair || PyTuple_SetItem(list, (Py_ssize_t)i, pair) < 0)
			Py_CLEAR(list);
	}
	return list;
}

PyObject *entry_take(struct connection *connection, struct ipc_raw_entry *entry)
{
	struct ipc_object *object;
	struct ipc_proxy *proxy;
	int fd;

	switch (entry->type) {
	case IPC_RAW_OBJECT:
		object = entry->object;
		entry->object = NULL;
		return object ? object_new(connection, object) : fail(-ENOENT, NULL);
	case IPC_RAW_PROXY:
		proxy = entry->proxy;
		entry->proxy = NULL;
		return proxy ? proxy_new(connection, proxy) : fail(-ENOENT, NULL);
	case IPC_RAW_FD:
		fd = ipc_take_fd(&entry->fd);
		return fd < 0 ? fail(fd, NULL) : PyLong_FromLong(fd);
	}
	return fail(-EINVAL, NULL);
}
