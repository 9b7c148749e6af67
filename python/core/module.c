// SPDX-License-Identifier: MIT
/*
 * The module: types, constants, errors, and what its files share.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "core.h"

PyTypeObject *connection_type, *proxy_type, *object_type, *call_type, *message_type, *slot_type,
	*stream_type, *test_bus_type;

/* Makes an exception of (code, number, name, text, details, origin, cause, own_text). code and
 * cause are positive. own_text is 0 if text is only this library's meaning of the code. */
static PyObject *error_factory;
static atomic_bool ended;

/* --- Errors ---------------------------------------------------------------------- */

PyObject *decode(const char *string)
{
	if (!string)
		Py_RETURN_NONE;
	return PyUnicode_DecodeUTF8(string, (Py_ssize_t)strlen(string), "replace");
}

/* Returns the origin of an errno that the library returned without a struct ipc_error. */
static enum ipc_origin origin_of(int code)
{
	return code == -EOWNERDEAD || code == -EHOSTDOWN || code == -ECONNRESET ||
			       code == -ETIMEDOUT ?
		       IPC_ORIGIN_BUS : IPC_ORIGIN_HERE;
}

PyObject *make_error(int code, const struct ipc_error *error)
{
	struct ipc_error none = IPC_ERROR_INIT;
	PyObject *name, *text, *details, *exception = NULL;
	char described[IPC_ERROR_TEXT_MAX];
	struct ipc_error unnamed;

	none.origin = origin_of(code);
	if (!error)
		error = &none;
	/* The exception has the name and the text separately. */
	unnamed = *error;
	unnamed.name = NULL;
	name = decode(error->name);
	text = decode(error->text ?:
			 ipc_error_text(described, sizeof(described), code, &unnamed));
	details = PyBytes_FromStringAndSize(error->details, (Py_ssize_t)error->details_size);
	if (name && text && details && error_factory)
		exception = PyObject_CallFunction(error_factory, "iiOOOiii", -code, error->number,
						  name, text, details, (int)error->origin,
						  -error->cause, error->text != NULL);
	else if (!PyErr_Occurred())
		PyErr_SetString(PyExc_RuntimeError, "ipcbus._core is used without its package");
	Py_XDECREF(name);
	Py_XDECREF(text);
	Py_XDECREF(details);
	return exception;
}

PyObject *fail(int code, const struct ipc_error *error)
{
	PyObject *exception = make_error(code, error);

	if (exception) {
		PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
		Py_DECREF(exception);
	}
	return NULL;
}

PyObject *fail_saying(int code, const char *text)
{
	struct ipc_error error = IPC_ERROR_INIT;

	error.code = code;
	error.text = (char *)text;
	return fail(code, &error);
}

PyObject *fail_closed(void)
{
	return fail_saying(-ECANCELED, "the connection is closed");
}

PyObject *get_view(PyObject *self, void *closure)
{
	(void)closure;
	return PyMemoryView_FromObject(self);
}

/* --- Callbacks ------------------------------------------------------------------- */

bool python_enter(PyGILState_STATE *ret_state)
{
	if (atomic_load(&ended))
		return false;
	*ret_state = PyGILState_Ensure();
	return true;
}

void python_leave(PyGILState_STATE state)
{
	PyGILState_Release(state);
}

void python_end(void)
{
	atomic_store(&ended, true);
}

/* --- Arguments ------------------------------------------------------------------- */

bool args_check(const char *function, Py_ssize_t n, Py_ssize_t least, Py_ssize_t most)
{
	if (n >= least && n <= most)
		return true;
	PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments (%zd given)", function,
		     least, most, n);
	return false;
}

bool get_u64(PyObject *value, uint64_t *ret)
{
	*ret = PyLong_AsUnsignedLongLong(value);
	return *ret != UINT64_MAX || !PyErr_Occurred();
}

bool get_u32(PyObject *value, uint32_t *ret)
{
	uint64_t number;

	if (!get_u64(value, &number))
		return false;
	if (number > UINT32_MAX) {
		PyErr_SetString(PyExc_OverflowError, "the number has more than 32 bits");
		return false;
	}
	*ret = (uint32_t)number;
	return true;
}

bool get_text(PyObject *value, const char *argument, bool none, const char **ret)
{
	Py_ssize_t size;

	*ret = NULL;
	if (none && value == Py_None)
		return true;
	if (!PyUnicode_Check(value)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", argument,
			     (PyObject *)Py_TYPE(value));
		return false;
	}
	*ret = PyUnicode_AsUTF8AndSize(value, &size);
	if (*ret && strlen(*ret) != (size_t)size) {
		PyErr_Format(PyExc_ValueError, "%s contains a null character", argument);
		return false;
	}
	return *ret;
}

/* --- The module ------------------------------------------------------------------ */

static PyObject *set_error_factory(PyObject *module, PyObject *factory)
{
	PyObject *before = error_factory;

	(void)module;
	Py_INCREF(factory);
	error_factory = factory;
	Py_XDECREF(before);
	Py_RETURN_NONE;
}

/* Called at exit of the interpreter. Afterwards no callback begins. */
static PyObject *close_all(PyObject *module, PyObject *nothing)
{
	(void)module, (void)nothing;
	connections_close_all();
	python_end();
	Py_RETURN_NONE;
}

static PyObject *message_bytes(PyObject *module, PyObject *payload)
{
	const void *message;
	PyObject *result;
	Py_buffer buffer;
	size_t size;
	int r;

	(void)module;
	if (PyObject_GetBuffer(payload, &buffer, PyBUF_SIMPLE) < 0)
		return NULL;
	r = ipc_payload_message(buffer.buf, (size_t)buffer.len, &message, &size);
	result = r < 0 ? fail(r, NULL) : PyBytes_FromStringAndSize(message, (Py_ssize_t)size);
	PyBuffer_Release(&buffer);
	return result;
}

static PyObject *printable(PyObject *module, PyObject *value)
{
	char to[IPC_PRINTABLE_MAX];
	PyObject *bytes;

	(void)module;
	if (!PyUnicode_Check(value))
		return PyErr_Format(PyExc_TypeError, "%R is no str", value);
	/* A lone surrogate cannot be encoded and becomes a question mark. */
	bytes = PyUnicode_AsEncodedString(value, "utf-8", "replace");
	if (!bytes)
		return NULL;
	ipc_printable(to, sizeof(to), PyBytes_AsString(bytes));
	Py_DECREF(bytes);
	return PyUnicode_FromString(to);
}

static PyObject *log_callback;

static void log_line(int priority, const char *line, void *userdata)
{
	PyGILState_STATE state;
	PyObject *result;

	(void)userdata;
	if (!python_enter(&state))
		return;
	result = PyObject_CallFunction(log_callback, "is", priority, line);
	if (!result)
		PyErr_WriteUnraisable(log_callback);
	Py_XDECREF(result);
	python_leave(state);
}

void log_exception(PyObject *source)
{
	PyObject *type, *value, *traceback, *result;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback)
		PyException_SetTraceback(value, traceback);
	result = PyObject_CallFunction(log_callback, "isO", LOG_ERR, "ipc: callback: unhandled exception",
				       value);
	if (!result)
		PyErr_WriteUnraisable(source);
	Py_XDECREF(result);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
}

/* set_log(callback): callback(priority of syslog(3), text[, exception]), on any thread. Its
 * exceptions go to sys.unraisablehook. */
static PyObject *set_log(PyObject *module, PyObject *callback)
{
	PyObject *before = log_callback;

	(void)module;
	log_callback = Py_NewRef(callback);
	Py_XDECREF(before);
	ipc_set_log(log_line, NULL);
	Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
	{ "printable", printable, METH_O, NULL },
	{ "set_error_factory", set_error_factory, METH_O, NULL },
	{ "close_all", close_all, METH_NOARGS, NULL },
	{ "message_bytes", message_bytes, METH_O, NULL },
	{ "set_log", set_log, METH_O, NULL },
	{ "set_cancellation", set_cancellation, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static int add_types(PyObject *module)
{
	const struct {
		PyTypeObject **type;
		PyType_Spec *spec;
	} types[] = {
		{ &connection_type, &connection_spec }, { &proxy_type, &proxy_spec },
		{ &object_type, &object_spec },	{ &call_type, &call_spec },
		{ &message_type, &message_spec }, { &slot_type, &slot_spec },
		{ &stream_type, &stream_spec }, { &test_bus_type, &test_bus_spec },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		/* A program may import the module again. */
		if (!*types[i].type)
			*types[i].type = (PyTypeObject *)PyType_FromSpec(types[i].spec);
		if (!*types[i].type || PyModule_AddType(module, *types[i].type) < 0)
			return -1;
	}
	return 0;
}

static int add_constants(PyObject *module)
{
	const struct {
		const char *name;
		unsigned long value;
	} constants[] = {
		{ "ACCEPT_FDS", IPC_RAW_ACCEPT_FDS }, { "OBJECT", IPC_RAW_OBJECT },
		{ "PROXY", IPC_RAW_PROXY }, { "FD", IPC_RAW_FD },
		{ "REGION_DEFAULT", IPC_REGION_DEFAULT }, { "NUMBER_PING", IPC_NUMBER_PING },
		{ "NUMBER_DESCRIBE", IPC_NUMBER_DESCRIBE }, { "NUMBER_DUMP", IPC_NUMBER_DUMP },
		{ "NUMBER_STREAM", IPC_NUMBER_STREAM }, { "REPLACE", IPC_REPLACE },
		{ "DETACHED", IPC_DETACHED }, { "OBJECT_LABEL", IPC_OBJECT_LABEL },
		{ "NAME_PRESENT", IPC_NAME_PRESENT }, { "NAME_GONE", IPC_NAME_GONE },
		{ "NAME_SETTLED", IPC_NAME_SETTLED }, { "NAME_REPLACE", IPC_NAME_REPLACE },
		{ "NAME_QUEUE", IPC_NAME_QUEUE },
		{ "REGISTRATION_ACQUIRED", IPC_REGISTRATION_ACQUIRED },
		{ "REGISTRATION_LOST", IPC_REGISTRATION_LOST },
		{ "REGISTRATION_FAILED", IPC_REGISTRATION_FAILED },
	};
	PyObject *never = PyLong_FromUnsignedLongLong(IPC_NEVER);
	int r = never ? PyModule_AddObjectRef(module, "NEVER", never) : -1;

	Py_XDECREF(never);
	for (size_t i = 0; r == 0 && i < sizeof(constants) / sizeof(constants[0]); i++)
		r = PyModule_AddIntConstant(module, constants[i].name, (long)constants[i].value);
	return r;
}

/* Fails in subinterpreters, because PyGILState_Ensure() enters the main interpreter only. */
static int exec(PyObject *module)
{
	if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
		PyErr_SetString(PyExc_ImportError,
				"ipcbus can be imported in the main interpreter only");
		return -1;
	}
	return add_types(module) < 0 || add_constants(module) < 0 ? -1 : 0;
}

/* Multi-phase initialization, so that exec() runs in each interpreter. */
PyMODINIT_FUNC PyInit__core(void)
{
	static PyModuleDef_Slot slots[] = {
		{ Py_mod_exec, (void *)exec },
		{ 0, NULL },
	};
	static struct PyModuleDef definition = {
		.m_base = PyModuleDef_HEAD_INIT,
		.m_name = "ipcbus._core",
		.m_doc = "The byte layer of libipc.",
		.m_methods = functions,
		.m_slots = slots,
	};

	return PyModuleDef_Init(&definition);
}
