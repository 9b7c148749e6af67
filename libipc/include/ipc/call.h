/* SPDX-License-Identifier: MIT */
/*
 * Serving a call: replying, its caller, its end. Included by <ipc/ipc.h>, whose rules and error
 * list apply.
 *
 * A handler gets the call, the request and the object's userdata. Call and request belong
 * to the library and are valid until the handler returns. A handler has these choices:
 *
 *   - Reply once, with the generated echo_reply_say() or a function below, and return 0. A positive
 *     result counts as 0.
 *   - Return a negative errno without a reply: the caller gets that errno, also if there are
 *     references of the call. In place of an errno that only the bus reports, such as -ETIMEDOUT,
 *     the caller gets -EREMOTEIO with that errno as its cause. A negative errno after a reply is
 *     ignored.
 *   - Take a reference with ipc_call_ref() and return 0. Any thread may reply later. The request
 *     stays valid, and occupies the region, until the last ipc_call_unref(), also after the reply.
 *
 * A program must not write to a field of type bytes of a received request or reply, whatever its
 * size. A field that has 4 KB or more may lie in the region of this process, which is read-only: a
 * program that writes to it gets SIGSEGV. A child after fork() does not have the region. The
 * address has no alignment. If the method has option (ipc.copy), the program may write to such
 * fields. Fields of messages of streams are copies, and so are fields of replies that would occupy
 * more than a quarter of the region together.
 *
 * If the last reference, including the handler's own, goes without a reply, the caller gets
 * -ENOMSG. If the caller no longer waits, a reply succeeds and is discarded. A oneway has no reply:
 * the first error of its handler, or of ipc_call_fail(), is a warning of the log (ipc_set_log()). A
 * kept oneway delays later oneways to the same object until its last reference is dropped.
 *
 * A reply from the handler is sent when the handler returns, or before it sends another message or
 * waits for a stream, so return soon. If the library cannot send it, the caller gets the errno. A
 * reply that contains objects or files, that consists mostly of fields of type bytes of 16 KB or
 * more, or that does not come from the handler, is sent at once. If that fails, the function
 * returns the error and the call may still get another reply.
 *
 *	static int say(struct ipc_call *call, const Echo__SayRequest *request, void *userdata)
 *	{
 *		Echo__SayReply reply = ECHO__SAY_REPLY__INIT;
 *
 *		if (!request->text[0])
 *			return ipc_call_fail(call, 0, "echo.Empty", "nothing to say");
 *		reply.text = request->text;
 *		return echo_reply_say(call, &reply);
 *	}
 *
 *	static const struct echo_ops ops = { .say = say };
 *
 *	r = ipc_open(&ipc, NULL);
 *	if (r == 0)
 *		r = echo_register(ipc, "demo.echo", &ops, NULL);
 *	if (r == 0)
 *		r = ipc_run(ipc);
 */
#ifndef IPC_PUBLIC_CALL_H
#define IPC_PUBLIC_CALL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_call;
struct ipc_error;
struct ipc_slot;

/* Take or drop a reference of a call. */
struct ipc_call *ipc_call_ref(struct ipc_call *call);
struct ipc_call *ipc_call_unref(struct ipc_call *call);

/*
 * Fail a call: end it with an error instead of a reply. The caller gets code, which is an errno of
 * either sign, or -EREMOTEIO if it is one that only the bus reports (see above); 0 is -EREMOTEIO,
 * too, the code of errors with a name. name is the server's own name for
 * the error, such as "echo.Empty", or NULL. The text for people is formatted like printf(); format
 * may be NULL.
 *
 *	return ipc_call_fail(call, 0, "echo.Empty", "nothing to say");
 *	return ipc_call_fail(call, ENOENT, NULL, "%s: no such file", path);
 *
 * ipc_call_fail_with() sends all fields of a struct ipc_error that the caller can get: code, name,
 * text, number and details. A handler can also return a negative errno, which fails the call
 * without a text.
 *
 *   -EINVAL    code is no errno, or both code and name are missing.
 *   -EALREADY  The call already has a reply, or the oneway has failed.
 *   Others     As for sending a message, if the error is sent at once.
 */
int ipc_call_fail(struct ipc_call *call, int code, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int ipc_call_fail_with(struct ipc_call *call, const struct ipc_error *error);

/*
 * Return the caller's identity, from the bus: effective ids when it sent the request,
 * as seen in the namespaces of this process. Through ipcbusd, these are the ids that the caller had
 * when it opened the connection. pid and tid are 0 where they are not visible. tid is 0 for a call
 * through a channel.
 */
uid_t ipc_call_uid(const struct ipc_call *call);
gid_t ipc_call_gid(const struct ipc_call *call);
pid_t ipc_call_pid(const struct ipc_call *call);
pid_t ipc_call_tid(const struct ipc_call *call);

/*
 * Return a new pidfd of the caller's process, O_CLOEXEC, which the program must close. It never
 * refers to a process that reuses the number. The process may run another program by now. Works
 * until the call has a reply, or the last reference of the oneway is dropped.
 *
 *   -ESRCH    The process is gone. Through a channel, the function may succeed in this case.
 *   -ENOENT   The process is not visible from here.
 *   -EINVAL   The call already has a reply.
 *   -EMFILE   This process cannot open more files.
 */
int ipc_call_pidfd(const struct ipc_call *call);

/* Return 1 if the request is a oneway, which has no reply; 0 if it is a call. */
int ipc_call_is_oneway(const struct ipc_call *call);

/* Return the security module's label of the caller, or NULL if there is none or the object
 * does not have IPC_OBJECT_LABEL. Valid as long as the call. */
const char *ipc_call_label(const struct ipc_call *call);

/* Return the value of the caller's metadata with that name, or NULL. Valid as long as the
 * call. The caller chooses it freely; the bus does not check it. */
const char *ipc_call_metadata(const struct ipc_call *call, const char *name);

/* Return the microseconds until the deadline of the call, 0 if it has passed, or IPC_NEVER if there
 * is none, as for a oneway. An earlier cancellation or the caller's death does not change it: see
 * ipc_call_is_canceled(). */
uint64_t ipc_call_remaining(const struct ipc_call *call);

/*
 * Return 1 if no reply is needed any more: the call was canceled, has expired, the caller died, or
 * the bus has ended; also in a forked child. Return 0 otherwise, after a reply, and for a oneway.
 * Needs no serving thread. The call must still be replied to or unref'ed.
 */
int ipc_call_is_canceled(const struct ipc_call *call);

/*
 * Call cb once, on a serving thread, when no reply is needed any more (see
 * ipc_call_is_canceled()). cb may use the call and reply to it. The watch ends with the call, and
 * holds no reference of it. cb may still run while the program drops its last reference: free
 * userdata in the function of ipc_slot_set_destroy(). Calls made on behalf of this call are
 * canceled even without a watch.
 *
 *   -ECANCELED  No reply is needed any more; cb is not called.
 *   -EINVAL     The call is a oneway or already has a reply.
 */
typedef void (*ipc_cancel_cb)(struct ipc_call *call, void *userdata);
int ipc_call_on_cancel(struct ipc_call *call, ipc_cancel_cb cb, void *userdata,
		       struct ipc_slot **ret_slot);

/* Return the connection, without a reference. */
struct ipc *ipc_call_ipc(const struct ipc_call *call);

/* Return the bytes of the request, for tests and tools. If the caller sent metadata, they are a
 * frame: see ipc_payload_message(). Read-only, and valid as long as the call. ret_size may be
 * NULL. */
const void *ipc_call_payload(const struct ipc_call *call, size_t *ret_size);

/* For ipc_auto(). */
static inline void ipc_call_unrefp(struct ipc_call **p) { ipc_call_unref(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_CALL_H */
