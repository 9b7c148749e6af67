/* SPDX-License-Identifier: MIT */
/*
 * Errors: details of a failed call, and texts for people. Included by <ipc/ipc.h>; its rules and
 * error list apply.
 */
#ifndef IPC_PUBLIC_ERROR_H
#define IPC_PUBLIC_ERROR_H

#include <errno.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The origin of an error.
 *
 * The server decides every error of IPC_ORIGIN_PEER and IPC_ORIGIN_BEHIND. It cannot produce an
 * errno about the call itself or the server's process: -EOWNERDEAD, -EHOSTDOWN, -ETIMEDOUT,
 * -ECANCELED, -ENOTCONN, -ECONNRESET, -ECHILD. If it reports such an errno, usually because its
 * handler returned the error of its own call, the caller gets -EREMOTEIO, IPC_ORIGIN_BEHIND, and
 * that errno as cause. There are two exceptions. If the deadline of the call has passed, -ETIMEDOUT
 * is the call's own, with IPC_ORIGIN_BUS. A stream that the other side has canceled ends with
 * -ECANCELED and IPC_ORIGIN_PEER.
 */
enum ipc_origin {
	IPC_ORIGIN_HERE = 0,	/* this process, before the call was sent or after its end */
	IPC_ORIGIN_BUS = 1,	/* the module or ipcbusd, which refused or ended the call */
	IPC_ORIGIN_PEER = 2,	/* the process on the other side: of a call, the server */
	IPC_ORIGIN_BEHIND = 3,	/* a server that the peer calls, says the peer */
};

/*
 * Names for the errnos about the call, the bus or the other side. Python has an exception class and
 * Rust a variant of Error with the same name. Functions return them negative:
 *
 *	if (r == -IPC_DEAD_OBJECT)
 *
 * A service error is an error with a name, whatever its errno, or an error with EREMOTEIO. Python's
 * and Rust's ServiceError and C++'s errc::service_error match both.
 */
enum ipc_errno {
	IPC_INVALID_ARGUMENT = EINVAL,
	IPC_CANCELED = ECANCELED,
	IPC_DEADLINE_EXCEEDED = ETIMEDOUT,
	IPC_NOT_FOUND = ENOENT, /* in Python ECONNREFUSED of opening a bus too */
	IPC_PERMISSION_DENIED = EACCES, /* in Python and Rust EPERM too */
	IPC_NAME_TAKEN = EEXIST,
	IPC_ACTIVATION_FAILED = EHOSTUNREACH,
	IPC_NO_MANAGER = ENOTCONN,
	IPC_BUS_ENDED = ECONNRESET,
	IPC_DEAD_OBJECT = EOWNERDEAD,
	IPC_PEER_FROZEN = EHOSTDOWN,
	IPC_UNIMPLEMENTED = EOPNOTSUPP,
	IPC_INTERFACE_MISMATCH = EPROTOTYPE,
	IPC_PROTOCOL_ERROR = EPROTO,
	IPC_BAD_MESSAGE = EBADMSG,
	IPC_MESSAGE_TOO_LARGE = EMSGSIZE,
	IPC_WOULD_BLOCK = EAGAIN,
	IPC_QUOTA_EXCEEDED = EDQUOT,
	IPC_NO_REPLY = ENOMSG,
	IPC_FORKED = ECHILD,
	IPC_SERVICE_ERROR = EREMOTEIO, /* see above; check error.name too */
};

/*
 * Details of a failed call. The caller must initialize it with IPC_ERROR_INIT and free it with
 * ipc_error_done(). A call that succeeds does not change it. A call that fails frees the previous
 * contents, so several calls may use it in turn. name, text and details are NULL if the server
 * did not set them, or for lack of memory.
 *
 *	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
 *
 *	r = echo_say(echo, &request, &reply, &error);
 *	if (r < 0 && error.name && strcmp(error.name, "echo.Empty") == 0)
 *		return ask_again();
 *	if (r < 0)
 *		return ipc_print_error("say", r, &error);
 */
struct ipc_error {
	size_t size;		/* set by IPC_ERROR_INIT */
	int code;		/* the negative errno that the call returned */
	int number;		/* defined by the server; 0 if not set */
	char *name;		/* "echo.Empty" */
	char *text;		/* text for people */
	void *details;		/* bytes defined by the server */
	size_t details_size;
	enum ipc_origin origin;
	int cause;		/* IPC_ORIGIN_BEHIND: the negative errno behind code; else 0 */
};

#define IPC_ERROR_INIT \
	{ sizeof(struct ipc_error), 0, 0, NULL, NULL, NULL, 0, IPC_ORIGIN_HERE, 0 }

/* Free the members and set it to IPC_ERROR_INIT. NULL is allowed. */
void ipc_error_done(struct ipc_error *error);

/* Return the meaning of an errno, as a static string in English: this library's text, or the
 * system's text for an errno to which the library gives no meaning. code may have either sign. */
const char *ipc_strerror(int code);

/*
 * Write the meaning of an error, for people: "NAME: TEXT" to `to`, which has size bytes, and
 * return `to`. A longer text is cut. code may have either sign. NAME is left out if error is NULL
 * or has none. TEXT is the error's own; else ipc_strerror(cause) if there is a cause, the
 * system's text for code if the server chose the errno, or ipc_strerror(code). Without a name,
 * "behind the server: " precedes it if there is a cause, and "the server reports ENOENT: " precedes
 * the system's text. Without error, the text is misleading if the server chose the errno: pass the
 * error of a call. The text is escaped as by ipc_printable().
 */
#define IPC_PRINTABLE_MAX	1024	/* bytes that errors print of a name or text, with a 0 */
#define IPC_ERROR_TEXT_MAX	(2 * IPC_PRINTABLE_MAX + 2)	/* size that is always enough */
char *ipc_error_text(char *to, size_t size, int code, const struct ipc_error *error);

/* Print an error to stderr, as "WHAT: " and ipc_error_text(), and return 1, an exit status. */
int ipc_print_error(const char *what, int code, const struct ipc_error *error);

/* Write or print the meaning of a failure of ipc_open() or ipc_open_sized(). bus is the argument of
 * that function, and may be NULL. code is its result, negative. The text names the path that
 * ipc_find_bus() finds for bus, unescaped, and how it was chosen. Otherwise as ipc_error_text() and
 * ipc_print_error(). IPC_ERROR_TEXT_MAX is enough for a path of up to 900 bytes. */
char *ipc_open_error_text(char *to, size_t size, const char *bus, int code);
int ipc_print_open_error(const char *bus, int code);

/* Write or print "NAME: " and the meaning of a failure of a function that takes the name of a
 * service, or a pattern (<ipc/name.h>). code is its result, of either sign. Unlike ipc_strerror(),
 * the text tells a malformed name from another wrong argument (-EINVAL), and a missing name from a
 * missing bus or object (-ENOENT). For -ENOENT of ipc_unregister_name(), print IPC_NAME_NOT_OWNED.
 * Otherwise as ipc_error_text() and ipc_print_error(). */
char *ipc_name_error_text(char *to, size_t size, const char *name, int code);
int ipc_print_name_error(const char *name, int code);

/*
 * Make an untrusted text safe for a terminal or a log: write it to `to`, which has size bytes, with
 * a terminating 0, and return `to`. A '?' replaces each byte of a control character (escape,
 * newline), of a character that changes the direction of text or has no width, and of invalid
 * UTF-8. If the text does not fit, it is cut between two characters and ends with "..." (if size is
 * at least 4). NULL is an empty text. text may be `to` itself; if it needs no change, it may then
 * be in read-only memory. If size is 0, `to` is not written.
 */
char *ipc_printable(char *to, size_t size, const char *text);

/*
 * The log of this process: errors that no caller sees. LOG_ERR are exceptions of handlers and
 * callbacks in C++, Python and Rust, logged once in the server with the name of the method.
 * LOG_WARNING are errors that handlers of oneways report; names that were lost, and names and
 * watches that could not be replayed, unless ipc_on_registration() has a callback; oneways that the
 * library discards before their handler runs (no memory, malformed, a limit of
 * ipc_object_set_limits()); and streams that this side breaks off because of a malformed message, a
 * limit or a violation of the protocol. The last two are logged once for each errno and connection.
 * A oneway for which the receiver has no space fails with -EAGAIN at the sender and is not logged.
 *
 * ipc_log() formats a line, which it cuts after 3073 bytes, and passes it to the callback of
 * ipc_set_log(). priority is LOG_ERR and the like of syslog(3). Without a callback, LOG_ERR and
 * more severe priorities are printed to stderr, and less severe priorities are discarded.
 *
 * ipc_set_log() is process-wide, and must be called before other threads use the library. With
 * NULL, there is no callback. cb may run on any thread, and on several at once. It must not call
 * functions of the library that take a connection. text is as ipc_printable() makes it, without a
 * newline, and valid until cb returns.
 */
typedef void (*ipc_log_cb)(int priority, const char *text, void *userdata);
void ipc_set_log(ipc_log_cb cb, void *userdata);
void ipc_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For ipc_auto(). */
static inline void ipc_error_donep(struct ipc_error *p) { ipc_error_done(p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_ERROR_H */
