// SPDX-License-Identifier: MIT
/*
 * TestBus: a private bus for a test, see <ipc/test.h>. Any thread may use it. free() must not be
 * called while another thread uses the bus.
 */
#include <errno.h>

#include <ipc/test.h>

#include "core.h"

#define WORDS_MAX	64

struct test_bus {
	PyObject_HEAD
	struct ipc_test_bus *bus;	/* NULL after free() */
	unsigned int users;		/* threads that use it without the GIL */
};

static struct test_bus *of(PyObject *self)
{
	return (struct test_bus *)self;
}

/* Converts a tuple of str, which owns the texts. */
static bool get_words(PyObject *tuple, const char *words[WORDS_MAX + 1])
{
	Py_ssize_t n = PyTuple_Size(tuple);

	if (n < 0)
		return false;
	if (n > WORDS_MAX) {
		fail(-E2BIG, NULL);
		return false;
	}
	for (Py_ssize_t i = 0; i < n; i++)
		if (!get_text(PyTuple_GetItem(tuple, i), "argument", false, &words[i]))
			return false;
	words[n] = NULL;
	return true;
}

/* TestBus(flags, ipcbusd or None, servicemanager or None, parameters, manager_arguments): the last
 * two are tuples of str */
static PyObject *create(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	struct ipc_test_options options = { .size = sizeof(options) };
	const char *parameters[WORDS_MAX + 1], *arguments[WORDS_MAX + 1];
	PyObject *flags, *daemon, *manager, *first, *second, *self;
	struct ipc_test_bus *bus;
	uint32_t number;
	int r;

	(void)keywords;
	if (!PyArg_ParseTuple(args, "OOOOO", &flags, &daemon, &manager, &first, &second) ||
	    !get_u32(flags, &number) || !get_text(daemon, "ipcbusd", true, &options.ipcbusd) ||
	    !get_text(manager, "servicemanager", true, &options.servicemanager) ||
	    !get_words(first, parameters) || !get_words(second, arguments))
		return NULL;
	options.flags = number;
	options.parameters = parameters;
	options.manager_arguments = arguments;
	self = PyType_GenericAlloc(type, 0);
	if (!self)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_test_bus_new(&options, &bus);
	Py_END_ALLOW_THREADS
	if (r < 0) {
		Py_DECREF(self);
		return fail(r, NULL);
	}
	of(self)->bus = bus;
	return self;
}

static void drop(PyObject *self)
{
	struct ipc_test_bus *bus = of(self)->bus;

	of(self)->bus = NULL;
	Py_BEGIN_ALLOW_THREADS
	ipc_test_bus_free(bus);
	Py_END_ALLOW_THREADS
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	drop(self);
	PyObject_Free(self);
	Py_DECREF((PyObject *)type);
}

static PyObject *free_bus(PyObject *self, PyObject *nothing)
{
	(void)nothing;
	if (of(self)->users) {
		PyErr_SetString(PyExc_RuntimeError, "another thread uses the bus");
		return NULL;
	}
	drop(self);
	Py_RETURN_NONE;
}

/* --- Functions that block ------------------------------------------------------------ */

static struct ipc_test_bus *hold(PyObject *self)
{
	if (!of(self)->bus)
		PyErr_SetString(PyExc_ValueError, "the bus has ended");
	else
		of(self)->users++;
	return of(self)->bus;
}

static PyObject *used(PyObject *self, int r)
{
	of(self)->users--;
	return r < 0 ? fail(r, NULL) : PyLong_FromLong(r);
}

static PyObject *advance(PyObject *self, PyObject *value)
{
	struct ipc_test_bus *bus;
	uint64_t usec;
	int r;

	if (!get_u64(value, &usec) || !(bus = hold(self)))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_test_bus_advance(bus, usec);
	Py_END_ALLOW_THREADS
	return used(self, r);
}

static PyObject *wait_calls(PyObject *self, PyObject *value)
{
	struct ipc_test_bus *bus;
	uint32_t n;
	int r;

	if (!get_u32(value, &n) || !(bus = hold(self)))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_test_bus_wait_calls(bus, n);
	Py_END_ALLOW_THREADS
	return used(self, r);
}

/* fail_memory(nth, pid) -> 1 if the failure that was set before did not happen, or 0 */
static PyObject *fail_memory(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct ipc_test_bus *bus;
	uint32_t pid;
	uint64_t nth;
	int r;

	if (!args_check("fail_memory", n, 2, 2) || !get_u64(args[0], &nth) ||
	    !get_u32(args[1], &pid) || !(bus = hold(self)))
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	r = ipc_test_bus_fail_memory(bus, (pid_t)pid, nth);
	Py_END_ALLOW_THREADS
	return used(self, r);
}

/* --- The type ------------------------------------------------------------------------ */

static PyObject *get_path(PyObject *self, void *closure)
{
	(void)closure;
	return decode(of(self)->bus ? ipc_test_bus_path(of(self)->bus) : NULL);
}

static PyObject *get_pid(PyObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromLong(of(self)->bus ? ipc_test_bus_pid(of(self)->bus) : 0);
}

static PyMethodDef methods[] = {
	{ "advance", advance, METH_O, NULL },
	{ "wait_calls", wait_calls, METH_O, NULL },
	{ "fail_memory", FAST(fail_memory), METH_FASTCALL, NULL },
	{ "free", free_bus, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef members[] = {
	{ "path", get_path, NULL, NULL, NULL },
	{ "pid", get_pid, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_new, create },
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_methods, methods },
	{ Py_tp_getset, members },
	{ 0, NULL },
};

PyType_Spec test_bus_spec = {
	.name = "ipcbus._core.TestBus",
	.basicsize = sizeof(struct test_bus),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
