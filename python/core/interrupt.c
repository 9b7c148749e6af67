// SPDX-License-Identifier: MIT
/*
 * Exceptions that end a program, such as KeyboardInterrupt. Signal handlers of Python raise them in
 * the middle of a wait or in a callback, with functions of the library on the stack. The exception
 * is therefore kept for the thread, and raised when the function that the thread called returns.
 *
 * Python's own handler of a signal only sets a flag, and interrupts the wait. The library then
 * calls on_signal(), which runs the functions of signal.signal(), on the main thread. Through
 * ipcbusd the library also calls it once a second without a signal, and so notices that another
 * thread called close().
 */
#include <errno.h>

#include "core.h"

struct kept {
	PyObject *type, *value, *traceback;
};

static __thread struct kept kept;

/* Keeps the first exception and drops later exceptions. */
static void keep(void)
{
	struct kept more;

	if (!kept.type) {
		PyErr_Fetch(&kept.type, &kept.value, &kept.traceback);
		return;
	}
	PyErr_Fetch(&more.type, &more.value, &more.traceback);
	Py_XDECREF(more.type);
	Py_XDECREF(more.value);
	Py_XDECREF(more.traceback);
}

bool interrupt_is_kept(void)
{
	return kept.type;
}

PyObject *interrupt_raise(PyObject *result)
{
	if (!kept.type)
		return result;
	Py_XDECREF(result);
	PyErr_Restore(kept.type, kept.value, kept.traceback);
	kept = (struct kept){ .type = NULL };
	return NULL;
}

void callback_failed(PyObject *callback)
{
	if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ||
	    PyErr_ExceptionMatches(PyExc_SystemExit))
		keep();
	else
		log_exception(callback);
}

static int on_signal(void *userdata)
{
	const struct connection *connection = userdata;
	PyGILState_STATE state;
	int r = 0;

	if (atomic_load(&connection->closed))
		return -ECANCELED;
	if (!python_enter(&state))
		return 0;
	if (PyErr_CheckSignals() < 0) {
		keep();
		r = -EINTR;
	}
	python_leave(state);
	return r;
}

int interrupt_set(struct connection *connection)
{
	return ipc_raw_set_interrupt(connection->ipc, on_signal, connection);
}
