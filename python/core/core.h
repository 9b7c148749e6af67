/* SPDX-License-Identifier: MIT */
/*
 * ipcbus._core: the byte layer of libipc for Python. The package `ipcbus` is made of it; its
 * __init__.pyi says what each method does.
 *
 *   connection.c  Connection: events, names
 *   proxy.c       Proxy: calls and oneways
 *   object.c      Object and Call: serving
 *   message.c     Message: a received reply, as a buffer without a copy
 *   stream.c      Stream: one end of a sequence of messages
 *   slot.c        Slot: a registered callback, or a cancellation
 *   entry.c       objects and files in messages
 *   interrupt.c   KeyboardInterrupt and the like in waits and callbacks
 *   module.c      the module, errors
 *
 * The GIL. Whatever may block, or may run a callback, or may drop the last reference of a
 * connection, runs without the GIL. So each such function first takes references of all that it
 * uses: another thread may close the connection meanwhile.
 *
 * Parts. A Slot, Proxy, Object, Call, Message and Stream is a *part* of its connection. close()
 * ends all parts before it drops the connection, because objects and proxies must not outlive that.
 * A part that was ended raises an error when it is used. Bytes that a memoryview still shows are
 * the exception: they stay, and keep the memory of the connection, until the last view is gone.
 *
 * References that the library has. A Slot and the state of an Object belong to the library as
 * well, until their destroy function has run. The garbage collector does not see these
 * references, so a connection that serves or waits ends with close() only.
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
	struct ipc *ipc;		/* NULL once it was closed */
	struct ipc *last;		/* the same, until close() has dropped it */
	/* Of names and blocking calls; close() cancels it. */
	struct ipc_cancellation *closing;
	atomic_bool closed;		/* ends interruptible waits */
	struct part *parts;
	atomic_uint openings;		/* streams that are being opened */
	struct connection *next, **link;	/* all that are open */
};

struct part {
	PyObject_HEAD
	struct connection *connection;
	void (*end)(struct part *part);	/* with the GIL, which it may release */
	struct part *next, **link;	/* link is NULL: it is not in the list */
};

/* A reference of the open connection, or NULL and an exception. */
struct ipc *connection_hold(struct connection *connection);

/* Raises the error of a function that close() may have canceled. Returns NULL. */
PyObject *connection_fail(struct connection *connection, int r, const struct ipc_error *error);
/* Returns a reference of the cancellation for functions that block: the cancellation that the
 * calling thread has set, if it belongs to this connection, or closing. close() cancels both. */
struct ipc_cancellation *connection_cancellation(struct connection *connection);
/* set_cancellation(Slot or None) -> Slot or None: see _core.pyi */
PyObject *set_cancellation(PyObject *module, PyObject *slot);

/* A new part with a reference of the connection, not in its list yet; or NULL. */
struct part *part_new(PyTypeObject *type, struct connection *connection,
		      void (*end)(struct part *part));
/* Puts it into the list. False, with an exception: the connection is closed by now, the part is
 * ended, and the caller's reference is gone. */
bool part_add(struct part *part);
void part_remove(struct part *part);
/* A reference of the connection, also while another thread closes it, or NULL: what ends a part
 * that is in no list any more needs it. */
struct ipc *part_hold(struct part *part);
/* The end of each dealloc. */
void part_free(struct part *part);

/* --- Errors and callbacks -------------------------------------------------------- */

/* Raises what the package made of a negative errno; error may be NULL. Returns NULL. */
PyObject *fail(int code, const struct ipc_error *error);
/* The exception itself, or NULL and another one. */
PyObject *make_error(int code, const struct ipc_error *error);
PyObject *fail_closed(void);
/* A getter: a memoryview of the object itself. */
PyObject *get_view(PyObject *self, void *closure);

/* Between these, a callback of the library may use Python. False: the interpreter ends. */
bool python_enter(PyGILState_STATE *ret_state);
void python_leave(PyGILState_STATE state);
/* From here on no callback enters. */
void python_end(void);

/* A callback has raised: what ends the program is kept for the thread, the rest is reported. */
void callback_failed(PyObject *callback);
/* Passes the exception that is set, which source raised, to the log of Python. */
void log_exception(PyObject *source);
/* At the end of a function in which signal handlers or callbacks may have run: result, or NULL and
 * the exception that was kept. */
PyObject *interrupt_raise(PyObject *result);
bool interrupt_is_kept(void);
/* Lets signal handlers of Python run in waits of the connection, which outlives its waits. */
int interrupt_set(struct connection *connection);

/* Raises if there are fewer or more arguments. */
/* A function of METH_FASTCALL in a table of methods. */
#define FAST(name) ((PyCFunction)(void (*)(void))(name))
bool args_check(const char *function, Py_ssize_t n, Py_ssize_t least, Py_ssize_t most);
bool get_u64(PyObject *value, uint64_t *ret);
bool get_u32(PyObject *value, uint32_t *ret);
/* The text of a str, or NULL for None if that is allowed. False: an exception. */
bool get_text(PyObject *value, bool none, const char **ret);
/* A str of a peer's text, which may contain any bytes; None for NULL. */
PyObject *decode(const char *string);

/* --- Messages -------------------------------------------------------------------- */

#define METADATA_MAX	64

/* A message to be sent, with references of all that it names. */
struct outgoing {
	struct ipc_raw_message message;
	Py_buffer data;
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
};

/* data is a buffer or None; entries None or a tuple of (tag, Object | Proxy | int). */
bool outgoing_init(struct outgoing *out, struct connection *connection, PyObject *data,
		   PyObject *entries);
/* With the GIL. */
void outgoing_done(struct outgoing *out);

/* A tuple of (tag, IPC_RAW_*), and one entry taken out. -ENOENT: it was taken before, or the own
 * object in it has ended. */
PyObject *entries_list(const struct ipc_raw_entry *entries, size_t n);
PyObject *entry_take(struct connection *connection, struct ipc_raw_entry *entry);

/* --- Types ----------------------------------------------------------------------- */

struct proxy {
	struct part part;
	struct ipc_proxy *proxy;	/* NULL: ended */
};

/* The library owns it together with each ipc_object. */
struct object_state {
	struct ipc_raw_ops ops;
	struct connection *connection;
	PyObject *serve;
	PyObject *stream;		/* NULL: it has no streams */
	PyObject *owner;		/* whatever the program keeps with it */
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
	bool released;			/* as soon as no buffer is exported */
};

extern PyTypeObject *connection_type, *proxy_type, *object_type, *call_type, *message_type,
	*slot_type, *stream_type;

extern PyType_Spec connection_spec, proxy_spec, object_spec, call_spec, message_spec, slot_spec,
	stream_spec;

/* These take over the native reference, also if they fail. */
PyObject *proxy_new(struct connection *connection, struct ipc_proxy *proxy);
PyObject *object_new(struct connection *connection, struct ipc_object *object);
PyObject *message_new(struct connection *connection, struct ipc_raw_message *raw);

PyObject *stream_new(struct connection *connection, struct ipc_stream *native);
/* NULL if it is closed. */
struct ipc_stream *stream_ref(PyObject *self);

/* Makes an Object. */
PyObject *object_create(struct connection *connection, PyObject *const *args, Py_ssize_t n);

void connections_close_all(void);

/*
 * A Slot whose callback starts. start() registers with the slot as userdata; it runs without the
 * GIL. It sets *ret_slot, or slot->cancellation: then the callback calls slot_finish() at its end.
 * Returns the Slot, or NULL and an exception.
 */
struct slot {
	struct part part;
	struct ipc_slot *slot;		/* NULL: ended, or there is a cancellation */
	struct ipc_cancellation *cancellation;
	PyObject *callback;		/* NULL: it has run for the last time */
	bool once;			/* a call: the callback runs once, also at close() */
};

typedef int (*slot_start)(struct ipc *ipc, struct slot *slot, void *data,
			  struct ipc_slot **ret_slot);
PyObject *slot_new(struct connection *connection, PyObject *callback, bool once, slot_start start,
		   void *data);
/* A Slot without a callback: a cancellation. */
PyObject *slot_new_cancellation(struct connection *connection);
/* In a trampoline: calls the callback with args, a tuple, which it takes over. NULL: reports the
 * exception that is set. */
void slot_notify(struct slot *slot, PyObject *args);
/* In the trampoline of a call: calls the callback with (value, None) or (None, exception), and
 * takes over both. Both NULL: the exception is the one that is set. */
void slot_settle(struct slot *slot, PyObject *value, PyObject *exception);
/* In a trampoline: drops the cancellation and the reference that the library has. */
void slot_finish(struct slot *slot);

#endif /* PYTHON_CORE_H */
