// SPDX-License-Identifier: MIT
/*
 * The important races, each in two to four threads. A thread asserts only conditions that hold in
 * every interleaving. For all scenarios the explorer also checks leaks, use after free, deadlocks
 * and the lock tree.
 */
#include "ends.h"
#include "guess.h"
#include "memory.h"
#include "replace.h"
#include "scenarios.h"

static u64 id;		/* a call that was made in prepare() */
static u64 buffer;	/* a delivered message */
static u32 handle;
static u64 node;

/* --- Building blocks ------------------------------------------------------ */

void reply_to(const struct ipcbus_event *event)
{
	int r;

	look_at(event);
	if (event->kind == IPCBUS_EVENT_CALL) {
		r = reply(event->call);
		CHECK(!r || r == -EBADF || r == -ESRCH);
	}
	if (event->buffer) {
		r = release(event->buffer);
		/* The file was closed. Its number may belong to a file that arrived since. */
		CHECK(!r || r == -EBADF || r == -ENOTTY);
	}
}

void serve_one(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	reply_to(&event);
}

void serve_what_is_there(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		next_event(&event);
		reply_to(&event);
	} while (event.kind != IPCBUS_EVENT_NONE);
}

/* Calls and waits for the result; @error: another acceptable failure. */
void call_through(u32 target, int error)
{
	struct ipcbus_event event;
	int r = call(target, 1);

	if (r) {
		CHECK(r == error || r == -EOWNERDEAD || r == -EBADF);
		return;
	}
	do {
		wait_event(&event);
		if (event.kind == IPCBUS_EVENT_CALL)
			reply_to(&event);
	} while (event.kind == IPCBUS_EVENT_CALL || event.kind == IPCBUS_EVENT_DEAD ||
		 event.kind == IPCBUS_EVENT_IDLE);
	if (event.kind == IPCBUS_EVENT_FAILED)
		CHECK(event.error == -EOWNERDEAD || event.error == error);
	else
		CHECK(event.kind == IPCBUS_EVENT_REPLY || event.kind == IPCBUS_EVENT_NONE);
	reply_to(&event);
}

void call_manager(void *unused)
{
	(void)unused;
	call_through(0, -ENOTCONN);
}

void close_file(void *unused)
{
	(void)unused;
	shim_munmap(sides[own_side()].map, 0, REGION / PAGE_SIZE);
	shim_close(sides[own_side()].fd);
}

void two_oneways(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		int r = oneway(0, i);

		CHECK(!r || r == -ENOTCONN || r == -EOWNERDEAD || r == -EAGAIN);
	}
}

void leave(void *unused)
{
	(void)unused;
}

/* SRV's keeper takes a call of CLI's. */
void take_a_call(int caller)
{
	struct ipcbus_event event;

	be(caller);
	CHECK(!call(0, 1));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	id = event.call;
	buffer = event.buffer;
}

/* A reply with a nonexistent object fails. Another reply may be in progress. */
void reply_in_vain(void *unused)
{
	int r = reply_object(id, IPCBUS_OBJECT_HANDLE, 4242);

	(void)unused;
	CHECK(r == -EBADF || r == -ESRCH);
}

void reply_and_free(void *unused)
{
	int r = reply(id);

	(void)unused;
	CHECK(!r || r == -ESRCH);
	CHECK(!release(buffer));
}

void wait_for_reply(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY);
	reply_to(&event);
}

/* --- free_deliver --------------------------------------------------------- */

static void serve_two(void *unused)
{
	serve_one(unused);
	serve_one(unused);
}

/* --- death_reply ---------------------------------------------------------- */

static void prepare_taken_call(void)
{
	take_a_call(1);
}

/* --- munmap_fault --------------------------------------------------------- */

static void deliver_a_oneway(void)
{
	struct ipcbus_event event;

	be_side(CLI);
	CHECK(!oneway(0, 1));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	buffer = event.buffer;
}

static void touch_all(void *unused)
{
	struct shim_map *map = sides[own_side()].map;

	(void)unused;
	shim_touch(map, 0);
	shim_touch(map, PAGE_SIZE);
}

static void close_and_unmap(void *unused)
{
	struct shim_map *map = sides[own_side()].map;

	(void)unused;
	shim_close(sides[own_side()].fd);
	shim_munmap(map, 0, 1);
	shim_munmap(map, 1, REGION / PAGE_SIZE - 1);
}

/* --- watch_fire ----------------------------------------------------------- */

static void prepare_watch(void)
{
	handle = hand_over(CLI, OTH, sides[OTH].node);
	be_side(CLI);
	CHECK(!ioctl_handle(IPCBUS_IOC_WATCH, handle, 0, 7));
}

static void unwatch(void *unused)
{
	struct ipcbus_event event;
	int r = ioctl_handle(IPCBUS_IOC_UNWATCH, handle, 0, 0);

	(void)unused;
	CHECK(!r || r == -ENOENT);
	next_event(&event);
	/* A successful unwatch promises that the event does not arrive. */
	CHECK(r || event.kind != IPCBUS_EVENT_DEAD);
}

static void take_dead(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	next_event(&event);
	CHECK(event.kind != IPCBUS_EVENT_DEAD || event.cookie == 7);
}

static void wait_for_dead(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_DEAD);
}

static void put_handle(void *unused)
{
	int r = ioctl_handle(IPCBUS_IOC_HANDLE_PUT, handle, 1, 0);

	(void)unused;
	CHECK(!r);
}

static void watch_again(void *unused)
{
	int r = ioctl_handle(IPCBUS_IOC_WATCH, handle, 0, 7);

	(void)unused;
	CHECK(!r || r == -EBUSY || r == -EBADF);
}

/* --- put_deliver: CLI puts its handle while the same node comes again ----- */

static void prepare_object_reply(void)
{
	handle = hand_over(CLI, SRV, sides[SRV].node);
	take_a_call(1);
}

static void reply_with_node(void *unused)
{
	(void)unused;
	CHECK(!reply_object(id, IPCBUS_OBJECT_NODE, sides[SRV].node));
	CHECK(!release(buffer));
}

static void receive_and_put(void *unused)
{
	struct ipcbus_event event;
	const struct ipcbus_object *object;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY && event.object_count == 1);
	object = shim_touch(sides[CLI].map, event.objects);
	CHECK(object->type == IPCBUS_OBJECT_HANDLE);
	CHECK(!ioctl_handle(IPCBUS_IOC_HANDLE_PUT, object->value, 1, 0));
	CHECK(!release(event.buffer));
}

/* --- destroy_queued ------------------------------------------------------- */

static void destroy_manager(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, sides[SRV].node, 0));
}

/* --- oneway_close --------------------------------------------------------- */

static void release_it(void *unused)
{
	int r = release(buffer);

	(void)unused;
	CHECK(!r || r == -EBADF);
}

/* --- exit_nested ---------------------------------------------------------- */

static void prepare_nested(void)
{
	handle = hand_over(SRV, CLI, sides[CLI].node);
}

static void call_back(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	call_through(handle, -EOWNERDEAD);
	reply_to(&event);
}

/* The call may have ended before it is taken, or while it is served. */
static void call_back_if_called(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	next_event(&event);
	if (event.kind == IPCBUS_EVENT_CALL)
		call_through(handle, -ECANCELED);
	reply_to(&event);
}

static void serve_and_close(void *unused)
{
	serve_what_is_there(unused);
	close_file(unused);
}

static void call_and_leave(void *unused)
{
	int r;

	(void)unused;
	if (call(0, 1))
		return;
	r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_THREAD_EXIT, NULL);
	CHECK(!r || r == -EBADF);
}

/* --- flush_wait ----------------------------------------------------------- */

static void wait_interrupted(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!exchange(IPCBUS_WAIT | IPCBUS_SERVE, NULL, 0, &event));
	CHECK(event.kind == IPCBUS_EVENT_INTERRUPTED);
}

static void dup_and_close(void *unused)
{
	int fd = shim_dup(sides[own_side()].fd, -1);

	(void)unused;
	CHECK(fd >= 0);
	CHECK(!shim_close(fd));
}

/* --- two_repliers --------------------------------------------------------- */

static int replies;

static void prepare_two_repliers(void)
{
	replies = 0;
	take_a_call(2);
}

static void reply_too(void *unused)
{
	int r = reply(id);

	(void)unused;
	CHECK(!r || r == -ESRCH);
	replies += !r;
	CHECK(replies <= 1);
}

/* --- replace_manager ------------------------------------------------------ */

static void become_manager(void *unused)
{
	int r = ioctl_node(IPCBUS_IOC_SET_MANAGER, sides[OTH].node, 0);

	(void)unused;
	CHECK(!r || r == -EBUSY);
	serve_what_is_there(NULL);
}

static void try_call_manager(void *unused)
{
	struct ipcbus_event event;
	int r = call(0, 1);

	(void)unused;
	CHECK(!r || r == -ENOTCONN || r == -EOWNERDEAD);
	if (!r)
		next_event(&event);
}

/* --- manager watch ---------------------------------------------------------------- */

static void prepare_no_manager(void)
{
	be_side(SRV);
	destroy_manager(NULL);
}

static void claim(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_SET_MANAGER, sides[OTH].node, 0));
}

/* Whether the watch or the manager is first: exactly one event arrives. */
static void watch_for_manager(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!ioctl_manager_watch(IPCBUS_IOC_WATCH, 5));
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_MANAGER && event.cookie == 5);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_NONE);
	try_call_manager(unused);
}

static void prepare_manager_watch(void)
{
	prepare_no_manager();
	be_side(CLI);
	CHECK(!ioctl_manager_watch(IPCBUS_IOC_WATCH, 5));
}

static void unwatch_manager(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!ioctl_manager_watch(IPCBUS_IOC_UNWATCH, 0));
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_NONE);
}

static void take_manager(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_NONE || event.kind == IPCBUS_EVENT_MANAGER);
}

/* --- idle_destroy --------------------------------------------------------- */

static void prepare_idle(void)
{
	be_side(SRV);
	node = node_create(9);
	handle = hand_over(CLI, SRV, node);
}

static void oneway_and_put(void *unused)
{
	(void)unused;
	CHECK(!oneway(handle, 1));
	CHECK(!ioctl_handle(IPCBUS_IOC_HANDLE_PUT, handle, 1, 0));
}

/* Neither the oneway nor the IDLE may be lost. */
static void serve_until_idle(void *unused)
{
	struct ipcbus_event event;
	bool seen = false;

	(void)unused;
	for (;;) {
		wait_event(&event);
		if (event.kind == IPCBUS_EVENT_IDLE)
			break;
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY && event.cookie == 9);
		seen = true;
		reply_to(&event);
	}
	CHECK(seen);
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, node, IPCBUS_NODE_IF_IDLE));
}

/* --- files ---------------------------------------------------------------- */

static void send_file(void *unused)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_FD };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = (uintptr_t)&object, .object_count = 1,
	};
	int fd = shim_plain_file(), r;

	(void)unused;
	object.value = fd;
	r = exchange(0, &send, 0, NULL);
	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
	CHECK(!shim_close(fd));
}

/* --- poll_wake ------------------------------------------------------------ */

static void poll_and_serve(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(shim_poll(sides[SRV].fd, EPOLLIN, -1) & EPOLLIN);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	reply_to(&event);
}

/* --- signals -------------------------------------------------------------- */

static struct task_struct *victim;

static void prepare_signal(void)
{
	be(0);
	victim = get_task_struct(current);
}

static void wait_signalled(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!exchange(IPCBUS_WAIT | IPCBUS_SERVE, NULL, 0, &event));
	if (event.kind == IPCBUS_EVENT_INTERRUPTED)
		next_event(&event);
	reply_to(&event);
}

static void send_signal(void *unused)
{
	(void)unused;
	shim_signal(victim);
	put_task_struct(victim);
}

static const struct scenario scenarios[] = {
	{ "round_trip", "a call, its reply, two threads that serve", NULL,
	  { { "serve1", SRV, serve_one }, { "call1", CLI, call_manager },
	    { "serve2", SRV, serve_one }, { "call2", OTH, call_manager } }, 0 },
	{ "free_deliver", "a oneway waits for the previous buffer", NULL,
	  { { "serve", SRV, serve_two }, { "send", CLI, two_oneways } }, 0 },
	{ "free_deliver2", "the same, with two serving threads", NULL,
	  { { "serve1", SRV, serve_one }, { "serve2", SRV, serve_one },
	    { "send", CLI, two_oneways } }, 0 },
	{ "close_call", "the server closes while it is called", NULL,
	  { { "close", SRV, close_file }, { "call", CLI, call_manager } }, 0 },
	{ "die_call", "the server dies while it is called and serves", NULL,
	  { { "serve", SRV, serve_what_is_there }, { "call", CLI, call_manager },
	    { "call2", OTH, call_manager } }, 1U << SRV },
	{ "death_reply", "the caller dies while it is replied to", prepare_taken_call,
	  { { "reply", SRV, reply_and_free }, { "die", CLI, leave } }, 1U << CLI },
	{ "exit_reply", "the calling thread leaves while it is replied to", prepare_taken_call,
	  { { "reply", SRV, reply_and_free }, { "leave", CLI, leave },
	    { "close", CLI, close_file } }, 0 },
	{ "munmap_fault", "unmap and close against faults and senders", deliver_a_oneway,
	  { { "touch", SRV, touch_all }, { "unmap", SRV, close_and_unmap },
	    { "send", CLI, two_oneways } }, 0 },
	{ "watch_fire", "a watch fires, is removed, and its event is taken", prepare_watch,
	  { { "close", OTH, close_file }, { "unwatch", CLI, unwatch },
	    { "take", CLI, take_dead } }, 0 },
	{ "watch_put", "a watch fires while its handle is put and watched", prepare_watch,
	  { { "close", OTH, close_file }, { "put", CLI, put_handle },
	    { "watch", CLI, watch_again } }, 0 },
	{ "watch_close", "a watch fires while the watcher closes", prepare_watch,
	  { { "close1", OTH, close_file }, { "close2", CLI, close_file } }, 0 },
	{ "watch_wait", "a waiting thread gets a death event", prepare_watch,
	  { { "wait", CLI, wait_for_dead }, { "die", OTH, leave } }, 1U << OTH },
	{ "put_deliver", "a handle is put while its node arrives again", prepare_object_reply,
	  { { "reply", SRV, reply_with_node }, { "receive", CLI, receive_and_put },
	    { "put", CLI, put_handle } }, 0 },
	{ "destroy_queued", "a node is destroyed under calls and oneways", NULL,
	  { { "destroy", SRV, destroy_manager }, { "call", CLI, call_manager },
	    { "send", OTH, two_oneways } }, 0 },
	{ "destroy_serve", "the same, while it is served", NULL,
	  { { "destroy", SRV, destroy_manager }, { "serve", SRV, serve_what_is_there },
	    { "call", CLI, call_manager } }, 0 },
	{ "oneway_close", "a oneway is released while its receiver closes", deliver_a_oneway,
	  { { "free", SRV, release_it }, { "close", SRV, close_file },
	    { "send", CLI, two_oneways } }, 0 },
	{ "nested", "a call back into the caller", prepare_nested,
	  { { "serve", SRV, call_back }, { "call", CLI, call_manager } }, 0 },
	{ "exit_nested", "a call back into a thread that exits", prepare_nested,
	  { { "serve", SRV, call_back_if_called }, { "leave", CLI, call_and_leave },
	    { "serve2", CLI, serve_and_close } }, 0 },
	{ "die_nested", "a call back into a process that dies", prepare_nested,
	  { { "serve", SRV, call_back_if_called }, { "die", CLI, try_call_manager } },
	  1U << CLI | 1U << SRV },
	{ "flush_wait", "closing an fd wakes a waiting thread", NULL,
	  { { "wait", SRV, wait_interrupted }, { "close", SRV, dup_and_close } }, 0 },
	{ "two_repliers", "two threads reply to one call", prepare_two_repliers,
	  { { "reply1", SRV, reply_too }, { "reply2", SRV, reply_too },
	    { "wait", CLI, wait_for_reply } }, 0 },
	{ "replace_manager", "handle 0 while the manager changes", NULL,
	  { { "destroy", SRV, destroy_manager }, { "claim", OTH, become_manager },
	    { "call", CLI, try_call_manager } }, 0 },
	{ "manager watch", "a manager starts while a watch for it is set", prepare_no_manager,
	  { { "claim", OTH, claim }, { "watch", CLI, watch_for_manager },
	    { "close", SRV, close_file } }, 0 },
	{ "manager_watch_unwatch", "a manager starts while a watch for it is removed", prepare_manager_watch,
	  { { "claim", OTH, claim }, { "unwatch", CLI, unwatch_manager },
	    { "take", CLI, take_manager } }, 0 },
	{ "manager_watch_close", "a manager starts while its watcher closes", prepare_manager_watch,
	  { { "claim", OTH, claim }, { "close", CLI, close_file } }, 0 },
	{ "replace_take", "oneways are replaced while they are taken", prepare_replace,
	  { { "serve", SRV, serve_until_both }, { "send", CLI, replace_both },
	    { "send2", CLI, replace_both } }, 0 },
	{ "replace_close", "the same, while their receiver closes", prepare_replace,
	  { { "serve", SRV, serve_what_is_there }, { "send", CLI, replace_both },
	    { "close", SRV, close_file } }, 0 },
	{ "replace_destroy", "the same, while their node is destroyed", prepare_replace,
	  { { "destroy", SRV, destroy_manager }, { "send", CLI, replace_both },
	    { "serve", SRV, serve_what_is_there } }, 0 },
	{ "idle_destroy", "the last message and the last handle of a node", prepare_idle,
	  { { "serve", SRV, serve_until_idle }, { "send", CLI, oneway_and_put } }, 0 },
	{ "guessed_call", "a call is replied to by a guessed id while it is delivered", guess_prepare,
	  { { "serve", SRV, guess_serve }, { "call", CLI, guess_call_and_close },
	    { "guess", SRV, guess_reply } }, 0 },
	{ "guessed_node", "a node is destroyed by a guessed id while it is created", NULL,
	  { { "create", SRV, guess_create_node }, { "destroy", SRV, guess_destroy } }, 0 },
	{ "files", "a file arrives while the receiver closes", NULL,
	  { { "send", CLI, send_file }, { "serve", SRV, serve_what_is_there },
	    { "close", SRV, close_file } }, 0 },
	{ "poll_wake", "a polling thread is woken", NULL,
	  { { "poll", SRV, poll_and_serve }, { "call", CLI, call_manager } }, 0 },
	{ "signal_wait", "a signal against a call that arrives", prepare_signal,
	  { { "wait", SRV, wait_signalled }, { "signal", SRV, send_signal },
	    { "send", CLI, two_oneways } }, 0 },
	{ "reclaim_fault", "pages are reclaimed while the receiver faults them in", memory_prepare_idle,
	  { { "touch", SRV, memory_touch }, { "reclaim", OTH, memory_reclaim },
	    { "send", CLI, memory_send }, { "serve", SRV, memory_serve } }, 0 },
	{ "reclaim_free", "pages are reclaimed while buffers are used and released", memory_prepare_held,
	  { { "free", SRV, memory_look_and_free }, { "reclaim", OTH, memory_reclaim },
	    { "send", CLI, memory_send }, { "serve", SRV, memory_serve } }, 0 },
	{ "reclaim_space", "a sender waits for space that reclaim holds", memory_prepare_full,
	  { { "call", CLI, memory_call_full }, { "reclaim", OTH, memory_reclaim },
	    { "serve", SRV, memory_serve_full } }, 0 },
	{ "reclaim_close", "pages are reclaimed while the receiver closes", memory_prepare_idle,
	  { { "close", SRV, close_file }, { "reclaim1", OTH, memory_reclaim },
	    { "reclaim2", OTH, memory_reclaim }, { "send", CLI, memory_send } }, 0 },
	{ "cancel_reply", "a call is replied to and canceled", ends_prepare,
	  { { "serve", SRV, ends_serve }, { "call", CLI, ends_call },
	    { "cancel", CLI, ends_cancel } }, 0 },
	{ "deadline_reply", "a call is replied to as its deadline passes", ends_prepare,
	  { { "serve", SRV, ends_serve }, { "call", CLI, ends_call_by_deadline },
	    { "cancel", CLI, ends_cancel } }, 0 },
	{ "deadline_poll", "the same, with a polling thread", ends_prepare,
	  { { "serve", SRV, ends_serve }, { "call", CLI, ends_call_and_poll },
	    { "time", OTH, ends_time }, { "cancel", CLI, ends_cancel } }, 0 },
	{ "cancel_unclaim", "a reply fails while its call is canceled", ends_prepare,
	  { { "serve", SRV, ends_serve_badly }, { "call", CLI, ends_call },
	    { "cancel", CLI, ends_cancel } }, 0 },
	{ "cancel_chain", "a call is canceled while its server makes a nested call", ends_prepare_chain,
	  { { "serve", SRV, ends_serve_by_chain }, { "call", CLI, ends_call },
	    { "cancel", CLI, ends_cancel }, { "next", OTH, ends_serve } }, 0 },
	{ "deadline_chain", "a deadline passes while the server makes a nested call", ends_prepare_chain,
	  { { "serve", SRV, ends_serve_by_chain }, { "call", CLI, ends_call_by_deadline },
	    { "next", OTH, ends_serve } }, 0 },
	{ "async_wait", "an async call for which its own thread waits", ends_prepare,
	  { { "serve", SRV, ends_serve }, { "call", CLI, ends_call_async_and_wait },
	    { "cancel", CLI, ends_cancel } }, 0 },
	{ "async_ends", "an async call is replied to, canceled and expires", ends_prepare,
	  { { "serve", SRV, ends_serve }, { "call", CLI, ends_call_async_by_deadline },
	    { "cancel", CLI, ends_cancel }, { "time", OTH, ends_time } }, 0 },
	{ "async_close", "the caller of an async call closes as that ends", ends_prepare_async,
	  { { "reply", SRV, ends_reply }, { "close", CLI, close_file },
	    { "time", OTH, ends_time } }, 0 },
	{ "async_die", "the server of async calls closes as they end", ends_prepare,
	  { { "close", SRV, close_file }, { "call", CLI, ends_call_async },
	    { "cancel", CLI, ends_cancel }, { "serve", SRV, serve_what_is_there } }, 0 },
	{ "cancel_die", "the server dies with a canceled call", ends_prepare,
	  { { "serve", SRV, serve_what_is_there }, { "call", CLI, ends_call },
	    { "cancel", CLI, ends_cancel } }, 1U << SRV },
	{ "space_poll", "a sender that polls for space is woken, although others were refused", space_prepare,
	  { { "poll", CLI, space_poll }, { "try", CLI, space_try },
	    { "free", SRV, space_make } }, 0 },
	{ "space_poll_two", "two procs poll for the same space", space_prepare,
	  { { "poll", CLI, space_poll }, { "free", SRV, space_make_and_serve },
	    { "poll2", OTH, space_poll } }, 0 },
	{ "space_poll_close", "a polling sender is woken when the receiver closes", space_prepare,
	  { { "poll", CLI, space_poll }, { "close", SRV, close_file } }, 0 },
	{ "space_poll_destroy", "the same, when the node is destroyed", space_prepare_other,
	  { { "poll", CLI, space_poll_other }, { "destroy", SRV, space_destroy_other } }, 0 },
	{ "space_poll_either", "space at one of two full receivers", space_prepare_two,
	  { { "poll", CLI, space_poll_either }, { "free", SRV, space_make } }, 0 },
	{ "space_replace", "a replacing sender polls while the old oneway is taken", space_prepare_replace,
	  { { "poll", CLI, space_replace_poll }, { "serve", SRV, space_serve_newer } }, 0 },
	{ "space_poll_leave", "a refused sender closes while space is freed", space_prepare,
	  { { "try", CLI, space_try_or_closed }, { "close", CLI, close_file },
	    { "free", SRV, space_make } }, 0 },
};

static const struct {
	const struct scenario *rows;
	const size_t *count;
} tables[] = {
	{ quota_scenarios, &n_quota_scenarios },
	{ mount_scenarios, &n_mount_scenarios },
	{ boost_scenarios, &n_boost_scenarios },
	{ record_scenarios, &n_record_scenarios },
	{ death_scenarios, &n_death_scenarios },
	{ frozen_scenarios, &n_frozen_scenarios },
	{ more_scenarios, &n_more_scenarios },
	{ directed_scenarios, &n_directed_scenarios },
	{ close_scenarios, &n_close_scenarios },
};

const struct scenario *scenario_nth(size_t i)
{
	if (i < ARRAY_SIZE(scenarios))
		return &scenarios[i];
	i -= ARRAY_SIZE(scenarios);
	for (size_t n = 0; n < ARRAY_SIZE(tables); n++) {
		if (i < *tables[n].count)
			return &tables[n].rows[i];
		i -= *tables[n].count;
	}
	return NULL;
}
