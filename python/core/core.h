/* SPDX-License-Identifier: MIT */
/*
 * ipcbus._core: the byte layer of libipc for Python, on which the package `ipcbus` is built.
 * ipcbus/_core.pyi describes each method.
 *
 *   connection.c  Connection: events, names
 *   proxy.c       Proxy: calls and oneways
 *   object.c      Object and Call: serving
 *   message.c     Message: a received reply, as a buffer without a copy
 *   stream.c      Stream: one end of a sequence of messages
 *   slot.c        Slot: a callback that the program can end, or a cancellation
 *   entry.c       objects and files in messages
 *   testing.c     TestBus: a private bus for a test, which is no part of a connection
 *   interrupt.c   exceptions such as KeyboardInterrupt in waits and callbacks
 *   module.c      the module, errors
 *
 * The GIL. A function must release the GIL around every call of the library that may block, run a
 * callback or drop the last reference of a connection. Another thread may close the connection in
 * the meantime, so the function must first take references of all library objects that it uses.
 *
 * Parts. A Slot, Proxy, Object, Call, Message and Stream is a *part* of its connection. Parts must
 * not outlive the library's connection, so close() ends all parts before it drops the connection.
 * Using an ended part raises an error. An exception are bytes with a memoryview: they stay valid,
 * and keep the memory of the connection, until the last view is gone.
 *
 * References of the library. The library holds a reference of each Slot and of the state of each
 * Object until their destroy function has run. The garbage collector does not see these references,
 * so a connection that serves or waits must be closed with close().
 */
#ifndef PYTHON_CORE_H
#define PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <ipc/raw.h>

/* --- Connections and their parts ------------------------------------------------- */

struct part;

struct connection {
	PyObject_HEAD
	struct ipc *ipc;		/* NULL after close() */
	struct ipc *last;		/* the same, until close() has dropped it */
	/* For functions of names and blocking calls; close() cancels it. */
	struct ipc_cancellation *closing;
	atomic_bool closed;		/* ends interruptible waits */
	atomic_bool stopped;		/* process() serves single events */
	struct part *parts;
	atomic_uint openings;		/* streams being opened: close() serves their end */
	unsigned int discarded;		/* oneways that close() discards, for the log */
	struct connection *next, **link;	/* the list of open connections */
};

struct part {
	PyObject_HEAD
	struct connection *connection;
	void (*end)(struct part *part);	/* called with the GIL, may release it */
	struct part *next, **link;	/* link is NULL if it is not in the list */
};

/* Takes a reference of the open connection. Returns NULL with an exception if it is closed. */
struct ipc *connection_hold(struct connection *connection);

/* Raises the error of a function that close() may have canceled. Returns NULL. */
PyObject *connection_fail(struct connection *connection, int r, const struct ipc_error *error);
/* The same for a function of names. The message has the name, cut after 255 bytes, and for a
 * malformed name the rule. own: -ENOENT means that this connection has not registered the name. */
PyObject *connection_fail_name(struct connection *connection, const char *name, bool own, int r);
/* Returns a reference of the cancellation for functions that block: the cancellation that the
 * calling thread has set, if it belongs to this connection, or closing. close() cancels both. */
struct ipc_cancellation *connection_cancellation(struct connection *connection);
/* set_cancellation(Slot or None) -> Slot or None: see _core.pyi */
PyObject *set_cancellation(PyObject *module, PyObject *slot);

/* Creates a part with a reference of the connection, not yet in its list. Returns NULL on error. */
struct part *part_new(PyTypeObject *type, struct connection *connection,
		      void (*end)(struct part *part));
/* Adds the part to the list. If the connection has been closed, ends the part, drops the caller's
 * reference, and returns false with an exception. */
bool part_add(struct part *part);
void part_remove(struct part *part);
/* Returns a reference of the connection, even while another thread closes it, or NULL. Needed to
 * end a part that is not in a list any more. */
struct ipc *part_hold(struct part *part);
/* Must be called at the end of each dealloc. */
void part_free(struct part *part);

/* --- Errors and callbacks -------------------------------------------------------- */

/* Raises the package's exception for a negative errno. error may be NULL. Returns NULL. */
PyObject *fail(int code, const struct ipc_error *error);
/* Returns the exception of fail(), or NULL with another exception set. */
PyObject *make_error(int code, const struct ipc_error *error);
/* As fail(), with this text. */
PyObject *fail_saying(int code, const char *message);
PyObject *fail_closed(void);
/* A getter: returns a memoryview of the object itself. */
PyObject *get_view(PyObject *self, void *closure);

/* A callback of the library may use Python between these two. Returns false if the interpreter is
 * exiting. */
bool python_enter(PyGILState_STATE *ret_state);
void python_leave(PyGILState_STATE state);
/* After this call, python_enter() returns false. */
void python_end(void);

/* Handles the exception of a callback: keeps an exception that ends the program for the thread, and
 * logs any other. */
void callback_failed(PyObject *callback);
/* Passes the current exception, raised by source, to Python's log. */
void log_exception(PyObject *source);
/* Must be called at the end of a function that may have run signal handlers or callbacks. Returns
 * result, or NULL with the kept exception. */
PyObject *interrupt_raise(PyObject *result);
bool interrupt_is_kept(void);
/* Lets signal handlers of Python run in waits of the connection. The connection must outlive
 * them. */
int interrupt_set(struct connection *connection);

/* For a function of METH_FASTCALL in a table of methods. */
#define FAST(name) ((PyCFunction)(void (*)(void))(name))
bool args_check(const char *function, Py_ssize_t n, Py_ssize_t least, Py_ssize_t most);
bool get_u64(PyObject *value, uint64_t *ret);
bool get_u32(PyObject *value, uint32_t *ret);
/* Returns the text of a str in *ret, or NULL for None if none is true. The str owns the text.
 * argument names the value in an exception. Returns false with an exception on error. */
bool get_text(PyObject *value, const char *argument, bool none, const char **ret);
/* A str of a peer's text, which may contain any bytes; None for NULL. */
PyObject *decode(const char *string);

/* --- Messages -------------------------------------------------------------------- */

#define METADATA_MAX	64

/* A message to send, with references of all objects in it. */
struct outgoing {
	struct ipc_raw_message message;
	Py_buffer data;
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
};

/* data is a buffer or None. entries is None or a tuple of (tag, Object | Proxy | int). */
bool outgoing_init(struct outgoing *out, struct connection *connection, PyObject *data,
		   PyObject *entries);
/* Must be called with the GIL held. */
void outgoing_done(struct outgoing *out);

/* entries_list() returns a tuple of (tag, IPC_RAW_*). entry_take() takes an entry, and fails with
 * -ENOENT if it was taken before or is an own object that has ended. */
PyObject *entries_list(const struct ipc_raw_entry *entries, size_t n);
PyObject *entry_take(struct connection *connection, struct ipc_raw_entry *entry);

/* --- Types ----------------------------------------------------------------------- */

struct proxy {
	struct part part;
	struct ipc_proxy *proxy;	/* NULL: ended */
};

/* Owned by the library together with each ipc_object. */
struct object_state {
	struct ipc_raw_ops ops;
	struct connection *connection;
	PyObject *serve;
	PyObject *stream;		/* NULL if it has no streams */
	PyObject *owner;		/* a value of the program */
	char *interface;
};

struct object {
	struct part part;
	struct ipc_object *object;	/* NULL: ended */
};

struct call {
	struct part part;
	struct ipc_call *call;		/* NULL: released */
	const struct ipc_raw_message *request;
	const void *data;
	size_t size;
	Py_ssize_t exports;
	PyObject *on_cancel;
	signed char oneway;		/* -1: not known yet */
	bool replied;
	bool released;			/* to be freed with the last buffer */
};

extern PyTypeObject *connection_type, *proxy_type, *object_type, *call_type, *message_type,
	*slot_type, *stream_type, *test_bus_type;

extern PyType_Spec connection_spec, proxy_spec, object_spec, call_spec, message_spec, slot_spec,
	stream_spec, test_bus_spec;

/* These functions take over the native reference, even if they fail. */
PyObject *proxy_new(struct connection *connection, struct ipc_proxy *proxy);
PyObject *object_new(struct connection *connection, struct ipc_object *object);
PyObject *message_new(struct connection *connection, struct ipc_raw_message *raw);

PyObject *stream_new(struct connection *connection, struct ipc_stream *native);
/* Takes a reference. Returns NULL if the stream is closed. */
struct ipc_stream *stream_ref(PyObject *self);

/* name.c: methods of Connection. */
PyObject *name_register(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *name_unregister(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *name_get(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *name_check(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *name_list(PyObject *self, PyObject *const *args, Py_ssize_t n);
PyObject *name_watch(PyObject *self, PyObject *const *args, Py_ssize_t n);

PyObject *object_create(struct connection *connection, PyObject *const *args, Py_ssize_t n);

void connections_close_all(void);

/*
 * A callback, or a cancellation. slot_new() calls start() without the GIL. start() passes the slot
 * as userdata, and sets either *ret_slot or slot->cancellation. If it sets
 * a cancellation, the callback must call slot_finish() at its end. slot_new() returns the Slot, or
 * NULL with an exception.
 */
struct slot {
	struct part part;
	struct ipc_slot *slot;		/* NULL: ended, or there is a cancellation */
	struct ipc_cancellation *cancellation;
	PyObject *callback;		/* NULL after its last run, or after end() */
	bool once;			/* a call: the callback runs once, also at close() */
	char *name;			/* of a function of names, for its error; or NULL */
	bool own_name;			/* as connection_fail_name() has it */
	struct name_result *result;	/* name.c: of a function of names that blocks */
};

typedef int (*slot_start)(struct ipc *ipc, struct slot *slot, void *data,
			  struct ipc_slot **ret_slot);
PyObject *slot_new(struct connection *connection, PyObject *callback, bool once, slot_start start,
		   void *data);
/* A Slot without a callback: a cancellation. */
PyObject *slot_new_cancellation(struct connection *connection);
/* For a trampoline: calls the callback with args, a tuple, and takes ownership of args. If args is
 * NULL, logs the current exception. */
void slot_notify(struct slot *slot, PyObject *args);
/* For the trampoline of a call: calls the callback with (value, None) or (None, exception). Takes
 * ownership of both. If both are NULL, passes the current exception. */
void slot_settle(struct slot *slot, PyObject *value, PyObject *exception);
/* For a trampoline: drops the cancellation and the library's reference. */
void slot_finish(struct slot *slot);

#endif /* PYTHON_CORE_H */
