// SPDX-License-Identifier: MIT
/*
 * The benchmark's guest program: runs every case in two processes of its own
 * and prints a line per figure, tab-separated:
 *
 *   kernel  case  transport  bytes  instructions
 *
 * and after that, if option -e asks for it, interrupts, context switches and sleeps of a call.
 *
 * bench/run starts it in the deterministic guest, where a nanosecond is
 * an instruction, and makes the table. Elsewhere the last column is time.
 */
#include "bench.h"
#include "measure.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t sizes[] = { 4, 4096, 65536, 262144, 1048576 };
static const unsigned int batches[] = { 1, BENCH_MAX_BATCH, BENCH_LONG_BATCH };

/* Some 100 microseconds of the deterministic guest: 10 calls and more. */
#define SPIN 30000

static const struct bench_beside besides[] = {
	{ .name = "mean" },
	{ .name = "think", .think = SPIN },
	{ .name = "work", .work = SPIN },
	{ .name = "nap", .nap = 1000000 },
	{ .name = "hog", .calls = 20000, .hog = true },
	{ .name = "clients2", .clients = 1 },
	{ .name = "clients4", .clients = 3 },
	{ .name = "clients16", .clients = 15 },
};

#define MAX_BESIDE     16
#define ONEWAY_SIZE    64
/* The guest's idle seconds before the first round: what booting left to be
 * done in the background is then done. */
#define SETTLE_SECONDS 3
/* A case whose two sides wait for each other is ended by this. */
#define CASE_SECONDS   60

/**
 * struct options - the command line
 * @transport: only the cases of this one, or NULL
 * @name: only this case ("call", "typed", "blob", "raw", "oneway", "oneway16",
 *	"oneway250", "mean" and the others of besides[], "alone" and the others of crowd.c), or NULL
 * @size: only this many bytes, or 0
 * @trace: instead of measuring, mark so many rounds for the tracer
 * @events: also print interrupts, context switches and sleeps
 * @now: do not wait until what has booted is idle
 * @any: it is no mistake if this program has none of these cases
 * @check: measure nothing: see whether there are such cases
 */
struct options {
	const char *transport;
	const char *name;
	size_t size;
	unsigned int trace;
	bool events;
	bool now;
	bool any;
	bool check;
};

static char request[BENCH_MAX_SIZE];

int bench_fail(const char *what, int code)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-code));
	return code;
}

const char *bench_program(const char *name)
{
	static char path[PATH_MAX];
	const size_t most = sizeof(path) - strlen(name);
	ssize_t n = readlink("/proc/self/exe", path, most);

	if (n < 0 || (size_t)n == most)
		return "";
	path[n] = 0;
	*strrchr(path, '/') = 0;
	strcpy(strrchr(path, '/') + 1, name);
	return path;
}

int bench_ready(struct bench_case *c)
{
	ssize_t n;

	n = write(c->ready_fd, "", 1);
	close(c->ready_fd);
	return n == 1 ? 0 : -EPIPE;
}

static const char *case_name(const struct bench_case *c)
{
	if (c->beside)
		return c->beside->name;
	if (c->batch == 0)
		return c->transport->call;
	if (c->batch == 1)
		return "oneway";
	return c->batch == BENCH_MAX_BATCH ? "oneway16" : "oneway250";
}

static int wait_ready(int fd)
{
	char byte;
	ssize_t n;

	n = read(fd, &byte, 1);
	close(fd);
	return n == 1 ? 0 : -ENOTCONN;
}

static void print_figure(const struct bench_case *c, uint64_t nsec, const char *events)
{
	struct utsname name;

	uname(&name);
	printf("%s\t%s\t%s\t%zu\t%llu%s\n", name.release, case_name(c), c->transport->name, c->size,
	       (unsigned long long)nsec, events);
	fflush(stdout);
}

/* Where code of a process lies, for whoever reads the trace. */
static int print_maps(pid_t pid)
{
	char line[512];
	FILE *maps;

	snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
	maps = fopen(line, "re");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, "r-xp"))
			fputs(line, stdout);
	}
	fclose(maps);
	fflush(stdout);
	return 0;
}

static int measure_mean(struct bench_case *c, const struct options *o)
{
	struct bench_mean mean;
	char events[64] = "";
	int r;

	r = bench_measure_mean(c, o->events, &mean);
	if (r < 0)
		return r;
	if (o->events)
		snprintf(events, sizeof(events), "\t%.3f\t%.3f\t%.3f", mean.interrupts, mean.switches,
			 mean.sleeps);
	print_figure(c, mean.nsec, events);
	return 0;
}

static int run_client(struct bench_case *c, const struct options *o)
{
	uint64_t nsec;
	int r;

	r = c->transport->connect ? c->transport->connect(c) : 0;
	if (r < 0)
		return r;
	if (o->trace > 0) {
		/* The server is a fork of this one. */
		r = print_maps(getpid());
		if (r == 0 && c->daemon)
			r = print_maps(c->daemon);
		return r < 0 ? r : bench_trace(c, o->trace);
	}
	if (c->beside)
		return measure_mean(c, o);
	r = bench_measure(c, &nsec);
	if (r == 0)
		print_figure(c, nsec, "");
	return r;
}

/* Does it all the time until the case's end; never returns. */
static void compute(void)
{
	for (;;)
		bench_spin(SPIN);
}

static void call(struct bench_case *c)
{
	int r;

	r = c->transport->connect ? c->transport->connect(c) : 0;
	while (r == 0)
		r = c->transport->round(c);
	bench_fail("a client beside", r);
	_exit(1);
}

static int fork_beside(struct bench_case *c, pid_t *pids)
{
	const struct bench_beside *beside = c->beside;

	if (!beside)
		return 0;
	for (unsigned int i = 0; i < beside->hog + beside->clients; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return -errno;
		if (pids[i] > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (i < beside->hog)
			compute();
		call(c);
	}
	return 0;
}

static void end_process(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Returns in the server only when it failed, and there never at all. */
static int fork_server(struct bench_case *c, pid_t *ret_pid, int *ret_ready)
{
	int ready[2], r;
	pid_t pid;

	if (pipe(ready) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(ready[1]);
		*ret_ready = ready[0];
		*ret_pid = pid;
		return 0;
	}
	close(ready[0]);
	c->ready_fd = ready[1];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = c->transport->serve(c);
	bench_fail("the server", r);
	_exit(1);
}

/* One case, in a process of its own, which is the client. */
static int run_pair(struct bench_case *c, const struct options *o)
{
	pid_t server = 0, beside[MAX_BESIDE] = { 0 };
	int ready = -1, r;

	alarm(CASE_SECONDS);
	c->state = calloc(1, c->transport->state_size);
	if (!c->state)
		return -ENOMEM;
	r = c->transport->create ? c->transport->create(c) : 0;
	if (r == 0)
		r = fork_server(c, &server, &ready);
	if (r < 0)
		return r;
	r = wait_ready(ready);
	if (r == 0)
		r = fork_beside(c, beside);
	if (r == 0)
		r = run_client(c, o);
	for (size_t i = 0; i < MAX_BESIDE; i++)
		end_process(beside[i]);
	/* The next case's server must find this one's gone. */
	end_process(server);
	return r;
}

static int run_case(struct bench_case *c, const struct options *o)
{
	char what[64];
	int status, r;
	pid_t pid;

	if (o->check)
		return 0;
	pid = fork();
	if (pid < 0)
		return bench_fail("fork", -errno);
	if (pid == 0) {
		r = run_pair(c, o);
		_exit(r < 0 ? -r : 0);
	}
	waitpid(pid, &status, 0);
	snprintf(what, sizeof(what), "%s of %zu bytes over %s", case_name(c), c->size,
		 c->transport->name);
	if (WIFSIGNALED(status))
		return bench_fail(what, WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -EINTR);
	return WEXITSTATUS(status) ? bench_fail(what, -WEXITSTATUS(status)) : 0;
}

/* list: names with commas between them, or NULL for all there are */
static bool is_in(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at && (at = strstr(at, name)); at += length)
		if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ','))
			return true;
	return !list;
}

static bool wanted(const struct bench_case *c, const struct options *o)
{
	if (c->batch ? !c->transport->has_oneway : !c->transport->call)
		return false;
	if (c->batch > BENCH_MAX_BATCH && !c->transport->has_long)
		return false;
	if (c->beside && !c->transport->has_beside)
		return false;
	if (c->beside && c->beside->clients && !c->transport->many)
		return false;
	if (c->transport->max_size && c->size > c->transport->max_size)
		return false;
	return is_in(o->transport, c->transport->name) && is_in(o->name, case_name(c)) &&
	       (!o->size || o->size == c->size);
}

/* How many cases of a transport ran, or -errno. */
static int run_transport(const struct bench_transport *transport, const struct options *o)
{
	struct bench_case c = { .transport = transport, .request = request };
	int n = 0, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) + ARRAY_SIZE(batches) && r == 0; i++) {
		bool is_call = i < ARRAY_SIZE(sizes);

		c.size = is_call ? sizes[i] : ONEWAY_SIZE;
		c.batch = is_call ? 0 : batches[i - ARRAY_SIZE(sizes)];
		if (!wanted(&c, o))
			continue;
		r = run_case(&c, o);
		n++;
	}
	c.size = sizes[0];
	c.batch = 0;
	for (size_t i = 0; i < ARRAY_SIZE(besides) && r == 0; i++) {
		c.beside = &besides[i];
		c.work = c.beside->work;
		if (!wanted(&c, o))
			continue;
		r = run_case(&c, o);
		n++;
	}
	return r < 0 ? r : n;
}

static int usage(FILE *to)
{
	const char *between = "";

	fputs("usage: bench [-ehikn] [-t TRANSPORT,...] [-c CASE,...] [-s BYTES] [-p ROUNDS]\n"
	      "  -e  also interrupts that CPUs sent each other, context switches, and how many of these\n"
	      "      were sleeps, a call\n"
	      "  -h  print this\n"
	      "  -i  if there is none of these cases, say nothing; the status is 3\n"
	      "  -k  only check the options: measure nothing\n"
	      "  -n  now, without the idle seconds that follow the boot of a guest\n"
	      "  -t  only these, of which there are: ",
	      to);
	for (const struct bench_transport *const *t = bench_transports; *t; t++) {
		if (t > bench_transports && !strcmp(t[0]->name, t[-1]->name))
			continue;
		fprintf(to, "%s%s", between, (*t)->name);
		between = ", ";
	}
	fputs("\n"
	      "  -c  only call, typed, blob, raw, oneway, oneway16, oneway250, mean, think,\n"
	      "      work, nap, hog, clients2, clients4, clients16, alone, handles, procs, queued or\n"
	      "      fragmented\n"
	      "  -s  only 4, 4096, 65536, 262144 or 1048576 (oneway: 64) bytes\n"
	      "  -p  mark ROUNDS rounds for bench/profile instead of measuring\n",
	      to);
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "ehiknt:c:s:p:")) >= 0) {
		switch (c) {
		case 'e':
			o->events = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'i':
			o->any = true;
			break;
		case 'k':
			o->check = true;
			break;
		case 'n':
			o->now = true;
			break;
		case 't':
			o->transport = optarg;
			break;
		case 'c':
			o->name = optarg;
			break;
		case 's':
			o->size = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			o->trace = strtoul(optarg, NULL, 10);
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int n = 0, r;

	if (parse(argc, argv, &o) < 0)
		return usage(stderr);
	memset(request, 'x', sizeof(request));
	if (!o.now && !o.check)
		sleep(SETTLE_SECONDS);
	for (const struct bench_transport *const *t = bench_transports; *t; t++) {
		if (!o.transport && (*t)->exists && !(*t)->exists())
			continue;
		r = run_transport(*t, &o);
		if (r < 0)
			return 1;
		n += r;
	}
	if (n == 0)
		return o.any ? 3 : usage(stderr);
	return 0;
}
