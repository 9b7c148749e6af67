// SPDX-License-Identifier: MIT
/*
 * Clients of ipcbusd that do what no library does, in many processes at once: they write
 * anything into slots, areas and bells, send anything over the socket, and are killed, stopped
 * or leave at any moment. After each round an honest client must get what it asks for, and in
 * the end the daemon must live.
 *
 *   ipcbusd -- hostile [ROUNDS [SEED]]
 *   ipcbusd -- hostile crowd ERRNO
 *   ipcbusd -- hostile threads
 *   ipcbusd -- hostile nobody
 *   ipcbusd -- hostile deaf
 *
 * A crowd connects and says nothing. Those above the quota are to be refused with
 * ERRNO, the daemon is to sleep, and to serve again once the crowd has gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "messages.h"
#include "peer.h"

#define CLIENTS 8
#define SEND_SIZE (1UL << 20)
#define STEPS 400
#define CROWD 90
#define REFUSED 20

static int connect_to_bus(void)
{
	int fd = bus_connect(getenv("IPCBUS_DEVICE"));

	if (fd < 0) {
		perror("connect");
		exit(3);
	}
	return fd;
}

/* Says so and ends if a memory is not sealed. */
static int open_sealed(struct peer *peer)
{
	int r = peer_open(peer, getenv("IPCBUS_DEVICE"), SEND_SIZE);

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

/* --- The attacks --------------------------------------------------------------------- */

/* An address in the area, at its ends, or anywhere. */
static uint64_t any_address(const struct peer *peer)
{
	uint64_t base = (uintptr_t)peer->area;

	switch (below(6)) {
	case 0:
		return ((uint64_t)any() << 32) | any();
	case 1:
		return base + peer->size - below(300);
	case 2:
		return base - below(64);
	case 3:
		return base + below(IPCBUSD_SEND_AREA);
	default:
		return base + IPCBUSD_SEND_AREA + below(SEND_SIZE / 8) * 8;
	}
}

static uint32_t any_count(void)
{
	static const uint32_t counts[] = { 0, 1, 2, 3, 64, 65, 256, 1024, 0x10000, 0xffffffff };

	return counts[below(sizeof(counts) / sizeof(counts[0]))];
}

static void any_send(const struct peer *peer, struct ipcbus_send *send)
{
	*send = (struct ipcbus_send){
		.kind = below(5),
		.flags = below(3) ? 0 : below(64),
		.handle = below(4),
		.code = below(100),
		.call = below(20),
		.data = any_address(peer),
		.data_size = below(3) ? below(9000) : any(),
		.object_count = below(3) ? 0 : below(5),
		.objects = any_address(peer),
		.cookie = below(4),
	};
	if (send->flags & IPCBUS_SEND_IOV)
		send->iov_count = below(20);
	if (!send->kind)
		*send = (struct ipcbus_send){ 0 };
	if (send->kind == IPCBUS_SEND_REPLY)
		send->code = 0, send->handle = 0, send->cookie = 0;
	if (send->kind == IPCBUS_SEND_ONEWAY)
		send->call = 0, send->cookie = 0;
	if (send->kind == IPCBUS_SEND_CALL)
		send->call = 0;
}

static void any_ioctl(const struct peer *peer, struct ipcbusd_slot *slot)
{
	uint32_t *words = (void *)slot->space;
	struct ipcbus_exchange *x = (void *)slot->space;

	slot->arg = below(8) ? (uintptr_t)slot->space : any_address(peer);
	if (below(2)) {
		slot->cmd = IPCBUS_IOC_EXCHANGE;
		*x = (struct ipcbus_exchange){
			.size = sizeof(*x),
			.flags = below(4) ? IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK : below(8),
			.thread = below(5),
		};
		if (!below(3)) {
			x->release_count = any_count();
			x->release = x->release_count == 1 ? any() : any_address(peer);
		}
		any_send(peer, &x->send);
		return;
	}
	for (int i = 0; i < 64; i++)
		words[i] = below(2) ? 0 : below(40);
	words[0] = below(3) ? below(20) * 8 : any_count();
	slot->cmd = _IOWR(IPCBUS_IOC_TYPE, below(0x12), struct ipcbus_node);
	if (!below(10)) {
		slot->cmd = IPCBUSD_IOC_POLL;
		slot->arg = below(5);
	}
	if (!below(12))
		slot->cmd = IPCBUS_IOC_THREAD_EXIT, slot->arg = 0;
}

static void any_message(const struct peer *peer)
{
	struct ipcbusd_message message = {
		.kind = below(8) ? IPCBUSD_SEND_FD : below(8),
		.number = below(2) ? below(8) : any(),
		.base = any_address(peer),
		.size = below(2) ? 4096 : any(),
	};

	if (below(20))
		send_message(peer->socket, &message, below(6) ? STDIN_FILENO : -1);
	else
		(void)!send(peer->socket, &message, below(sizeof(message)),
			    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void step(const struct peer *peer)
{
	unsigned int number = below(20) ? below(8) : below(IPCBUSD_SLOTS);
	struct ipcbusd_slot *slot = peer_slot(peer, number);

	switch (below(16)) {
	case 0:	/* a wild word somewhere */
		((uint32_t *)peer->area)[below((uint32_t)peer->size / 4)] = any();
		break;
	case 1:	/* a state that does not fit */
		__atomic_store_n(&slot->state, below(8) | below(4) << 8, __ATOMIC_SEQ_CST);
		break;
	case 2:
		__atomic_fetch_or(&slot->state, IPCBUSD_SIGNALLED, __ATOMIC_SEQ_CST);
		break;
	case 3:
		slot->reply = below(2) ? 0 : (int32_t)any();
		__atomic_store_n(&slot->state, IPCBUSD_REPLIED, __ATOMIC_SEQ_CST);
		break;
	case 4:
		any_message(peer);
		break;
	case 5:
		((struct ipcbusd_client *)peer->area)->interrupt = 1;
		break;
	case 6:	/* the argument changes while the daemon reads it */
		((uint32_t *)slot->space)[below(64)] = any();
		break;
	default:
		slot->tid = below(30) ? (uint32_t)getpid() : any();
		any_ioctl(peer, slot);
		__atomic_store_n(&slot->state, IPCBUSD_SUBMITTED | (below(3) ? 0 : IPCBUSD_SLEEPS),
				 __ATOMIC_SEQ_CST);
		break;
	}
	peer_ring(peer, number);
	if (!below(64))
		syscall(SYS_futex, &peer->bell->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Never writes to the words of the bell that another client of this user needs, but rings for
 * all of them. */
static int attack(uint64_t seed)
{
	struct peer peer;

	state = seed;
	signal(SIGPIPE, SIG_IGN);
	if (!below(10)) {
		peer.area = NULL;
		peer.size = 1;
		peer.socket = connect_to_bus();
		for (int i = 0; i < 4; i++)
			any_message(&peer);
		return 0;
	}
	if (open_sealed(&peer))
		return 0;
	for (int i = 0; i < STEPS; i++) {
		step(&peer);
		if (!below(500))
			raise(SIGKILL);
		if (!below(300))
			close(peer.socket);
		if (!below(100))
			sched_yield();
	}
	return 0;
}

/* --- The honest client --------------------------------------------------------------- */

static long seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec;
}

/* One ioctl by a slot. Returns its result, or INT_MIN if there is none in time. */
static int run_by(struct peer *peer, unsigned int number, unsigned long cmd)
{
	struct ipcbusd_slot *slot = peer_slot(peer, number);
	struct timespec begin;

	slot->tid = (uint32_t)getpid();
	slot->cmd = (uint32_t)cmd;
	slot->arg = (uintptr_t)slot->space;
	__atomic_store_n(&slot->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
	peer_ring(peer, number);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (__atomic_load_n(&slot->state, __ATOMIC_SEQ_CST) != IPCBUSD_DONE) {
		sched_yield();
		if (seconds_since(&begin) > 100)
			return INT_MIN;
	}
	return slot->result;
}

static int info_by(struct peer *peer, unsigned int number)
{
	struct ipcbus_info *info = (void *)peer_slot(peer, number)->space;

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
	info = (void *)peer_slot(&peer, 0)->space;
	r = info_by(&peer, 0);
	if (r || info->version != IPCBUS_VERSION) {
		fprintf(stderr, "an honest client gets %d, in state %x\n", r,
			peer_slot(&peer, 0)->state);
		return 1;
	}
	return 0;
}

/* Once, as another user. */
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

/* Waits until enough of the crowd are refused. Counts those with that error. */
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
				/* WELCOME. */
				fds[i].fd = -1;
				continue;
			}
			/* Above the quota of the user, or without a descriptor. */
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

/* Ticks of processor time that the daemon, whose child this is, has used. */
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
		fprintf(stderr, "%s says nothing of the daemon\n", path);
		exit(5);
	}
	return user + system;
}

/* Within a second it may do a little for what came before. */
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

/* The daemon notices one by one that the crowd has gone. */
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
	fprintf(stderr, "nobody is served after the crowd: %s\n", strerror(-r));
	return 1;
}

/* Returns 0, 1 if something is wrong, or 2 if none was refused with that error. */
static int crowd_once(int error)
{
	int sockets[CROWD], by_error, failed;

	for (int i = 0; i < CROWD; i++)
		sockets[i] = connect_to_bus();
	failed = are_refused(sockets, error, &by_error) || is_at_rest();
	for (int i = 0; i < CROWD; i++)
		close(sockets[i]);
	failed = failed || is_served_again() || honest();
	return failed ? 1 : by_error ? 0 : 2;
}

/* In a round, the quota of the user may refuse all before the descriptors are used up. Each round
 * is a process, which leaves no descriptors behind. */
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

/* Root looks as another user, too. */
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

/* One thread says in every slot that it is one of it, until a user may have no more. */
static int threads(void)
{
	struct peer peers[5];
	unsigned int n = 0;
	int r = 0, failed;

	for (int i = 0; i < 5 && !r; i++) {
		r = open_sealed(&peers[i]);
		for (unsigned int slot = 0; slot < IPCBUSD_SLOTS && !r; slot++, n++)
			r = info_by(&peers[i], slot);
	}
	failed = r != -EDQUOT || is_another_served();
	printf("%s - a user has so many threads: %u\n", failed ? "not ok" : "ok", n);
	return failed;
}

/* --- Threads that there are not -------------------------------------------------------- */

#define NOBODYS 3 /* seconds, or until there were so many nodes */
#define NODES	2000
#define SOMEBODYS 300
/* What the daemon may have more. What is not freed of a node has 2,300 bytes. */
#define MORE_KB 2000

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
		fprintf(stderr, "%s says nothing of the daemon's memory\n", path);
		exit(5);
	}
	return kb;
}

static void *sleep_for_ever(void *unused)
{
	pause();
	return unused;
}

/* In each slot a thread of a PID namespace that there is not, again and again. */
static void use_nobodys_slots(void)
{
	struct ipcbusd_slot *slot;
	struct peer peer;
	pthread_t thread;

	if (setgid(65534) || setuid(65534) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    open_sealed(&peer))
		_exit(3);
	for (int i = 0; i < SOMEBODYS; i++)
		if (pthread_create(&thread, NULL, sleep_for_ever, NULL))
			_exit(3);
	for (unsigned int i = 0;; i = (i + 1) % IPCBUSD_SLOTS) {
		slot = peer_slot(&peer, i);
		slot->tid = INT_MAX;
		slot->cmd = (uint32_t)IPCBUS_IOC_THREAD_EXIT;
		__atomic_store_n(&slot->state, IPCBUSD_SUBMITTED, __ATOMIC_SEQ_CST);
		peer_ring(&peer, i);
	}
}

/* How many nodes of this user come and go; -1: one did not. */
static long use_nodes(struct peer *peer)
{
	struct ipcbus_node *node = (void *)peer_slot(peer, 0)->space;
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

/* Meanwhile another user's nodes come and go, and what they were in the daemon goes with them. */
static int nobody(void)
{
	struct peer peer;
	long n, grown;
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
		use_nobodys_slots();
	poll(NULL, 0, 500);
	if (open_sealed(&peer))
		exit(3);
	grown = -daemon_memory_kb();
	n = use_nodes(&peer);
	grown += daemon_memory_kb();
	/* It is at it to the end. */
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

/* --- Replies that nobody reads ------------------------------------------------------------- */

/* Waits until that many bytes of replies are there, unread. false: it is disconnected. */
static bool has_replied(int socket, size_t bytes)
{
	struct pollfd end = { .fd = socket };
	int size = 0;

	while (!ioctl(socket, FIONREAD, &size) && (size_t)size < bytes)
		if (poll(&end, 1, 1))
			return false;
	return true;
}

/* Asks for a region again and again, and never reads that it has one. */
static int deaf(void)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = PEER_REGION };
	struct peer peer;
	int n = 0, failed;

	if (open_sealed(&peer)) {
		perror("hostile: cannot begin");
		return 1;
	}
	/* One at a time, or that would be what ends it. */
	while (n < 3000 && !send_message(peer.socket, &message, -1) &&
	       has_replied(peer.socket, (n + 1) * sizeof(message)))
		n++;
	failed = n < 100 || n == 3000 || honest();
	printf("%s - whoever does not read is disconnected: %d replies\n", failed ? "not ok" : "ok", n);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 100;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	int status;

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
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (unsigned long i = 0; i < rounds; i++) {
		pid_t pids[CLIENTS];

		for (int j = 0; j < CLIENTS; j++) {
			pids[j] = fork();
			if (!pids[j])
				_exit(attack(seed + i * CLIENTS + j));
		}
		for (int j = 0; j < CLIENTS; j++)
			if (waitpid(pids[j], &status, 0) == pids[j] && WIFEXITED(status) &&
			    WEXITSTATUS(status)) {
				printf("not ok - round %lu: an attacker exits with %d\n", i,
				       WEXITSTATUS(status));
				return 1;
			}
		if (!fork())
			_exit(honest());
		wait(&status);
		if (status) {
			printf("not ok - round %lu\n", i);
			return 1;
		}
	}
	printf("ok - %lu rounds\n", rounds);
	return 0;
}
