// SPDX-License-Identifier: MIT
/*
 * The service manager without memory: its service runs on the library with the fake device. Every
 * call must get a reply, a refused registration must leave no trace, and existing names must not
 * be lost.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../../../servicemanager/policy.h"
#include "../../../servicemanager/manager.h"
#include "library.h"
#include "memory.h"
#include "servicemanager.ipc.h"

#define ALL "allow anyone all *"
#define OWNER 1000	/* user ids */
#define NAMES 16	/* another name makes the registry grow */

static struct manager *manager;
static struct policy *policy;
static int epoll = -1;
static uint64_t cookie, call;
static uint32_t handle;

/* --- The service -------------------------------------------------------------- */

static int act_start(void)
{
	struct manager_options options = { .epoll = epoll, .policy = policy };

	return manager_new(ipc, &options, &manager);
}

static void prepare_epoll(void)
{
	static const struct policy_names nobody;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_int_ge(epoll, 0);
	policy = policy_new();
	ck_assert_int_eq(policy_read(policy, "test", ALL, strlen(ALL), &nobody, NULL, NULL), 0);
	call = 500;
	handle = 100;
}

static void prepare_service(void)
{
	prepare_epoll();
	ck_assert_int_eq(act_start(), 0);
	cookie = fake.cookie;
}

static void finish_all(void)
{
	manager = manager_free(manager);
	policy = policy_free(policy);
	close(epoll);
	fake_reset();
}

static void finish_start(int r)
{
	assert_may(r);
	if (r < 0)
		ck_assert_int_eq(act_start(), 0);
	finish_all();
}

/* --- Requests ----------------------------------------------------------------- */


static void request(const char *method, const ProtobufCMessage *message,
		    const struct ipcbus_object *o)
{
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_CALL, .cookie = cookie, .call = ++call, .uid = OWNER,
		.pid = getpid(),
	};

	event.code = method_of(&service_manager_interface, method)->number;
	push(event, message, o, o ? 1 : 0);
}

static void request_add_with(const char *name, bool replace)
{
	Ipc__Manager__RegisterNameRequest add = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	struct ipcbus_object o = { IPCBUS_OBJECT_HANDLE, .value = ++handle, .tag = 7 };
	Ipc__Object id = IPC__OBJECT__INIT;

	id.id = 7;
	add.name = (char *)name;
	add.object = &id;
	add.replace = replace;
	request("RegisterName", &add.base, &o);
}

static void request_add(const char *name)
{
	request_add_with(name, /* replace= */ false);
}

static void request_get(const char *name)
{
	Ipc__Manager__GetRequest get = IPC__MANAGER__GET_REQUEST__INIT;

	get.name = (char *)name;
	request("Get", &get.base, NULL);
}

static void request_wait(const char *name)
{
	Ipc__Manager__GetRequest wait = IPC__MANAGER__GET_REQUEST__INIT;

	wait.name = (char *)name;
	request("Wait", &wait.base, NULL);
}

static void request_remove(const char *name)
{
	Ipc__Manager__UnregisterNameRequest remove = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;

	remove.name = (char *)name;
	request("UnregisterName", &remove.base, NULL);
}

static void request_watch(const char *method)
{
	Ipc__Manager__WatchRequest watch = IPC__MANAGER__WATCH_REQUEST__INIT;
	struct ipcbus_object o = { IPCBUS_OBJECT_HANDLE, .value = 99, .tag = 8 };
	Ipc__Object id = IPC__OBJECT__INIT;

	id.id = 8;
	watch.name = (char *)"fail.";
	watch.prefix = true;
	watch.watcher = &id;
	request(method, &watch.base, &o);
}

static void request_list(void)
{
	Ipc__Manager__ListRequest list = IPC__MANAGER__LIST_REQUEST__INIT;

	request("List", &list.base, NULL);
}

/* The result of a call: 0, the -errno of its reply, or OPEN: no reply yet. */
enum { OPEN = 1 };

static int reply_of(uint64_t number)
{
	for (unsigned int i = 0; i < fake.n_sent; i++) {
		const struct ipcbus_send *sent = &fake.sent[i].send;

		if (sent->call == number)
			return sent->kind == IPCBUS_SEND_REPLY ? 0 : -(int)sent->code;
	}
	return OPEN;
}

/* Checks that the last request was handled. Returns the result of its reply. */
static int dealt_with(int r)
{
	int reply;

	assert_may(r);
	if (r < 0 && is_waiting())
		ck_assert_int_eq(act_process(), 1);
	ck_assert(!is_waiting());
	reply = reply_of(call);
	ck_assert_msg(reply == 0 || reply == OPEN || reply == -ENOMEM, "replied with %d",
		      reply);
	return reply;
}

static int get(const char *name)
{
	request_get(name);
	ck_assert_int_eq(act_process(), 1);
	return reply_of(call);
}

/* --- Adding --------------------------------------------------------------------- */

static void prepare_add(void)
{
	prepare_service();
	request_add("fail.name");
}

static void prepare_add_more(void)
{
	char name[32];

	prepare_service();
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "name.%d", i);
		request_add(name);
		ck_assert_int_eq(act_process(), 1);
		ck_assert_int_eq(reply_of(call), 0);
	}
	request_add("fail.name");
}

/* A confirmed name is registered. If the reply failed, it may be: see <ipc/name.h>. */
static void finish_add(int r)
{
	int reply = dealt_with(r), found = get("fail.name");

	ck_assert_int_ne(reply, OPEN);
	ck_assert(found == 0 || (reply && found == -ENOENT));
	if (reply) {
		request_add("fail.name");
		ck_assert_int_eq(act_process(), 1);
		ck_assert_int_eq(get("fail.name"), 0);
	}
	finish_all();
}

static uint64_t waits;

static void prepare_add_awaited(void)
{
	prepare_service();
	request_wait("fail.name");
	waits = call;
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(reply_of(waits), OPEN);
	request_add("fail.name");
}

/* A waiting client continues to wait, gets the name, or gets an error. */
static void finish_add_awaited(int r)
{
	int reply = dealt_with(r), waited = reply_of(waits), found = get("fail.name");

	ck_assert_int_ne(reply, OPEN);
	ck_assert(found == 0 || (reply && found == -ENOENT));
	if (found)
		ck_assert_int_eq(waited, OPEN);
	else
		ck_assert_msg(waited == 0 || waited == -ENOMEM, "the waiter got %d", waited);
	finish_all();
}

static void prepare_replace(void)
{
	prepare_add();
	ck_assert_int_eq(act_process(), 1);
	request_add_with("fail.name", /* replace= */ true);
}

/* The old object stays registered until the new object is. There is no gap. */
static void finish_replace(int r)
{
	ck_assert_int_ne(dealt_with(r), OPEN);
	ck_assert_int_eq(get("fail.name"), 0);
	ck_assert_int_eq(memory_handles(), 2);
	finish_all();
}

/* --- Queries ------------------------------------------------------------------------- */

static void prepare_get(void)
{
	prepare_add();
	ck_assert_int_eq(act_process(), 1);
	request_get("fail.name");
}

static void finish_get(int r)
{
	ck_assert_int_ne(dealt_with(r), OPEN);
	ck_assert_int_eq(get("fail.name"), 0);
	finish_all();
}

static void prepare_wait(void)
{
	prepare_service();
	request_wait("fail.name");
}

/* The client waits, or was refused and can ask again. */
static void finish_wait(int r)
{
	int reply = dealt_with(r);
	uint64_t first = call;

	ck_assert_int_ne(reply, 0);
	request_wait("fail.name");
	waits = call;
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(reply_of(waits), OPEN);
	request_add("fail.name");
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(reply_of(waits), 0);
	ck_assert_int_eq(reply_of(first), reply == OPEN ? 0 : reply);
	finish_all();
}

static void prepare_list(void)
{
	prepare_add_more();
	ck_assert_int_eq(act_process(), 1);
	request_list();
}

static void finish_list(int r)
{
	if (r < 0 && is_waiting())
		r = act_process();
	ck_assert_int_ne(dealt_with(r), OPEN);
	request_list();
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(reply_of(call), 0);
	finish_all();
}

/* --- Watching --------------------------------------------------------------------- */

/* Returns the number of sent changes. */
static unsigned int notified(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fake.n_sent; i++)
		n += fake.sent[i].send.kind == IPCBUS_SEND_ONEWAY;
	return n;
}

static void prepare_watch(void)
{
	prepare_add();
	ck_assert_int_eq(act_process(), 1);
	request_watch("Watch");
}

static void prepare_change(void)
{
	prepare_watch();
	ck_assert_int_eq(act_process(), 1);
	request_remove("fail.name");
}

/* Changes that could not be sent are sent later. */
static void notify_the_rest(unsigned int n)
{
	for (int i = 0; i < 10 && notified() < n; i++)
		manager_work(manager);
	ck_assert_uint_ge(notified(), n);
}

static void finish_watch(int r)
{
	int reply = dealt_with(r);

	ck_assert_int_ne(reply, OPEN);
	if (reply) {
		request_watch("Watch");
		ck_assert_int_eq(act_process(), 1);
		ck_assert_int_eq(reply_of(call), 0);
	}
	notify_the_rest(2);
	request_watch("Unwatch");
	ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(reply_of(call), 0);
	finish_all();
}

static void finish_change(int r)
{
	int reply = dealt_with(r);

	if (reply) {
		request_remove("fail.name");
		ck_assert_int_eq(act_process(), 1);
	}
	notify_the_rest(3);
	finish_all();
}

/* --- Deaths --------------------------------------------------------------------------- */

static void prepare_remove(void)
{
	prepare_add();
	ck_assert_int_eq(act_process(), 1);
	request_remove("fail.name");
}

static void finish_remove(int r)
{
	int reply = dealt_with(r);

	ck_assert_int_ne(reply, OPEN);
	ck_assert_int_eq(get("fail.name"), reply ? 0 : -ENOENT);
	ck_assert_int_eq(memory_handles(), reply ? 2 : 1);
	finish_all();
}

static void prepare_death(void)
{
	prepare_add();
	ck_assert_int_eq(act_process(), 1);
	push((struct ipcbus_event){ .kind = IPCBUS_EVENT_DEAD, .cookie = fake.watch_cookie }, NULL,
	     NULL, 0);
}

static void finish_death(int r)
{
	assert_may(r);
	if (r < 0 && is_waiting())
		ck_assert_int_eq(act_process(), 1);
	ck_assert_int_eq(get("fail.name"), -ENOENT);
	ck_assert_int_eq(memory_handles(), 1);
	finish_all();
}

static const struct scenario scenarios[] = {
	{ "start", prepare_epoll, act_start, finish_start },
	{ "add", prepare_add, act_process, finish_add },
	{ "add a name beyond the limit", prepare_add_more, act_process, finish_add },
	{ "add a name that a client waits for", prepare_add_awaited, act_process, finish_add_awaited },
	{ "replace", prepare_replace, act_process, finish_replace },
	{ "get", prepare_get, act_process, finish_get },
	{ "wait", prepare_wait, act_process, finish_wait },
	{ "watch", prepare_watch, act_process, finish_watch },
	{ "a change that is watched", prepare_change, act_process, finish_change },
	{ "list", prepare_list, act_process, finish_list },
	{ "remove", prepare_remove, act_process, finish_remove },
	{ "an owner's death", prepare_death, act_process, finish_death },
};

int main(void)
{
	return library_walk(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
