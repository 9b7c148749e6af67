// SPDX-License-Identifier: MIT
/*
 * The effects of the policy: a servicemanager with the test's own files, and processes of several
 * users.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "manager.h"
#include "servicemanager.ipc.h"

#define GID_IPCBUS 900
#define USER 1000

static const char rules[] = "allow anyone all *\n"
			    "hide user 1000 find p.hidden*\n"
			    "refuse user 1000 find,register p.refused\n"
			    "refuse user 1000 call p.seen\n"
			    "hide user 1000 list p.unlisted p.hidden*\n"
			    "refuse anyone find p.club\n"
			    "allow group 77 find p.club\n"
			    "refuse anyone register user/*\n"
			    "allow anyone register user/%u/*\n";

static struct manager manager;
static char folder[] = "/tmp/policy.XXXXXX";
static struct ipc *owner;
static pthread_t thread;

static void write_policy(const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/50-test.conf", folder);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void *run(void *data)
{
	return (void *)(intptr_t)ipc_run(data);
}

static void begin(void)
{
	static const char *const names[] = { "p.hidden", "p.refused", "p.seen",
					     "p.unlisted", "p.club", "p.open" };
	const char *arguments[] = { "--verbose", "--policy", folder, NULL };

	ck_assert_ptr_nonnull(mkdtemp(folder));
	write_policy(rules);
	manager_start(&manager, arguments);
	ck_assert_int_eq(ipc_open(&owner, NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_int_eq(server_register(owner, names[i], &server_handlers, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, owner), 0);
}

static void end(void)
{
	char path[64];

	ipc_stop(owner);
	pthread_join(thread, NULL);
	ipc_unref(owner);
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/50-test.conf", folder);
	unlink(path);
	rmdir(folder);
}

/* --- As another user --------------------------------------------------------------- */

static struct ipc *ipc;

static void become(uid_t uid, gid_t further)
{
	gid_t groups[] = { GID_IPCBUS, further };

	if (setgroups(2, groups) < 0 || setresgid(uid, uid, uid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || ipc_open(&ipc, NULL) < 0)
		_exit(100);
}

static int get(const char *name)
{
	struct ipc_proxy *proxy;
	int r = ipc_proxy_get(ipc, name, NULL, &proxy);

	if (r == 0)
		ipc_proxy_unref(proxy);
	return r;
}

static int add(const char *name)
{
	return server_register(ipc, name, &server_handlers, NULL);
}

/* Ends the registration of another connection, which only the service manager itself offers. */
static int unregister_any(const char *name)
{
	Ipc__Manager__UnregisterNameRequest request = IPC__MANAGER__UNREGISTER_NAME_REQUEST__INIT;
	ipc_auto(service_manager_unref) struct service_manager *services = NULL;
	struct ipc_proxy *proxy;
	int r = ipc_get_manager(ipc, &proxy);

	if (r < 0)
		return r;
	services = service_manager_from_proxy(proxy);
	request.name = (char *)name;
	return service_manager_unregister_name(services, &request, /* error= */ NULL);
}

/* The place in the source where it was not as expected is the status. */
#define expect(condition)                          \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 128 + 1; \
	} while (0)

static int find_some(void *data)
{
	struct ipc_name_info info = { .size = sizeof(info) }, **infos;
	int n;

	(void)data;
	become(USER, 0);
	expect(get("p.open") == 0);
	/* A hidden name looks like a name without an owner. */
	expect(get("p.hidden") == -ENOENT);
	expect(get("p.none") == -ENOENT);
	expect(ipc_check_name(ipc, "p.hidden", &info) == -ENOENT);
	expect(unregister_any("p.hidden") == -ENOENT);
	expect(unregister_any("p.none") == -ENOENT);
	expect(unregister_any("p.open") == -EPERM);
	/* Refused is refused, whether it is there or not. */
	expect(unregister_any("p.refused") == -EACCES);
	expect(get("p.refused") == -EACCES);
	expect(ipc_check_name(ipc, "p.refused", &info) == -EACCES);
	/* Permission to see a name does not include permission to call. */
	expect(ipc_check_name(ipc, "p.seen", &info) == 0);
	expect(get("p.seen") == -EACCES);
	/* A name may be available without being listed. */
	expect(get("p.unlisted") == 0);
	n = ipc_list_names(ipc, "p.*", &infos);
	expect(n == 4);
	expect(!strcmp(infos[0]->name, "p.club") && !strcmp(infos[1]->name, "p.open"));
	expect(!strcmp(infos[2]->name, "p.refused") && !strcmp(infos[3]->name, "p.seen"));
	free(infos);
	ipc_unref(ipc);
	return 0;
}

START_TEST(found_hidden_and_refused)
{
	begin();
	run_child(find_some, NULL);
	end();
}
END_TEST

static int add_some(void *data)
{
	(void)data;
	become(USER, 0);
	expect(add("p.mine") == 0);
	expect(add("p.refused") == -EACCES);
	expect(add("user/1000/x") == 0);
	expect(add("user/1001/x") == -EACCES);
	expect(add("user/10000/x") == -EACCES);
	ipc_unref(ipc);
	return 0;
}

START_TEST(added_or_not)
{
	begin();
	run_child(add_some, NULL);
	end();
}
END_TEST

/* All groups of a process count, not only the first. */
static int be_in_the_club(void *data)
{
	become(USER, *(gid_t *)data);
	expect(get("p.club") == (*(gid_t *)data == 77 ? 0 : -EACCES));
	ipc_unref(ipc);
	return 0;
}

START_TEST(further_groups_count)
{
	gid_t in = 77, out = 78;

	begin();
	run_child(be_in_the_club, &in);
	run_child(be_in_the_club, &out);
	end();
}
END_TEST

/* --- Labels ------------------------------------------------------------------------- */

/* Reads this process's label from the security module, or an empty text. */
static void own_label(char *label, size_t size)
{
	FILE *file = fopen("/proc/self/attr/current", "r");

	label[0] = '\0';
	if (!file)
		return;
	if (!fgets(label, (int)size, file))
		label[0] = '\0';
	fclose(file);
	label[strcspn(label, "\n")] = '\0';
}

static int get_by_label(void *data)
{
	const char *label = data;

	become(USER, 0);
	expect(get("p.open") == (*label ? -EACCES : 0));
	expect(get("p.club") == -EACCES);
	expect(get("p.unlisted") == 0);
	ipc_unref(ipc);
	return 0;
}

START_TEST(labels_count)
{
	char text[1024], label[256];

	own_label(label, sizeof(label));
	begin();
	snprintf(text, sizeof(text), "%srefuse label \"%s\" find p.open\n"
				     "refuse label other_t find p.unlisted\n",
		 rules, *label ? label : "none_t");
	write_policy(text);
	manager_signal(&manager, SIGHUP);
	manager_expect(&manager, "reloaded the policy: 11 rules");
	run_child(get_by_label, label);
	printf("# label: %s\n", *label ? label : "there is no security module");
	end();
}
END_TEST

/* --- Another policy ----------------------------------------------------------------- */

static void reload(const char *text, const char *expected)
{
	write_policy(text);
	manager_signal(&manager, SIGHUP);
	manager_expect(&manager, expected);
}

START_TEST(invalid_policy_changes_nothing)
{
	begin();
	reload("allow anyone all *\nallow nonsense\n", "50-test.conf:2: ");
	manager_expect(&manager, "kept the old policy");
	run_child(find_some, NULL);
	reload(rules, "reloaded the policy: 9 rules");
	run_child(find_some, NULL);
	end();
}
END_TEST

static int find_nothing(void *data)
{
	(void)data;
	expect(ipc_open(&ipc, NULL) == 0);
	expect(get("p.open") == -EACCES && add("p.open") == -EACCES);
	ipc_unref(ipc);
	return 0;
}

START_TEST(invalid_policy_at_the_start_refuses_all)
{
	const char *arguments[] = { "--verbose", "--policy", folder, NULL };

	ck_assert_ptr_nonnull(mkdtemp(folder));
	write_policy("allow anyone all *\nrefuse user mallroy all p.*\n");
	manager_start(&manager, arguments);
	run_child(find_nothing, NULL);
	reload("allow anyone all *\n", "reloaded the policy: 1 rules");
	ck_assert_int_eq(ipc_open(&owner, NULL), 0);
	ck_assert_int_eq(server_register(owner, "p.open", &server_handlers, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, owner), 0);
	/* From now on there is an old policy to keep. */
	reload("refuse user mallroy all p.*\n", "50-test.conf:1: unknown user");
	manager_expect(&manager, "kept the old policy");
	end();
}
END_TEST

static atomic_int present, gone, settled;

static void on_change(struct ipc *from, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)from, (void)info, (void)proxy, (void)userdata;
	atomic_fetch_add(change == IPC_NAME_PRESENT ? &present :
			 change == IPC_NAME_GONE    ? &gone :
						      &settled, 1);
}

static bool becomes(atomic_int *value, int wanted)
{
	while (*value < wanted)
		if (ipc_wait_event(ipc, IPC_NEVER) != 1 || ipc_process(ipc) < 0)
			return false;
	return *value == wanted;
}

/* Watches a hidden name. A closed pipe end tells the test when to go on. */
static int watch_what_is_hidden(void *data)
{
	FILE *said = fdopen(*(int *)data, "w");

	expect(said != NULL);
	become(USER, 0);
	expect(ipc_watch_names(ipc, "p.hidden*", on_change, NULL, NULL) == 0);
	expect(becomes(&settled, 1) && present == 0);
	fputs("watching\n", said);
	fflush(said);
	expect(becomes(&present, 1));
	fputs("seen\n", said);
	fflush(said);
	expect(becomes(&gone, 1));
	expect(ipc_watch_names(ipc, "p.refused", on_change, NULL, NULL) == -EACCES);
	ipc_unref(ipc);
	return 0;
}

static int wait_for_what_is_hidden(void *data)
{
	struct ipc_proxy *proxy;

	become(USER, 0);
	expect(ipc_proxy_wait(ipc, data, NULL, IPC_NEVER, &proxy) == 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	return 0;
}

static pid_t start_child(int (*fn)(void *data), void *data)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(fn(data));
	return pid;
}

START_TEST(watching_and_waiting_clients_follow_the_new_policy)
{
	pid_t watcher, waiter;
	char line[32];
	int fds[2];
	FILE *said;

	begin();
	ck_assert_int_eq(pipe(fds), 0);
	said = fdopen(fds[0], "r");
	ck_assert_ptr_nonnull(said);
	watcher = start_child(watch_what_is_hidden, &fds[1]);
	ck_assert_str_eq(fgets(line, sizeof(line), said), "watching\n");
	waiter = start_child(wait_for_what_is_hidden, (void *)"p.hidden");
	manager_expect(&manager, "waiting for p.hidden");

	reload("allow anyone all *\n", "reloaded the policy: 1 rules");
	ck_assert_int_eq(wait_server(waiter), 0);
	ck_assert_str_eq(fgets(line, sizeof(line), said), "seen\n");
	reload(rules, "reloaded the policy: 9 rules");
	ck_assert_int_eq(wait_server(watcher), 0);
	fclose(said);
	close(fds[1]);
	end();
}
END_TEST

/* --- Asking -------------------------------------------------------------------------- */

static int ask(const Ipc__Manager__CheckPolicyRequest *request,
	       Ipc__Manager__CheckPolicyReply **ret_reply)
{
	struct ipc_proxy *proxy;
	struct service_manager *service;
	int r;

	r = ipc_get_manager(ipc, &proxy);
	if (r < 0)
		return r;
	service = service_manager_from_proxy(proxy);
	r = service_manager_check_policy(service, request, ret_reply, NULL);
	service_manager_unref(service);
	return r;
}

static int ask_about(void *data)
{
	Ipc__Manager__CheckPolicyRequest request = IPC__MANAGER__CHECK_POLICY_REQUEST__INIT;
	Ipc__Manager__CheckPolicyReply *reply;
	bool root = *(bool *)data;

	if (!root)
		become(USER, 0);
	else if (ipc_open(&ipc, NULL) < 0)
		return 99;
	request.name = (char *)"p.hidden";
	request.right = (char *)"find";
	request.uid = USER;
	request.self = !root;
	expect(ask(&request, &reply) == 0);
	if (root) {
		expect(!strcmp(reply->verdict, "hidden"));
		expect(strstr(reply->file, "/50-test.conf") && reply->line == 2);
		expect(!strcmp(reply->rule, "hide user 1000 find p.hidden*"));
	} else {
		/* The same verdict as for a name without an owner. */
		expect(!strcmp(reply->verdict, "allowed"));
		expect(!*reply->file && !reply->line && !*reply->rule);
		service_manager_check_policy_reply_free(reply);
		request.name = (char *)"p.none";
		expect(ask(&request, &reply) == 0);
		expect(!strcmp(reply->verdict, "allowed"));
		expect(!*reply->file && !reply->line && !*reply->rule);
	}
	service_manager_check_policy_reply_free(reply);

	request.self = false;
	request.uid = 7;
	expect(ask(&request, &reply) == (root ? 0 : -EPERM));
	if (root) {
		expect(!strcmp(reply->verdict, "allowed") && reply->line == 1);
		service_manager_check_policy_reply_free(reply);
	}
	request.right = (char *)"eat";
	expect(ask(&request, &reply) == -EINVAL);
	ipc_unref(ipc);
	return 0;
}

START_TEST(the_policy_can_be_asked)
{
	bool root = true, user = false;

	begin();
	run_child(ask_about, &root);
	run_child(ask_about, &user);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("policy", found_hidden_and_refused, added_or_not, further_groups_count, labels_count,
			 invalid_policy_changes_nothing, invalid_policy_at_the_start_refuses_all,
			 watching_and_waiting_clients_follow_the_new_policy,
			 the_policy_can_be_asked);
}
