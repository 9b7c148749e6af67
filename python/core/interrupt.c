// SPDX-License-Identifier: MIT
/*
 * Exceptions that end a program, such as KeyboardInterrupt: signal handlers of Python raise them
 * in the middle of a wait, and in a callback. There the library is below on the stack. So the
 * exception is kept for the thread, and raised as soon as the function that the thread is in
 * returns.
 *
 * Python's own handler of a signal only sets a flag, and interrupts the wait. The library then
 * asks on_signal(), which runs the functions of signal.signal(), on the main thread. Through
 * ipcbusd the library also asks once a second, without a signal, and so learns of close() on
 * another thread.
 */
#include <errno.h>

#include "core.h"

struct kept {
	PyObject *type, *value, *traceback;
};

static __thread struct kept kept;

/* The first one is raised. */
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
		return -EINTR;
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
