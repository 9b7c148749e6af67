// SPDX-License-Identifier: MIT
/*
 * Names, with the real servicemanager.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "fixture.h"

static void *run(void *data)
{
	return (void *)(intptr_t)ipc_run(data);
}

/* A connection that is served by its own thread. */
struct service {
	struct ipc *ipc;
	pthread_t thread;
};

static void service_open(struct service *service)
{
	ck_assert_int_eq(ipc_open(&service->ipc, NULL), 0);
	ck_assert_int_eq(pthread_create(&service->thread, NULL, run, service->ipc), 0);
}

static void service_close(struct service *service)
{
	void *result;

	ipc_stop(service->ipc);
	pthread_join(service->thread, &result);
	ck_assert_ptr_null(result);
	ipc_unref(service->ipc);
}

static int say(struct server *server)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;

	request.text = "x";
	return server_say(server, &request, NULL, NULL);
}

START_TEST(added_found_and_removed)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct server *server, *again;
	struct ipc_object *object;
	struct service service;

	service_open(&service);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_get(ipc, "e2e.server", &server), -ENOENT);
	ck_assert_int_eq(server_register(service.ipc, "e2e.server", &server_handlers, NULL), 0);
	ck_assert_int_eq(server_get(ipc, "e2e.server", &server), 0);
	ck_assert_int_eq(say(server), 0);
	ck_assert_int_eq(server_get(ipc, "e2e.server", &again), 0);
	ck_assert_ptr_eq(again, server);
	server_unref(again);
	/* A proxy for an own object cannot be made. */
	ck_assert_int_eq(server_get(service.ipc, "e2e.server", &again), -EXDEV);

	/* Another object must request a replacement. A proxy of the old object keeps the old
	 * object. */
	ck_assert_int_eq(server_register(service.ipc, "e2e.server", &server_handlers, NULL), -EEXIST);
	ck_assert_int_eq(server_object_new(service.ipc, &server_handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_register_name_with(service.ipc, "e2e.server", object, IPC_NAME_REPLACE,
						/* ret_slot= */ NULL), 0);
	ipc_object_unref(object);
	ck_assert_int_eq(server_get(ipc, "e2e.server", &again), 0);
	ck_assert_ptr_ne(again, server);
	ck_assert_int_eq(say(server), 0);
	server_unref(again);

	ck_assert_int_eq(ipc_unregister_name(service.ipc, "e2e.server"), 0);
	ck_assert_int_eq(server_get(ipc, "e2e.server", &again), -ENOENT);
	ck_assert_int_eq(ipc_unregister_name(service.ipc, "e2e.server"), -ENOENT);
	ck_assert_int_eq(say(server), 0);
	server_unref(server);
	service_close(&service);
}
END_TEST

START_TEST(names_end_with_their_owner)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct service service;
	struct server *server;

	service_open(&service);
	ck_assert_int_eq(server_register(service.ipc, "e2e.short", &server_handlers, NULL), 0);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_get(ipc, "e2e.short", &server), 0);
	service_close(&service);
	ck_assert_int_eq(say(server), -EOWNERDEAD);
	server_unref(server);
	while (server_get(ipc, "e2e.short", &server) == 0) {
		server_unref(server);
		sleep_ms(5);
	}
	ck_assert_int_eq(server_get(ipc, "e2e.short", &server), -ENOENT);
}
END_TEST

static int serve_late(void *data)
{
	struct ipc *ipc;

	(void)data;
	sleep_ms(200);
	if (ipc_open(&ipc, NULL) < 0 || server_register(ipc, "e2e.late", &server_handlers, NULL) < 0)
		return 1;
	return ipc_run(ipc) < 0;
}

START_TEST(waited_for)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct server *server;
	pid_t pid = fork();

	if (!pid)
		_exit(serve_late(NULL));
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_wait(ipc, "e2e.late", IPC_NEVER, &server), 0);
	ck_assert_int_eq(say(server), 0);
	ck_assert_int_eq(server_stop(server, NULL), 0);
	ck_assert_int_eq(wait_server(pid), 0);
	server_unref(server);
}
END_TEST

START_TEST(waited_for_so_long)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy *proxy;
	struct service service;
	uint64_t begin = now_ms();

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "e2e.never", NULL, 50000, &proxy), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, 50);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "e2e.never", NULL, 0, &proxy), -ETIMEDOUT);

	service_open(&service);
	ck_assert_int_eq(server_register(service.ipc, "e2e.there", &server_handlers, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			ipc_proxy_wait(ipc, "e2e.there", NULL, i ? 10000000 : 0, &proxy), 0);
		ipc_proxy_unref(proxy);
	}
	service_close(&service);
}
END_TEST

static int take_roots_name(void *data)
{
	struct ipc *ipc;
	int r;

	(void)data;
	if (setresgid(900, 900, 900) < 0 || setresuid(1000, 1000, 1000) < 0)
		return 1;
	if (ipc_open(&ipc, NULL) < 0)
		return 2;
	r = server_register(ipc, "e2e.roots", &server_handlers, NULL);
	if (r != -EEXIST)
		return 3;
	if (ipc_unregister_name(ipc, "e2e.roots") != -ENOENT)
		return 4;
	ipc_unref(ipc);
	return 0;
}

START_TEST(name_of_another_user_is_refused)
{
	struct service service;

	service_open(&service);
	ck_assert_int_eq(server_register(service.ipc, "e2e.roots", &server_handlers, NULL), 0);
	run_child(take_roots_name, NULL);
	service_close(&service);
}
END_TEST

START_TEST(checked_and_listed)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_name_info info = { .size = sizeof(info) }, **infos;
	struct service service;

	service_open(&service);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_check_name(ipc, "e2e.many/1", &info), -ENOENT);
	ck_assert_int_eq(server_register(service.ipc, "e2e.many/2", &server_handlers, NULL), 0);
	ck_assert_int_eq(server_register(service.ipc, "e2e.many/1", &server_handlers, NULL), 0);
	ck_assert_int_eq(ipc_check_name(ipc, "e2e.many/1", NULL), 0);
	ck_assert_int_eq(ipc_check_name(ipc, "e2e.many/1", &info), 0);
	ck_assert_str_eq(info.name, "e2e.many/1");
	ck_assert_str_eq(info.interface, "e2e.Server");
	ck_assert_int_eq(info.pid, getpid());
	ck_assert_uint_eq(info.uid, 0);

	ck_assert_int_eq(ipc_list_names(ipc, "e2e.many/*", &infos), 2);
	ck_assert_str_eq(infos[0]->name, "e2e.many/1");
	ck_assert_str_eq(infos[1]->name, "e2e.many/2");
	free(infos);
	ck_assert_int_ge(ipc_list_names(ipc, "*", &infos), 2);
	free(infos);
	ck_assert_int_eq(ipc_list_names(ipc, "a b", &infos), -EINVAL);
	ck_assert_int_eq(ipc_list_names(ipc, "e2e.none", &infos), 0);
	free(infos);
	service_close(&service);
}
END_TEST

START_TEST(wrong_interface_is_refused)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct service service;
	struct ipc_proxy *proxy;

	service_open(&service);
	ck_assert_int_eq(server_register(service.ipc, "e2e.typed", &server_handlers, NULL), 0);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_proxy_get(ipc, "e2e.typed", visitor_interface.name, &proxy),
			 -EPROTOTYPE);
	ck_assert_int_eq(ipc_proxy_get(ipc, "e2e.typed", server_interface.name, &proxy), 0);
	ipc_proxy_unref(proxy);
	ck_assert_int_eq(ipc_proxy_get(ipc, "e2e.typed", NULL, &proxy), 0);
	ipc_proxy_unref(proxy);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t timeout = i ? IPC_NEVER : 0;

		ck_assert_int_eq(
			ipc_proxy_wait(ipc, "e2e.typed", visitor_interface.name, timeout, &proxy),
			-EPROTOTYPE);
		ck_assert_int_eq(
			ipc_proxy_wait(ipc, "e2e.typed", server_interface.name, timeout, &proxy),
			0);
		ipc_proxy_unref(proxy);
	}
	service_close(&service);
}
END_TEST

int main(void)
{
	return RUN_TESTS("names", added_found_and_removed, names_end_with_their_owner, waited_for,
			 waited_for_so_long, name_of_another_user_is_refused, checked_and_listed,
			 wrong_interface_is_refused);
}
