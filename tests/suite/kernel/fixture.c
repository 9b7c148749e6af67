// SPDX-License-Identifier: MIT
/*
 * Procs, processes, threads and counters for the tests; see fixture.h.
 *
 * The counters are read once, before the first test, and compared after each test. A test that
 * leaks an object therefore fails itself, and not the next test. The files of a killed process
 * are closed a moment after its death, so the comparison waits a little.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

#define MAX_COUNTERS 64

struct counters {
	size_t n;
	struct {
		char name[48];
		long live;
	} c[MAX_COUNTERS];
};

struct raw srv = { .fd = -1 }, cli = { .fd = -1 }, oth = { .fd = -1 };
uint64_t srv_node;

static struct counters before;

static int try_read_counters(struct counters *ret)
{
	static char text[16384];
	char *line, *rest = text;
	int e = dev_debug("stats", text, sizeof(text));

	if (e)
		return e;
	ret->n = 0;
	while ((line = strsep(&rest, "\n")) && ret->n < MAX_COUNTERS)
		if (sscanf(line, "%47s %ld", ret->c[ret->n].name, &ret->c[ret->n].live) == 2)
			ret->n++;
	return ret->n ? 0 : -ENODATA;
}

static void read_counters(struct counters *ret)
{
	int e = try_read_counters(ret);

	ck_assert_msg(!e, "the driver's counters: %s", errname(e));
}

/* Returns the first counter that differs from its value at the start, or -1. */
static int first_difference(const struct counters *now)
{
	for (size_t i = 0; i < now->n; i++)
		if (now->c[i].live != before.c[i].live)
			return i;
	return -1;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

void expect_nothing_left(void)
{
	struct counters now;
	int i = 0;

	for (int tries = 2000; tries; tries--, sleep_ms(5)) {
		read_counters(&now);
		i = first_difference(&now);
		if (i < 0)
			return;
	}
	ck_abort_msg("left behind: %s is %ld, was %ld", now.c[i].name, now.c[i].live,
		     before.c[i].live);
}

long live(const char *name)
{
	struct counters now;

	read_counters(&now);
	for (size_t i = 0; i < now.n; i++)
		if (!strcmp(now.c[i].name, name))
			return now.c[i].live;
	ck_abort_msg("debugfs stats has no counter %s", name);
}

void setup_bare(void)
{
	expect_nothing_left();
}

void setup_bus(void)
{
	setup_bare();
	raw_open(&srv, REGION);
	raw_open(&cli, REGION);
	raw_open(&oth, REGION);
	srv_node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
}

void teardown(void)
{
	raw_close(&oth);
	raw_close(&cli);
	raw_close(&srv);
	expect_nothing_left();
}

uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node)
{
	return raw_hand(&srv, to, from, node);
}

static void peer_main(struct peer *self, int (*fn)(struct peer *, void *), void *arg)
{
	raw_drop_inherited();
	srv.fd = cli.fd = oth.fd = -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	_exit(fn(self, arg));
}

/* Check reads each process's results from this deleted file. */
static bool is_checks_file(const char *fd)
{
	char path[32], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%.10s", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "/check_") &&
	       strstr(target, "(deleted)");
}

void peer_report_nothing(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct dirent *entry;
	bool heard = true;

	while (folder && nowhere >= 0 && (entry = readdir(folder))) {
		if (!is_checks_file(entry->d_name))
			continue;
		heard = dup2(nowhere, atoi(entry->d_name)) < 0;
		break;
	}
	/* Do not assert here: an assertion writes to Check's file. */
	if (heard)
		_exit(EXIT_FAILURE);
	closedir(folder);
	close(nowhere);
}

void peer_start(struct peer *p, int (*fn)(struct peer *self, void *arg), void *arg)
{
	int there[2], back[2];

	ck_assert_int_eq(pipe2(there, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(back, O_CLOEXEC), 0);
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (p->pid == 0) {
		close(there[1]);
		close(back[0]);
		peer_main(&(struct peer){ .notify = back[1], .hear = there[0] }, fn, arg);
	}
	close(there[0]);
	close(back[1]);
	p->notify = there[1];
	p->hear = back[0];
}

void peer_notify(struct peer *p, uint64_t what)
{
	ssize_t n = write(p->notify, &what, sizeof(what));

	ck_assert_msg(n == sizeof(what), "the peer is gone: %s", strerror(errno));
}

uint64_t peer_hear(struct peer *p)
{
	uint64_t what = 0;
	ssize_t n;

	do
		n = read(p->hear, &what, sizeof(what));
	while (n < 0 && errno == EINTR);
	ck_assert_msg(n == sizeof(what), "the peer ended early");
	return what;
}

static int peer_status(struct peer *p)
{
	int status = 0;

	while (waitpid(p->pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	close(p->notify);
	close(p->hear);
	return status;
}

void peer_kill(struct peer *p)
{
	kill(p->pid, SIGKILL);
	peer_status(p);
}

void peer_end(struct peer *p)
{
	int status = peer_status(p);

	ck_assert_msg(WIFEXITED(status), "the peer died of signal %d", WTERMSIG(status));
	ck_assert_msg(!WEXITSTATUS(status), "the peer ended with %d", WEXITSTATUS(status));
}

void *shared_memory(size_t size)
{
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(m, MAP_FAILED);
	return m;
}

void set_field(void *at, size_t width, uint64_t value)
{
	uint32_t value32 = value;

	if (width == sizeof(value))
		memcpy(at, &value, width);
	else if (width == sizeof(value32))
		memcpy(at, &value32, width);
	else
		ck_abort_msg("no field has %zu bytes", width);
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;

	__atomic_store_n(&h->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	return h->fn(h->arg);
}

/* With the default stack of 8 MiB, hundreds of threads would not fit into 32 bits. */
enum { HELPER_STACK = 1 << 20 };

void helper_start(struct helper *h, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;

	*h = (struct helper){ .fn = fn, .arg = arg };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, HELPER_STACK);
	ck_assert_int_eq(pthread_create(&h->thread, &attr, helper_main, h), 0);
	pthread_attr_destroy(&attr);
	while (!__atomic_load_n(&h->tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
}

void *helper_end(struct helper *h)
{
	void *result = NULL;

	ck_assert_int_eq(pthread_join(h->thread, &result), 0);
	return result;
}

static char thread_state(pid_t tid)
{
	char path[64], text[256] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 'X';
}

/* Requires two observations in a row: the thread may sleep briefly on a lock first. */
void wait_asleep(pid_t tid)
{
	for (int seen = 0; seen < 3; sleep_ms(3)) {
		char state = thread_state(tid);

		ck_assert_msg(state != 'X', "thread %d has ended", tid);
		seen = state == 'S' ? seen + 1 : 0;
	}
}

long kernel_memory(void)
{
	long kib, sum = 0;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %ld", &kib) == 1 ||
		    sscanf(line, "VmallocUsed: %ld", &kib) == 1)
			sum += kib;
	fclose(f);
	return sum * 1024;
}

void serve_echo(const struct raw *r)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE };

	for (;;) {
		struct ipcbus_event ev;

		assert_ok(raw_exchange(r, &x));
		ev = x.event;
		x = (struct ipcbus_exchange){ .flags = IPCBUS_WAIT | IPCBUS_SERVE };
		if (ev.kind == IPCBUS_EVENT_CALL) {
			raw_reply(r, ev.call, raw_payload(r, &ev), ev.data_size);
			if (ev.code == QUIT)
				x.flags = 0;
		}
		x.release_count = !!ev.buffer;
		x.release = ev.buffer;
		if (!x.flags) {
			assert_ok(raw_exchange(r, &x));
			return;
		}
	}
}

uint64_t deadline_in(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec + ms * 1000000LL;
}

void peep_open(struct peep *p, const struct raw *r)
{
	p->raw = r;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, p->socket), 0);
}

bool peep(struct peep *p, size_t offset, void *to, size_t size)
{
	if (write(p->socket[1], p->raw->map + offset, size) != (ssize_t)size)
		return false;
	ck_assert_int_eq(read(p->socket[0], to, size), size);
	return true;
}

void peep_close(struct peep *p)
{
	close(p->socket[0]);
	close(p->socket[1]);
}

void use_first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

void run_on_first_cpu(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	use_first_cpu();
	ck_assert_int_eq(sched_setscheduler(0, policy, &param), 0);
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

void limit_fds(int more)
{
	int probes[64] = { 0 };
	struct rlimit lim;

	ck_assert_int_lt(more, 64);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	for (int i = 0; i <= more; i++)
		probes[i] = dup(1);
	lim.rlim_cur = probes[more];
	for (int i = 0; i <= more; i++)
		close(probes[i]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

unsigned int rounds(unsigned int n)
{
	unsigned int fewer = from_environment("IPCBUS_FEWER_ROUNDS", 1);

	return fewer ? n / fewer : n;
}

uint32_t next_random(uint32_t *state)
{
	uint32_t v = *state;

	v ^= v << 13;
	v ^= v >> 17;
	v ^= v << 5;
	return *state = v;
}

void none_but_ended(const struct raw *server)
{
	struct ipcbus_event call, ev;

	for (;;) {
		assert_ok(raw_next(server, IPCBUS_SERVE | IPCBUS_NONBLOCK, &call));
		if (call.kind == IPCBUS_EVENT_NONE)
			return;
		ck_assert_uint_eq(call.kind, IPCBUS_EVENT_CALL);
		raw_wait(server, IPCBUS_EVENT_CANCELED, &ev);
		ck_assert_uint_eq(ev.call, call.call);
		raw_reply(server, call.call, NULL, 0);
	}
}

TCase *add_case(Suite *suite, const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	suite_add_tcase(suite, tc);
	return tc;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), e = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		e = -errno;
	close(fd);
	return e;
}

void send_fd(int socket, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte = 'f';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(socket, &m, 0), 1);
}

/* Objects of a previous program may still be in the process of being freed. */
static int take_counters_at_rest(void)
{
	struct counters again;
	int e = try_read_counters(&before);

	for (uint64_t end = now_ms() + 2000; !e && now_ms() < end;) {
		sleep_ms(30);
		e = try_read_counters(&again);
		if (e || first_difference(&again) < 0)
			break;
		before = again;
	}
	return e;
}

void skip_case(const char *name, const char *why)
{
	fprintf(stderr, "SKIP %s: %s\n", name, why);
}

int suite_main(Suite *suite)
{
	SRunner *runner;
	int failed, fd, e;

	fd = dev_open(O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "no device, no tests run: %s\n", errname(fd));
		return 77;
	}
	dev_close(fd);
	e = take_counters_at_rest();
	if (e) {
		fprintf(stderr, "the driver's counters cannot be read: %s\n", errname(e));
		return EXIT_FAILURE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);

	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
