/* SPDX-License-Identifier: MIT */
/*
 * libipc: calls between processes through /dev/ipcbus.
 *
 * Terminology
 *
 *   connection  struct ipc: one open device with its region. Belongs to the
 *               process that opened it; after fork() the child opens its own
 *               (every function returns -ECHILD on the parent's).
 *   object      struct ipc_object: something of this process's that others may
 *               call: an interface, a table of handlers, a userdata pointer.
 *   proxy       struct ipc_proxy: somebody else's object, as seen from here.
 *               Generated code wraps it in a type per service (struct echo).
 *   call        struct ipc_call: one request that is being served here.
 *
 *     client:  proxy -> generated echo_say() -> driver
 *     server:  driver -> ipc_run() or ipc_process() -> handler -> reply
 *
 * Errors: functions return 0 (or a count) or a negative errno. `ret_` outputs
 * are written on success only. The library never prints (but for ipc_fail()),
 * never aborts, never installs signal handlers, and starts threads only where
 * ipc_set_threads() allows it.
 *
 *   -ECHILD       the connection belongs to another process (fork)
 *   -EOWNERDEAD   the object's process died, or destroyed the object
 *   -EHOSTDOWN    the object's process is frozen
 *   -ENOENT       no service has that name
 *   -EACCES       the policy of names forbids it
 *   -EPROTOTYPE   the object of that name is of another interface
 *   -EHOSTUNREACH the service of that name is started on demand, and that fails
 *   -ENOTCONN     no servicemanager runs
 *   -EOPNOTSUPP   the object has no such method
 *   -EBADMSG      a message that is not what its descriptor says, or that nests
 *                 deeper than 100, or needs more than 64 times its bytes (and
 *                 64 KB) of memory
 *   -EBADF        a message to be sent names an object or fd that is none
 *   -EPROTO       called for a reply where the method is oneway, or the reverse
 *   -EREMOTEIO    an application error: see struct ipc_error
 *   -ENOMSG       the server ended the call without a reply
 *   -EMSGSIZE     the message can never fit into the receiver's region
 *   -ENOSPC       the receiver's region is full at the moment
 *   -EAGAIN       oneway: the receiver is too far behind; try again later
 *   -EPERM        the receiver takes no file descriptors, or the policy of the
 *                 callee forbids it
 *   -EALREADY     a second reply to one call
 *   -EPROTOTYPE   the object has another interface, or a version of it that does
 *                 not understand this one
 *   -ETIMEDOUT    the call's time is over: see ipc_set_timeout()
 *   -ECANCELED    the call was cancelled; of an async call also: the connection
 *                 closed before the answer came
 *
 * Threads: whoever has a reference of a connection, object, proxy, call or stream,
 * or was lent one by a handler or callback, may call any function on it from any
 * thread, whatever others do with it at the same time, unless the function's comment
 * says otherwise. A call may be answered from several threads: the first answer
 * counts. Messages and structures are plain memory: who changes one, or takes
 * something out of it, is alone with it. (The manual pages say MT-Safe, and MT-Safe
 * race:NAME where NAME is the caller's to lock.) Callbacks run on threads inside
 * ipc_run(), ipc_process() or, for calls of the same chain that come back, on the
 * thread that waits for a reply; no lock of the library is held then, so they may
 * call anything but ipc_unref() of the last reference.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_object;
struct ipc_proxy;
struct ipc_call;
struct ipc_interface;
struct ipc_error;
struct ipc_stream;

/* ipc_auto(ipc_unref) struct ipc *ipc = NULL: unref'd at the end of scope. */
#define ipc_auto(func) __attribute__((cleanup(func##p)))

/* --- Connection ---------------------------------------------------------- */

#define IPC_REGION_DEFAULT	((size_t)16 << 20)

/*
 * ipc_open() opens the device (NULL: $IPCBUS_DEVICE, else /dev/ipcbus) and maps
 * a region of IPC_REGION_DEFAULT bytes: address space, not memory, until used.
 * ipc_open_sized() takes the region's size in bytes, a multiple of the page
 * size up to 1 GiB: the largest message, or many messages, that this process
 * can receive. The device is /dev/ipcbus or the file "bus" of a mounted bus.
 * -ENOENT: no device (is the module loaded?); -EACCES: no right; -EDQUOT: this
 * bus has as many processes as it may have, or allows no region of that size.
 */
int ipc_open(struct ipc **ret_ipc, const char *device);
int ipc_open_sized(struct ipc **ret_ipc, const char *device, size_t region_size);

/*
 * Whether what this process sends from here on, requests and replies, is a
 * secret: the kernel wipes it from the receiver's region as soon as the receiver
 * is done with it. Costs time by the size of a message. Before other threads use
 * the connection. -EOPNOTSUPP: the driver is too old.
 */
int ipc_set_clear(struct ipc *ipc, int clear);

/* The last ipc_unref() closes; its objects die, its proxies become invalid.
 * Objects and proxies hold no reference: unref them first. NULL is allowed. */
struct ipc *ipc_ref(struct ipc *ipc);
struct ipc *ipc_unref(struct ipc *ipc);

/* --- Serving ------------------------------------------------------------- */

/* How many threads ipc_run() may use, its caller's included: 1 (the default)
 * to 1024. More are started only when all are busy. */
int ipc_set_threads(struct ipc *ipc, unsigned int threads);

/* Serves until ipc_stop(); 0 then, or -errno. The last one to leave ends the
 * threads that were started. -EDEADLK: this thread waits for a reply (it is in a
 * handler that was called back). */
int ipc_run(struct ipc *ipc);

/* Makes ipc_run() return on all threads once they finish what they serve; if
 * none runs, the next one returns at once. Async-signal-safe. */
void ipc_stop(struct ipc *ipc);

/* For event loops: when the fd is readable (EPOLLIN), call ipc_process() until
 * it returns 0. It handles one event without sleeping: 1 one was handled, 0
 * there was none (any more), or -errno as ipc_run(). The fd is the connection's; do
 * not close it. It is made when it is first asked for: -EMFILE, -ENOMEM. */
int ipc_get_fd(struct ipc *ipc);
int ipc_process(struct ipc *ipc);

/* Waits until there is something to process: 1, or 0 after timeout_usec
 * microseconds (UINT64_MAX: for ever), or -errno (-EINTR: a signal). */
int ipc_wait(struct ipc *ipc, uint64_t timeout_usec);

/* After a oneway to a receiver without room, -EAGAIN: calls cb once, on a thread that
 * serves, when it may be tried again; that may fail again, and be asked for again. One
 * callback a connection, NULL: none; streams have their own. Any thread; where other
 * threads send as well, try once more after this. -EMFILE, -ENOMEM. */
typedef void (*ipc_writable_cb)(struct ipc *ipc, void *userdata);
int ipc_on_writable(struct ipc *ipc, ipc_writable_cb cb, void *userdata);

/* --- Names --------------------------------------------------------------- */

/*
 * Names are 1 to 127 characters of [A-Za-z0-9_./-] (-EINVAL otherwise). What
 * follows the first '/' tells instances of one service apart:
 * "camera.Provider/front".
 *
 * servicemanager knows them. Its answers are told apart: -ENOENT nobody has the
 * name, or the policy hides it; -EACCES the policy forbids it; -EPROTOTYPE the
 * object is of another interface; -ENOTCONN there is no servicemanager now. One
 * that ends and comes again loses nothing: this library adds names and watches
 * again, from a serving thread, and who waits goes on waiting.
 *
 * Adding again may fail. For want of something (-ENOMEM, -EAGAIN, -EDQUOT, -ENOSPC,
 * -ETIMEDOUT, -EHOSTDOWN) it is tried again 0.2 s later, then after twice as long each
 * time, up to 10 s: ten times, in about a minute. What fails otherwise, because another
 * user has the name by now (-EEXIST) or the policy forbids it (-EACCES), or too often, is
 * told to who asked for that by ipc_on_replay_failure(). The next servicemanager is told
 * of all names and watches anyway; to try at once, add the name again.
 */

/* Registers under a name; the connection keeps a reference of the object until
 * ipc_unregister_name() or the end. -EEXIST: a living object of another user has
 * the name; one's own is replaced. */
int ipc_register_name(struct ipc *ipc, const char *name, struct ipc_object *object);
/* Without a servicemanager: nobody will add it again. -ENOENT: nobody has it. */
int ipc_unregister_name(struct ipc *ipc, const char *name);

/*
 * Calls cb, on a serving thread, for each name of ipc_register_name() and pattern of
 * ipc_watch_names() that servicemanager came again without, and why: error is a negative
 * errno. The text is valid during the call. One cb per connection, the last one that was
 * set; NULL: none. An event that comes just then may still reach the one before.
 */
typedef void (*ipc_replay_failure_cb)(struct ipc *ipc, const char *name, int error,
				    void *userdata);
int ipc_on_replay_failure(struct ipc *ipc, ipc_replay_failure_cb cb, void *userdata);

/*
 * For a service that is started when it is wanted and leaves when it is not. As
 * ipc_register_name(), but servicemanager does not hold the object itself, and idle is
 * called, on a serving thread, whenever nobody else has the object any more, and once
 * if nobody waits for it when it is added. ipc_idle_exit() then gives the name up: 0,
 * nobody has the object or can get it any more, and who wants the name has it served by
 * the next one that adds it: the process may end. -EBUSY: somebody has the object or is
 * about to: go on; idle will be called again. -ENOENT: the name is not on demand here.
 */
typedef void (*ipc_idle_cb)(struct ipc *ipc, const char *name, void *userdata);
int ipc_register_idle_exit(struct ipc *ipc, const char *name, struct ipc_object *object,
			   ipc_idle_cb idle, void *userdata);
int ipc_idle_exit(struct ipc *ipc, const char *name);

/* ipc_get_name(): -ENOENT at once if nobody has the name (half a second later if
 * servicemanager came just now: it waits for owners to add names again).
 * ipc_wait_name(): waits until somebody has, and for a servicemanager too;
 * ipc_wait_name_timeout(): so many microseconds at most, then -ETIMEDOUT. The
 * proxy is the caller's to unref. */
int ipc_get_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);
int ipc_wait_name(struct ipc *ipc, const char *name, struct ipc_proxy **ret_proxy);
int ipc_wait_name_timeout(struct ipc *ipc, const char *name, uint64_t timeout_usec,
			  struct ipc_proxy **ret_proxy);

/* Who has a name. */
struct ipc_name_info {
	char name[128];
	char interface[256];	/* of the object; "" if it is not known */
	pid_t pid;		/* who added it; 0 where that cannot be seen */
	uid_t uid;
};

/* 0: somebody has the name and *ret_info, unless it is NULL, says who. */
int ipc_check_name(struct ipc *ipc, const char *name, struct ipc_name_info *ret_info);

/* All names that start with the prefix (NULL: all), sorted: how many. *ret_infos is
 * to be freed with free(). */
int ipc_list_names(struct ipc *ipc, const char *prefix, struct ipc_name_info **ret_infos);

/*
 * Calls cb on serving threads, one after another, for each name that matches: once
 * for each that is there now, then IPC_NAME_SETTLED, then whenever one comes, comes
 * again with another object, or goes. The pattern is a name, or what names start
 * with and a '*'. What is the same before and after a restart of servicemanager is
 * not told again; what went in between, or does not come back within half a second of
 * it (three, if names still come then), is told as GONE then. A watcher that is slow may
 * miss changes, but not how it is now.
 * The proxy is NULL if the name is GONE or may not be called, and is kept by the
 * watch until the next change of the name: ipc_proxy_ref() for longer.
 * ipc_unwatch_names(): cb is not called any more, unless it runs right now on
 * another thread. -ENOENT: there is no such watch.
 */
enum ipc_name_change {
	IPC_NAME_PRESENT = 1,
	IPC_NAME_GONE = 2,
	IPC_NAME_SETTLED = 3,	/* what was there is told; info and proxy are NULL */
};
typedef void (*ipc_name_cb)(struct ipc *ipc, enum ipc_name_change change,
			    const struct ipc_name_info *info, struct ipc_proxy *proxy,
			    void *userdata);
int ipc_watch_names(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		    uint64_t *ret_id);
int ipc_unwatch_names(struct ipc *ipc, uint64_t id);

/* Waits until a servicemanager serves the bus behind the device (as ipc_open()):
 * 1, or 0 after timeout_usec microseconds (UINT64_MAX: for ever), or -errno
 * (-EINTR: a signal). Needs no connection and disturbs none. One that comes may
 * go again: what is called then can still say -ENOTCONN. */
int ipc_wait_manager(const char *device, uint64_t timeout_usec);

/* Freezes a process (its pid as seen here): calls to it fail with -EHOSTDOWN, oneways
 * are kept until ipc_thaw(). Waits up to timeout_msec for calls that came before:
 * -EAGAIN if some are left; then it is not frozen. -ESRCH: it is not on this bus;
 * -EPERM: another user's; -EBUSY: somebody else is freezing it; -EINTR: a signal.
 * ipc_thaw() says what came meanwhile: IPC_FROZEN_CALL, IPC_FROZEN_ONEWAY, or 0. */
#define IPC_FROZEN_CALL	1
#define IPC_FROZEN_ONEWAY	2
int ipc_freeze(struct ipc *ipc, pid_t pid, unsigned int timeout_msec);
int ipc_thaw(struct ipc *ipc, pid_t pid);

/* Makes the object the bus's handle 0: for servicemanager itself. -EBUSY: the
 * bus has one; -EPERM: it belongs to another user. */
int ipc_set_manager(struct ipc *ipc, struct ipc_object *object);

/* The proxy of handle 0, the caller's to unref. Works before there is one. */
int ipc_get_manager(struct ipc *ipc, struct ipc_proxy **ret_proxy);

/* --- Objects ------------------------------------------------------------- */

/* Generated code calls ipc_object_new() (echo_object_new(), echo_register()).
 * The object lives while there are references here or proxies elsewhere; then
 * destroy, if any, is called with userdata, from whatever thread gave the last
 * one back. ops and interface must stay valid until then. */
int ipc_object_new(struct ipc *ipc, const struct ipc_interface *interface,
		   const void *ops, void *userdata,
		   void (*destroy)(void *userdata), struct ipc_object **ret_object);
struct ipc_object *ipc_object_ref(struct ipc_object *object);
struct ipc_object *ipc_object_unref(struct ipc_object *object);

/*
 * Lets the object write down, for people, what goes on inside: for ipc_proxy_dump()
 * and tools. Before others can call it, or other threads use it. cb gets the open fd,
 * which stays the library's, and returns 0 or -errno; root and this process's own user
 * may ask, others get -EPERM. It blocks a serving thread while it writes.
 */
typedef int (*ipc_dump_cb)(struct ipc_call *call, int fd, char *const *args,
			   size_t n_args, void *userdata);
int ipc_object_set_dump(struct ipc_object *object, ipc_dump_cb cb);

/*
 * What the object wants of the kernel; before its id is first asked for or it is
 * sent (-EBUSY), and before other threads use it. IPC_OBJECT_LABEL: ipc_call_label()
 * in its handlers. The priority is the least that its calls are served with:
 * SCHED_OTHER with a nice value, or SCHED_FIFO, SCHED_RR with 1 to 99. -EOPNOTSUPP:
 * the driver is too old.
 */
#define IPC_OBJECT_LABEL	(1U << 0)
int ipc_object_set_flags(struct ipc_object *object, unsigned int flags);
int ipc_object_set_priority(struct ipc_object *object, int policy, int priority);

/* For the id field of an Ipc__Object that is sent. Valid on this connection,
 * while the object lives. 0, which is no object, when the driver has no room for
 * one more. */
uint64_t ipc_object_id(const struct ipc_object *object);
void *ipc_object_userdata(const struct ipc_object *object);

/* Who is interested in the object just now, as the kernel counts; all 0 if it was
 * never sent. */
struct ipc_object_info {
	unsigned int refs;	/* others' proxies, messages on their way with it */
	unsigned int pending;	/* messages to it, until they are dealt with */
	unsigned int oneways;	/* of them, those that wait for one before */
	unsigned int watches;	/* who wants to know of its death */
};

int ipc_object_info(const struct ipc_object *object, struct ipc_object_info *ret_info);

/* --- Proxies ------------------------------------------------------------- */

/* Equal objects have equal proxies: the pointers may be compared. */
struct ipc_proxy *ipc_proxy_ref(struct ipc_proxy *proxy);
struct ipc_proxy *ipc_proxy_unref(struct ipc_proxy *proxy);
uint64_t ipc_proxy_id(const struct ipc_proxy *proxy);
struct ipc *ipc_proxy_ipc(const struct ipc_proxy *proxy);

/* Every object answers these, whatever its interface. error may be NULL. Ping: is
 * there a thread that serves it? Dump: writes what goes on inside to fd, for people;
 * -EOPNOTSUPP: it has nothing to say; -EPERM: another user's. */
int ipc_proxy_ping(struct ipc_proxy *proxy, struct ipc_error *error);
int ipc_proxy_dump(struct ipc_proxy *proxy, int fd, const char *const *args,
		   size_t n_args, struct ipc_error *error);

/*
 * Calls cb once, on a serving thread, when the object's process has died or
 * destroyed it; soon, if that has happened already. Many per proxy. The watch
 * holds a reference of the proxy until cb returned or it is taken back.
 * ipc_proxy_off_death(): 0, and cb will not be called any more (unless it runs
 * on another thread right now), or -ENOENT: it was called.
 */
typedef void (*ipc_death_cb)(struct ipc_proxy *proxy, void *userdata);
int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       uint64_t *ret_id);
int ipc_proxy_off_death(struct ipc_proxy *proxy, uint64_t id);

/*
 * Calls cb on a serving thread each time that the object's process is frozen (1)
 * or thawed (0), and at once if it is frozen; what changed back before is not told.
 * Lasts until ipc_proxy_off_freeze() (0, or -ENOENT) or the object's death, of which
 * it does not tell. -EOPNOTSUPP: the driver is too old.
 */
typedef void (*ipc_freeze_cb)(struct ipc_proxy *proxy, int frozen, void *userdata);
int ipc_proxy_on_freeze(struct ipc_proxy *proxy, ipc_freeze_cb cb, void *userdata,
			uint64_t *ret_id);
int ipc_proxy_off_freeze(struct ipc_proxy *proxy, uint64_t id);

/* --- Taking things out of a received message ------------------------------ */

/* Each moves ownership from the field of a received message to the caller and
 * leaves 0 (or -1) there. id points at the id of an Ipc__Object, fd at the fd
 * of an Ipc__Fd. -ENOENT: the field is empty, or the object ended on its way
 * home; -EXDEV: the object is one's own (ipc_take_proxy) or is not
 * (ipc_take_object); -EBADF: not the field of a received message. One thread at a
 * time for a message. */
int ipc_take_proxy(struct ipc *ipc, uint64_t *id, struct ipc_proxy **ret_proxy);
int ipc_take_object(struct ipc *ipc, uint64_t *id, struct ipc_object **ret_object);
int ipc_take_fd(int32_t *fd);

/* --- Calls: how long, for whom, and their end ------------------------------ */

#define IPC_NEVER	UINT64_MAX	/* as a time: no limit */

/*
 * How long a call may take, in microseconds: what its struct ipc_options says,
 * else its proxy, else its method in the .proto file, else its connection, else
 * IPC_NEVER. 0 takes a setting back. Then it returns -ETIMEDOUT, the server is
 * told, and an answer that still comes is dropped. A call that is made in a
 * handler, or for a call (options.parent), ends with that one at the latest.
 * Both may be changed at any time, from any thread, for calls made afterwards.
 */
int ipc_set_timeout(struct ipc *ipc, uint64_t timeout_usec);
int ipc_proxy_set_timeout(struct ipc_proxy *proxy, uint64_t timeout_usec);

/*
 * What one call may want besides. All zeroes is the same as none:
 * struct ipc_options options = { .timeout_usec = 50000 }.
 */
struct ipc_options {
	uint64_t timeout_usec;		/* 0: as above. Of a oneway: how long to wait
					 * for room with the receiver; 0: not at all */
	uint64_t id;			/* of ipc_new_id(), for ipc_cancel(); 0: none.
					 * An async call without gets one */
	struct ipc_call *parent;	/* made for this call, whichever thread makes
					 * it: ends with it, also if that is cancelled
					 * (-ECANCELED: it was; -EINVAL: it is answered).
					 * NULL: for the call that the thread serves */
	const char *const *metadata;	/* for ipc_call_metadata(): name, value, name,
					 * value, ..., NULL; or NULL */
	uint32_t flags;			/* IPC_REPLACE or 0 */
	uint32_t reserved[5];		/* 0 */
};

/* A oneway takes the place of an older one of this process with the flag, to the
 * same object by the same method, that nobody took yet. */
#define IPC_REPLACE	(1U << 0)

/* A number that this connection never used before. */
uint64_t ipc_new_id(struct ipc *ipc);

/* Ends this connection's call with that id, whichever thread made it: it fails with
 * -ECANCELED, and the server is told. -ENOENT: there is none any more. */
int ipc_cancel(struct ipc *ipc, uint64_t id);

/* --- Around every call ------------------------------------------------------- */

/* A call, or oneway, that is about to be made or served. */
struct ipc_intercepted {
	int outgoing;			/* 1: made here; 0: served here */
	const char *interface;		/* served: "echo.Echo"; NULL if not known */
	const char *method;		/* "Say"; NULL if the object has no such method */
	struct ipc_proxy *proxy;	/* outgoing, not after an async call: whom */
	struct ipc_call *call;		/* served: who calls, and so on */
	const char *const *metadata;	/* outgoing: what goes with it; before() may
					 * change that to what lives until it is sent */
};

/*
 * before() is called on the thread that makes the call, or that is to serve it, and
 * may refuse it with a negative errno, which the caller gets; after() when it ended,
 * with 0 or its negative errno: a served one when it is answered and let go. Either
 * may be NULL. Interceptors are nested: the first to be asked is the last to be told.
 * Those of a call that is refused are told only if they were asked before.
 */
struct ipc_interceptor {
	int (*before)(struct ipc_intercepted *step, void *userdata);
	void (*after)(const struct ipc_intercepted *step, int result, void *userdata);
	void *userdata;
};

/* Before the connection is used otherwise; it keeps a copy until it is closed. */
int ipc_add_interceptor(struct ipc *ipc, const struct ipc_interceptor *interceptor);

/* --- Inside a handler ----------------------------------------------------- */

/*
 * A handler gets the call, the request and its userdata. It answers with the
 * generated echo_reply_say() or with ipc_call_error(), once (-EALREADY). The
 * answer leaves when the handler returns, at the latest. Returning <0 without
 * an answer sends that errno; returning 0 without an answer sends -ENOMSG,
 * unless the handler took a reference of the call: then whoever holds it
 * answers later, from any thread, and the request stays valid until the last
 * ipc_call_unref(), which sends -ENOMSG if nobody did. A oneway is never
 * answered (-EINVAL); what its handler returns is dropped.
 *
 * An answer with objects, or from anywhere but the handler, leaves at once: it
 * may fail (-ENOSPC, -EPERM, ...) and leave the call to be answered otherwise. One
 * that leaves later and fails becomes an error with the failure's errno.
 */
struct ipc_call *ipc_call_ref(struct ipc_call *call);
struct ipc_call *ipc_call_unref(struct ipc_call *call);

/* An application error: a name ("echo.Empty") and a text for people. The
 * client's call returns -EREMOTEIO. Returns 0 or -errno like a reply. */
int ipc_call_error(struct ipc_call *call, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with all that an error can have. Only name must be given; message and
 * details may be NULL. code: 0, or the errno that the call returns instead of
 * EREMOTEIO. Nothing is kept of it. */
int ipc_call_raise(struct ipc_call *call, const struct ipc_error *error);
/* The same for an errno, with a text: the client's call returns -code. */
int ipc_call_errno(struct ipc_call *call, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Who calls, as the kernel says: effective ids when it sent, in this process's
 * namespaces; pid and tid are 0 where they cannot be seen from here. */
uid_t ipc_call_uid(const struct ipc_call *call);
gid_t ipc_call_gid(const struct ipc_call *call);
pid_t ipc_call_pid(const struct ipc_call *call);
pid_t ipc_call_tid(const struct ipc_call *call);
/* A new pidfd (O_CLOEXEC) of the caller's process, certainly of that and of no
 * other that got its number since; as long as the call is not answered, or the
 * oneway not unref'ed. -ESRCH: it is gone; -ENOENT: it cannot be seen from here;
 * -EINVAL: answered; -EMFILE. The process may run another program meanwhile. */
int ipc_call_pidfd(const struct ipc_call *call);
struct ipc *ipc_call_ipc(const struct ipc_call *call);

/* What the kernel's security module calls the caller, for an object made with
 * IPC_OBJECT_LABEL; NULL if there is no such module, or label. The call's. */
const char *ipc_call_label(const struct ipc_call *call);

/* Microseconds until the caller stops waiting: 0: it has; IPC_NEVER. */
uint64_t ipc_call_remaining(const struct ipc_call *call);

/* The value of the metadata that the caller sent under that name, or NULL. The
 * call's. What it says is the caller's word, not the kernel's. */
const char *ipc_call_metadata(const struct ipc_call *call, const char *name);

/* Whether nobody waits for the answer any more: cancelled, out of time, or the
 * caller is gone. 1, 0, or -EINVAL: of a oneway, or after the answer. It is to be
 * answered all the same, if only by ipc_call_unref(). */
int ipc_call_canceled(const struct ipc_call *call);

/*
 * Calls cb once, on a serving thread, when nobody waits for the answer of this
 * call any more; NULL takes that back. Calls that are made for it
 * (options.parent), and async ones that its handler made, are cancelled anyway.
 * cb may run while another thread answers; it may use and answer the call. Lasts
 * until the last reference goes. -ECANCELED: nobody waits already; -EINVAL: of a
 * oneway, or answered.
 */
typedef void (*ipc_cancel_cb)(struct ipc_call *call, void *userdata);
int ipc_call_on_cancel(struct ipc_call *call, ipc_cancel_cb cb, void *userdata);
/* Where the request lies in the region: for tests and tools. */
const void *ipc_call_payload(const struct ipc_call *call, size_t *ret_size);

/* --- Streams --------------------------------------------------------------- */

/*
 * A method with `stream` in its .proto file is opened by a client and handled by a
 * server with a struct ipc_stream each; generated functions send and receive on it:
 *
 *   send      0, or -EAGAIN: the other side is not ready for more, or has no room,
 *             within timeout_usec (0: do not wait; IPC_NEVER); -EPIPE: it is over
 *   receive   1 and a message, which is the stream's and valid until the next
 *             receive; 0: the end; -EAGAIN: nothing within timeout_usec; the other
 *             side's error. What was sent before an end or error arrives first
 *
 * Messages arrive in order. The receiver grants how many may be on their way, so a
 * sender that is faster waits. While they wait, both serve the connection on this
 * thread, unless it waits for a reply itself. One thread may send while another
 * receives; two must not receive at once. A message with blobs holds up the next
 * until the receiver asks for that.
 *
 * Errors of both: -ECANCELED: one side cancelled; -EOWNERDEAD: the other one died, or
 * let go without a word; -EPROTO: it does not keep to the rules; -ENOMEM: try again,
 * unless a message was lost for want of memory: then it stays so.
 *
 * A handler may use its stream until it returns, or keep it with ipc_stream_ref()
 * and use it from any thread. When it is let go the server's sending ends, with what
 * the handler returned; a client that lets go cancels what is not over.
 */
struct ipc_stream *ipc_stream_ref(struct ipc_stream *stream);
struct ipc_stream *ipc_stream_unref(struct ipc_stream *stream);
struct ipc *ipc_stream_ipc(const struct ipc_stream *stream);

/* Ends this side's sending; a server's end ends the whole stream. -EALREADY. */
int ipc_stream_end(struct ipc_stream *stream);
/* The same with an error: a negative errno, or with a name -EREMOTEIO. */
int ipc_stream_fail(struct ipc_stream *stream, int code, const char *name,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same with all that an error can have, as ipc_call_raise(). */
int ipc_stream_raise(struct ipc_stream *stream, const struct ipc_error *error);
/* Ends both directions at once, on both sides. */
void ipc_stream_cancel(struct ipc_stream *stream);

/*
 * For event loops. The fd is readable when there may be something to receive; receive
 * with timeout 0 until -EAGAIN then. It is the stream's. The callback says the same,
 * and after a send that said -EAGAIN that it may be tried again, on a thread that
 * serves the connection. It may come once too often, and is set before that send.
 */
int ipc_stream_get_fd(struct ipc_stream *stream);
typedef void (*ipc_stream_cb)(struct ipc_stream *stream, void *userdata);
void ipc_stream_on_ready(struct ipc_stream *stream, ipc_stream_cb cb, void *userdata);

/* Who opened the stream, for the server: as of a call. */
uid_t ipc_stream_uid(const struct ipc_stream *stream);
gid_t ipc_stream_gid(const struct ipc_stream *stream);
pid_t ipc_stream_pid(const struct ipc_stream *stream);

/* --- Errors --------------------------------------------------------------- */

/* What a failed call brought back. name, message and details are the error's own,
 * NULL where the server gave none; free with ipc_error_done(). Not touched when the
 * call succeeds, so it must be IPC_ERROR_INIT before. */
struct ipc_error {
	int code;		/* the same negative errno that the call returned */
	int number;		/* the service's own, 0 where it gave none */
	char *name;
	char *message;
	void *details;		/* what they are says the service's documentation */
	size_t details_size;
};

#define IPC_ERROR_INIT { 0, 0, NULL, NULL, NULL, 0 }

void ipc_error_done(struct ipc_error *error);

/* What an errno of this library means, in English, static. */
const char *ipc_strerror(int code);

/* Prints "WHAT: error name: message" or "WHAT: meaning of code" to stderr and
 * returns 1, an exit status. error may be NULL. */
int ipc_fail(const char *what, int code, const struct ipc_error *error);

/* --- For ipc_auto() -------------------------------------------------------- */

static inline void ipc_unrefp(struct ipc **p) { ipc_unref(*p); }
static inline void ipc_object_unrefp(struct ipc_object **p) { ipc_object_unref(*p); }
static inline void ipc_proxy_unrefp(struct ipc_proxy **p) { ipc_proxy_unref(*p); }
static inline void ipc_call_unrefp(struct ipc_call **p) { ipc_call_unref(*p); }
static inline void ipc_stream_unrefp(struct ipc_stream **p) { ipc_stream_unref(*p); }
static inline void ipc_error_donep(struct ipc_error *p) { ipc_error_done(p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_IPC_H */
