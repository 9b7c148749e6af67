// SPDX-License-Identifier: MIT
/*
 * Files that are never received: clients of ipcbusd that put files into messages, cells and the
 * queues of their sockets, and sparse areas, which the daemon would have to allocate. Each attack
 * must be refused in time with the right error. In the meantime other users must be served, and in
 * the end the daemon must have as many files as before.
 *
 *   ipcbusd --bus PATH --mode 666 -- files CASE QUOTA
 *
 * CASE: a name of cases[]. QUOTA: the number of files of each kind that the daemon allows a user,
 * or of 64 KiB units of memory (user_memory).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "messages.h"
#include "peer.h"

#define SEND_SIZE (1UL << 20)
#define SECONDS	  30
#define OTHER_UID 65534
#define MANY	  100000
#define SKIPPED	  77

static const char *bus;
static unsigned int quota;

static void give_up(const char *what, int r)
{
	printf("not ok - %s: %s\n", what, strerror(-r));
	fflush(stdout);
	kill(0, SIGTERM);
	_exit(1);
}

/* --- Manual exchanges -------------------------------------------------------------------- */

/* The client's reaction to the daemon's requests. */
enum manners {
	HONEST,
	LEAVES,	/* claims to have received the file, which stays in its queue */
	CLOSES,	/* receives the file and closes it at once */
	FAILS,	/* claims that it could not send the file */
};

static int do_ask(const struct peer *peer, unsigned int number, enum manners manners)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = number };
	struct ipcbusd_cell *cell = peer_cell(peer, number);
	int fds[4], r;

	if (cell->ask == IPCBUSD_ASK_SEND_FD)
		return manners == FAILS ? -ETXTBSY :
					  send_message(peer->socket, &message, cell->ask_fd);
	if (cell->ask == IPCBUSD_ASK_CLOSE_FD)
		return manners == HONEST ? close(cell->ask_fd) : 0;
	if (manners != HONEST && manners != CLOSES)
		return 1000;
	r = receive_message(peer->socket, &message, fds);
	if (!r && manners == CLOSES)
		close(fds[0]);
	return r ? r : fds[0];
}

static bool in_time(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec < SECONDS;
}

static int run_with(const struct peer *peer, unsigned int number, unsigned long cmd, uintptr_t arg,
		    enum manners manners)
{
	struct ipcbusd_cell *cell = peer_cell(peer, number);
	struct timespec begin;
	uint32_t now;

	cell->tid = (uint32_t)getpid();
	cell->cmd = (uint32_t)cmd;
	cell->arg = arg;
	__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
	peer_ring(peer, number);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while ((now = __atomic_load_n(&cell->state, __ATOMIC_SEQ_CST)) != IPCBUSD_DONE) {
		if (now == IPCBUSD_ASKS) {
			cell->reply = do_ask(peer, number, manners);
			__atomic_store_n(&cell->state, IPCBUSD_REPLIED, __ATOMIC_SEQ_CST);
			peer_ring(peer, number);
		} else if (!in_time(&begin)) {
			give_up("an exchange takes too long", -ETIME);
		}
		sched_yield();
	}
	return cell->result;
}

static int run(const struct peer *peer, unsigned int number, unsigned long cmd,
	       enum manners manners)
{
	return run_with(peer, number, cmd, (uintptr_t)peer_cell(peer, number)->space, manners);
}

static void open_peer(struct peer *peer)
{
	int r = peer_open(peer, bus, SEND_SIZE);

	if (r)
		give_up("cannot connect", r);
}

/* Becomes the manager at handle 0. */
static void claim(const struct peer *peer)
{
	struct ipcbus_node *node = (void *)peer_cell(peer, 0)->space;
	int r;

	*node = (struct ipcbus_node){ .size = sizeof(*node), .flags = IPCBUS_NODE_ACCEPT_FDS };
	r = run(peer, 0, IPCBUS_IOC_NODE_CREATE, HONEST);
	node->flags = 0;
	if (!r)
		r = run(peer, 0, IPCBUS_IOC_SET_MANAGER, HONEST);
	if (r)
		give_up("cannot become the manager", r);
}

/* Sends the manager a message with @n copies of an fd. */
static int send_files(const struct peer *peer, unsigned int n, int fd, uint32_t kind,
		      enum manners manners)
{
	struct ipcbus_exchange *x = (void *)peer_cell(peer, 0)->space;
	struct ipcbus_object *table = (void *)(peer->area + IPCBUSD_SEND_AREA);

	for (unsigned int i = 0; i < n; i++)
		table[i] = (struct ipcbus_object){ .type = IPCBUS_OBJECT_FD,
						   .value = (uint64_t)fd };
	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.send = { .kind = kind,
			  .objects = (uintptr_t)table,
			  .object_count = n },
	};
	return run(peer, 0, IPCBUS_IOC_EXCHANGE, manners);
}

/* Takes a message and releases it. */
static int take_files(const struct peer *peer, enum manners manners)
{
	struct ipcbus_exchange *x = (void *)peer_cell(peer, 0)->space;
	int r;

	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};
	r = run(peer, 0, IPCBUS_IOC_EXCHANGE, manners);
	if (!r && x->event.error)
		return x->event.error;
	if (r || x->event.kind != IPCBUS_EVENT_ONEWAY)
		return r ? r : -ENODATA;
	*x = (struct ipcbus_exchange){
		.size = sizeof(*x), .release_count = 1, .release = x->event.buffer
	};
	return run(peer, 0, IPCBUS_IOC_EXCHANGE, manners);
}

/* --- The daemon's files and other users ------------------------------------------------- */

static unsigned int daemon_files(void)
{
	unsigned int n = 0;
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)getppid());
	folder = opendir(path);
	if (!folder)
		give_up("cannot count the daemon's files", -errno);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static int is_as_before(unsigned int before)
{
	struct timespec begin;
	unsigned int now = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (in_time(&begin)) {
		now = daemon_files();
		if (now == before)
			return 0;
		usleep(10000);
	}
	fprintf(stderr, "the daemon has %u files; before: %u\n", now, before);
	return 1;
}

/* Another user connects, and sends as many files as a message may have. */
static void be_another_user(bool sends)
{
	struct peer peer;
	int r = 0;

	if (setgid(OTHER_UID) || setuid(OTHER_UID))
		give_up("cannot become another user", -errno);
	open_peer(&peer);
	if (sends)
		r = send_files(&peer, 64, STDIN_FILENO, IPCBUS_SEND_ONEWAY, HONEST);
	if (r)
		give_up("another user cannot send files", r);
	_exit(0);
}

static int is_another_served(bool sends)
{
	int status = 0;
	pid_t pid;

	if (getuid())
		return 0;
	pid = fork();
	if (!pid)
		be_another_user(sends);
	waitpid(pid, &status, 0);
	return status;
}

/* --- The attacks -------------------------------------------------------------------------- */

/* Files in messages that the server does not take. */
static int in_messages(struct peer *server, struct peer *client)
{
	unsigned int n = 0;
	int r;

	(void)server;
	while (!(r = send_files(client, 1, STDIN_FILENO, IPCBUS_SEND_ONEWAY, HONEST)) && n < MANY)
		n++;
	if (r != -EDQUOT || n != quota) {
		fprintf(stderr, "%u files in messages, then %s\n", n, strerror(-r));
		return 1;
	}
	return 0;
}

/* Sends and receives many times: received files no longer count, even if they are closed later. */
static int in_a_loop(struct peer *server, struct peer *client)
{
	unsigned int n = 0;
	int r = 0;

	while (!r && n++ < 20 * quota) {
		r = send_files(client, 1, STDIN_FILENO, IPCBUS_SEND_ONEWAY, HONEST);
		r = r ? r : take_files(server, CLOSES);
	}
	if (r)
		fprintf(stderr, "file number %u: %s\n", n, strerror(-r));
	return r != 0;
}

/* A call without files. The server takes it and replies with a file. */
static int reply_with_file(struct peer *server, struct peer *client)
{
	struct ipcbus_exchange *x = (void *)peer_cell(client, 0)->space;
	struct ipcbus_object *file = (void *)(server->area + IPCBUSD_SEND_AREA);
	uint64_t call;
	int r;

	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.send = { .kind = IPCBUS_SEND_CALL,
			  .flags = IPCBUS_SEND_ASYNC | IPCBUS_SEND_ACCEPT_FDS },
	};
	r = run(client, 0, IPCBUS_IOC_EXCHANGE, HONEST);
	x = (void *)peer_cell(server, 0)->space;
	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};
	r = r ? r : run(server, 0, IPCBUS_IOC_EXCHANGE, HONEST);
	if (r || x->event.kind != IPCBUS_EVENT_CALL)
		return r ? r : -ENODATA;
	call = x->event.call;
	*file = (struct ipcbus_object){ .type = IPCBUS_OBJECT_FD };
	*x = (struct ipcbus_exchange){
		.size = sizeof(*x),
		.send = { .kind = IPCBUS_SEND_REPLY, .call = call,
			  .objects = (uintptr_t)file, .object_count = 1 },
	};
	return run(server, 0, IPCBUS_IOC_EXCHANGE, HONEST);
}

/* Files in replies that a client of another user does not take: they are charged to that user. */
static int in_replies(struct peer *server, struct peer *client)
{
	struct peer other;
	unsigned int n = 0;
	int r, ready[2], status = 0;
	char byte;
	pid_t pid;

	(void)client;
	if (getuid())
		return 0;
	pid = pipe(ready) ? -1 : fork();
	if (pid < 0)
		give_up("no child", -errno);
	if (!pid) {
		if (setgid(OTHER_UID) || setuid(OTHER_UID))
			give_up("cannot become another user", -errno);
		open_peer(&other);
		while (!(r = reply_with_file(server, &other)) && n < MANY)
			n++;
		if (r != -EDQUOT || n != quota)
			fprintf(stderr, "%u files in replies, then %s\n", n, strerror(-r));
		byte = r != -EDQUOT || n != quota;
		(void)!write(ready[1], &byte, 1);
		pause();
	}
	status = read(ready[0], &byte, 1) != 1 || byte;
	/* The client's connection is still alive, and the server serves other clients. */
	r = reply_with_file(server, client);
	if (r)
		fprintf(stderr, "a file in a reply to another user: %s\n", strerror(-r));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	return status || r;
}

/* Returns the error of a call with a file that the server does not get. */
static int error_of_call(struct peer *server, struct peer *client)
{
	struct ipcbus_exchange *x = (void *)peer_cell(client, 0)->space;
	int r = send_files(client, 1, STDIN_FILENO, IPCBUS_SEND_CALL, HONEST);

	if (!r)
		take_files(server, LEAVES);
	*x = (struct ipcbus_exchange){ .size = sizeof(*x), .flags = IPCBUS_WAIT };
	r = r ? r : run(client, 0, IPCBUS_IOC_EXCHANGE, HONEST);
	return r ? r : x->event.error;
}

/* Files in a queue. The owner of the queue falsely claims to have received them. */
static int in_queue(struct peer *server, struct peer *client)
{
	unsigned int n = 0;
	int r;

	while (!(r = send_files(client, 1, STDIN_FILENO, IPCBUS_SEND_ONEWAY, HONEST)) &&
	       !take_files(server, LEAVES) && n < MANY)
		n++;
	if (!r)
		r = error_of_call(server, client);
	if (r != -EDQUOT || n != quota) {
		fprintf(stderr, "%u files in a queue, then %s\n", n, strerror(-r));
		return 1;
	}
	return 0;
}

/* Files in queues of connections that were ended but not closed. */
static int in_old_queues(struct peer *server, struct peer *client)
{
	struct ipcbusd_message bye = { .kind = IPCBUSD_BYE };
	unsigned int n = 0;
	int r = 0;

	(void)server, (void)client;
	for (; !r && n < MANY; n++) {
		struct ipcbusd_message hello = { .kind = IPCBUSD_HELLO,
						 .size = IPCBUSD_SEND_AREA + SEND_SIZE };
		struct ipcbusd_message welcome;
		int fds[4], socket = bus_connect(bus);

		r = socket < 0 ? -errno : receive_message(socket, &welcome, fds);
		hello.nonce = welcome.nonce;
		if (!r && (send_message(socket, &hello, -1) || send_message(socket, &bye, -1)))
			r = -EPIPE;
	}
	/* Each queue has four files. More may be sent before the daemon has read BYE. */
	if (r != -EDQUOT || n < quota / 4 || n > quota / 4 + 300) {
		fprintf(stderr, "%u connections with files that are left, then %s\n", n,
			strerror(-r));
		return 1;
	}
	return 0;
}

/* Files that the daemon did not request. */
static int unasked(struct peer *server, struct peer *client)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SEND_FD, .number = 5 };
	unsigned int n = 0;

	(void)server;
	while (n < MANY && !send_message(client->socket, &message, STDIN_FILENO))
		n++;
	/* The connection ends at the first file, or a few later if the daemon is slow. */
	return n == MANY;
}

static unsigned int daemon_kib(void)
{
	unsigned int kib = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "RssShmem: %u", &kib);
	if (file)
		fclose(file);
	return kib;
}

/* The daemon must not allocate a page for an ioctl argument: its memory cgroup would be charged for
 * as long as a client keeps the area. */
static int is_never_allocated(struct peer *peer)
{
	struct stat before, after;
	int r;

	/* The page of the cell. */
	run_with(peer, 0, IPCBUS_IOC_HANDLE_PUT, 0, HONEST);
	fstat(peer->fds[0], &before);
	r = run_with(peer, 0, IPCBUS_IOC_HANDLE_PUT,
		     (uintptr_t)peer->area + IPCBUSD_SEND_AREA, HONEST);
	fstat(peer->fds[0], &after);
	if (r == -EFAULT && after.st_blocks == before.st_blocks)
		return 0;
	fprintf(stderr, "a page that the client has not written: %s, %ld blocks, then %ld\n",
		strerror(-r), (long)before.st_blocks, (long)after.st_blocks);
	return 1;
}

/* The daemon uses pages for ioctl arguments that it reads, here QUOTA times 64 KiB. */
static int in_areas(struct peer *server, struct peer *client)
{
	static struct peer more[16];
	unsigned int pages = quota * 16, before = daemon_kib(), n = 0, grown;
	struct pollfd ended = { .fd = client->socket };
	int r = 0;

	if (is_never_allocated(server))
		return 1;
	for (int i = 0; i < 16 && r != -EDQUOT; i++) {
		open_peer(&more[i]);
		for (size_t at = 0; at < SEND_SIZE && r != -EDQUOT; at += 4096, n++) {
			more[i].area[IPCBUSD_SEND_AREA + at] = 0;
			r = run_with(&more[i], 0, IPCBUS_IOC_HANDLE_PUT,
				     (uintptr_t)more[i].area + IPCBUSD_SEND_AREA + at, HONEST);
		}
	}
	grown = daemon_kib() - before;
	if (r != -EDQUOT || n > pages || n < pages / 2 || grown > pages * 4 + 1024) {
		fprintf(stderr, "%u pages of areas, %u KiB, then %s\n", n, grown, strerror(-r));
		return 1;
	}
	/* A further cell must end the connection: there is no other way to report the error. */
	for (unsigned int i = 1; i < IPCBUSD_CELLS && !ended.revents; i++) {
		peer_cell(client, i)->tid = 1;
		peer_ring(client, i);
		poll(&ended, 1, 10);
	}
	if (!(ended.revents & POLLHUP))
		fputs("cells without an end\n", stderr);
	return !(ended.revents & POLLHUP);
}

/* Errors of the client itself are returned unchanged. */
static int refused(struct peer *server, struct peer *client)
{
	const struct ipcbus_exchange *x = (void *)peer_cell(client, 0)->space;
	int r;

	r = send_files(client, 1, STDIN_FILENO, IPCBUS_SEND_ONEWAY, FAILS);
	if (r != -ETXTBSY || x->event.error != r) {
		fprintf(stderr, "a file that cannot be sent: %s\n", strerror(-r));
		return 1;
	}
	r = send_files(client, 64, STDIN_FILENO, IPCBUS_SEND_ONEWAY, HONEST);
	if (!r)
		r = take_files(server, HONEST);
	if (r)
		fprintf(stderr, "files that are taken: %s\n", strerror(-r));
	return r != 0;
}

/* Connections sent as files: they must end with their processes nevertheless. */
static int connections(struct peer *server, struct peer *client)
{
	int r = send_files(client, 1, server->socket, IPCBUS_SEND_ONEWAY, HONEST);

	if (!r)
		r = send_files(client, 1, client->socket, IPCBUS_SEND_ONEWAY, HONEST);
	if (r)
		fprintf(stderr, "a connection as a file: %s\n", strerror(-r));
	return r != 0;
}

/* --- A lock that is never released ----------------------------------------------------------- */

/* The file is a socket whose lock a sending thread holds forever. */
static int locked_socket(struct peer *server, struct peer *client)
{
	int fd = tcp_connection(), r;

	if (fd < 0 || !hold_lock(fd, /* polls= */ false))
		return SKIPPED;
	r = send_files(client, 1, fd, IPCBUS_SEND_ONEWAY, HONEST);
	if (!r)
		r = take_files(server, HONEST);
	if (r)
		fprintf(stderr, "a socket that is locked: %s\n", strerror(-r));
	return r != 0;
}

static const struct {
	const char *name;
	int (*attack)(struct peer *server, struct peer *client);
} cases[] = {
	{ "messages", in_messages }, { "replies", in_replies },	    { "loop", in_a_loop },
	{ "queue", in_queue },	     { "old-queues", in_old_queues }, { "unasked", unasked },
	{ "refused", refused },	     { "areas", in_areas },
	{ "connections", connections },  { "locked", locked_socket },
};

/* How the attacking processes end. */
enum end { LEAVE, KILLED, STOPPED };

static int attack(unsigned int which, enum end end, unsigned int before)
{
	static const char *const ends[] = { "leave", "are killed", "are stopped, then killed" };
	int failed, status = 0, ready[2];
	char byte = 1;
	pid_t pid;

	if (pipe(ready))
		give_up("no pipe", -errno);
	pid = fork();
	if (!pid) {
		struct peer server, client;

		open_peer(&server);
		open_peer(&client);
		claim(&server);
		byte = (char)cases[which].attack(&server, &client);
		(void)!write(ready[1], &byte, 1);
		if (end == LEAVE)
			_exit(0);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		byte = 1;
	if (end == STOPPED)
		kill(pid, SIGSTOP);
	failed = (byte && byte != SKIPPED) ||
		 (end != LEAVE && is_another_served(/* sends= */ true));
	if (end != LEAVE)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	failed = failed || is_as_before(before);
	printf("%s - files: %s; the attackers %s%s\n", failed ? "not ok" : "ok", cases[which].name,
	       ends[end], byte == SKIPPED ? " # SKIP no userfaultfd" : "");
	fflush(stdout);
	close(ready[0]);
	close(ready[1]);
	return failed;
}

int main(int argc, char **argv)
{
	struct peer first;
	unsigned int before, now;
	int failed = 0;

	bus = getenv("IPCBUS_BUS");
	if (argc != 3 || !bus) {
		fputs("usage: ipcbusd --bus PATH --mode 666 -- files CASE QUOTA\n", stderr);
		return 2;
	}
	quota = (unsigned int)atoi(argv[2]);
	signal(SIGPIPE, SIG_IGN);
	/* A user's permanent files: its bell. */
	open_peer(&first);
	peer_close(&first);
	is_another_served(/* sends= */ false);
	for (before = 0; (now = daemon_files()) != before; before = now)
		usleep(300000);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum end end = LEAVE; !strcmp(cases[i].name, argv[1]) && end <= STOPPED; end++)
			failed |= attack(i, end, before);
	return failed;
}
