// SPDX-License-Identifier: MIT
/* Functions of names of a Connection, in two forms: blocking, and with a callback. See core.h. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* The end of a function of names. The result owns the proxy and the infos. */
struct name_result {
	int r;
	PyObject *(*value)(struct connection *connection, struct name_result *result);
	struct ipc_proxy *proxy;
	struct ipc_name_info info;
	struct ipc_name_info **infos;
};

/*
 * A function of names, in both forms. With a callback it returns a Slot, and the callback gets
 * (value, exception) as in call_async(). Without one it blocks and returns the value.
 */
struct name_function {
	int (*start)(struct ipc *ipc, const struct name_function *f,
		     const struct ipc_options *options, struct slot *slot,
		     struct ipc_slot **ret_slot);
	bool cancels;			/* end() of the Slot cancels the function, and leaves its
					 * result to the library */
	bool own_name;
	const char *name, *interface;	/* name: or a pattern */
	uint64_t timeout;		/* in microseconds, if it waits */
	bool waits;
	struct ipc_object *object;
	unsigned int flags;
};

/* Returns the value of a function that has ended, or raises its error and returns NULL. */
static PyObject *take_value(struct connection *connection, const char *name, bool own_name,
			    struct name_result *result)
{
	if (result->r < 0)
		return connection_fail_name(connection, name, own_name, result->r);
	return result->value(connection, result);
}

/* Ends a function, in either form. */
static void settle(struct slot *slot, struct name_result *result)
{
	PyGILState_STATE state;
	PyObject *value;

	if (slot->result) {
		*slot->result = *result;
		return;
	}
	if (!python_enter(&state))
		return;
	value = take_value(slot->part.connection, slot->name, slot->own_name, result);
	slot_settle(slot, value, NULL);
	if (slot->cancellation)
		slot_finish(slot);
	python_leave(state);
}

static int start_name(struct ipc *ipc, struct slot *slot, void *data, struct ipc_slot **ret_slot)
{
	const struct name_function *f = data;
	struct ipc_options options = { .timeout_usec = 0 };
	int r = 0;

	slot->name = strdup(f->name);
	slot->own_name = f->own_name;
	if (!slot->name)
		return -ENOMEM;
	if (!f->cancels)
		return f->start(ipc, f, &options, slot, ret_slot);
	r = ipc_cancellation_new(ipc, &slot->cancellation);
	if (r < 0)
		return r;
	/* settle() may run, and drop the slot's reference, before the function returns. */
	options.cancellation = ipc_cancellation_ref(slot->cancellation);
	r = f->start(ipc, f, &options, slot, /* ret_slot= */ NULL);
	ipc_cancellation_unref(options.cancellation);
	return r;
}

static PyObject *run_name(struct connection *connection, const struct name_function *f,
			  PyObject *callback)
{
	struct ipc_options options = { .flags = IPC_RAW_BLOCK };
	struct name_result result = { .r = 0 };
	struct slot slot = { .result = &result };
	struct ipc *ipc;
	PyObject *value;
	int r;

	if (callback != Py_None)
		return slot_new(connection, callback, /* once= */ true, start_name, (void *)f);
	ipc = connection_hold(connection);
	if (!ipc)
		return NULL;
	options.cancellation = connection_cancellation(connection);
	Py_BEGIN_ALLOW_THREADS
	r = f->start(ipc, f, &options, &slot, /* ret_slot= */ NULL);
	Py_END_ALLOW_THREADS
	if (r < 0)
		result.r = r;
	value = take_value(connection, f->name, f->own_name, &result);
	Py_BEGIN_ALLOW_THREADS
	ipc_cancellation_unref(options.cancellation);
	ipc_unref(ipc);
	Py_END_ALLOW_THREADS
	return interrupt_raise(value);
}

static PyObject *value_bool(struct connection *connection, struct name_result *result)
{
	(void)connection;
	return PyBool_FromLong(!result->r);
}

static void name_done(int r, void *userdata)
{
	struct name_result result = { .r = r, .value = value_bool };

	settle(userdata, &result);
}

static int start_register(struct ipc *ipc, const struct name_function *f,
			  const struct ipc_options *options, struct slot *slot,
			  struct ipc_slot **ret_slot)
{
	return ipc_register_name_async(ipc, f->name, f->object, f->flags, options, name_done, slot,
				       ret_slot);
}

/* register(name, Object, flags, callback) -> bool: False if the Object is in the queue of the name.
 * If it fails, the caller must end the Object, because the manager may know it already. */
PyObject *name_register(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct name_function f = { .start = start_register, .cancels = true };
	PyObject *result;
	long flags;

	if (!args_check("register", n, 4, 4) || !get_text(args[0], "name", false, &f.name))
		return NULL;
	flags = PyLong_AsLong(args[2]);
	if (flags == -1 && PyErr_Occurred())
		return NULL;
	f.flags = (unsigned int)flags;
	if (Py_TYPE(args[1]) != object_type || !((struct object *)args[1])->object) {
		PyErr_Format(PyExc_TypeError, "%R is no Object that can be registered", args[1]);
		return NULL;
	}
	f.object = ipc_object_ref(((struct object *)args[1])->object);
	result = run_name((struct connection *)self, &f, args[3]);
	Py_BEGIN_ALLOW_THREADS
	ipc_object_unref(f.object);
	Py_END_ALLOW_THREADS
	return result;
}

static int start_unregister(struct ipc *ipc, const struct name_function *f,
			    const struct ipc_options *options, struct slot *slot,
			    struct ipc_slot **ret_slot)
{
	return ipc_unregister_name_async(ipc, f->name, options, name_done, slot, ret_slot);
}

/* Runs a function of a name or pattern, with a callback or None. */
static PyObject *run_text(PyObject *self, PyObject *const *args, Py_ssize_t n,
			  const char *function, const char *argument, struct name_function f)
{
	if (!args_check(function, n, 2, 2) || !get_text(args[0], argument, false, &f.name))
		return NULL;
	return run_name((struct connection *)self, &f, args[1]);
}

/* unregister(name, callback) -> True */
PyObject *name_unregister(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	return run_text(self, args, n, "unregister", "name",
			(struct name_function){ .start = start_unregister, .own_name = true });
}

static PyObject *value_proxy(struct connection *connection, struct name_result *result)
{
	return proxy_new(connection, result->proxy);
}

static void name_found(int r, struct ipc_proxy *proxy, void *userdata)
{
	struct name_result result = { .r = r, .value = value_proxy, .proxy = proxy };

	settle(userdata, &result);
}

static int start_get(struct ipc *ipc, const struct name_function *f,
		     const struct ipc_options *options, struct slot *slot,
		     struct ipc_slot **ret_slot)
{
	if (f->waits)
		return ipc_proxy_wait_async(ipc, f->name, f->interface, f->timeout, options,
					    name_found, slot, ret_slot);
	return ipc_proxy_get_async(ipc, f->name, f->interface, options, name_found, slot, ret_slot);
}

/* get(name, timeout_usec or None, interface or None, callback) -> Proxy: with a timeout, waits for
 * the name. */
PyObject *name_get(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct name_function f = { .start = start_get };

	if (!args_check("get", n, 4, 4) || !get_text(args[0], "name", false, &f.name) ||
	    !get_text(args[2], "interface", true, &f.interface))
		return NULL;
	f.waits = args[1] != Py_None;
	if (f.waits && !get_u64(args[1], &f.timeout))
		return NULL;
	return run_name((struct connection *)self, &f, args[3]);
}

static PyObject *info_tuple(const struct ipc_name_info *info)
{
	return Py_BuildValue("(ssiI)", info->name, info->interface, (int)info->pid,
			     (unsigned int)info->uid);
}

static PyObject *value_info(struct connection *connection, struct name_result *result)
{
	(void)connection;
	return info_tuple(&result->info);
}

static void name_checked(int r, const struct ipc_name_info *info, void *userdata)
{
	struct name_result result = { .r = r, .value = value_info };

	if (info)
		result.info = *info;
	settle(userdata, &result);
}

static int start_check(struct ipc *ipc, const struct name_function *f,
		       const struct ipc_options *options, struct slot *slot,
		       struct ipc_slot **ret_slot)
{
	return ipc_check_name_async(ipc, f->name, options, name_checked, slot, ret_slot);
}

/* check(name, callback) -> (name, interface, pid, uid) */
PyObject *name_check(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	return run_text(self, args, n, "check", "name",
			(struct name_function){ .start = start_check });
}

static PyObject *value_infos(struct connection *connection, struct name_result *result)
{
	PyObject *list = PyList_New(result->r);

	(void)connection;
	for (Py_ssize_t i = 0; list && i < result->r; i++) {
		PyObject *info = info_tuple(result->infos[i]);

		if (!info || PyList_SetItem(list, i, info) < 0)
			Py_CLEAR(list);
	}
	free(result->infos);
	return list;
}

static void name_listed(int r, struct ipc_name_info **infos, void *userdata)
{
	struct name_result result = { .r = r, .value = value_infos, .infos = infos };

	settle(userdata, &result);
}

static int start_list(struct ipc *ipc, const struct name_function *f,
		      const struct ipc_options *options, struct slot *slot,
		      struct ipc_slot **ret_slot)
{
	return ipc_list_names_async(ipc, f->name, options, name_listed, slot, ret_slot);
}

/* list(pattern, callback) -> list of (name, interface, pid, uid) */
PyObject *name_list(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	return run_text(self, args, n, "list", "pattern",
			(struct name_function){ .start = start_list });
}

static void name_changed(struct ipc *ipc, enum ipc_name_change change,
			 const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	struct slot *slot = userdata;
	PyObject *what, *who, *args = NULL;
	PyGILState_STATE state;

	(void)ipc;
	if (!python_enter(&state))
		return;
	who = proxy ? proxy_new(slot->part.connection, ipc_proxy_ref(proxy)) : Py_NewRef(Py_None);
	what = info ? info_tuple(info) : Py_NewRef(Py_None);
	if (who && what)
		args = Py_BuildValue("(iOO)", (int)change, what, who);
	Py_XDECREF(who);
	Py_XDECREF(what);
	slot_notify(slot, args);
	python_leave(state);
}

static void watch_started(int r, void *userdata)
{
	struct slot *slot = userdata;
	PyObject *error = NULL;
	PyGILState_STATE state;

	if (slot->result) {
		slot->result->r = r;
		return;
	}
	if (!python_enter(&state))
		return;
	error = r < 0 ? make_error(r, NULL) : Py_NewRef(Py_None);
	slot_notify(slot, error ? Py_BuildValue("(iNO)", 0, error, Py_None) : NULL);
	python_leave(state);
}

struct watching {
	const char *pattern;
	struct ipc_options options;
};

static int start_watch(struct ipc *ipc, struct slot *slot, void *data, struct ipc_slot **ret_slot)
{
	const struct watching *watching = data;
	struct name_result result = { .r = 0 };
	int r;

	slot->result = watching->options.flags ? &result : NULL;
	r = ipc_watch_names_async(ipc, watching->pattern, name_changed, &watching->options,
				  watch_started, slot, ret_slot);
	slot->result = NULL;
	if (r == 0 && result.r < 0)
		*ret_slot = ipc_slot_end(*ret_slot);
	return r < 0 ? r : result.r;
}

/* watch(pattern, callback, blocks) -> Slot: callback(NAME_*, info or None, Proxy or None). If it
 * does not block, callback(0, exception or None, None) reports its result. */
PyObject *name_watch(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	struct watching watching = { .pattern = NULL };
	PyObject *slot;

	if (!args_check("watch", n, 3, 3) ||
	    !get_text(args[0], "pattern", false, &watching.pattern))
		return NULL;
	if (PyObject_IsTrue(args[2])) {
		watching.options.flags = IPC_RAW_BLOCK;
		watching.options.cancellation = connection_cancellation((struct connection *)self);
	}
	slot = slot_new((struct connection *)self, args[1], /* once= */ false, start_watch,
			&watching);
	Py_BEGIN_ALLOW_THREADS
	ipc_cancellation_unref(watching.options.cancellation);
	Py_END_ALLOW_THREADS
	return slot;
}
