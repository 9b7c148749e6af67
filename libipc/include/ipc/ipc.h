/* SPDX-License-Identifier: MIT */
/*
 * libipc: calls between processes on a bus. The bus is /dev/ipcbus, a mount of type ipcbus, or a
 * socket of ipcbusd. Compile and link programs with the flags of `pkg-config --cflags --libs
 * libipc`.
 *
 *     client:  proxy -> generated echo_say() -> bus
 *     server:  bus -> ipc_run() or ipc_process() -> handler -> reply
 *
 * Terminology
 *
 *   connection  struct ipc: an open bus with its region of receive memory. It
 *               belongs to the process that opened it. Its objects, proxies and streams cannot be
 *               used with another connection, even in the same process.
 *   object      struct ipc_object: a target for calls in this process. It
 *               has an interface, a table of handlers and a userdata pointer.
 *   proxy       struct ipc_proxy: an object of another process, as seen from here.
 *               Generated code wraps it in a type for each interface (struct echo).
 *   call        struct ipc_call: a request that this process serves. A oneway is a
 *               request without a reply.
 *   stream      struct ipc_stream: a side of a sequence of messages.
 *   slot        struct ipc_slot: a way to end a callback, a registration or an async call.
 *   cancellation  struct ipc_cancellation: a way to end calls and streams of this process early.
 *   chain       A call, with the calls that its handler makes on its own thread, and so on.
 *   serving thread  A thread inside ipc_run() or ipc_process(). Handlers and callbacks run
 *               on serving threads, and wait until a thread serves. There is one exception: nested
 *               handlers.
 *   nested handler  A handler for a call of the same chain that comes back to this process. It
 *               runs on the thread that waits for its own call of that chain, inside the blocking
 *               function, even if that thread never serves.
 *
 * Contents
 *
 *   <ipc/ipc.h>     connections, slots, threads and event loops, objects, proxies, objects
 *                   and files in messages, calling, serving
 *   <ipc/admin.h>   finding a bus, reconnection, freezing processes, the service manager; included
 *                   here
 *   <ipc/name.h>    names of services; included here
 *   <ipc/stream.h>  methods with streams; included here
 *   <ipc/error.h>   error details, and texts for people; included here
 *   <ipc/call.h>   serving calls: replying, the identity of callers; included here
 *   <ipc/limits.h>  limits on messages and resources of peers; included here
 *   <ipc/raw.h>     messages of bytes, without protobuf
 *   <ipc/memory.h>  shared memory
 *   <ipc/monitor.h>  records of the traffic on a bus
 *   <ipc/test.h>    a private bus for a test, in a library of its own
 *   <ipc/sd-event.h>, <ipc/glib.h>  a connection in the event loops of systemd and GLib
 *
 * Rules for all functions. The description of a function states only differences.
 *
 *   Results     A function that returns int returns 0 or a count on success, and a
 *               negative errno on failure. `ret_` outputs are written on success only.
 *               A function with _is_ in its name returns 1 or 0, does not fail, and returns 0
 *               for NULL.
 *               A returned file descriptor is new and O_CLOEXEC, and the caller must close it.
 *               Functions named _get_fd() lend theirs: the library closes it with the object.
 *   Arguments   userdata, options, ret_slot, ret_reply and an error to be filled in may be NULL.
 *               Any other NULL, and an argument that is out of range, fails with -EINVAL, except
 *               where its description allows it. Functions that cannot return an errno need a valid
 *               pointer. Arguments belong to the program and are not kept.
 *   References  _ref() returns its argument. _unref() returns NULL. Both accept NULL.
 *   Blocking    A function does not wait for other processes, except where its
 *               description says that it blocks. Through ipcbusd, every function that uses the bus
 *               also waits for the daemon. While the daemon is stopped (SIGSTOP, a debugger), no
 *               timeout applies. Signals do not end a wait, except where -EINTR is listed.
 *               ipc_raw_set_interrupt() of <ipc/raw.h> makes signals end calls, oneways that wait,
 *               and functions of names.
 *   Order       An object handles a single oneway at a time. Oneways from a thread to an object are
 *               handled in the order of sending. Calls are not ordered, neither with each other nor
 *               with oneways: a call may be handled before a oneway or an async call that the same
 *               thread sent to the same object earlier. Oneways to different objects are not
 *               ordered. A reply is not ordered with oneways, in any language: a thread that waits
 *               for the reply gets it at once, and the result of an async call is an event of its
 *               own. Oneways that the server sent before the reply are handled on a serving thread,
 *               before or after that. Oneways of a process that died may be handled after the
 *               callbacks of death watches. If the order matters, put the data into the reply, or
 *               number the messages.
 *   Time        Durations are in microseconds, on CLOCK_MONOTONIC. As an argument, 0 means
 *               not to wait and IPC_NEVER means no timeout. In a structure, 0 means that the
 *               duration is not set.
 *   Threads     Any thread may call any function at any time, on objects that it holds a reference
 *               to and on the arguments of its handler or callback. A signal handler may only call
 *               ipc_stop(). "Set-up only" marks functions that must not run while another thread
 *               uses the object. Messages and structures are plain memory without a lock. Functions
 *               that open or find a bus read environment variables, which other threads must not
 *               change meanwhile. A thread must not end inside a function of the library: no
 *               pthread_cancel(), unless the thread has disabled it, and no longjmp() out of a
 *               callback.
 *   Callbacks   The library holds no lock while a handler or callback runs. It may call
 *               any function, but must not drop the last reference of its connection. A nested
 *               handler finds every lock taken that its thread held when it made the call: do not
 *               call another process with a lock that a handler takes, or handlers deadlock with
 *               their own thread.
 *               Handlers and callbacks of a connection run concurrently if several threads serve
 *               it. A nested handler may run concurrently with them, even if only one thread
 *               serves.
 *   Fork        A connection, and each object obtained from it, is unusable in a child process.
 *               Functions fail with -ECHILD there. The child must open its own connection. It may
 *               only unref or free what it inherited. Destroy functions run in the child too. The
 *               child has no region: if it reads bytes of a received message, it may get SIGSEGV.
 *               exec() ends a connection.
 *   Channels    Through ipcbusd, a proxy that is used often gets a direct channel to its server
 *               if ipc_run() serves there: memory that both processes share, for small messages.
 *               To get the channel, a call may wait for the server for 2 s, and a oneway for 10 ms.
 *               A oneway also waits for up to 10 ms if the channel is full of oneways.
 *               The environment variable IPC_CHANNELS=0 turns channels off for the connections that
 *               ipc_open() opens after that, on either side. A channel takes 128 KB of the client's
 *               memory, and 264 KB after a request over 4,416 bytes. A waiting client notices the
 *               death of the server after about 10 ms at most. A oneway to a server that has just
 *               died may succeed, although nothing receives it.
 *   End of the bus  If ipcbusd ends, every function that uses the bus fails with -ECONNRESET,
 *               within a second. Blocked calls, and functions that wait for a stream or name,
 *               return it. As soon as a thread serves the connection, async calls complete with it,
 *               streams break off, cancel callbacks of served calls and death watches run, and
 *               ipc_run() or ipc_process() then returns it. Watched names are reported as gone. The
 *               program must open a new connection, unless it has called ipc_set_reconnect(), which
 *               opens the bus again.
 *   Structures  A structure whose first member is size can grow at its end. The program must set
 *               size to its sizeof, also where a function fills the structure. If size is smaller
 *               than this library requires, the function fails with -EINVAL. If a member that this
 *               library does not know is not 0, it fails with -E2BIG. Structures that the library
 *               passes to the program grow too.
 *   Side effects  The library never aborts and installs no signal handlers. It prints only in
 *               ipc_print_error() and ipc_print_open_error(), and errors of the log if
 *               ipc_set_log() set no callback. It starts threads only as far as ipc_set_threads()
 *               allows. Those threads block all signals.
 *
 * Errors. An errno has the meaning below, except where a function lists another;
 * ipc_strerror() abridges these texts. The names in capitals belong to enum ipc_errno in
 * <ipc/error.h>. Functions list the errors that are specific to them. Every function may fail with
 * -EINVAL and -ECHILD; a function that allocates, with -ENOMEM. Calls may fail with each error
 * below.
 *
 *   This side
 *   -EINVAL       IPC_INVALID_ARGUMENT. An argument, name or string is malformed, or the proxy
 *                 outlived its connection. If a string of a message is not UTF-8, the text of
 *                 struct ipc_error names the field. A function without an error logs the field.
 *   -ECHILD       IPC_FORKED. The connection belongs to the parent process.
 *   -EBADF        An object is unknown to this connection or has ended, or a file descriptor is
 *                 not open.
 *   -E2BIG        The message has more than 64 objects and files together.
 *   -EDEADLK      This thread waits for a reply, so it cannot serve here; or it is the last serving
 *                 thread, so it cannot wait for a stream.
 *   -ESHUTDOWN    ipc_stop() was called, so a handler cannot wait for a stream.
 *   -EALREADY     The call already has a reply, or the stream has already ended.
 *   -EDQUOT       IPC_QUOTA_EXCEEDED. A limit of this user is reached: connections, objects,
 *                 proxies, watches, threads, open calls, files, names, or space at a receiver.
 *                 ipcctl stats counts objects, proxies, threads and space.
 *   -ENOMEM       Out of memory, here or in the kernel; or the receiver's user or memory cgroup has
 *                 reached its limit of memory.
 *
 *   The receiver
 *   -EOWNERDEAD   IPC_DEAD_OBJECT. The object is dead: its process has ended it, or died. The
 *                 handler may have run. The same holds after -ETIMEDOUT, -ECANCELED and
 *                 -ECONNRESET, after errors with IPC_ORIGIN_PEER or IPC_ORIGIN_BEHIND, and if the
 *                 reply arrived but could not be taken (-ENOMEM, -EMFILE, -EBADMSG).
 *   -EHOSTDOWN    IPC_PEER_FROZEN. The object's process is frozen.
 *   -EMSGSIZE     IPC_MESSAGE_TOO_LARGE. The message can never fit into the receiver's region and
 *                 cannot travel as a file, or the receiver limits the size of messages. The
 *                 largest request to a process of another user is 7/16 of its region, the largest
 *                 oneway 7/32. Between processes of the same user, and for replies, it is the whole
 *                 region; for oneways half of it. The library sends a larger message as a file if
 *                 the receiver accepts files.
 *   -ENOSPC       The receiver's region is full at the moment. Calls and replies do not wait for
 *                 space: try again later. The library first tries to send calls and replies of
 *                 4 KiB and more as a file.
 *   -EAGAIN       IPC_WOULD_BLOCK. Oneway or stream: the receiver has no space now. Receiving: no
 *                 message arrived in time. Try again later.
 *   -EPERM        The receiver does not accept files in this message; or this process may not do
 *                 this.
 *   -EMFILE       The receiver cannot open more files; or this process cannot.
 *   -ENOBUFS      The receiver has no region yet.
 *   -ELOOP        More than 32 calls of a chain would be open; or the message contains an open
 *                 bus. Async calls begin a chain of their own.
 *
 *   The method
 *   -EOPNOTSUPP   IPC_UNIMPLEMENTED. The object has no such method, or no handler for it.
 *   -EPROTO       IPC_PROTOCOL_ERROR. Only one side treats the method as a oneway or stream; or a
 *                 peer violates the protocol of streams.
 *   -EPROTOTYPE   IPC_INTERFACE_MISMATCH. The object has another interface.
 *   -EBADMSG      IPC_BAD_MESSAGE. A message does not match its type, has a string that is no
 *                 UTF-8 or has a NUL, nests deeper than 100, or needs more memory than 64 times
 *                 its size + 64 KiB.
 *   -EREMOTEIO    IPC_SERVICE_ERROR. The server reports its own error, or the error of a server
 *                 behind it. A server may report any other errno as well, with the exceptions that
 *                 enum ipc_origin lists.
 *   -ENOMSG       IPC_NO_REPLY. The server ended the call without a reply.
 *   -ETIMEDOUT    IPC_DEADLINE_EXCEEDED. The timeout expired.
 *   -ECANCELED    IPC_CANCELED. The call or stream was canceled, or its connection was closed.
 *
 *   Names
 *   -ENOENT       IPC_NOT_FOUND. No process has registered the name. Elsewhere: no such bus,
 *                 object, field or watch.
 *   -EACCES       IPC_PERMISSION_DENIED. The policy refuses it; ipcctl policy check
 *                 prints the rule. ipc_open(): no permission to open the bus.
 *   -EEXIST       IPC_NAME_TAKEN. A living process has registered the name.
 *   -EHOSTUNREACH IPC_ACTIVATION_FAILED. Activation of the name failed.
 *   -ENOTCONN     IPC_NO_MANAGER. No service manager is running.
 *   -ECONNRESET   IPC_BUS_ENDED. ipcbusd ran this bus and has ended: open a new connection.
 *   -EXDEV        The object belongs to this connection where a proxy is expected, or the
 *                 reverse.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipc/admin.h>
#include <ipc/call.h>
#include <ipc/error.h>
#include <ipc/limits.h>
#include <ipc/name.h>
#include <ipc/stream.h>

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
struct ipc_slot;
struct ipc_cancellation;

/* As a duration: no timeout. */
#define IPC_NEVER	UINT64_MAX
/* For ipc_proxy_set_timeout(): the timeout that applies without a setting. */
#define IPC_INHERIT	(UINT64_MAX - 1)

/* Unrefs or frees a variable at the end of its scope:
 * ipc_auto(ipc_unref) struct ipc *ipc = NULL; */
#define ipc_auto(func) __attribute__((cleanup(func##p)))

/* --- Connection ---------------------------------------------------------- */

#define IPC_REGION_DEFAULT	((size_t)16 << 20)

/*
 * Open a connection. The caller owns *ret_ipc and drops it with ipc_unref().
 *
 * bus is the path of a bus: /dev/ipcbus, the file "bus" of a mounted bus, or the socket of
 * ipcbusd(8). NULL is the bus that ipc_find_bus() finds.
 *
 * region_size is the number of bytes of messages that may be waiting here, and so limits the
 * largest message that this process can receive. It must be a multiple of the page size and at most
 * 1 GiB. It reserves address space; pages are allocated as messages arrive, and are charged to this
 * process's user and, except through ipcbusd, memory cgroup. ipc_open() uses IPC_REGION_DEFAULT.
 *
 *   -ENOENT   There is no such bus; the module may not be loaded.
 *   -ECONNREFUSED  No daemon listens at the socket: it has ended.
 *   -EACCES   The caller may not open the file, or connect to the socket.
 *   -EISDIR   The path is a folder.
 *   -ENOTTY, -EPROTO  The file is no bus; the socket is of no ipcbusd with this protocol version.
 *   -EDQUOT   The bus allows no more connections, or no region of that size.
 *   -EAGAIN   After mlockall(MCL_FUTURE): /dev/ipcbus needs an RLIMIT_MEMLOCK of region_size.
 *   -EFBIG    The limit of file sizes (ulimit -f) of ipcbusd is too small for a connection.
 *   -EMFILE   This process cannot open more files.
 *   -ETIMEDOUT  ipcbusd took more than 30 seconds to accept the connection.
 *   -ESRCH    The daemon cannot see this process: a PID namespace or /proc (hidepid=) hides it.
 *   -EOVERFLOW  This user is not mapped into the user namespace of the daemon.
 */
int ipc_open(struct ipc **ret_ipc, const char *bus);
int ipc_open_sized(struct ipc **ret_ipc, const char *bus, size_t region_size);

/*
 * Take or drop a reference. The last ipc_unref() closes the connection: its objects die,
 * its async calls complete with -ECANCELED inside ipc_unref(). Objects and proxies hold no
 * reference of their connection: unref them first. A function that uses an object or proxy needs
 * the connection until it returns. Never drop the last reference while another thread is inside
 * such a function. Slots, streams, kept calls, replies of bytes (raw.h), and generated replies that
 * lie in the region or in a file (<ipc/call.h>) hold a reference. To close a connection with
 * streams that have callbacks, end or cancel the streams, call ipc_process() while
 * ipc_wait_event(ipc, 0) returns 1, and drop the references.
 */
struct ipc *ipc_ref(struct ipc *ipc);
struct ipc *ipc_unref(struct ipc *ipc);

/*
 * Mark all requests and replies that this connection sends from now on as secret, if clear is
 * not 0. The bus overwrites such a message in the receiver's region when the receiver releases
 * it. That costs time in proportion to its size. Such messages use no channels. Set-up only.
 */
int ipc_set_clear(struct ipc *ipc, int clear);

/* --- Slots ----------------------------------------------------------------- */

/*
 * Slots: the end of a callback, of the registration of a name, or of an async call. Every function
 * that begins one has an output ret_slot. If ret_slot is not NULL, the caller gets a slot. The
 * caller must pass the slot exactly once to ipc_slot_end(), ipc_slot_end_async() or
 * ipc_slot_detach(). *ret_slot is written before the callback can run. With NULL, the callback
 * lasts until it ends by itself: after its only run, at the end of the watched object, call or
 * name, or when the connection closes. The slot stays valid after that. A slot holds a reference of
 * the connection.
 *
 * Ending a slot unregisters its name or cancels its call. It guarantees, in this order:
 *   1. The callback does not begin any more.
 *   2. It does not run any more.
 *   3. destroy runs once, if ipc_slot_set_destroy() set it. The library does not use userdata after
 *      that.
 *
 * ipc_slot_end() blocks until the callback and destroy have returned on other threads. The caller
 * must not hold a lock that the callback takes. If the callback ends its own slot, the function
 * does not wait for its own thread, and destroy runs when the callback returns.
 * ipc_slot_end_async() does not wait. If the callback is running, destroy runs on the last thread
 * that leaves the callback; else it runs before the function returns. Use ipc_slot_end_async() in
 * callbacks, and under locks that callbacks take. If the slot is of a name or of a watch of names,
 * both functions call the service manager. Only ipc_slot_end() blocks for that call.
 *
 * ipc_slot_detach() frees the slot, and ends nothing. All three accept NULL, return
 * NULL, and free the memory of the slot in a forked child too.
 *
 * ipc_slot_set_destroy() makes destroy(userdata) run once, when the callback has ended and does not
 * run any more. If this is the case already, destroy runs at once. A later use of this function
 * replaces destroy. Without it, userdata must stay valid until the slot was ended or the callback
 * ended by itself. One thread at a time uses a slot.
 *
 *	r = echo_on_death(echo, on_death, state, &slot);
 *	if (r == 0)
 *		ipc_slot_set_destroy(slot, state_free);
 *	...
 *	slot = ipc_slot_end(slot);
 */
struct ipc_slot *ipc_slot_end(struct ipc_slot *slot);
struct ipc_slot *ipc_slot_end_async(struct ipc_slot *slot);
struct ipc_slot *ipc_slot_detach(struct ipc_slot *slot);
void ipc_slot_set_destroy(struct ipc_slot *slot, void (*destroy)(void *userdata));

/* --- Threads and event loops --------------------------------------------- */

/*
 * Set how many threads may serve, including the threads that call ipc_run(): 1 (the default) to
 * 1024. If all serving threads are busy, ipc_run() starts another. It ends that thread before it
 * returns. If the thread cannot be created, ipc_run() continues with its threads and tries again
 * later. A lower limit does not end threads that already serve. If the program calls ipc_run() on
 * more threads than this, all of them serve.
 *
 *   -EINVAL   threads is 0 or more than 1024.
 */
int ipc_set_threads(struct ipc *ipc, unsigned int threads);

/*
 * Serve on the calling thread. Blocks until ipc_stop() and returns 0 then, or -errno if a thread
 * cannot serve any more, as after the end of the bus. Several threads may call it. It holds a
 * reference of the connection until it returns. The last thread to return joins the threads that
 * ipc_run() started.
 *
 *   -EDEADLK  The calling thread runs a handler or callback.
 *   -EDQUOT   Too many threads use this connection.
 */
int ipc_run(struct ipc *ipc);

/*
 * Make ipc_run() return on all threads as soon as their handlers have returned. Handlers are not
 * interrupted. ipc_stop() affects only threads that are in ipc_run() now, or the next caller if
 * there is none. A thread that enters later, when all have returned, serves normally.
 * Async-signal-safe.
 */
void ipc_stop(struct ipc *ipc);

/*
 * Serve in an event loop. ipc_get_fd() returns a file descriptor that is readable (EPOLLIN) when an
 * event is pending. The connection owns it. ipc_process() handles one event and the next callbacks
 * of one stream, without sleeping, and returns 1. It returns 0 if no event is pending, and after 64
 * events in a row: the program then serves the other sources of its loop, and the file descriptor
 * is still readable, also for EPOLLET. Call it until it returns 0. A handler that it runs may
 * block. Before it returns 0, it may wait up to 50 microseconds for the next message of a client
 * that is running.
 *
 *   -EMFILE   ipc_get_fd(): the first use cannot create the file descriptor.
 *   -EDEADLK  ipc_process(): the calling thread waits for a reply: it is in a nested handler.
 *   -EDQUOT   ipc_process(): as ipc_run().
 *   -ECONNRESET  ipc_process(): the bus has ended. The file descriptor stays readable.
 *
 *	event.events = EPOLLIN;
 *	epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(ipc), &event);
 *	while ((r = ipc_process(ipc)) >= 0)
 *		if (r == 0)
 *			epoll_wait(epoll, &event, 1, -1);
 */
int ipc_get_fd(struct ipc *ipc);
int ipc_process(struct ipc *ipc);

/*
 * Block until there is an event to process, and return 1. Returns 0 after timeout_usec
 * microseconds (0: at once). After the end of the bus it returns 1 until ipc_process() has
 * reported the end, and then -ECONNRESET.
 *
 *   -EINTR    A signal arrived.
 *   -EMFILE   The first use cannot create a file descriptor.
 */
int ipc_wait_event(struct ipc *ipc, uint64_t timeout_usec);

/*
 * Watch for space: call cb once, on a serving thread, when a oneway that failed with -EAGAIN
 * may be tried again. If the oneway fails again, call this function again. Each use adds a
 * callback. For streams, use on_writable of ipc_stream_set_ops(). Space may become
 * available just before that: if other threads send too, retry the oneway once after it.
 *
 *   -EMFILE   This process cannot open more files.
 */
typedef void (*ipc_writable_cb)(struct ipc *ipc, void *userdata);
int ipc_on_writable(struct ipc *ipc, ipc_writable_cb cb, void *userdata,
		    struct ipc_slot **ret_slot);

/* --- Objects ------------------------------------------------------------- */

/*
 * Create an object. Generated code calls this (echo_object_new(), echo_register()). The
 * caller owns *ret_object and drops it with ipc_object_unref().
 *
 * The object lives while this process has references or other processes have proxies, at most until
 * the connection closes. Then destroy(userdata) runs, unless destroy is NULL. A served or kept call
 * holds a reference of its object, so destroy runs after its handler. If another process dropped
 * the last reference, destroy runs on a serving thread, concurrently with handlers of other
 * objects. Otherwise it runs inside the function that dropped the last reference, whose caller must
 * not hold a lock that destroy takes. interface and ops must stay valid until then. If this
 * function fails, destroy does not run.
 */
int ipc_object_new(struct ipc *ipc, const struct ipc_interface *interface,
		   const void *ops, void *userdata,
		   void (*destroy)(void *userdata), struct ipc_object **ret_object);

/* Take or drop a reference. */
struct ipc_object *ipc_object_ref(struct ipc_object *object);
struct ipc_object *ipc_object_unref(struct ipc_object *object);

/*
 * End the object, even if other processes have proxies of it: queued calls fail with -EOWNERDEAD,
 * queued oneways are discarded, and death watches run. Handlers may still reply to calls that they
 * serve. The caller keeps its reference. destroy runs when this process has dropped its last
 * reference, even if other processes still have proxies. Sending the object fails with -EBADF
 * afterwards. Does not block.
 *
 *   -ENOENT   The object was never sent or registered, or has ended.
 */
int ipc_object_end(struct ipc_object *object);

/*
 * Request features for the object, before it is registered, sent, or its id is read.
 * Set-up only. flags replace the flags of an earlier use: IPC_OBJECT_LABEL makes ipc_call_label()
 * and ipc_stream_label() work in its handlers.
 *
 * ipc_object_set_priority() sets the minimum priority with which calls and oneways of the object
 * are served: sched_policy SCHED_OTHER with a nice value as priority, or SCHED_FIFO or
 * SCHED_RR with 1 to 99. If other values are set, the function that registers or sends the
 * object, or reads its id, fails with -EINVAL. If the caller has a better priority, its call is
 * served with that, but not its oneway. A thread gets either priority only as far as its own
 * RLIMIT_NICE, RLIMIT_RTPRIO or CAP_SYS_NICE allow: set LimitNICE= or LimitRTPRIO= in the server's
 * unit. ipcbusd ignores priorities.
 *
 *   -EBUSY    The object is already in use.
 */
#define IPC_OBJECT_LABEL	(1U << 0)
int ipc_object_set_flags(struct ipc_object *object, unsigned int flags);

int ipc_object_set_priority(struct ipc_object *object, int sched_policy, int priority);

/*
 * Let the object write its internal state as text, for people: see ipc_proxy_dump(). cb
 * writes to fd and returns 0 or -errno. fd stays open only during cb. args are the words
 * of the request. Only root and the user of this process may request a dump; other users get
 * -EPERM. fd is always a file of memory: a write neither waits for a reader nor raises a signal.
 * Beyond 64 MiB it fails with EPERM, and beyond RLIMIT_FSIZE with EFBIG. Set-up only, before the
 * object is registered, sent, or its id is read.
 *
 *   -EBUSY    The object is already in use.
 *   -EINVAL   ipc_raw_object_new() created the object.
 */
typedef int (*ipc_dump_cb)(struct ipc_call *call, int fd, char *const *args,
			   size_t n_args, void *userdata);
int ipc_object_set_dump(struct ipc_object *object, ipc_dump_cb cb);

/*
 * Get the object id, for the id field of an Ipc__Object in a message to be sent. It is valid on
 * this connection as long as the object lives. The first use creates the object's node.
 *
 *   -EDQUOT   This user has too many objects.
 */
int ipc_object_id(struct ipc_object *object, uint64_t *ret_id);

/* Return the userdata of ipc_object_new(). */
void *ipc_object_userdata(const struct ipc_object *object);

/*
 * Count the references of the object, and its messages. All is 0 if the object was never sent or
 * registered.
 *
 *	struct ipc_object_info info = { .size = sizeof(info) };
 *
 *   -ENOENT   ipc_object_end() has ended the object.
 */
struct ipc_object_info {
	size_t size;		/* sizeof(struct ipc_object_info) */
	unsigned int refs;	/* proxies in other processes, and messages in flight with it */
	unsigned int pending;	/* messages to it in flight */
	unsigned int oneways;	/* oneways among pending that wait for an earlier oneway */
	unsigned int watches;	/* death watches */
};

int ipc_object_info(const struct ipc_object *object, struct ipc_object_info *ret_info);

/* --- Proxies ------------------------------------------------------------- */

/* Take or drop a reference. A connection has at most one proxy of an object, so compare
 * pointers. */
struct ipc_proxy *ipc_proxy_ref(struct ipc_proxy *proxy);
struct ipc_proxy *ipc_proxy_unref(struct ipc_proxy *proxy);

/* Return the object id for the id field of an Ipc__Object to be sent, 0 for NULL. */
uint64_t ipc_proxy_id(const struct ipc_proxy *proxy);

/* Return the connection, without a reference; NULL after it was closed. */
struct ipc *ipc_proxy_ipc(const struct ipc_proxy *proxy);

/*
 * Requests that every object serves, with any interface. Both block and fail like any call.
 *
 * ipc_proxy_ping() returns 0 when a thread of the object's process has served it.
 *
 * ipc_proxy_dump() makes the object write its internal state; args are n_args words for it. The
 * object writes to a file of memory. When the call has ended, also if it failed, the calling thread
 * copies the text to fd. If the end of fd's pipe that others read is closed, that write raises
 * SIGPIPE in this process, or fails with -EPIPE. The text comes from the other process: a terminal
 * would obey its control characters.
 *
 *   -EOPNOTSUPP  ipc_proxy_dump(): the object has no dump.
 *   -EPERM       ipc_proxy_dump(): the object belongs to another user.
 */
int ipc_proxy_ping(struct ipc_proxy *proxy, struct ipc_error *error);
int ipc_proxy_dump(struct ipc_proxy *proxy, int fd, const char *const *args,
		   size_t n_args, struct ipc_error *error);

/*
 * Watch for death: call cb once, on a serving thread, when the object is dead: its process
 * has ended it, or died. If it is dead already, cb is called soon. A proxy may have many watches. A
 * watch holds a reference of the proxy until it ends. It ends when cb has returned. If the
 * connection closes first, cb is not called.
 *
 *   -EDQUOT   This user has too many death watches.
 */
typedef void (*ipc_death_cb)(struct ipc_proxy *proxy, void *userdata);
int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       struct ipc_slot **ret_slot);

/* --- Objects and files in received messages -------------------------------- */

/*
 * Take an object or a file descriptor out of a received message. The field becomes empty.
 * Objects and files that are not taken are freed with the message.
 *
 * id points to the id of an Ipc__Object. ipc_take_proxy() is for objects of other processes,
 * ipc_take_object() for own objects that were sent back. The program gets a reference and drops
 * it with ipc_proxy_unref() or ipc_object_unref(). fd must point to the fd of an Ipc__Fd in a
 * received message. ipc_take_fd() returns the file descriptor, which is O_CLOEXEC and belongs to
 * the program then. One thread at a time for each message.
 *
 * A received file is of any kind. A write to a pipe or socket whose reader is gone raises SIGPIPE,
 * which ends a program that does not ignore this signal. If the reader does not read, the write
 * blocks the thread.
 *
 *   -ENOENT   The field is empty, or the own object in it has ended.
 *   -EXDEV    ipc_take_proxy(): the object belongs to this connection.
 *             ipc_take_object(): it belongs to another.
 *   -EBADF    The object id is unknown to this connection.
 */
int ipc_take_proxy(struct ipc *ipc, uint64_t *id, struct ipc_proxy **ret_proxy);
int ipc_take_object(struct ipc *ipc, uint64_t *id, struct ipc_object **ret_object);
int ipc_take_fd(int32_t *fd);

/* --- Calling --------------------------------------------------------------- */

/*
 * Generated functions make the calls: echo_say() blocks, echo_say_with() blocks and takes
 * options, echo_say_async() does not block and runs its callback on a serving thread. After a call
 * that blocked, the caller owns *reply, and frees it with echo_say_reply_free(), which also
 * frees objects and files that were not taken. The library frees the reply of an async call when
 * its callback has returned, unless the callback called echo_say_reply_keep().
 *
 *	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
 *	ipc_auto(echo_unref) struct echo *echo = NULL;
 *	ipc_auto(echo_say_reply_free) Echo__SayReply *reply = NULL;
 *	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
 *	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
 *
 *	r = ipc_open(&ipc, NULL);
 *	if (r < 0)
 *		return ipc_print_open_error(NULL, r);
 *	r = echo_get(ipc, "demo.echo", &echo);
 *	if (r < 0)
 *		return ipc_print_error("find demo.echo", r, NULL);
 *	request.text = "hello";
 *	r = echo_say(echo, &request, &reply, &error);
 *	if (r < 0)
 *		return ipc_print_error("say", r, &error);
 *	puts(reply->text);
 */

/*
 * Set the timeout for calls that start afterwards, in microseconds. The timeout of a call is the
 * first of these settings:
 *   1. timeout_usec in its struct ipc_options
 *   2. the option timeout_ms of its method in the .proto file
 *   3. ipc_proxy_set_timeout()
 *   4. ipc_set_timeout()
 * Without any setting there is no timeout. IPC_NEVER sets no timeout. IPC_INHERIT
 * removes the setting of a proxy. 0 fails with -EINVAL. When the time is over, the call
 * returns -ETIMEDOUT, the server is notified, and a later reply is discarded. A call that is
 * made in a handler, or for a call (options.parent), has no later deadline than that call,
 * and is canceled with it. A reply to that call does not end it. A call that is made for a
 * stream (options.parent_stream) has no later deadline than the stream, and is canceled with it.
 * IPC_DETACHED makes a call in a handler independent of the call that the handler serves.
 *
 * For a stream, settings 1 and 2 apply to the whole stream (see ipc_stream_remaining()), 3 and 4
 * only to its opening.
 */
int ipc_set_timeout(struct ipc *ipc, uint64_t timeout_usec);
int ipc_proxy_set_timeout(struct ipc_proxy *proxy, uint64_t timeout_usec);

/*
 * Options of a call, oneway or opened stream. Zeroes are the defaults: struct ipc_options options =
 * { .timeout_usec = 50000 }; The structure does not grow: new options become flags or replace
 * reserved members. If a reserved member is set, or a member or flag that does not apply, the
 * function fails with -EINVAL.
 */
struct ipc_options {
	uint64_t timeout_usec;		/* Call, and a stream from opening to end: the
					 * timeout; 0: see ipc_set_timeout(). Oneway: how long
					 * to wait for space (IPC_NEVER: no timeout); 0: the
					 * default, which is not to wait */
	struct ipc_cancellation *cancellation;	/* Call or stream: ends it early, see
					 * ipc_cancellation_new(); or NULL */
	struct ipc_call *parent;	/* Call or stream: make it for this call, which may
					 * be served on another thread. It is canceled with
					 * the parent (-ECANCELED) and has no later deadline
					 * (-ETIMEDOUT); a reply to the parent does not end
					 * it. On another thread it begins a chain. NULL: the
					 * call that this thread serves; of a stream, none.
					 * -EINVAL: the parent has a reply, or is a oneway */
	struct ipc_stream *parent_stream; /* Call or stream: make it for this stream, either
					 * side of one. It has no later deadline (-ETIMEDOUT). It is
					 * canceled (-ECANCELED) when the stream breaks off, is
					 * dropped before it is over, or, on a server's side, is
					 * ended. Not with parent (-EINVAL). NULL: none, also in
					 * a handler or callback of a stream */
	const char *const *metadata;	/* Strings for ipc_call_metadata(): name, value, ...,
					 * NULL; or NULL. -EINVAL: a name is empty or has no
					 * value. At most 64 KiB together (-EMSGSIZE) */
	uint32_t flags;			/* Oneway: IPC_REPLACE or 0. Call or stream: IPC_DETACHED
					 * or 0. Raw stream: see also <ipc/raw.h> */
	uint32_t window;		/* Stream: how many messages the server may send ahead of
					 * this side, 1 to 16; 0: 16. See <ipc/stream.h> */
	uint32_t reserved[4];		/* 0 */
};

/* If an older oneway from this connection to the same method of the same object is still queued
 * and has this flag too, the new oneway replaces it. */
#define IPC_REPLACE	(1U << 0)

/* Make the call or stream for no call and no stream: only its own deadline applies, and it is not
 * canceled with the call that this thread serves. A handler cleans up with it after its call has
 * ended, or starts a job that outlives its call. Not with parent or parent_stream (-EINVAL). */
#define IPC_DETACHED	(1U << 1)

/*
 * Create a cancellation, which ends calls and streams early. The options of any number of calls
 * and opened streams of the connection may name it, one after another and at the same time, on
 * any threads. The caller owns *ret_cancellation and drops it with ipc_cancellation_unref(). It
 * holds a reference of the connection.
 *
 * ipc_cancel() cancels it, from any thread and for good. Calls with it that wait for their reply
 * fail with -ECANCELED, and their servers are notified. Calls that begin later fail with
 * -ECANCELED and are not sent. A call whose reply has arrived keeps it. Async calls complete
 * with -ECANCELED on a serving thread. A stream that was opened with it, and is not over, breaks
 * off with -ECANCELED as if ipc_stream_cancel() was called; its on_end runs on a serving thread.
 * ipc_cancel() does not block. ipc_cancellation_is_canceled() returns 1 after ipc_cancel(), and 0
 * before.
 *
 * A function uses the cancellation in its options until it returns, so its thread must hold a
 * reference until then. After the last reference is dropped, async calls and streams go on and can
 * no longer be canceled this way.
 */
int ipc_cancellation_new(struct ipc *ipc, struct ipc_cancellation **ret_cancellation);
struct ipc_cancellation *ipc_cancellation_ref(struct ipc_cancellation *cancellation);
struct ipc_cancellation *ipc_cancellation_unref(struct ipc_cancellation *cancellation);
int ipc_cancel(struct ipc_cancellation *cancellation);
int ipc_cancellation_is_canceled(const struct ipc_cancellation *cancellation);

/* --- For ipc_auto() -------------------------------------------------------- */

static inline void ipc_unrefp(struct ipc **p) { ipc_unref(*p); }
static inline void ipc_object_unrefp(struct ipc_object **p) { ipc_object_unref(*p); }
static inline void ipc_proxy_unrefp(struct ipc_proxy **p) { ipc_proxy_unref(*p); }
static inline void ipc_stream_unrefp(struct ipc_stream **p) { ipc_stream_unref(*p); }
static inline void ipc_cancellation_unrefp(struct ipc_cancellation **p)
{
	ipc_cancellation_unref(*p);
}
static inline void ipc_slot_endp(struct ipc_slot **p) { ipc_slot_end(*p); }

#ifdef __cplusplus
}
#endif

#endif /* IPC_IPC_H */
