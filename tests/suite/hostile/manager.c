// SPDX-License-Identifier: MIT
/*
 * Attacks on servicemanager, which every process calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/name.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"
#include "servicemanager.ipc.h"

/* Returns an object for all names. */
static struct ipc_object *some_object(struct ipc *ipc)
{
	static const struct server_ops none;
	struct ipc_object *object = NULL;

	must(server_object_new(ipc, &none, NULL, NULL, &object) == 0, "an object");
	return object;
}

/* --- Requests -------------------------------------------------------------------------- */

/* A list of a few hundred names, which is a page. */
static void lists(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_object *object = some_object(ipc);
	struct ipc_name_info **infos;
	char name[64];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "mallory.%u.%d", index, i);
		must(ipc_register_name(ipc, name, object, NULL) == 0, name);
	}
	for (;;) {
		if (ipc_list_names(ipc, "*", &infos) >= 0)
			free(infos);
		begun();
	}
}

/* Every field is unknown, and would be kept. */
static void unknown_fields(unsigned int index)
{
	size_t size = 6 << 20;
	uint8_t *data = malloc(size);
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, NULL);

	(void)index;
	must(data, "memory");
	for (size_t i = 0; i < size; i += 2)
		memcpy(data + i, "\x78\x00", 2);
	for (;;) {
		if (call_bytes(proxy, code_of(&service_manager_interface, "Check"), data, size) == 0)
			succeeded("a request of 6 MiB was accepted");
		begun();
	}
}

static void noise(unsigned int index)
{
	const struct ipc_interface *interface = &service_manager_interface;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, NULL);
	uint8_t data[100];

	(void)index;
	for (;;) {
		size_t size = random_below(sizeof(data));
		uint32_t code = interface->methods[random_below(interface->n_methods)].number;

		for (size_t i = 0; i < size; i++)
			data[i] = random_below(random_below(3) ? 32 : 256);
		call_bytes(proxy, random_below(4) ? code : IPC_NUMBER_BUILTIN + random_below(6),
			   data, size);
		begun();
	}
}

/* --- The maximum of everything -------------------------------------------------------------- */

static void names(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_object *object = some_object(ipc);
	char name[64];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "mallory.%u.%d", index, i);
		must(ipc_register_name(ipc, name, object, NULL) == 0, name);
	}
	begun();
	for (;;) {
		ipc_unregister_name(ipc, name);
		ipc_register_name(ipc, name, object, NULL);
	}
}

static void drop_change(struct ipc *ipc, enum ipc_name_change change,
			const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)change, (void)info, (void)proxy, (void)userdata;
}

/* The first attacker makes changes. The other attackers, which are stopped, are to be notified. */
static void stopped_watchers(unsigned int index)
{
	struct ipc *ipc;

	if (index == 0) {
		names(index);
		return;
	}
	must(ipc_open_sized(&ipc, NULL, 64 << 10) == 0, "a small connection");
	for (int i = 0; i < 50 && ipc_watch_names(ipc, i % 2 ? "mallory.*" : "*", drop_change,
						  NULL, NULL) == 0; i++)
		;
	begun();
	raise(SIGSTOP);
}

static void drop_reply(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		       void *userdata)
{
	(void)result, (void)reply, (void)error, (void)userdata;
}

static void stopped_waiters(unsigned int index)
{
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	struct ipc_raw_message message = { .method = code_of(&service_manager_interface, "Wait") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, NULL);
	uint8_t data[64];

	(void)index;
	request.name = (char *)"nobody.has.this";
	message.size = ipc__manager__get_request__pack(&request, data);
	message.data = data;
	for (int i = 0; i < 20000; i++)
		if (ipc_raw_call_async(proxy, &message, NULL, drop_reply, NULL, NULL) < 0)
			break;
	begun();
	raise(SIGSTOP);
}

/* Always queues as many as possible: other calls wait for one of them at a time. */
static void queued_calls(unsigned int index)
{
	Ipc__Manager__CheckRequest request = IPC__MANAGER__CHECK_REQUEST__INIT;
	struct ipc_raw_message message = { .method = code_of(&service_manager_interface, "Check") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, NULL);
	uint8_t data[64];

	(void)index;
	request.name = (char *)"nobody.has.this";
	message.size = ipc__manager__check_request__pack(&request, data);
	message.data = data;
	for (;;) {
		if (ipc_raw_call_async(proxy, &message, NULL, drop_reply, NULL, NULL) == 0)
			continue;
		begun();
		while (ipc_process(ipc) > 0)
			;
	}
}

static void short_lives(unsigned int index)
{
	char name[64];

	snprintf(name, sizeof(name), "mallory.short.%u", index);
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			struct ipc *ipc = connect_bus();

			ipc_register_name(ipc, name, some_object(ipc), NULL);
			ipc_watch_names(ipc, "*", drop_change, NULL, NULL);
			raise(SIGKILL);
		}
		must(waitpid(pid, NULL, 0) == pid, "a child");
		begun();
	}
}

/* --- Names of other users ------------------------------------------------------------------- */

static void odd_names(unsigned int index)
{
	static const char *const odd[] = {
		"", "-rf", "/x", "x/", "x//y", "../x", "x/../y", "x/./y", ".x", "a b", "a\nb",
		"a\033[31mb", "a\xff", "a\xe2\x80\xae", "$(id)", "user/1000/x", "user/10010/x",
		"user/1001/../1000/x", SERVICE, "victim.other", "servicemanager/../victim.x",
	};
	struct ipc *ipc = connect_bus();
	struct ipc_object *object = some_object(ipc);
	char longest[200];

	(void)index;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		if (ipc_register_name(ipc, odd[i], object, NULL) == 0)
			succeeded("the name \"%s\" was registered", odd[i]);
	if (ipc_register_name(ipc, longest, object, NULL) == 0)
		succeeded("a name of 199 characters was registered");
	must(ipc_register_name(ipc, "user/1001/x", object, NULL) == 0, "an own name");
}

static void others_names(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	Ipc__Manager__UnregisterNameRequest unregister =
		IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	struct ipc_object *object = some_object(ipc);
	struct service_manager *manager = service_manager_from_proxy(find(ipc, NULL));

	(void)index;
	unregister.name = (char *)SERVICE;
	for (;;) {
		if (service_manager_unregister_name(manager, &unregister, NULL) == 0)
			succeeded("another's name was unregistered");
		if (ipc_set_manager(ipc, object) == 0)
			succeeded("a stranger became the service manager");
		begun();
	}
}

#define OWNED "victim.restarts"

static void steal(void)
{
	struct ipc *ipc = connect_bus();
	struct ipc_object *object = some_object(ipc);

	for (;;) {
		if (ipc_register_name(ipc, OWNED, object, NULL) == 0)
			succeeded("a name was stolen while its service restarted");
		begun();
	}
}

static void own(const char *name)
{
	struct ipc *ipc = connect_bus();

	must(ipc_register_name(ipc, name, some_object(ipc), NULL) == 0, name);
	begun();
	ipc_run(ipc);
}

static void own_again(void)
{
	own(OWNED);
}

/* The policy lets only ALICE register the name, also while no process has it. */
static void look_at_restarts(void)
{
	pid_t owner = start_ready(ALICE, own_again);
	pid_t thief = start_ready(MALLORY, steal);

	for (int i = 0; i < 3; i++) {
		end_process(owner);
		pause_ms(50);
		owner = start_ready(ALICE, own_again);
	}
	end_process(thief);
	end_process(owner);
}

/* --- Hidden names ----------------------------------------------------------------------------- */

static void own_the_secret(void)
{
	own("secret.there");
}

/* Records each method's error for a name. */
static void ask_all(struct ipc *ipc, const char *name, int said[6])
{
	Ipc__Manager__UnregisterNameRequest unregister =
		IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	Ipc__Manager__CheckPolicyRequest request = IPC__MANAGER__CHECK_POLICY_REQUEST__INIT;
	ipc_auto(service_manager_unref) struct service_manager *manager =
		service_manager_from_proxy(find(ipc, NULL));
	Ipc__Manager__CheckPolicyReply *reply = NULL;
	struct ipc_name_info info = { .size = sizeof(info) }, **infos = NULL;
	struct ipc_proxy *proxy = NULL;

	request.name = unregister.name = (char *)name;
	said[0] = ipc_proxy_get(ipc, name, NULL, &proxy);
	said[1] = ipc_check_name(ipc, name, &info);
	said[2] = service_manager_unregister_name(manager, &unregister, NULL);
	said[3] = ipc_list_names(ipc, name, &infos);
	said[4] = ipc_proxy_wait(ipc, name, NULL, 100000, &proxy);
	request.right = (char *)"find";
	request.self = 1;
	said[5] = service_manager_check_policy(manager, &request, &reply, NULL);
	if (said[5] == 0) {
		said[5] = reply->line || *reply->rule || strcmp(reply->verdict, "allowed");
		service_manager_check_policy_reply_free(reply);
	}
	free(infos);
}

static int find_the_secret(void *data)
{
	struct ipc *ipc = connect_bus();
	int there[7], nowhere[7];

	(void)data;
	ask_all(ipc, "secret.there", there);
	ask_all(ipc, "secret.nowhere", nowhere);
	for (int i = 0; i < 6; i++)
		if (there[i] != nowhere[i])
			succeeded("question %d: %d of a hidden name, %d of none", i, there[i],
				  nowhere[i]);
	return 0;
}

static void look_for_the_secret(void)
{
	pid_t owner = start_ready(ALICE, own_the_secret);

	if (run_as(MALLORY, find_the_secret, NULL, 10000))
		broken("the search for a hidden name");
	end_process(owner);
}

/* A page of names takes the time of about five calls. Each client may have one request queued. */
const struct attack manager_attacks[] = {
	{ "eight clients that list", .run = lists, .processes = 8, .factor = 40 },
	{ "requests of three million unknown fields", .run = unknown_fields, .processes = 2 },
	{ "noise to servicemanager", .run = noise },
	{ "names that come and go", .run = names, .processes = 2 },
	{ "watchers that do not receive", .run = stopped_watchers, .processes = 3 },
	{ "waiting clients that do not receive", .run = stopped_waiters, .processes = 2 },
	{ "as many calls as may be queued", .run = queued_calls, .processes = 2 },
	{ "owners that die", .run = short_lives, .processes = 2 },
	{ "odd names", .run = odd_names },
	{ "rights to names of other users", .run = others_names },
	{ "a thief of names", .look = look_at_restarts },
	{ "questions about hidden names", .look = look_for_the_secret },
	{ 0 },
};
