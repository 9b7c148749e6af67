// SPDX-License-Identifier: MIT
/*
 * Clients that try to block ipcbusd's threads: by files whose close() blocks, which the daemon must
 * close, and by locks of files that they share with the daemon. The daemon must continue to serve,
 * and must close the files that other clients send.
 *
 *   ipcbusd --bus PATH --mode 666 -- blockers CASE
 *   blockers --old ipcbusd ...
 *   blockers --no-fallocate ipcbusd ... -- files messages 100
 *
 * In the cases in-turns and in-storm, the attackers only connect: first, or all the time. In the
 * cases in-reading and in-many-readings, an administrator reads the state of many nodes.
 *
 * CASE: a name of cases[]. --old: without SO_PASSRIGHTS, as before Linux 6.16. With that option the
 * kernel does not let a client send files before its HELLO. --no-fallocate: fallocate() fails. The
 * daemon must not use it, because it waits for the lock of a region's inode, which clients can
 * hold.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "messages.h"
#include "peer.h"

#define SEND_SIZE (1UL << 20)
#define OTHER_UID 65534
#define SKIPPED	  77
/* If a case takes this many seconds, the daemon hangs. */
#define MOST_TIME 100
/* More than the daemon has descriptors for, and more than a user may have. */
#define CROWD	  70
/* More than ipcbusd ever had threads that close files. */
#define ATTACKS	  700
#define REFUSED	  5
#define PASSRIGHTS 83

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const char *bus;

static int fails(const char *what)
{
	fprintf(stderr, "blockers: %s: %s\n", what, strerror(errno));
	return 1;
}

static int try_open(struct peer *peer)
{
	int r = peer_open(peer, bus, SEND_SIZE);

	if (r)
		fprintf(stderr, "blockers: cannot open the bus: %s\n", strerror(-r));
	return r != 0;
}

/* Stops the daemon's main thread, which receives, or continues it. */
static void hold_daemon(bool hold)
{
	char path[64], text[64], state = 0;
	FILE *stat;

	kill(getppid(), hold ? SIGSTOP : SIGCONT);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
	while (hold && state != 'T') {
		stat = fopen(path, "re");
		if (!stat || fscanf(stat, "%*d %63s %c", text, &state) != 2)
			state = 'T';
		if (stat)
			fclose(stat);
	}
}

/*
 * Sends @messages messages, the last with a socket whose close blocks. The daemon must be its last
 * holder. If the kernel refuses to send it, this process keeps it.
 */
static int send_blocker(int socket, int messages)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = 5 };
	int fd = lingering_socket(), r = 0;

	if (fd < 0)
		return fails("cannot make a socket");
	while (!r && --messages)
		r = send_message(socket, &message, -1);
	if (!r)
		r = send_message(socket, &message, fd);
	if (!r)
		close(fd);
	errno = -r;
	return r && r != -EPERM && r != -EPIPE ? fails("cannot send a socket") : 0;
}

/* --- Closes that block ----------------------------------------------------------------- */

/* Another user connects. The daemon must close its pipe in time. */
static int is_another_served(void)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = 5 };
	struct pollfd end = { .events = POLLIN };
	struct peer peer;
	int fds[2], status = 0;

	if (getuid())
		return 0;
	if (fork()) {
		wait(&status);
		return status;
	}
	if (setgid(OTHER_UID) || setuid(OTHER_UID) || pipe(fds))
		_exit(fails("cannot become another user"));
	if (try_open(&peer))
		_exit(1);
	send_message(peer.socket, &message, fds[1]);
	close(fds[1]);
	end.fd = fds[0];
	if (poll(&end, 1, 30000) == 1)
		_exit(0);
	errno = ETIME;
	_exit(fails("another user's file is not closed"));
}

/* Files for an unused cell, after other messages, and in a queue that is no longer read. */
static int after_hello(void)
{
	struct peer peers[3];
	int failed = 0;

	for (int i = 0; i < 3 && !failed; i++)
		failed = try_open(&peers[i]);
	hold_daemon(true);
	for (int i = 0; i < 3 && !failed; i++) {
		failed = send_blocker(peers[i].socket, i + 1);
		if (i == 2)
			close(peers[i].socket);
	}
	hold_daemon(false);
	return failed || try_open(&peers[0]) || is_another_served();
}

/*
 * Sends a message that ends the connection, and another that is still queued then. The process ends
 * with its parent: if it were the last holder of the file, its own close() would block.
 */
static void __attribute__((noreturn)) attack_early(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct ipcbusd_message message = { .magic = IPCBUSD_MAGIC };
	struct iovec part = { &message, sizeof(message) };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &part,
			       .msg_iovlen = 1,
			       .msg_control = &control,
			       .msg_controllen = sizeof(control) } },
	};
	int fd = lingering_socket(), socket = bus_connect(bus);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmmsg(socket, messages, 2, MSG_NOSIGNAL);
	close(fd);
	for (;;)
		pause();
}

static int before_hello(void)
{
	struct peer peer;

	for (int i = 0; i < ATTACKS; i++)
		if (!fork())
			attack_early();
	/* All of them have been accepted, or are ahead of this connection in the queue. */
	usleep(500000);
	/* The attacking user is served until it has too many connections. */
	return (getuid() && try_open(&peer)) || is_another_served();
}

static void *connect_crowd(void)
{
	static int crowd[CROWD];

	for (int i = 0; i < CROWD; i++)
		crowd[i] = bus_connect(bus);
	return crowd;
}

/* Waits until the daemon has accepted or refused each connection. A refusal frees a descriptor, so
 * it may accept a later connection. */
static int wait_for_refusal(const int *crowd)
{
	struct ipcbusd_message message;
	int fds[4], r, refusals = 0;

	for (int i = 0; i < CROWD; i++) {
		r = receive_message(crowd[i], &message, fds);
		refusals += r == -ENFILE || r == -EDQUOT;
	}
	return refusals ? 0 : fails("a crowd is not refused");
}

/* The daemon has no descriptor for a connection, or refuses it because its user has too many. */
static int refused(void)
{
	int *crowd = connect_crowd(), socket, failed;
	struct peer peer;

	failed = wait_for_refusal(crowd);
	for (int i = 0; i < REFUSED && !failed; i++) {
		hold_daemon(true);
		socket = bus_connect(bus);
		failed = socket < 0 ? fails("cannot connect") : send_blocker(socket, 2);
		hold_daemon(false);
	}
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	if (failed)
		return 1;
	/* The daemon notices the end of each connection separately. */
	while (peer_open(&peer, bus, SEND_SIZE)) {
		peer_close(&peer);
		usleep(10000);
	}
	return is_another_served();
}

/* --- Locks ---------------------------------------------------------------------------------- */

/* A thread holds the lock of an epoll file that watches a file of the daemon. */
static int polled(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct peer peer;
	int fds[2], epoll = epoll_create1(0);

	if (pipe(fds) || write(fds[1], "", 1) != 1)
		return fails("no pipe");
	if (try_open(&peer))
		return 1;
	for (int i = 2; i < 4; i++) {
		/* The kernel would count such a watch for the user of the daemon. */
		if (!epoll_ctl(peer.fds[i], EPOLL_CTL_ADD, fds[0], &event))
			return fails("a client adds a watch to a file of the daemon");
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fds[i], &event))
			return fails("epoll_ctl");
	}
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event))
		return fails("epoll_ctl");
	if (!hold_lock(epoll, /* polls= */ true))
		return SKIPPED;
	/* While the daemon has the files open: the last close() waits for the lock. */
	for (int i = 2; i < 4; i++) {
		close(peer.fds[i]);
		peer.fds[i] = -1;
	}
	peer_close(&peer);
	for (int i = 0; i < 3; i++) {
		if (try_open(&peer))
			return 1;
		peer_close(&peer);
	}
	return is_another_served();
}

/* --- Order of connections -------------------------------------------------------------- */

/* The number of connections that fit into the daemon's queue. */
#define QUEUED 7
/* Connections of a user that the daemon begins per round of events. */
#define TURNS  4

/* A connection of another user, which stays open. */
static int connect_another(void)
{
	struct ipcbusd_message message;
	int pair[2], fds[4];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	if (!fork()) {
		if (setgid(OTHER_UID) || setuid(OTHER_UID) || prctl(PR_SET_PDEATHSIG, SIGKILL))
			_exit(1);
		message = (struct ipcbusd_message){ 0 };
		send_message(pair[1], &message, bus_connect(bus));
		for (;;)
			pause();
	}
	return receive_message(pair[0], &message, fds) ? -1 : fds[0];
}

/*
 * Counts the connections that got WELCOME before the last one. The epoll file is read once, and
 * keeps the order in which they became readable.
 */
static int count_before(int epoll, struct pollfd *sockets)
{
	struct epoll_event events[QUEUED + 1];
	int n;

	for (n = 0; n <= QUEUED; n++)
		poll(&sockets[n], 1, -1);
	epoll_wait(epoll, events, QUEUED + 1, 0);
	for (n = 0; n < QUEUED && events[n].data.fd != sockets[QUEUED].fd; n++)
		;
	return n;
}

/* Another user must not wait for all earlier connections. */
static int in_turns(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd sockets[QUEUED + 1];
	int epoll = epoll_create1(0), n;

	if (getuid())
		return SKIPPED;
	hold_daemon(true);
	for (int i = 0; i <= QUEUED; i++) {
		event.data.fd = i < QUEUED ? bus_connect(bus) : connect_another();
		if (event.data.fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event))
			return fails("cannot connect");
		sockets[i] = (struct pollfd){ .fd = event.data.fd, .events = POLLIN };
	}
	hold_daemon(false);
	n = count_before(epoll, sockets);
	printf("# %d of %d connections of a user came before that of another user\n", n, QUEUED);
	return n > TURNS;
}

/* --- Connections all the time ----------------------------------------------------------- */

#define STORMERS     4
#define OPENS	     40
/* About 40: the daemon's queue, then what it accepts in four rounds of events. */
#define MOST_BEFORE  150

static void __attribute__((noreturn)) storm(unsigned int *connections)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgid(OTHER_UID) || setuid(OTHER_UID))
		_exit(1);
	for (;;) {
		close(bus_connect(bus));
		__atomic_fetch_add(connections, 1, __ATOMIC_RELAXED);
	}
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Connections of another user must not precede each step of an open. If this process does not run
 * for a while, more connections count. So the lower quartile decides. */
static int in_storm(void)
{
	unsigned int *connections = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0), before;
	int counts[OPENS], failed = 0;
	pid_t pids[STORMERS];
	struct peer peer;

	if (getuid())
		return SKIPPED;
	for (int i = 0; i < STORMERS; i++) {
		pids[i] = fork();
		if (!pids[i])
			storm(connections);
	}
	while (__atomic_load_n(connections, __ATOMIC_RELAXED) < 1000)
		usleep(1000);
	for (int i = 0; i < OPENS && !failed; i++) {
		before = __atomic_load_n(connections, __ATOMIC_RELAXED);
		failed = try_open(&peer);
		counts[i] = (int)(__atomic_load_n(connections, __ATOMIC_RELAXED) - before);
		peer_close(&peer);
	}
	for (int i = 0; i < STORMERS; i++)
		kill(pids[i], SIGKILL);
	if (failed)
		return failed;
	qsort(counts, OPENS, sizeof(*counts), compare);
	printf("# %d connections of another user during an open (%d to %d)\n", counts[OPENS / 4],
	       counts[0], counts[OPENS - 1]);
	return counts[OPENS / 4] > MOST_BEFORE;
}

/* --- Reading the state of many nodes ------------------------------------------------------ */

#define NODES	   20000
#define READINGS   10
#define MEANWHILE  3
#define REQUESTS   300
/* 64 connections of a user, and the other threads of the daemon. */
#define MOST_THREADS 80

static int create_node(struct peer *peer)
{
	struct ipcbusd_cell *cell = peer_cell(peer, 0);
	struct ipcbus_node *node = (void *)cell->space;

	*node = (struct ipcbus_node){ .size = sizeof(*node), .cookie = 1 };
	cell->tid = (uint32_t)getpid();
	cell->cmd = (uint32_t)IPCBUS_IOC_NODE_CREATE;
	cell->arg = (uintptr_t)node;
	__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
	peer_ring(peer, 0);
	while (__atomic_load_n(&cell->state, __ATOMIC_SEQ_CST) != IPCBUSD_DONE)
		sched_yield();
	return cell->result;
}

/* Reads the state, and returns the number of opens in the meantime, or -1. */
static int count_during_reading(void)
{
	struct pollfd reply = { .fd = bus_connect(bus), .events = POLLIN };
	struct ipcbusd_message message = { 0 };
	struct peer peer;
	int fds[4], n;

	receive_message(reply.fd, &message, fds);
	message.kind = IPCBUSD_READ;
	strcpy(message.name, "state");
	send_message(reply.fd, &message, -1);
	for (n = 0; !poll(&reply, 1, 0); n++) {
		if (try_open(&peer))
			return -1;
		peer_close(&peer);
	}
	if (receive_message(reply.fd, &message, fds))
		return -1;
	close(fds[0]);
	/* The daemon closes the connection. */
	return receive_message(reply.fd, &message, fds) == -EPROTO ? n : -1;
}

/* Opens must not wait until the text is complete. */
static int in_reading(void)
{
	struct peer peer;
	int opens = 0;

	if (try_open(&peer))
		return 1;
	for (int i = 0; i < NODES; i++)
		if (create_node(&peer))
			return fails("cannot create a node");
	for (int i = 0; i < READINGS && opens >= 0 && opens < MEANWHILE; i++)
		opens = count_during_reading();
	printf("# %d opens while the state of %d nodes was read\n", opens, NODES);
	return opens < MEANWHILE;
}

static int count_threads(void)
{
	char path[64];
	int n = -2; /* . and .. */
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", getppid());
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Requests the state twice, and does not wait. */
static void request_state(void)
{
	struct ipcbusd_message message = { 0 };
	int fds[4], socket = bus_connect(bus);

	if (!receive_message(socket, &message, fds)) {
		message.kind = IPCBUSD_READ;
		strcpy(message.name, "state");
		send_message(socket, &message, -1);
		send_message(socket, &message, -1);
	}
	close(socket);
}

/* Each request counts as a connection until the daemon has replied, also if the administrator does
 * not wait. Other users are served in the meantime. */
static int in_many_readings(void)
{
	struct peer peer;
	int most = 0, threads;

	if (try_open(&peer))
		return 1;
	for (int i = 0; i < NODES; i++)
		if (create_node(&peer))
			return fails("cannot create a node");
	for (int i = 0; i < REQUESTS; i++) {
		request_state();
		threads = count_threads();
		most = threads > most ? threads : most;
	}
	printf("# the daemon has %d threads during %d requests\n", most, REQUESTS);
	return most < 1 || most > MOST_THREADS || is_another_served();
}

/* --- Cases ---------------------------------------------------------------------------------- */

static int run_filtered(char **argv, struct sock_filter *filter, unsigned short size)
{
	struct sock_fprog program = { .len = size, .filter = filter };

	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	    !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		execvp(*argv, argv);
	return fails("cannot filter system calls");
}

/* Makes setsockopt(SO_PASSRIGHTS) fail. */
static int be_old(char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PASSRIGHTS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return run_filtered(argv, filter, sizeof(filter) / sizeof(*filter));
}

static int refuse_fallocate(char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	/* Before Linux 5.14, fallocate() is the daemon's only choice. */
	if (madvise(NULL, 0, MADV_POPULATE_WRITE))
		filter[1] = filter[3];
	return run_filtered(argv, filter, sizeof(filter) / sizeof(*filter));
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{ "after-hello", after_hello },
	{ "before-hello", before_hello },
	{ "refused", refused },
	{ "polled", polled },
	{ "in-turns", in_turns },
	{ "in-storm", in_storm },
	{ "in-reading", in_reading },
	{ "in-many-readings", in_many_readings },
};

int main(int argc, char **argv)
{
	int r = -1;

	if (argc > 2 && !strcmp(argv[1], "--old"))
		return be_old(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "--no-fallocate"))
		return refuse_fallocate(argv + 2);
	bus = getenv("IPCBUS_BUS");
	signal(SIGPIPE, SIG_IGN);
	alarm(MOST_TIME);
	for (size_t i = 0; argc == 2 && bus && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1]))
			r = cases[i].run();
	if (r < 0) {
		fputs("usage: ipcbusd --bus PATH --mode 666 -- blockers CASE\n", stderr);
		return 2;
	}
	printf("%s - a client that blocks delays no other user: %s%s\n", r && r != SKIPPED ? "not ok" : "ok",
	       argv[1], r == SKIPPED ? " # SKIP this user cannot do that" : "");
	return r && r != SKIPPED;
}
