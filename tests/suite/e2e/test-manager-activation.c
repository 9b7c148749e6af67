// SPDX-License-Identifier: MIT
/*
 * Services that are started on request, and exit when they are idle. The services are this program,
 * started with --serve by the test's own servicemanager, or by a stand-in for systemd. Each start
 * adds a line to a file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "manager.h"
#include "servicemanager.ipc.h"
#include "systemd.h"

/* --- The service --------------------------------------------------------------------- */

/* Counts descriptors, and ignored and blocked signals, that this process has inherited. */
static unsigned int inherited(void)
{
	struct sigaction action;
	unsigned int n = 0;
	sigset_t blocked;

	for (int i = STDERR_FILENO + 1; i < 64; i++)
		n += fcntl(i, F_GETFD) >= 0;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int i = 1; i < SIGRTMIN; i++) {
		n += sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
		n += sigismember(&blocked, i) == 1;
	}
	return n;
}

/* Must not create the file: the service may run as another user. */
static void leave_a_line(const char *starts)
{
	unsigned int foreign = inherited();
	int fd = open(starts, O_WRONLY | O_APPEND | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
	FILE *score = fopen("/proc/self/oom_score_adj", "r");
	struct rlimit files;
	int oom = -1;

	getrlimit(RLIMIT_NOFILE, &files);
	if (file && score && fscanf(score, "%d", &oom) == 1)
		fprintf(file, "uid %d, files %d, oom %d, home %s, user %s, secret %s, foreign %u\n",
			(int)geteuid(), (int)files.rlim_cur, oom, getenv("HOME"), getenv("USER"),
			getenv("NOTIFY_SOCKET") ?: "none", foreign);
	if (score)
		fclose(score);
	if (file)
		fclose(file);
}

#define GID_IPCBUS 900

/* Milliseconds without an event after which the service exits, if no client has its object. */
#define IDLE_MSEC 2

static int serve(const char *name, unsigned int delay_ms)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	struct pollfd bus = { .events = POLLIN };
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r, n;

	sleep_ms(delay_ms);
	if (ipc_open(&ipc, NULL) < 0 ||
	    server_object_new(ipc, &server_handlers, NULL, NULL, &object) < 0 ||
	    ipc_register_name_with(ipc, name, object, IPC_NAME_IDLE_EXIT,
			/* ret_slot= */ NULL) < 0)
		return 1;
	bus.fd = ipc_get_fd(ipc);
	do {
		n = poll(&bus, 1, IDLE_MSEC);
		if (!n && ipc_idle_exit(ipc, name) == 0)
			return 0;
		while ((r = ipc_process(ipc)) > 0)
			;
	} while (n >= 0 && r == 0);
	return 1;
}

static int be_service(char **arguments)
{
	leave_a_line(arguments[2]);
	if (!strcmp(arguments[1], "crash"))
		return 3;
	if (!strcmp(arguments[1], "hang"))
		pause();
	return serve(arguments[0], !strcmp(arguments[1], "slow") ? 300 : 0);
}

/* --- The test -------------------------------------------------------------------------- */

static struct manager manager;
static char folder[] = "/tmp/activation.XXXXXX";

/* Each service adds a line to it. */
static const char *starts_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s.starts", folder);
	return path;
}

static FILE *open_file(const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.conf", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "# a service\nname %s\n", name);
	return file;
}

static char *find_self(void)
{
	static char self[256];

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	return self;
}

static void put(const char *name, const char *mode, const char *more)
{
	FILE *file = open_file(name);

	fprintf(file, "run \"%s\" --serve %s %s %s\n%s\n", find_self(), name, mode,
		starts_path(), more);
	fclose(file);
}

static void put_unit(const char *name, const char *unit, const char *more)
{
	FILE *file = open_file(name);

	fprintf(file, "unit %s\n%s\n", unit, more);
	fclose(file);
}

static void begin(void)
{
	const char *arguments[] = { "--verbose", "--activations", folder, NULL };

	close(open(starts_path(), O_CREAT | O_EXCL | O_WRONLY, 0666));
	ck_assert_int_eq(chmod(starts_path(), 0666), 0);
	manager_start(&manager, arguments);
}

/* A service that is not idle yet would register its name at the manager of the next test. */
static void await_exits(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_name_info **infos;
	int n;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	do {
		n = ipc_list_names(ipc, "activation.*", &infos);
		ck_assert_int_ge(n, 0);
		free(infos);
	} while (n);
}

static void end(void)
{
	char command[128];

	await_exits();
	ck_assert_int_eq(manager_end(&manager, SIGTERM), 0);
	snprintf(command, sizeof(command), "rm -r %s %s", folder, starts_path());
	ck_assert_int_eq(system(command), 0);
}

static int starts(void)
{
	FILE *file = fopen(starts_path(), "r");
	int c, n = 0;

	ck_assert_ptr_nonnull(file);
	while ((c = fgetc(file)) != EOF)
		n += c == '\n';
	fclose(file);
	return n;
}

static int get(struct ipc *ipc, const char *name)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct server *server;
	int r = server_get(ipc, name, &server);

	if (r < 0)
		return r;
	request.text = "x";
	r = server_say(server, &request, NULL, NULL);
	server_unref(server);
	return r;
}

#define AT_ONCE 5

static pthread_barrier_t all_have_it;

static void *get_one(void *unused)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct server *server;

	(void)unused;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_get(ipc, "activation.slow", &server), 0);
	pthread_barrier_wait(&all_have_it);
	server_unref(server);
	return NULL;
}

static void get_at_once(void)
{
	pthread_t threads[AT_ONCE];

	pthread_barrier_init(&all_have_it, NULL, AT_ONCE);
	for (int i = 0; i < AT_ONCE; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, get_one, NULL), 0);
	for (int i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(starts(), 1);
}

START_TEST(service_is_started_once)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.slow", "slow", "");
	begin();
	get_at_once();
	end();
}
END_TEST

/* The number of times that each of the concurrent clients gets, calls and drops the object. */
#define ROUNDS 40

static int come_and_go(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data;
	struct ipc *ipc;
	int r;

	if (ipc_open(&ipc, NULL) < 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		r = get(ipc, "activation.good");
		if (r < 0) {
			fprintf(stderr, "round %d: %s\n", i, ipc_strerror(r));
			return 2;
		}
		sleep_ms((unsigned int)rand_r(&seed) % 8);
	}
	ipc_unref(ipc);
	return 0;
}

START_TEST(service_exits_when_idle_and_no_call_is_lost)
{
	pid_t others[2];
	int n;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.good", "good", "");
	begin();
	for (uintptr_t i = 0; i < 2; i++) {
		others[i] = fork();
		if (!others[i])
			_exit(come_and_go((void *)(i + 1)));
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(wait_server(others[i]), 0);
	n = starts();
	printf("# %d times got and called, %d times started\n", 2 * ROUNDS, n);
	/* If the service was never idle so far, it is now. */
	while (starts() == 1) {
		sleep_ms(50);
		ck_assert_int_eq(come_and_go(NULL), 0);
	}
	end();
}
END_TEST

START_TEST(client_with_the_object_keeps_the_service)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_name_info info = { .size = sizeof(info) };
	struct server *server;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.good", "good", "");
	begin();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	/* A query does not start the service. */
	ck_assert_int_eq(ipc_check_name(ipc, "activation.good", &info), -ENOENT);
	ck_assert_int_eq(server_get(ipc, "activation.good", &server), 0);
	ck_assert_int_eq(ipc_check_name(ipc, "activation.good", &info), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(get(ipc, "activation.good"), 0);
		sleep_ms(20);
	}
	request.text = "x";
	ck_assert_int_eq(server_say(server, &request, NULL, NULL), 0);
	ck_assert_int_eq(starts(), 1);
	server_unref(server);
	end();
}
END_TEST

START_TEST(crashing_service_is_started_less_often)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t since;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.crash", "crash", "");
	begin();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(get(ipc, "activation.crash"), -EHOSTUNREACH);
	manager_expect(&manager, "exited with status 3 before its names were registered; 1 in a row, next try in 0.5 s");
	for (since = now_ms(); now_ms() - since < 300; sleep_ms(10))
		ck_assert_int_eq(get(ipc, "activation.crash"), -EHOSTUNREACH);
	ck_assert_int_le(starts(), 2);
	sleep_ms(600);
	ck_assert_int_eq(get(ipc, "activation.crash"), -EHOSTUNREACH);
	manager_expect(&manager, "2 in a row, next try in 1.0 s");
	/* An unknown name is not activated. */
	ck_assert_int_eq(get(ipc, "activation.none"), -ENOENT);
	end();
}
END_TEST

START_TEST(waiting_client_gets_the_service_once_it_works)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct server *server;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.crash", "crash", "");
	begin();
	pid = fork();
	if (!pid)
		_exit(ipc_open(&ipc, NULL) < 0 ||
		      server_wait(ipc, "activation.crash", IPC_NEVER, &server) < 0);
	manager_expect(&manager, "2 in a row");
	put("activation.crash", "good", "");
	manager_signal(&manager, SIGHUP);
	ck_assert_int_eq(wait_server(pid), 0);
	end();
}
END_TEST

START_TEST(hanging_service_is_killed)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.hang", "hang", "timeout 1");
	begin();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(get(ipc, "activation.hang"), -EHOSTUNREACH);
	/*
	 * The timeout and the end of the program count as a single failure. On a busy machine the
	 * program may be killed before it has written that it started.
	 */
	manager_expect(&manager, "names not registered within 1 s; 1 in a row");
	ck_assert_int_le(starts(), 1);
	sleep_ms(600);
	ck_assert_int_eq(get(ipc, "activation.hang"), -EHOSTUNREACH);
	manager_expect(&manager, "names not registered within 1 s; 2 in a row");
	ck_assert_int_le(starts(), 2);
	end();
}
END_TEST

/* The test's manager has attributes that a service must not inherit. */
static void started_with(const char *more, const char *expected)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	char path[64], line[256];
	FILE *file;

	setenv("HOME", "/managers", /* overwrite= */ 1);
	setenv("USER", "manager", /* overwrite= */ 1);
	setenv("NOTIFY_SOCKET", "@managers", /* overwrite= */ 1);
	signal(SIGUSR1, SIG_IGN);
	ck_assert_int_ge(fcntl(STDIN_FILENO, F_DUPFD, 32), 0);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.good", "good", more);
	begin();
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", manager.pid);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	/* A negative value would require CAP_SYS_RESOURCE. */
	fputs("500", file);
	ck_assert_int_eq(fclose(file), 0);

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(get(ipc, "activation.good"), 0);
	file = fopen(starts_path(), "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_str_eq(fgets(line, sizeof(line), file), expected);
	fclose(file);
	end();
}

START_TEST(service_inherits_no_state)
{
	started_with("user root\n", "uid 0, files 1024, oom 0, home /root, user root, secret none, foreign 0\n");
}
END_TEST

START_TEST(service_outlives_the_manager)
{
	const char *arguments[] = { "--activations", folder, NULL };
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy *proxy;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.good", "good", "");
	begin();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	/* A client that holds the object keeps its service from exiting. */
	ck_assert_int_eq(ipc_proxy_get(ipc, "activation.good", NULL, &proxy), 0);
	ck_assert_int_eq(starts(), 1);
	/* Then the service has the reply to its registration. */
	ck_assert_int_eq(ipc_proxy_ping(proxy, NULL), 0);
	manager_end(&manager, SIGKILL);
	manager_start(&manager, arguments);
	ck_assert_int_eq(get(ipc, "activation.good"), 0);
	ck_assert_int_eq(starts(), 1);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

START_TEST(invalid_configuration_changes_nothing)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put("activation.good", "good", "");
	begin();
	put("activation.more", "good", "nonsense 1\n");
	manager_signal(&manager, SIGHUP);
	manager_expect(&manager, "activation.more.conf:4: unknown word \"nonsense\"");
	manager_expect(&manager, "kept the old activation files");
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(get(ipc, "activation.good"), 0);
	ck_assert_int_eq(get(ipc, "activation.more"), -ENOENT);
	end();
}
END_TEST

/* --- Units -------------------------------------------------------------------------- */

static void begin_with_systemd(const char *unit, const char *more)
{
	static char *program[] = { NULL, (char *)"--serve", (char *)"activation.slow", (char *)"slow",
				   NULL, NULL };

	program[0] = find_self();
	ck_assert_ptr_nonnull(mkdtemp(folder));
	program[4] = (char *)starts_path();
	put_unit("activation.slow", unit, more);
	systemd_start(program);
	begin();
}

static void end_with_systemd(void)
{
	end();
	systemd_stop();
}

/* Getting the name fails, and the text contains the unit and the reason. */
static void fails_with(struct ipc *ipc, const char *text)
{
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	struct service_manager *service_manager;
	struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__GetReply *reply;
	struct ipc_proxy *proxy;

	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	service_manager = service_manager_from_proxy(proxy);
	request.name = (char *)"activation.slow";
	ck_assert_int_eq(service_manager_get_(service_manager, &request, &reply, &error),
			 -EHOSTUNREACH);
	ck_assert_msg(error.text && strstr(error.text, text), "it says: %s, not: %s",
		      error.text, text);
	ipc_error_done(&error);
	service_manager_unref(service_manager);
}

START_TEST(a_unit_is_asked_for_once)
{
	begin_with_systemd("good.service", "");
	get_at_once();
	ck_assert_uint_eq(systemd_starts(), 1);
	end_with_systemd();
}
END_TEST

static const struct {
	const char *unit, *text;
} failures[] = {
	{ "failing.service", "cannot start the program of activation.slow: failing.service: its job ended with result failed" },
	{ "none.service", "none.service: systemd refuses to start it: Unit none.service not found." },
	{ "denied.service", "denied.service: systemd refuses to start it: Permission denied (see ipcbus-services(5)" },
	{ "rude.service", "rude.service: " },
	{ "silent.service", "silent.service: names not registered within 1 s" },
};

START_TEST(a_unit_that_fails_is_named)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		ipc_auto(ipc_unref) struct ipc *ipc = NULL;

		strcpy(folder, "/tmp/activation.XXXXXX");
		begin_with_systemd(failures[i].unit, "timeout 1");
		ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
		fails_with(ipc, failures[i].text);
		manager_expect(&manager, failures[i].unit);
		/* A client that tries soon afterwards gets the same failure without a start. */
		fails_with(ipc, failures[i].text);
		ck_assert_uint_eq(systemd_starts(), 1);
		end_with_systemd();
	}
}
END_TEST

START_TEST(without_a_bus_there_are_no_units)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put_unit("activation.slow", "good.service", "");
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere", /* overwrite= */ 1);
	begin();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	fails_with(ipc, "good.service: cannot reach systemd: No such file or directory");
	end();
}
END_TEST

/* The caller does not notice that the first start failed. */
START_TEST(waiting_client_gets_the_unit_after_a_failure)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct server *server;

	begin_with_systemd("mended.service", "");
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(server_wait(ipc, "activation.slow", IPC_NEVER, &server), 0);
	ck_assert_uint_eq(systemd_starts(), 2);
	server_unref(server);
	end_with_systemd();
}
END_TEST

static int register_as_user(void *name)
{
	gid_t group = GID_IPCBUS;
	struct ipc *ipc;

	if (setgroups(1, &group) < 0 || setresuid(1000, 1000, 1000) < 0 || ipc_open(&ipc, NULL) < 0)
		return 1;
	return server_register(ipc, name, &server_handlers, NULL) != -EACCES;
}

START_TEST(name_of_a_service_is_refused_to_other_users)
{
	char name[] = "activation.good";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	put(name, "good", "user root\n");
	begin();
	run_child(register_as_user, name);
	end();
}
END_TEST

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--serve"))
		return be_service(argv + 2);

	return RUN_TESTS("activation", service_is_started_once,
			 service_exits_when_idle_and_no_call_is_lost,
			 client_with_the_object_keeps_the_service,
			 crashing_service_is_started_less_often,
			 waiting_client_gets_the_service_once_it_works, hanging_service_is_killed,
			 service_inherits_no_state, service_outlives_the_manager,
			 invalid_configuration_changes_nothing, a_unit_is_asked_for_once,
			 a_unit_that_fails_is_named, without_a_bus_there_are_no_units,
			 waiting_client_gets_the_unit_after_a_failure,
			 name_of_a_service_is_refused_to_other_users);
}
