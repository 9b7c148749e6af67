// SPDX-License-Identifier: MIT
/*
 * Clients of ipcbusd that take as many resources as they can get. In the meantime an honest client,
 * of the same or another user, must be served. Arbitrary contents of cells and the socket are
 * tested by fuzz/main.c.
 *
 *   ipcbusd -- hostile crowd ERRNO
 *   ipcbusd -- hostile threads
 *   ipcbusd -- hostile nobody
 *   ipcbusd -- hostile deaf
 *   ipcbusd -- hostile holes
 *   ipcbusd -- hostile kept
 *
 * A crowd connects but sends no message. Connections above the quota must be refused with ERRNO.
 * The daemon must sleep in the meantime, and must serve again once the crowd has exited.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "messages.h"
#include "peer.h"

#define SEND_SIZE (1UL << 20)
#define CROWD 90
#define REFUSED 20

static int connect_to_bus(void)
{
	int fd = bus_connect(getenv("IPCBUS_BUS"));

	if (fd < 0) {
		perror("connect");
		exit(3);
	}
	return fd;
}

/* Opens a connection. Prints an error and exits if its memory is not sealed. */
static int open_sealed(struct peer *peer)
{
	int r = peer_open(peer, getenv("IPCBUS_BUS"), SEND_SIZE);

	if (r == -ENXIO) {
		perror("connect");
		exit(3);
	}
	if (!r && !peer_is_sealed(peer)) {
		fprintf(stderr, "a sealed memory is not sealed\n");
		exit(4);
	}
	return r;
}

/* --- The honest client --------------------------------------------------------------- */

static long seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec;
}

/* Runs an ioctl in a cell. Returns its result, or INT_MIN after a timeout. */
static int run_by(struct peer *peer, unsigned int number, unsigned long cmd)
{
	struct ipcbusd_cell *cell = peer_cell(peer, number);
	struct timespec begin;

	cell->tid = (uint32_t)getpid();
	cell->cmd = (uint32_t)cmd;
	cell->arg = (uintptr_t)cell->space;
	__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
	peer_ring(peer, number);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (__atomic_load_n(&cell->state, __ATOMIC_SEQ_CST) != IPCBUSD_DONE) {
		sched_yield();
		if (seconds_since(&begin) > 100)
			return INT_MIN;
	}
	return cell->result;
}

static int info_by(struct peer *peer, unsigned int number)
{
	struct ipcbus_info *info = (void *)peer_cell(peer, number)->space;

	*info = (struct ipcbus_info){ .size = sizeof(*info) };
	return run_by(peer, number, IPCBUS_IOC_INFO);
}

static int honest(void)
{
	struct ipcbus_info *info;
	struct peer peer;
	int r = open_sealed(&peer);

	if (r) {
		fprintf(stderr, "an honest client is refused: %s\n", strerror(-r));
		return 1;
	}
	info = (void *)peer_cell(&peer, 0)->space;
	r = info_by(&peer, 0);
	if (r || info->version != IPCBUS_VERSION) {
		fprintf(stderr, "an honest client gets %d, in state %x\n", r,
			peer_cell(&peer, 0)->state);
		return 1;
	}
	return 0;
}

/* Connects once, as another user. */
static int visit(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) {
		perror("hostile: cannot become another user");
		return 1;
	}
	return honest();
}

/* --- The crowd ----------------------------------------------------------------------- */

static bool in_time(const struct timespec *begin)
{
	return seconds_since(begin) < 100;
}

/* Waits until enough connections of the crowd are refused. Counts those with that error. */
static int are_refused(const int *sockets, int error, int *ret_by_error)
{
	struct ipcbusd_message message;
	struct pollfd fds[CROWD];
	struct timespec begin;
	int refused = 0, by_error = 0, none[4], r;

	for (int i = 0; i < CROWD; i++)
		fds[i] = (struct pollfd){ .fd = sockets[i], .events = POLLIN };
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (refused < REFUSED && in_time(&begin)) {
		poll(fds, CROWD, 1000);
		for (int i = 0; i < CROWD; i++) {
			if (!fds[i].revents)
				continue;
			r = receive_message(fds[i].fd, &message, none);
			if (r == 0) {
				/* This was WELCOME. */
				fds[i].fd = -1;
				continue;
			}
			/* Above the quota of the user, or the daemon has no descriptor left. */
			if (r != -error && r != -EDQUOT) {
				fprintf(stderr, "refused with %d, not %d\n", r, -error);
				return 1;
			}
			fds[i].fd = -1;
			fds[i].revents = 0;
			refused++;
			by_error += r == -error;
		}
	}
	if (refused < REFUSED)
		fprintf(stderr, "only %d were refused\n", refused);
	*ret_by_error = by_error;
	return refused < REFUSED;
}

/* Returns the processor time of the daemon, which is this process's parent, in ticks. */
static unsigned long daemon_time(void)
{
	unsigned long user = 0, system = 0;
	char path[64], text[1024] = "";
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
	file = fopen(path, "re");
	if (file) {
		text[fread(text, 1, sizeof(text) - 1, file)] = 0;
		fclose(file);
	}
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2) {
		fprintf(stderr, "%s has no line for the daemon\n", path);
		exit(5);
	}
	return user + system;
}

/* For up to a second the daemon may still work on earlier requests. */
static int is_at_rest(void)
{
	unsigned long begin = daemon_time(), used;

	poll(NULL, 0, 1000);
	used = daemon_time() - begin;
	if (used * 2 < (unsigned long)sysconf(_SC_CLK_TCK))
		return 0;
	fprintf(stderr, "the daemon used %lu ticks in a second without work\n", used);
	return 1;
}

/* The daemon notices the end of each connection separately. */
static int is_served_again(void)
{
	struct timespec begin;
	struct peer peer;
	int r = -1;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (in_time(&begin)) {
		r = open_sealed(&peer);
		if (!r)
			return 0;
		peer_close(&peer);
		sched_yield();
	}
	fprintf(stderr, "another client is not served after the crowd: %s\n", strerror(-r));
	return 1;
}

/* Returns 0, 1 on failure, or 2 if no connection was refused with that error. */
static int crowd_once(int error)
{
	int sockets[CROWD], by_error = 0, failed;

	for (int i = 0; i < CROWD; i++)
		sockets[i] = connect_to_bus();
	failed = are_refused(sockets, error, &by_error) || is_at_rest();
	for (int i = 0; i < CROWD; i++)
		close(sockets[i]);
	failed = failed || is_served_again() || honest();
	return failed ? 1 : by_error ? 0 : 2;
}

/*
 * In a round, the quota of the user may refuse all before the descriptors are used up. Each round
 * is a process, so that no descriptors are left.
 */
static int crowd(int error)
{
	int status = 2;

	for (int round = 0; round < 20 && status == 2; round++) {
		if (!fork())
			_exit(crowd_once(error));
		wait(&status);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	printf("%s - a crowd is refused with errno %d\n", status ? "not ok" : "ok", error);
	return status;
}

/* --- Threads --------------------------------------------------------------------------- */

/* Root also connects as another user. */
static int is_another_served(void)
{
	int status;

	if (getuid())
		return 0;
	if (!fork()) {
		if (setgid(65534) || setuid(65534))
			_exit(3);
		_exit(honest());
	}
	wait(&status);
	return status;
}

/* A thread claims every cell, until its user may have no more. */
static int threads(void)
{
	struct peer peers[5];
	unsigned int n = 0;
	int r = 0, failed;

	for (int i = 0; i < 5 && !r; i++) {
		r = open_sealed(&peers[i]);
		for (unsigned int cell = 0; cell < IPCBUSD_CELLS && !r; cell++, n++)
			r = info_by(&peers[i], cell);
	}
	failed = r != -EDQUOT || is_another_served();
	printf("%s - a user has so many threads: %u\n", failed ? "not ok" : "ok", n);
	return failed;
}

/* --- Nonexistent threads -------------------------------------------------------------- */

#define NOBODYS 3 /* seconds, or until there were that many nodes */
#define NODES	2000
#define SOMEBODYS 300
/* The daemon's memory may grow by this. A leaked node has 2,300 bytes. */
#define MORE_KB 2000
#define TRIES	3

static long daemon_memory_kb(void)
{
	char path[64], line[128];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "RssAnon: %ld", &kb) != 1)
		;
	if (file)
		fclose(file);
	if (!kb) {
		fprintf(stderr, "%s has no line for the daemon's memory\n", path);
		exit(5);
	}
	return kb;
}

static void *sleep_for_ever(void *unused)
{
	pause();
	return unused;
}

/* Uses each cell in turn with a thread id that does not exist in the PID namespace. */
static void use_nobodys_cells(void)
{
	struct ipcbusd_cell *cell;
	struct peer peer;
	pthread_t thread;

	if (setgid(65534) || setuid(65534) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    open_sealed(&peer))
		_exit(3);
	for (int i = 0; i < SOMEBODYS; i++)
		if (pthread_create(&thread, NULL, sleep_for_ever, NULL))
			_exit(3);
	for (unsigned int i = 0;; i = (i + 1) % IPCBUSD_CELLS) {
		cell = peer_cell(&peer, i);
		cell->tid = INT_MAX;
		cell->cmd = (uint32_t)IPCBUS_IOC_THREAD_EXIT;
		__atomic_store_n(&cell->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
		peer_ring(&peer, i);
	}
}

/* Creates and destroys nodes. Returns their number, or -1 after a failure. */
static long use_nodes(struct peer *peer)
{
	struct ipcbus_node *node = (void *)peer_cell(peer, 0)->space;
	struct timespec begin;
	long n = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (; seconds_since(&begin) < (n < NODES ? 100 : NOBODYS); n++) {
		*node = (struct ipcbus_node){ .size = sizeof(*node), .cookie = 1 };
		if (run_by(peer, 0, IPCBUS_IOC_NODE_CREATE))
			return -1;
		*node = (struct ipcbus_node){ .size = sizeof(*node), .node = node->node };
		if (run_by(peer, 0, IPCBUS_IOC_NODE_DESTROY))
			return -1;
	}
	return n;
}

/* In the meantime another user creates and destroys nodes, and the daemon must free them. */
static int nobody(void)
{
	struct peer peer;
	long n = 0, grown = LONG_MAX;
	pid_t pid;
	int r;

	if (getuid() || unshare(CLONE_NEWPID)) {
		printf("ok - no memory is lost for threads that there are not # SKIP needs root\n");
		return 0;
	}
	pid = fork();
	if (pid < 0) {
		perror("hostile: fork");
		exit(3);
	}
	if (!pid)
		use_nobodys_cells();
	poll(NULL, 0, 500);
	if (open_sealed(&peer))
		exit(3);
	/* If the attacker's worker does not get the CPU for a moment, freed nodes wait for it. Then
	 * the daemon's memory grows, but only once. */
	for (int i = 0; i < TRIES && n >= 0 && grown > MORE_KB; i++) {
		grown = -daemon_memory_kb();
		n = use_nodes(&peer);
		grown += daemon_memory_kb();
	}
	/* The attack must continue until the end. */
	r = waitpid(pid, NULL, WNOHANG);
	if (!r) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	printf("# %ld nodes by another user: the daemon has %ld kB more\n", n, grown);
	r = r || n < NODES || grown > MORE_KB;
	printf("%s - no memory is lost for threads that there are not\n", r ? "not ok" : "ok");
	return r;
}

/* --- Replies that are never read ------------------------------------------------------- */

/* Waits until that many bytes of replies are unread. Returns false if it was disconnected. */
static bool has_replied(int socket, size_t bytes)
{
	struct pollfd end = { .fd = socket };
	int size = 0;

	while (!ioctl(socket, FIONREAD, &size) && (size_t)size < bytes)
		if (poll(&end, 1, 1))
			return false;
	return true;
}

/* Requests a region again and again, and never reads the replies. */
static int deaf(void)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = PEER_REGION };
	struct peer peer;
	int n = 0, failed;

	if (open_sealed(&peer)) {
		perror("hostile: cannot begin");
		return 1;
	}
	/* In sequence. Otherwise the number of requests would end the connection. */
	while (n < 3000 && !send_message(peer.socket, &message, -1) &&
	       has_replied(peer.socket, (n + 1) * sizeof(message)))
		n++;
	failed = n < 100 || n == 3000 || honest();
	printf("%s - a client that does not read is disconnected: %d replies\n", failed ? "not ok" : "ok", n);
	return failed;
}

/* --- Holes in shared memory ------------------------------------------------------------- */

/* An access of the daemon to a hole can wait for seconds, with the lock of its address space. */
static bool can_punch(const struct peer *peer)
{
	void *area = mmap(NULL, peer->size, PROT_READ | PROT_WRITE, MAP_SHARED, peer->fds[0], 0);

	return area != MAP_FAILED || !madvise(peer->area, 4096, MADV_REMOVE) ||
	       !fallocate(peer->fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) ||
	       !fallocate(peer->fds[4], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

/* Counts the daemon's mappings of memory with that name. */
static int mappings(const char *name)
{
	char path[64], line[512];
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)getppid());
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, name);
	if (file)
		fclose(file);
	return n;
}

/* Waits until the daemon has that number of areas. */
static bool has_areas(int n)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (mappings("ipcbus area") != n)
		if (seconds_since(&begin) > 100)
			return false;
	return true;
}

/* Counts the context switches of the daemon's threads. */
static unsigned long switches(void)
{
	char path[64], line[128];
	unsigned long n = 0, one;
	FILE *file;
	glob_t all;

	snprintf(path, sizeof(path), "/proc/%d/task/*/status", (int)getppid());
	if (glob(path, 0, NULL, &all))
		return 0;
	for (size_t i = 0; i < all.gl_pathc; i++) {
		file = fopen(all.gl_pathv[i], "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &one) == 1)
				n += one;
		if (file)
			fclose(file);
	}
	globfree(&all);
	return n;
}

/* Waits until the daemon sleeps for two seconds. */
static bool falls_asleep(void)
{
	unsigned long before, now = switches();

	for (int i = 0; i < 50; i++) {
		before = now;
		poll(NULL, 0, 2000);
		now = switches();
		if (now == before)
			return true;
	}
	return false;
}

/* A client that prevents the seal is disconnected. The daemon frees the area after the client. */
static int prevents_seal(void)
{
	struct pollfd end = { 0 };
	struct peer peer;
	int before = mappings("ipcbus area");

	if (open_sealed(&peer) || fcntl(peer.fds[0], F_ADD_SEALS, F_SEAL_SEAL))
		return 1;
	peer_cell(&peer, 0)->tid = (uint32_t)getpid();
	peer_cell(&peer, 0)->state = IPCBUSD_SUBMITTED;
	peer_ring(&peer, 0);
	end.fd = peer.socket;
	if (poll(&end, 1, 100000) != 1 || !(end.revents & POLLHUP))
		return 2;
	close(peer.socket);
	peer.socket = -1;
	if (!falls_asleep())
		return 5;
	if (mappings("ipcbus area") != before + 1 || honest() || !has_areas(before + 2))
		return 3;
	peer_close(&peer);
	return has_areas(before + 1) ? 0 : 4;
}

/* A client that opens its area again ends when it closes it, also if it still has the area. */
static int closes_again(void)
{
	struct pollfd end = { 0 };
	char path[64];
	struct peer peer;
	int fd;

	if (open_sealed(&peer) || info_by(&peer, 0))
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", peer.fds[0]);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return 2;
	close(fd);
	end.fd = peer.socket;
	if (poll(&end, 1, 100000) != 1 || !(end.revents & POLLHUP))
		return 3;
	peer_close(&peer);
	return 0;
}

static int holes(void)
{
	struct peer peer;
	int r;

	if (open_sealed(&peer) || info_by(&peer, 0)) {
		perror("hostile: cannot begin");
		return 1;
	}
	/* The bell cannot be sealed. */
	r = can_punch(&peer) || mappings("ipcbus bell");
	printf("%s - a client cannot punch holes into memory that the daemon maps\n", r ? "not ok" : "ok");
	r |= prevents_seal();
	printf("%s - a client that prevents the seal is disconnected: %d\n", r ? "not ok" : "ok", r);
	r |= closes_again();
	printf("%s - a client that opens its area again ends: %d\n", r ? "not ok" : "ok", r);
	return r;
}

/* --- Memory that a process keeps -------------------------------------------------------- */

#define KEPT_SIZE (256UL << 10)
#define KEPT_UID  65534

static int exchange(struct peer *peer, uint32_t flags, struct ipcbus_send send)
{
	struct ipcbus_exchange *x = (void *)peer_cell(peer, 0)->space;

	*x = (struct ipcbus_exchange){ .size = sizeof(*x), .flags = flags, .send = send };
	return run_by(peer, 0, IPCBUS_IOC_EXCHANGE);
}

/* Makes the daemon fill the client's region with a reply. */
static int fill_region(struct peer *server, struct peer *client)
{
	const struct ipcbus_exchange *x = (void *)peer_cell(server, 0)->space;
	struct ipcbus_node *node = (void *)peer_cell(server, 0)->space;
	uint8_t *data = server->area + IPCBUSD_SEND_AREA;
	int r;

	*node = (struct ipcbus_node){ .size = sizeof(*node) };
	r = run_by(server, 0, IPCBUS_IOC_NODE_CREATE);
	if (!r)
		r = run_by(server, 0, IPCBUS_IOC_SET_MANAGER);
	if (!r)
		r = exchange(client, 0, (struct ipcbus_send){
			.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC });
	if (!r)
		r = exchange(server, IPCBUS_WAIT | IPCBUS_SERVE, (struct ipcbus_send){ 0 });
	if (r)
		return r;
	memset(data, 1, KEPT_SIZE);
	return exchange(server, 0, (struct ipcbus_send){
		.kind = IPCBUS_SEND_REPLY, .call = x->event.call, .data = (uintptr_t)data,
		.data_size = KEPT_SIZE });
}

static unsigned long allocated(int fd)
{
	struct stat status;

	return fstat(fd, &status) ? ULONG_MAX : (unsigned long)status.st_blocks * 512;
}

/* Waits until the file of memory has no pages. */
static bool is_freed(int fd)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (allocated(fd))
		if (seconds_since(&begin) > 100)
			return false;
	return true;
}

/* Returns true if the process can open the memory of that fd for writing. */
static bool can_open_again(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	if (again < 0)
		again = open(path, O_RDONLY);
	if (again >= 0)
		close(again);
	return again >= 0 || !fchmod(fd, 0777);
}

/* A client of another user keeps all its memory, also in a mapping. The daemon allocated the pages
 * of its region and its status, in its own cgroup. */
static int keep(void)
{
	struct peer server, client;
	const uint8_t *region;

	if (open_sealed(&server) || setegid(KEPT_UID) || seteuid(KEPT_UID) || open_sealed(&client))
		return 1;
	if (fill_region(&server, &client) || allocated(client.region_fd) < KEPT_SIZE)
		return 2;
	region = memchr(client.region, 1, PEER_REGION);
	if (!region || can_punch(&client) || can_open_again(client.region_fd) ||
	    can_open_again(client.fds[0]) || can_open_again(client.fds[1]) ||
	    can_open_again(client.fds[4]))
		return 3;
	close(client.socket);
	if (!is_freed(client.region_fd) || !is_freed(client.fds[4]))
		return 4;
	/* In pages of the client, which the daemon does not use. */
	return *region ? 5 : 0;
}

static int kept(void)
{
	int r;

	if (getuid()) {
		printf("ok - the daemon frees memory that a client keeps # SKIP needs root\n");
		return 0;
	}
	r = keep();
	printf("%s - the daemon frees memory that a client keeps: %d\n", r ? "not ok" : "ok", r);
	return r;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "crowd"))
		return crowd(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "visit"))
		return visit((uid_t)atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "threads"))
		return threads();
	if (argc == 2 && !strcmp(argv[1], "nobody"))
		return nobody();
	if (argc == 2 && !strcmp(argv[1], "deaf"))
		return deaf();
	if (argc == 2 && !strcmp(argv[1], "holes"))
		return holes();
	if (argc == 2 && !strcmp(argv[1], "kept"))
		return kept();
	fputs("usage: hostile crowd ERRNO | visit UID | threads | nobody | deaf | holes | kept\n",
	      stderr);
	return 2;
}
