// SPDX-License-Identifier: MIT
/*
 * servicemanager as a process: arguments, a second instance, ending, restarting. A guest test as
 * root on a bus without a manager. The binary servicemanager is in the folder of this program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "../tests/run-cases.h"
#include "servicemanager.ipc.h"

struct daemon {
	pid_t pid;
	FILE *log; /* its standard error */
};

static struct daemon daemon_start(const char *argument, const char *value)
{
	char self[PATH_MAX] = "", path[PATH_MAX + 32];
	struct daemon daemon;
	int fds[2];

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	sprintf(path, "%s/servicemanager", dirname(self));
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	daemon.log = fdopen(fds[0], "r");
	daemon.pid = fork();
	ck_assert_int_ge(daemon.pid, 0);
	if (!daemon.pid) {
		dup2(fds[1], STDERR_FILENO);
		execl(path, path, argument, value, (char *)NULL);
		_exit(127);
	}

	close(fds[1]);
	return daemon;
}

static const char *daemon_line(const struct daemon *daemon)
{
	static char line[256];

	if (feof(daemon->log) || ferror(daemon->log) || !fgets(line, sizeof(line), daemon->log))
		return "";

	line[strcspn(line, "\n")] = '\0';
	return line;
}

static int daemon_status(struct daemon *daemon)
{
	int status;

	ck_assert_int_eq(waitpid(daemon->pid, &status, 0), daemon->pid);
	fclose(daemon->log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct daemon daemon_start_ready(const char *argument)
{
	struct daemon daemon = daemon_start(argument, NULL);

	ck_assert_str_eq(daemon_line(&daemon), "servicemanager: ready");
	return daemon;
}

START_TEST(signals_end_servicemanager)
{
	static const int signals[] = { SIGTERM, SIGINT };

	for (int i = 0; i < 2; i++) {
		struct daemon daemon = daemon_start_ready(NULL);

		kill(daemon.pid, signals[i]);
		ck_assert_int_eq(daemon_status(&daemon), 0);
	}
}
END_TEST

START_TEST(second_servicemanager_is_refused)
{
	struct daemon daemon = daemon_start_ready(NULL), second = daemon_start(NULL, NULL);

	ck_assert_str_eq(daemon_line(&second), "servicemanager: another service manager runs on this bus already");
	ck_assert_int_eq(daemon_status(&second), 1);
	kill(daemon.pid, SIGTERM);
	ck_assert_int_eq(daemon_status(&daemon), 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	struct daemon daemon = daemon_start("--frobnicate", NULL);

	ck_assert_int_eq(daemon_status(&daemon), 2);
	daemon = daemon_start("nonsense", NULL);
	ck_assert_str_eq(daemon_line(&daemon), "servicemanager: unexpected argument \"nonsense\"; see servicemanager --help");
	ck_assert_int_eq(daemon_status(&daemon), 2);
	daemon = daemon_start("--bus", "/nowhere");
	ck_assert_str_eq(daemon_line(&daemon),
			 "servicemanager: cannot open the bus /nowhere: there is no bus; start it: "
			 "ipcbusd --bus /nowhere");
	ck_assert_int_eq(daemon_status(&daemon), 1);
	daemon = daemon_start("--bus", "/dev/null");
	ck_assert_int_eq(daemon_status(&daemon), 1);
}
END_TEST

/* Starts a process that returns the result of ipc_proxy_wait(). */
static pid_t wait_elsewhere(void)
{
	pid_t pid = fork();
	struct ipc_proxy *proxy;
	struct ipc *ipc;

	if (pid)
		return pid;

	_exit(ipc_open(&ipc, NULL) < 0 ? 99 :
					 -ipc_proxy_wait(ipc, "test.late", NULL, IPC_NEVER, &proxy));
}

static void expect_waiter(const struct daemon *daemon, pid_t pid)
{
	char expected[64];

	sprintf(expected, "servicemanager: waiting for test.late: pid %d, uid 0", pid);
	ck_assert_str_eq(daemon_line(daemon), expected);
}

/* Serves an object. Its methods do not matter. */
static void serve_something(struct ipc *ipc, const char *name)
{
	static const struct service_manager_ops nothing;

	ck_assert_int_eq(service_manager_register(ipc, name, &nothing, NULL), 0);
}

START_TEST(waiting_clients_survive_restarts)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	struct daemon daemon = daemon_start_ready("--verbose");
	pid_t pid = wait_elsewhere();
	char expected[80];
	struct ipc *ipc;
	int status;

	expect_waiter(&daemon, pid);
	for (int i = 0; i < 2; i++) {
		kill(daemon.pid, signals[i]);
		ck_assert_int_eq(daemon_status(&daemon), i ? -SIGKILL : 0);
		usleep(20000);
		daemon = daemon_start_ready("--verbose");
		expect_waiter(&daemon, pid);
	}
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	serve_something(ipc, "test.late");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_ptr_nonnull(strstr(daemon_line(&daemon), "registered test.late: "));
	sprintf(expected, "servicemanager: stopped waiting for test.late: registered: pid %d", pid);
	ck_assert_str_eq(daemon_line(&daemon), expected);
	ipc_unref(ipc);
	kill(daemon.pid, SIGTERM);
	fclose(daemon.log);
	waitpid(daemon.pid, NULL, 0);
}
END_TEST

/* Serves until the name is registered, because owners must serve. */
static void await_name(struct ipc *ipc, const char *name)
{
	int r;

	while ((r = ipc_check_name(ipc, name, NULL)) == -ENOENT)
		if (ipc_wait_event(ipc, 1000000) == 1)
			ck_assert_int_ge(ipc_process(ipc), 0);
	ck_assert_int_eq(r, 0);
}

START_TEST(names_are_registered_again_after_a_restart)
{
	struct daemon daemon = daemon_start_ready("--verbose");
	struct ipc_proxy *proxy;
	char expected[128];
	struct ipc *ipc;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	serve_something(ipc, "test.a");
	serve_something(ipc, "test.b");
	sprintf(expected, "servicemanager: registered test.a: ipc.manager.ServiceManager (pid %d, uid 0)",
		getpid());
	ck_assert_str_eq(daemon_line(&daemon), expected);
	kill(daemon.pid, SIGKILL);
	ck_assert_int_eq(daemon_status(&daemon), -SIGKILL);
	ck_assert_int_eq(ipc_check_name(ipc, "test.a", NULL), -ENOTCONN);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "test.a", NULL, 50000, &proxy), -ENOTCONN);
	ck_assert_int_eq(ipc_unregister_name(ipc, "test.b"), 0);

	daemon = daemon_start_ready("--verbose");
	await_name(ipc, "test.a");
	ck_assert_str_eq(daemon_line(&daemon), expected);
	ck_assert_int_eq(ipc_check_name(ipc, "test.b", NULL), -ENOENT);
	ipc_unref(ipc);
	sprintf(expected, "servicemanager: unregistered test.a: its object or the bus ended (pid %d, uid 0)", getpid());
	ck_assert_str_eq(daemon_line(&daemon), expected);
	kill(daemon.pid, SIGTERM);
	ck_assert_int_eq(daemon_status(&daemon), 0);
}
END_TEST

START_TEST(missing_name_is_delayed_after_a_start)
{
	struct daemon daemon = daemon_start_ready(NULL);
	struct ipc_proxy *proxy;
	struct ipc *ipc;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	/* For half a second after its start, the manager waits for names to be replayed. Afterwards
	 * it replies at once. */
	ck_assert_int_eq(ipc_proxy_get(ipc, "test.none", NULL, &proxy), -ENOENT);
	ck_assert_int_eq(ipc_proxy_get(ipc, "test.none", NULL, &proxy), -ENOENT);
	ipc_unref(ipc);
	kill(daemon.pid, SIGTERM);
	ck_assert_int_eq(daemon_status(&daemon), 0);
}
END_TEST

/* Starts a process that returns the result of ipc_wait_manager(). */
static pid_t wait_for_manager_elsewhere(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;

	_exit(ipc_wait_manager(NULL, UINT64_MAX) == 1 ? 0 : 99);
}

START_TEST(clients_wait_for_the_manager)
{
	struct daemon daemon;
	int status;
	pid_t pid;

	ck_assert_int_eq(ipc_wait_manager(NULL, 1000), 0);
	ck_assert_int_eq(ipc_wait_manager("/nowhere", 1000), -ENOENT);
	ck_assert_int_eq(ipc_wait_manager("/dev/null", 1000), -ENOTTY);
	for (int i = 0; i < 2; i++) {
		pid = wait_for_manager_elsewhere();
		usleep(20000);
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
		daemon = daemon_start_ready(NULL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(ipc_wait_manager(NULL, 0), 1);
		kill(daemon.pid, SIGKILL);
		ck_assert_int_eq(daemon_status(&daemon), -SIGKILL);
		ck_assert_int_eq(ipc_wait_manager(NULL, 1000), 0);
	}
}
END_TEST

/* --- As an ordinary user ---------------------------------------------------------------- */

#define ORDINARY 1002

/* Runs on a private bus, and becomes its first manager. */
static void run_as_ordinary(const char *bus)
{
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(ORDINARY, ORDINARY, ORDINARY), 0);
	ck_assert_int_eq(setresuid(ORDINARY, ORDINARY, ORDINARY), 0);
	ck_assert_int_eq(setenv("IPCBUS_BUS", bus, 1), 0);
}

START_TEST(ordinary_user_runs_servicemanager)
{
	struct daemon daemon;
	struct ipc *ipc;
	int status;
	pid_t pid;

	mkdir("/tmp/ordinary", 0755);
	ck_assert_int_eq(mount("ipcbus", "/tmp/ordinary", "ipcbus", 0, "uid=1002,manager_uid=1002,mode=0666"), 0);
	pid = fork();
	if (!pid) {
		run_as_ordinary("/tmp/ordinary/bus");
		daemon = daemon_start_ready("--verbose");
		ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
		serve_something(ipc, "user/1002/x");
		ipc_unref(ipc);
		kill(daemon.pid, SIGTERM);
		_exit(daemon_status(&daemon));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(umount("/tmp/ordinary"), 0);
}
END_TEST

/* --- As systemd sees it ---------------------------------------------------------------- */

static int listen_as_systemd(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/tmp/notify" };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	unlink(address.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "300000", 1);
	return fd;
}

/* The next notice, except for the watchdog's, begins with this text. */
static void expect_notice(int fd, const char *text)
{
	char notice[256];
	ssize_t size;

	do {
		size = recv(fd, notice, sizeof(notice) - 1, 0);
		ck_assert_int_gt(size, 0);
		notice[size] = '\0';
	} while (!strcmp(notice, "WATCHDOG=1"));
	ck_assert_msg(!strncmp(notice, text, strlen(text)), "%s, not %s", notice, text);
}

static void expect_watchdog(int fd)
{
	char notice[256];

	ck_assert_int_eq(recv(fd, notice, sizeof(notice), 0), 10);
	ck_assert_mem_eq(notice, "WATCHDOG=1", 10);
}

START_TEST(systemd_is_notified)
{
	int fd = listen_as_systemd();
	struct daemon daemon = daemon_start_ready(NULL);
	char notice[256];

	expect_notice(fd, "READY=1");
	for (int i = 0; i < 3; i++)
		expect_watchdog(fd);
	kill(daemon.pid, SIGHUP);
	expect_notice(fd, "RELOADING=1");
	expect_notice(fd, "READY=1");

	/* While the daemon is stopped, it sends no watchdog notices. */
	kill(daemon.pid, SIGSTOP);
	while (recv(fd, notice, sizeof(notice), MSG_DONTWAIT) > 0)
		;
	usleep(500000);
	while (recv(fd, notice, sizeof(notice), MSG_DONTWAIT) > 0)
		ck_abort_msg("%s", notice);
	kill(daemon.pid, SIGCONT);
	expect_watchdog(fd);
	kill(daemon.pid, SIGTERM);
	expect_notice(fd, "STOPPING=1");
	ck_assert_int_eq(daemon_status(&daemon), 0);
	close(fd);
}
END_TEST

int main(void)
{
	return RUN_CASES("daemon", NULL, NULL, signals_end_servicemanager,
			 second_servicemanager_is_refused, wrong_arguments_are_refused,
			 waiting_clients_survive_restarts,
			 names_are_registered_again_after_a_restart,
			 missing_name_is_delayed_after_a_start, clients_wait_for_the_manager,
			 ordinary_user_runs_servicemanager, systemd_is_notified);
}
