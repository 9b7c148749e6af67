/* SPDX-License-Identifier: MIT */
/*
 * Names of services: registering, finding, watching. Included by <ipc/ipc.h>; its rules and error
 * list apply.
 *
 * A name has 1 to 127 characters of [A-Za-z0-9_./-]. It consists of parts with '/' between
 * them, and each part begins with a letter, a digit or '_'; any other name fails with
 * -EINVAL. The part after the first '/' distinguishes instances of an interface:
 * "camera.Provider/front".
 *
 * The service manager maps names to objects. All functions that take a name call it. There are two
 * forms:
 *
 *   blocking   The function returns when the service manager has replied. No serving thread is
 *              needed; callbacks need one. In a handler, the function inherits deadline and
 *              cancellation of the served call, as calls do. If that call has already ended, it
 *              does not, so that a handler can clean up.
 *   _async     The function returns at once, and cb runs once on a serving thread: use it on an
 *              event loop. It depends on the served call only if the options have it as parent.
 *
 * The connection's timeout, ipc_set_timeout(), applies to all but ipc_proxy_wait(), which has its
 * own. Only ipc_proxy_get() and ipc_proxy_wait() activate a name. Lists and watches leave out names
 * that the policy hides. Requests of a thread reach the service manager in the order in which the
 * thread called the functions, in both forms.
 *
 * Async forms. If such a function fails, cb does not run. Otherwise cb gets the result that the
 * blocking form returns. If the connection closes first, cb gets -ECANCELED, inside the last
 * ipc_unref(). *ret_slot is set before cb can run; NULL is allowed. Ending the slot before cb runs
 * cancels the request, and cb does not run. options may be NULL. They may have a timeout, a
 * cancellation, a parent or a parent_stream, for each request to the service manager; otherwise the
 * function fails with -EINVAL. The functions copy strings and options. The library holds references
 * of the objects in the options until cb has run.
 *
 * The functions may fail with any error of a call, and with these:
 *
 *   -ENOENT       No process has registered the name, or the policy hides it from this process.
 *   -EACCES       The policy refuses it (ipcbus-policy(5)), or ipcbus-services(5) reserves it.
 *   -EHOSTUNREACH  ipc_proxy_get(): the activation of the name failed. ipc_proxy_wait()
 *                 continues to wait.
 *   -ENOTCONN     No service manager is running.
 *   -EDQUOT       This user has 1024 names, 1024 waits or 256 watches of names, or all users
 *                 together have 16384, 8192 or 4096.
 *
 * Replay. When a new service manager starts, the library registers all names and watches of a
 * connection again, on a serving thread. The replay period is the first half second of the manager,
 * or up to three seconds while replays still arrive. Among servers of the same user, the last
 * owner before the restart gets the name again. If a replay fails (-EEXIST: another user has the
 * name by now; -EACCES, -ENOMEM), the callback of ipc_on_registration() is called. The library does
 * not try again before the next service manager starts, but the program may: it calls
 * ipc_register_name() again, or ends the slot of the watch and watches again.
 */
#ifndef IPC_PUBLIC_NAME_H
#define IPC_PUBLIC_NAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ipc;
struct ipc_object;
struct ipc_options;
struct ipc_proxy;
struct ipc_slot;

/* The cb of async functions without another result: 0 or 1 as the blocking form returns, or a
 * negative errno. */
typedef void (*ipc_name_done_cb)(int result, void *userdata);

/* For messages: the rule for names, and the reason for -ENOENT of ipc_unregister_name(). */
#define IPC_NAME_RULE "a name has 1 to 127 letters, digits and _ . / -"
#define IPC_NAME_NOT_OWNED "this connection has not registered the name, or has lost it"

/* --- Registering ----------------------------------------------------------- */

/* Flags of ipc_register_name_with(). */
enum ipc_register_flags {
	IPC_NAME_REPLACE = 1,	/* take the name from another object of this user that has it */
	IPC_NAME_QUEUE = 2,	/* wait until its registration ends */
	IPC_NAME_IDLE_EXIT = 4,	/* for ipc_idle_exit(): watches get the name without the object */
};

/*
 * Register an object under a name; it may have several. If a living process has registered the name
 * for another object, the registration fails with -EEXIST. If this connection has registered the
 * same object under the name, the function succeeds, and the earlier registration and its slot end.
 * A name is free as soon as its object or its process has ended. The connection keeps a reference
 * of the object until the registration ends or the connection closes. A registration ends by
 * ipc_unregister_name(), by its slot, or with IPC_REGISTRATION_LOST. Clients keep the object then.
 * Ending the slot unregisters the name. ipc_slot_end() blocks for that, ipc_slot_end_async() does
 * not. If the service manager cannot be informed, the name ends with the object.
 *
 * ipc_register_name_with() takes flags of enum ipc_register_flags; 0 is ipc_register_name(). They
 * concern only objects of this user: a name of another user always fails with -EEXIST.
 *
 * With IPC_NAME_REPLACE, clients that ask for the name from now on get the new object. The process
 * of the old object is notified (IPC_REGISTRATION_LOST) and must finish its work and exit.
 * With IPC_NAME_QUEUE, the function returns 1 if it must wait for the name. The first object in the
 * queue gets the name when the owner's registration ends (IPC_REGISTRATION_ACQUIRED).
 *
 * In the replay period, a name that was registered without IPC_NAME_REPLACE may be lost to an
 * earlier owner of this user that registers it again, and with IPC_NAME_QUEUE the function returns
 * 1 even if the name is free.
 *
 * If the reply of the service manager does not arrive (-ENOMEM, -ENOSPC, or -EINTR from the
 * callback of ipc_raw_set_interrupt()), the function unregisters the name again, unless this
 * connection had registered it before. After -ETIMEDOUT and -ECANCELED, the service manager may
 * know the name until the object ends: unref the object. After any failure the connection does not
 * keep the new registration: a service manager that starts later does not get it, also after
 * -ENOTCONN. Call the function again.
 *
 *   -EEXIST   A living process has registered the name.
 *   -EINVAL   The name is malformed or "servicemanager", the object belongs to another connection,
 *             or flags has IPC_NAME_REPLACE and IPC_NAME_QUEUE, or an unknown flag.
 */
int ipc_register_name(struct ipc *ipc, const char *name, struct ipc_object *object,
		      struct ipc_slot **ret_slot);
int ipc_register_name_with(struct ipc *ipc, const char *name, struct ipc_object *object,
			   unsigned int flags, struct ipc_slot **ret_slot);

/*
 * Start to register an object under a name. The slot is that of the registration, which lasts until
 * the slot ends. If the program ends it before cb has run, the name is unregistered. After a
 * failure that cb got, the program still ends the slot. Errors and flags as
 * ipc_register_name_with().
 */
int ipc_register_name_async(struct ipc *ipc, const char *name, struct ipc_object *object,
			    unsigned int flags, const struct ipc_options *options,
			    ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot);

/*
 * Unregister a name: end this connection's own newest registration of it. Succeeds even if no
 * service manager is running or if another object has the name by now. Never ends a registration of
 * another connection. After a failure the name stays registered and is replayed.
 *
 *   -ENOENT   This connection has not registered the name, or has lost it (IPC_REGISTRATION_LOST).
 *             Print IPC_NAME_NOT_OWNED, because the name may exist. A registration whose cb has not
 *             run yet does not count: end its slot.
 *
 * Ending the slot of the async form ends only cb.
 */
int ipc_unregister_name(struct ipc *ipc, const char *name);
int ipc_unregister_name_async(struct ipc *ipc, const char *name, const struct ipc_options *options,
			      ipc_name_done_cb cb, void *userdata, struct ipc_slot **ret_slot);

/*
 * Set a callback for events of this connection's registrations and watches of names. It
 * runs on a serving thread, once for each event. name is a name or the pattern of a watch. It is
 * valid until cb returns. error is the negative errno of IPC_REGISTRATION_FAILED, and 0 for other
 * events. Without a callback, such losses and failures are warnings of the log
 * (ipc_set_log()), except for -ECANCELED.
 *
 *   IPC_REGISTRATION_ACQUIRED  The object was in the queue of the name, and has the name now.
 *   IPC_REGISTRATION_LOST      Another object of this user replaced the object, or another process
 *                              unregistered the name. The slot has ended, and the library does not
 *                              replay the registration.
 *   IPC_REGISTRATION_FAILED    The registration or the watch could not be renewed at a new service
 *                              manager, or a change of a watched name was lost for lack of memory.
 *                              The library replays it at the next service manager.
 */
enum ipc_registration_event {
	IPC_REGISTRATION_ACQUIRED = 1,
	IPC_REGISTRATION_LOST = 2,
	IPC_REGISTRATION_FAILED = 3,
};
typedef void (*ipc_registration_cb)(struct ipc *ipc, const char *name,
				    enum ipc_registration_event event, int error, void *userdata);
int ipc_on_registration(struct ipc *ipc, ipc_registration_cb cb, void *userdata,
			struct ipc_slot **ret_slot);

/*
 * Give up a name that this connection has registered with IPC_NAME_IDLE_EXIT, if no client uses its
 * object. A program that ipcbus-services(5) starts on demand calls this when it has been idle for
 * some time, and exits if it succeeds: the object has ended, and no other process can get it.
 * References of this process do not count. Clients that ask for the name in the meantime wait for
 * the next process that registers it. The function blocks.
 *
 * After a failure the name is still registered, or registered again if a client got the object in
 * the meantime: continue to serve. If registering again fails, the callback of
 * ipc_on_registration() is called.
 *
 *   -EBUSY   Another process has the object, the object has another name, or a message to it is
 *            not handled yet.
 *   -ENOENT  This connection has not registered the name in this way.
 */
int ipc_idle_exit(struct ipc *ipc, const char *name);

/* --- Finding --------------------------------------------------------------- */

/*
 * Find the object that is registered under a name. The caller owns *ret_proxy and drops
 * it with ipc_proxy_unref(). The proxy refers to this object and not to the name. If the server
 * restarts, calls fail with -EOWNERDEAD: find the name again. ipc_set_reconnect() replaces the
 * object only after the end of the bus. Generated code wraps these for an interface: echo_get(),
 * echo_wait().
 *
 * interface is the name of the interface that the object must have: "echo.Echo". NULL and "" accept
 * any. An object that was registered without an interface is accepted. The service manager compares
 * the interface in the same request, so the name cannot get another owner between the two.
 *
 * If no process has registered the name, ipc_proxy_get() fails with -ENOENT; in the replay period
 * it first waits for its end. If the name can be activated, it waits until the program has
 * registered it. ipc_proxy_wait() waits until the name is registered, and for a service manager
 * too, for at most timeout_usec microseconds. With 0 it waits like ipc_proxy_get(), and fails with
 * -ETIMEDOUT instead of -ENOENT.
 *
 *   -EPROTOTYPE  The object has another interface.
 *   -EXDEV       The object belongs to this connection.
 *   -ETIMEDOUT   ipc_proxy_wait(): no process registered the name in time.
 *   -ENOTCONN    ipc_proxy_wait(): the time is over, and no service manager is running.
 */
int ipc_proxy_get(struct ipc *ipc, const char *name, const char *interface,
		  struct ipc_proxy **ret_proxy);
int ipc_proxy_wait(struct ipc *ipc, const char *name, const char *interface,
		   uint64_t timeout_usec, struct ipc_proxy **ret_proxy);

/*
 * Start to find an object. On success cb owns the proxy: it drops the proxy with ipc_proxy_unref(),
 * or passes it to echo_from_proxy() of generated code, with "echo.Echo" as interface. After a
 * failure proxy is NULL. ipc_proxy_wait_async() fails with -EINVAL if the options have a
 * timeout_usec.
 */
typedef void (*ipc_proxy_cb)(int result, struct ipc_proxy *proxy, void *userdata);
int ipc_proxy_get_async(struct ipc *ipc, const char *name, const char *interface,
			const struct ipc_options *options, ipc_proxy_cb cb, void *userdata,
			struct ipc_slot **ret_slot);
int ipc_proxy_wait_async(struct ipc *ipc, const char *name, const char *interface,
			 uint64_t timeout_usec, const struct ipc_options *options, ipc_proxy_cb cb,
			 void *userdata, struct ipc_slot **ret_slot);

/* A registered name. */
struct ipc_name_info {
	size_t size;		/* sizeof(struct ipc_name_info) */
	char name[128];
	char interface[256];	/* "echo.Echo"; "" if unknown */
	pid_t pid;		/* of the process that registered it; 0 if not visible */
	uid_t uid;		/* of its user */
};

/* Return 0 if the name is registered. ret_info may be NULL. The info of cb is valid until cb
 * returns, and NULL after a failure. */
int ipc_check_name(struct ipc *ipc, const char *name, struct ipc_name_info *ret_info);
typedef void (*ipc_name_info_cb)(int result, const struct ipc_name_info *info, void *userdata);
int ipc_check_name_async(struct ipc *ipc, const char *name, const struct ipc_options *options,
			 ipc_name_info_cb cb, void *userdata, struct ipc_slot **ret_slot);

/* List the names that match pattern, sorted. pattern is a name, or a prefix followed by '*' ("*":
 * all). Returns how many. *ret_infos is an array of pointers. The caller, or cb, must free the
 * array, and not its elements, with free(). After a failure the infos of cb are NULL. */
int ipc_list_names(struct ipc *ipc, const char *pattern, struct ipc_name_info ***ret_infos);
typedef void (*ipc_names_cb)(int result, struct ipc_name_info **infos, void *userdata);
int ipc_list_names_async(struct ipc *ipc, const char *pattern, const struct ipc_options *options,
			 ipc_names_cb cb, void *userdata, struct ipc_slot **ret_slot);

/* --- Watching -------------------------------------------------------------- */

enum ipc_name_change {
	IPC_NAME_PRESENT = 1,	/* registered, or replaced by another object */
	IPC_NAME_GONE = 2,	/* unregistered, or its process died, or the bus has ended */
	IPC_NAME_SETTLED = 3,	/* all names that exist were reported; info and proxy are NULL */
};

/*
 * Watch names: call cb on a serving thread for each name that matches pattern, first once for each
 * matching name that exists, then with IPC_NAME_SETTLED (after the replay period), then once for
 * each later change.
 * pattern is a name, or a prefix followed by '*'. Callbacks of a watch never run concurrently.
 * Works without a service manager too: cb is called when a manager starts.
 *
 * info and proxy belong to the library and are valid during cb; ipc_proxy_ref() keeps the
 * proxy. proxy is NULL if the name is gone, if the policy does not allow this process to call its
 * object, if the server registered with IPC_NAME_IDLE_EXIT, or if the object belongs to this
 * connection.
 *
 * A slow watcher may miss intermediate changes, but always receives the latest state. A
 * restart of the service manager is not reported; names that are still missing after the replay
 * period are reported as gone.
 */
typedef void (*ipc_name_cb)(struct ipc *ipc, enum ipc_name_change change,
			    const struct ipc_name_info *info, struct ipc_proxy *proxy,
			    void *userdata);
int ipc_watch_names(struct ipc *ipc, const char *pattern, ipc_name_cb cb, void *userdata,
		    struct ipc_slot **ret_slot);

/*
 * Start to watch names. done gets the result, and cb may run before done does. The slot is that of
 * the watch: ending it ends both. ipc_slot_end() blocks until the service manager knows that,
 * ipc_slot_end_async() does not block. After a failure that done got, the program still ends the
 * slot.
 */
int ipc_watch_names_async(struct ipc *ipc, const char *pattern, ipc_name_cb cb,
			  const struct ipc_options *options, ipc_name_done_cb done, void *userdata,
			  struct ipc_slot **ret_slot);

#ifdef __cplusplus
}
#endif

#endif /* IPC_PUBLIC_NAME_H */
