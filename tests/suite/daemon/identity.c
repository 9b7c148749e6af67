// SPDX-License-Identifier: MIT
/*
 * The identity of a connection: a process connects, passes the socket on and exits. Another process
 * has its pid by the time the daemon checks. The holder of the socket must not get a bus in that
 * process's name.
 *
 *   identity IPCBUSD
 *
 * The first process of a new pid namespace does all this, because it may choose pids.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "messages.h"

#define SKIP 77
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static char folder[] = "/tmp/ipcbusd-identity-XXXXXX", path[64];
static int cases, failures;

static void report(bool ok, const char *name)
{
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++cases, name);
	failures += !ok;
}

static void skip(const char *what)
{
	printf("SKIP: %s: %s\n", what, strerror(errno));
	exit(SKIP);
}

/* As before Linux 6.5: no process can get the pidfd of a connection's peer. */
static void be_older(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
		/* The lower half, which comes first on both supported processors. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_PEERPIDFD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(*code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		_exit(126);
}

static pid_t start_daemon(const char *ipcbusd)
{
	pid_t pid = fork();
	int fd = -1;

	if (!pid) {
		be_older();
		execl(ipcbusd, ipcbusd, "--bus", path, NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && fd < 0; i++) {
		usleep(100000);
		fd = bus_connect(path);
	}
	if (fd < 0)
		skip("the daemon does not come up");
	close(fd);
	return pid;
}

/* Returns once the process has stopped. */
static void stop(pid_t pid)
{
	int status;

	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
}

/* Starts an idle process with that pid. */
static bool start_victim(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long r = syscall(SYS_clone3, &args, sizeof(args));

	if (r == 0) {
		pause();
		_exit(0);
	}
	return r == pid;
}

static int say_hello(int socket, uint64_t nonce)
{
	struct ipcbusd_message message = {
		.kind = IPCBUSD_HELLO,
		.nonce = nonce,
		.base = 1ULL << 32,
		.size = IPCBUSD_SEND_AREA + (1 << 20),
	};

	return send_message(socket, &message, -1);
}

/* Sends HELLO when allowed. Returns whether the daemon opens the bus for this process. */
static bool is_let_in(int socket)
{
	struct ipcbusd_message message;
	int fds[4];

	while (receive_message(socket, &message, fds) == 0) {
		for (int i = 0; i < 4; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		if (message.kind == IPCBUSD_HELLO)
			return true;
		if (message.kind == IPCBUSD_WELCOME)
			say_hello(socket, message.nonce);
	}
	return false;
}

/* Returns whether the heir of a socket can open the bus. @early: after the owner's HELLO. */
static bool heir_is_let_in(pid_t daemon, bool early)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), status;
	bool let_in;
	pid_t pid;

	stop(daemon);
	pid = fork();
	if (!pid)
		_exit(bus_connect_by(fd, path) < 0 || (early && say_hello(fd, 0)));
	waitpid(pid, &status, 0);
	if (status)
		skip("cannot connect");
	if (!start_victim(pid))
		skip("cannot choose the number of a process");
	kill(daemon, SIGCONT);
	let_in = is_let_in(fd);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return let_in;
}

static int look(const char *ipcbusd)
{
	pid_t daemon;
	int fd;

	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		skip("cannot mount /proc");
	daemon = start_daemon(ipcbusd);
	fd = bus_connect(path);
	report(is_let_in(fd), "a process that connects gets a bus");
	close(fd);
	report(!heir_is_let_in(daemon, /* early= */ false), "the heir of a socket gets no bus");
	report(!heir_is_let_in(daemon, /* early= */ true), "nor by an earlier HELLO");
	kill(daemon, SIGTERM);
	waitpid(daemon, NULL, 0);
	printf("1..%d\n", cases);
	return failures != 0;
}

static void write_file(const char *file, const char *format, ...)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	va_list args;

	va_start(args, format);
	if (fd < 0 || vdprintf(fd, format, args) < 0)
		skip(file);
	va_end(args);
	close(fd);
}

/* Enters new namespaces, in which this user is root. */
static void enter(void)
{
	unsigned int uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWPID | CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)))
		skip("cannot make namespaces");
	if (uid) {
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", "0 %u 1", uid);
		write_file("/proc/self/gid_map", "0 %u 1", gid);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("cannot make mounts private");
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t pid;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	enter();
	if (!mkdtemp(folder))
		skip(folder);
	snprintf(path, sizeof(path), "%s/bus", folder);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(look(argv[1]));
	}
	waitpid(pid, &status, 0);
	unlink(path);
	rmdir(folder);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
