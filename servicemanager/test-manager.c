// SPDX-License-Identifier: MIT
/*
 * servicemanager from the view of its users: a guest test with the running daemon. Must run as
 * root, because it becomes other users. Each case is a process, and so is every other participant.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "../tests/run-cases.h"
#include "registry.h"
#include "servicemanager.ipc.h"

#define GID_IPCBUS 900

static struct ipc *ipc;
static struct service_manager *manager;

/* --- Participants ------------------------------------------------------------------- */

static void connect_bus(void)
{
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_open(&ipc, /* bus= */ NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	manager = service_manager_from_proxy(proxy);
}

static void disconnect_bus(void)
{
	manager = service_manager_unref(manager);
	ipc = ipc_unref(ipc);
}

static bool is_ours(void);
static bool soon(bool (*condition)(void));

/* Ends the registration of another connection, which only the service manager itself offers. */
static int unregister_any(const char *name)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;

	request.name = (char *)name;
	return service_manager_unregister_name(manager, &request, /* error= */ NULL);
}

/* test.a has no owner. */
static void begin(void)
{
	connect_bus();
	ck_assert(soon(is_ours));
	ck_assert_int_eq(ipc_unregister_name(ipc, "test.a"), 0);
}

/* An object to register. Its methods do not matter. */
static struct ipc_object *object_new(void)
{
	static const struct service_manager_ops ops;
	struct ipc_object *object;

	ck_assert_int_eq(service_manager_object_new(ipc, &ops, NULL, NULL, &object), 0);
	return object;
}

static uint64_t object_id(struct ipc_object *object)
{
	uint64_t id;

	ck_assert_int_eq(ipc_object_id(object, &id), 0);
	return id;
}

static void become(uid_t uid)
{
	gid_t group = GID_IPCBUS;

	ck_assert_int_eq(setgroups(1, &group), 0);
	ck_assert_int_eq(setresgid(uid, uid, uid), 0);
	ck_assert_int_eq(setresuid(uid, uid, uid), 0);
}

struct peer {
	pid_t pid;
	int done; /* receives a byte when its part is done */
};

/* Starts another process of that user. It connects, does its part, reports that, and lives until it
 * is killed. */
static struct peer peer_start(uid_t uid, void (*part)(void))
{
	struct peer peer;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	peer.done = fds[0];
	peer.pid = fork();
	ck_assert_int_ge(peer.pid, 0);
	if (peer.pid)
		return close(fds[1]), peer;

	if (uid)
		become(uid);
	connect_bus();
	part();
	ck_assert_int_eq(write(fds[1], "", 1), 1);
	for (;;)
		pause();
}

static void peer_await(const struct peer *peer)
{
	char byte;

	ck_assert_int_eq(read(peer->done, &byte, 1), 1);
}

static void peer_kill(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	close(peer->done);
}

/* Returns whether the condition becomes true within two seconds. A death is noticed with a
 * delay. */
static bool soon(bool (*condition)(void))
{
	for (int i = 0; i < 200; i++) {
		if (condition())
			return true;
		usleep(10000);
	}

	return false;
}

/* Registers the name, which may belong to a dying process of the previous case. */
static bool is_ours(void)
{
	struct ipc_object *object = object_new();
	bool ours = ipc_register_name(ipc, "test.a", object, /* ret_slot= */ NULL) == 0;

	ipc_object_unref(object);
	return ours;
}

static int get(const char *name)
{
	struct ipc_proxy *proxy;
	int r = ipc_proxy_get(ipc, name, NULL, &proxy);

	if (r == 0)
		ipc_proxy_unref(proxy);

	return r;
}

/* --- Names --------------------------------------------------------------------------- */

static void add_a(void)
{
	ck_assert_int_eq(ipc_register_name(ipc, "test.a", object_new(), /* ret_slot= */ NULL), 0);
}

static void replace_a(void)
{
	struct ipc_object *object = object_new();

	ck_assert_int_eq(ipc_register_name(ipc, "test.a", object, /* ret_slot= */ NULL), -EEXIST);
	ck_assert_int_eq(ipc_register_name_with(ipc, "test.a", object, IPC_NAME_REPLACE,
						/* ret_slot= */ NULL), 0);
}

static bool a_is_gone(void)
{
	return get("test.a") == -ENOENT;
}

START_TEST(a_name_is_found_and_removed)
{
	struct peer peer;

	ck_assert_int_eq(get("test.a"), -ENOENT);
	peer = peer_start(0, add_a);
	peer_await(&peer);
	ck_assert_int_eq(get("test.a"), 0);
	ck_assert_int_eq(unregister_any("test.a"), 0);
	ck_assert_int_eq(get("test.a"), -ENOENT);
	ck_assert_int_eq(unregister_any("test.a"), -ENOENT);
	peer_kill(&peer);
}
END_TEST

START_TEST(own_object_is_not_a_proxy)
{
	add_a();
	ck_assert_int_eq(get("test.a"), -EXDEV);
}
END_TEST

START_TEST(a_name_goes_with_its_owner)
{
	struct peer peer = peer_start(0, add_a);

	peer_await(&peer);
	ck_assert_int_eq(get("test.a"), 0);
	peer_kill(&peer);
	ck_assert(soon(a_is_gone));
}
END_TEST

START_TEST(own_name_is_replaced_on_request)
{
	struct peer first = peer_start(1000, add_a), second;
	struct ipc_proxy *before, *after;

	peer_await(&first);
	ck_assert_int_eq(ipc_proxy_get(ipc, "test.a", NULL, &before), 0);
	second = peer_start(1000, replace_a);
	peer_await(&second);
	ck_assert_int_eq(ipc_proxy_get(ipc, "test.a", NULL, &after), 0);
	ck_assert_ptr_ne(before, after);

	/* The death of the first peer does not affect the second peer's name. */
	peer_kill(&first);
	usleep(100000);
	ck_assert_int_eq(get("test.a"), 0);
	peer_kill(&second);
	ck_assert(soon(a_is_gone));
	ipc_proxy_unref(before);
	ipc_proxy_unref(after);
}
END_TEST

static int add(const char *name, const char *interface, uint64_t id, struct ipc_error *error)
{
	Ipc__Manager__RegisterNameRequest request = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;

	object.id = id;
	request.name = (char *)name;
	request.interface = (char *)interface;
	request.object = &object;
	return service_manager_register_name(manager, &request, /* ret_reply= */ NULL, error);
}

static void try_to_take_a(void)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	uint64_t id = object_id(object_new());

	ck_assert_int_eq(ipc_register_name_with(ipc, "test.a", object_new(), IPC_NAME_REPLACE,
						/* ret_slot= */ NULL), -EEXIST);
	ck_assert_int_eq(ipc_register_name_with(ipc, "test.a", object_new(), IPC_NAME_QUEUE,
						/* ret_slot= */ NULL), -EEXIST);
	ck_assert_int_eq(add("test.a", "", id, &error), -EEXIST);
	ck_assert_str_eq(error.text, "test.a belongs to a living object of uid 1000");
	ipc_error_done(&error);

	request.name = (char *)"test.a";
	ck_assert_int_eq(service_manager_unregister_name(manager, &request, &error), -EPERM);
	ck_assert_str_eq(error.text, "test.a belongs to uid 1000");
	ck_assert_int_eq(get("test.a"), 0);
}

START_TEST(name_of_another_user_is_refused)
{
	struct peer owner = peer_start(1000, add_a), other;

	peer_await(&owner);
	other = peer_start(1001, try_to_take_a);
	peer_await(&other);
	peer_kill(&other);
	peer_kill(&owner);
}
END_TEST

START_TEST(root_may_remove_any)
{
	struct peer peer = peer_start(1000, add_a);

	peer_await(&peer);
	ck_assert_int_eq(unregister_any("test.a"), 0);
	ck_assert(a_is_gone());
	peer_kill(&peer);
}
END_TEST

START_TEST(names_are_listed)
{
	ipc_auto(service_manager_list_reply_free) Ipc__Manager__ListReply *reply = NULL;
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	struct peer peer = peer_start(1001, add_a);

	peer_await(&peer);
	ck_assert_int_eq(add("test.0", "", object_id(object_new()), NULL), 0);
	ck_assert_int_eq(add("tes", "", object_id(object_new()), NULL), 0);
	request.prefix = (char *)"test.";
	ck_assert_int_eq(service_manager_list(manager, &request, &reply, NULL), 0);
	ck_assert_uint_eq(reply->n_entries, 2);
	ck_assert_str_eq(reply->entries[0]->name, "test.0");
	ck_assert_str_eq(reply->entries[0]->interface, "");
	ck_assert_uint_eq(reply->entries[0]->pid, getpid());
	ck_assert_uint_eq(reply->entries[0]->uid, 0);
	ck_assert_str_eq(reply->entries[1]->name, "test.a");
	ck_assert_str_eq(reply->entries[1]->interface, "ipc.manager.ServiceManager");
	ck_assert_uint_eq(reply->entries[1]->pid, peer.pid);
	ck_assert_uint_eq(reply->entries[1]->uid, 1001);
	peer_kill(&peer);
}
END_TEST

#define MANY 600

START_TEST(lists_have_pages)
{
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	struct ipc_object *object = object_new();
	Ipc__Manager__ListReply *reply;
	struct ipc_name_info **infos;
	char name[32], last[32] = "";

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/%03d", i);
		ck_assert_int_eq(ipc_register_name(ipc, name, object, /* ret_slot= */ NULL), 0);
	}
	request.prefix = (char *)"many/";
	request.after = last;
	for (int i = 0; i < MANY; i += 64) {
		ck_assert_int_eq(service_manager_list(manager, &request, &reply, NULL), 0);
		ck_assert_uint_eq(reply->n_entries, i + 64 < MANY ? 64 : MANY - i);
		ck_assert_int_eq(reply->more, i + 64 < MANY);
		snprintf(name, sizeof(name), "many/%03d", i);
		ck_assert_str_eq(reply->entries[0]->name, name);
		strcpy(last, reply->entries[reply->n_entries - 1]->name);
		service_manager_list_reply_free(reply);
	}

	ck_assert_int_eq(ipc_list_names(ipc, "many/*", &infos), MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/%03d", i);
		ck_assert_str_eq(infos[i]->name, name);
		ck_assert_int_eq(ipc_unregister_name(ipc, name), 0);
	}
	free(infos);
	ck_assert_int_eq(ipc_list_names(ipc, "many/*", &infos), 0);
	free(infos);
	ipc_object_unref(object);
}
END_TEST

START_TEST(large_requests_are_refused)
{
	Ipc__Manager__CheckRequest request = IPC__MANAGER__CHECK_REQUEST__INIT;
	const size_t size = 4 << 20;
	ProtobufCMessageUnknownField unknown = { 1000, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 0,
						 NULL };
	struct ipc_error error = IPC_ERROR_INIT;

	unknown.len = size;
	unknown.data = malloc(size);
	ck_assert_ptr_nonnull(unknown.data);
	/* The manager ignores the field. */
	memset(unknown.data, 0x7f, size);
	request.name = (char *)"test.a";
	request.base.unknown_fields = &unknown;
	request.base.n_unknown_fields = 1;
	ck_assert_int_eq(service_manager_check(manager, &request, NULL, &error), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(error.text, "takes 4096"));
	ipc_error_done(&error);
	free(unknown.data);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
	Ipc__Manager__RegisterNameRequest nothing = IPC__MANAGER__REGISTER_NAME_REQUEST__INIT;
	Ipc__Manager__ListRequest prefix = IPC__MANAGER__LIST_REQUEST__INIT;
	Ipc__Manager__GetRequest name = IPC__MANAGER__GET_REQUEST__INIT;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	uint64_t id = object_id(object_new());
	char interface[REGISTRY_INTERFACE_MAX + 2];

	ck_assert_int_eq(add("a b", "", id, &error), -EINVAL);
	ck_assert_str_eq(error.text, "a name is 1 to 127 letters, digits and any of _ . / -, and each of its "
			 "parts begins with a letter, a digit or _");
	memset(interface, 'x', sizeof(interface));
	interface[sizeof(interface) - 1] = '\0';
	ck_assert_int_eq(add("test.a", interface, id, NULL), -EINVAL);
	ck_assert_int_eq(add("test.a", "", 0, NULL), -EINVAL);
	nothing.name = (char *)"test.a";
	ck_assert_int_eq(service_manager_register_name(manager, &nothing, NULL, NULL), -EINVAL);
	prefix.prefix = (char *)"a b";
	ck_assert_int_eq(service_manager_list(manager, &prefix, NULL, NULL), -EINVAL);
	ck_assert_int_eq(service_manager_get_(manager, &name, NULL, NULL), -EINVAL);
	ck_assert(a_is_gone());
}
END_TEST

START_TEST(the_manager_itself_cannot_be_added)
{
	uint64_t id = ipc_proxy_id(service_manager_proxy(manager));

	ck_assert_int_eq(add("test.a", "", id, NULL), -EINVAL);
}
END_TEST

START_TEST(a_user_has_so_many_names)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	uint64_t id;
	char name[32];

	disconnect_bus();
	become(1001);
	connect_bus();
	id = object_id(object_new());
	for (int i = 0; i < REGISTRY_USER_NAMES; i++) {
		sprintf(name, "test.many.%d", i);
		ck_assert_int_eq(add(name, "", id, NULL), 0);
	}
	ck_assert_int_eq(add("test.one.more", "", id, &error), -EDQUOT);
	ck_assert_str_eq(error.text, "too many names, of your user or of all users");
	ck_assert_int_eq(add("test.many.0", "", id, NULL), 0);
}
END_TEST

/* --- Waiting --------------------------------------------------------------------------- */

static void wait_for_a(void)
{
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_proxy_wait(ipc, "test.a", NULL, IPC_NEVER, &proxy), 0);
	ipc_proxy_unref(proxy);
}

START_TEST(waiters_get_the_name_when_it_comes)
{
	struct peer waiters[3], peer;

	for (int i = 0; i < 3; i++)
		waiters[i] = peer_start(i ? 1000 : 0, wait_for_a);
	usleep(200000);
	peer = peer_start(0, add_a);
	for (int i = 0; i < 3; i++)
		peer_await(&waiters[i]);

	wait_for_a();
	for (int i = 0; i < 3; i++)
		peer_kill(&waiters[i]);
	peer_kill(&peer);
}
END_TEST

#define WAITERS (REGISTRY_USER_WAITERS / 2)

static void *wait_for_never(void *data)
{
	struct ipc_proxy *proxy;

	/* The place that is_refused() took too early is taken again. */
	(void)data;
	while (ipc_proxy_wait(ipc, "test.never", NULL, IPC_NEVER, &proxy) == -EDQUOT)
		usleep(10000);

	return NULL;
}

static void start_waiters(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 128 << 10);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_create(&thread, &attributes, wait_for_never, NULL), 0);
}

static void wait_too_often(void)
{
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_proxy_wait(ipc, "test.never", NULL, IPC_NEVER, &proxy), -EDQUOT);
}

/* If the crowd is not complete yet, the peer waits itself, and so occupies a place. It is then
 * killed, so that the crowd can take the place. */
static bool is_refused(void)
{
	struct peer peer = peer_start(1001, wait_too_often);
	struct pollfd done = { .fd = peer.done, .events = POLLIN };
	bool refused = poll(&done, 1, 1000) == 1 && done.revents & POLLIN;

	peer_kill(&peer);
	if (!refused)
		usleep(100000);
	return refused;
}

START_TEST(waiters_are_limited_and_forgotten_when_they_die)
{
	struct peer crowds[2], late;
	bool refused = false;

	for (int i = 0; i < 2; i++)
		crowds[i] = peer_start(1001, start_waiters);
	for (int i = 0; i < 2; i++)
		peer_await(&crowds[i]);
	for (int i = 0; i < 20 && !refused; i++)
		refused = is_refused();
	ck_assert(refused);
	for (int i = 0; i < 2; i++)
		peer_kill(&crowds[i]);

	/* Another process may wait now. */
	usleep(500000);
	late = peer_start(1001, wait_for_a);
	usleep(200000);
	add_a();
	peer_await(&late);
	peer_kill(&late);
}
END_TEST

START_TEST(a_large_request_is_not_kept)
{
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	uint8_t bytes[1002] = { (1000 & 0x7f) | 0x80, 1000 >> 7 };
	ProtobufCMessageUnknownField field = {
		.tag = 15,
		.wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
		.len = sizeof(bytes),
		.data = bytes,
	};

	request.name = (char *)"test.never";
	request.base.unknown_fields = &field;
	request.base.n_unknown_fields = 1;
	ck_assert_int_eq(service_manager_wait_(manager, &request, NULL, NULL), -EMSGSIZE);
}
END_TEST

int main(void)
{
	return RUN_CASES("manager", begin, disconnect_bus, a_name_is_found_and_removed,
			 own_object_is_not_a_proxy, a_name_goes_with_its_owner,
			 own_name_is_replaced_on_request, name_of_another_user_is_refused,
			 root_may_remove_any,
			 names_are_listed, lists_have_pages, large_requests_are_refused,
			 bad_requests_are_refused, the_manager_itself_cannot_be_added,
			 a_user_has_so_many_names, waiters_get_the_name_when_it_comes,
			 waiters_are_limited_and_forgotten_when_they_die,
			 a_large_request_is_not_kept);
}
