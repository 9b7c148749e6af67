// SPDX-License-Identifier: MIT
/*
 * Starting services when somebody wants one of their names and nobody has it. An
 * activation is one service's file with what became of it:
 *
 *   down      nothing runs, as far as we know
 *   starting  until all its names are there, it ended, or its time is over
 *   up        its names were there; it may run without them, on its way out
 *
 * One that fails to start, or crashes, is not started again at once: half a second
 * later, then twice as long each time, up to a minute. Who gets its name meanwhile is
 * told so; who waits goes on waiting. Ten seconds of running make up for failures.
 *
 * A program is a process of ours; a unit is systemd's business, which unit.c asks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demand.h"
#include "state.h"

#define RETRY_USEC	500000ULL
#define RETRY_MAX_USEC	60000000ULL
#define STABLE_USEC	10000000ULL

struct activation {
	struct source source; /* its process ended */
	struct service *service;
	struct demand *demand;
	struct activation *next;
	pid_t pid;	/* 0: none that we know */
	int pidfd;
	bool starting;
	uint64_t started_at;
	uint64_t deadline;	/* 0: none */
	uint64_t retry_at;
	unsigned int failures;	/* in a row */
	char problem[UNIT_PROBLEM_MAX]; /* the last one's */
	struct unit_job *job;	/* or NULL */
};

/* Always, with --verbose or not: this is the administrator's business. */
static void report(const struct activation *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void report(const struct activation *a, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "servicemanager: %s: ", a->demand->file);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static bool all_names_are_there(const struct activation *a)
{
	for (char **name = a->demand->names; *name; name++)
		if (!registry_find(a->service->registry, *name))
			return false;

	return true;
}

/* Does somebody wait for a name of its that nobody has? */
static bool is_wanted(const struct activation *a)
{
	for (char **name = a->demand->names; *name; name++)
		if (!registry_find(a->service->registry, *name) &&
		    lookup_is_awaited(a->service, *name))
			return true;

	return false;
}

/* --- The process ------------------------------------------------------------------- */

static int become_user(const struct demand *demand)
{
	if (demand->uid == geteuid())
		return 0;
	if (initgroups(demand->user, demand->gid) < 0 || setgid(demand->gid) < 0 ||
	    setuid(demand->uid) < 0)
		return -errno;

	return 0;
}

static int set_limits(const struct demand *demand)
{
	for (size_t i = 0; i < demand->n_limits; i++) {
		struct rlimit limit = { demand->limits[i].value, demand->limits[i].value };

		if (setrlimit(demand->limits[i].resource, &limit) < 0)
			return -errno;
	}

	return 0;
}

/* It is on our bus, and what systemd told us is not its. */
static int set_environment(const char *device)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (device && setenv("IPCBUS_DEVICE", device, /* overwrite= */ 1) < 0)
		return -errno;

	return chdir("/") < 0 ? -errno : 0;
}

static int detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (null < 0)
		return -errno;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	return dup2(null, STDIN_FILENO) < 0 ? -errno : 0;
}

/* In the child. What it says is in our log. */
static void run(const struct activation *a)
{
	const struct demand *demand = a->demand;
	int r;

	r = detach();
	if (r == 0)
		r = set_environment(a->service->device);
	if (r == 0)
		r = set_limits(demand);
	if (r == 0)
		r = become_user(demand);
	if (r == 0)
		execv(demand->command[0], demand->command);

	report(a, "cannot run %s: %s", demand->command[0], strerror(r < 0 ? -r : errno));
	_exit(127);
}

static void forget_process(struct activation *a)
{
	if (a->pidfd >= 0) {
		service_forget_fd(a->service, a->pidfd);
		close(a->pidfd);
	}
	a->pidfd = -1;
	a->pid = 0;
}

/* Without a pidfd nobody would tell us of its end: then it does not live. */
static int watch_process(struct activation *a)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &a->source };

	a->pidfd = pidfd_open(a->pid, /* flags= */ 0);
	if (a->pidfd >= 0 && epoll_ctl(a->service->epoll, EPOLL_CTL_ADD, a->pidfd, &event) == 0)
		return 0;

	int r = -errno;

	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	forget_process(a);
	return r;
}

static int spawn(struct activation *a)
{
	a->pid = fork();
	if (a->pid == 0)
		run(a);
	if (a->pid < 0) {
		a->pid = 0;
		return -errno;
	}

	return watch_process(a);
}

/* --- Failing ----------------------------------------------------------------------- */

static void fail(struct activation *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct activation *a, const char *format, ...)
{
	uint64_t delay = RETRY_USEC << (a->failures < 8 ? a->failures : 8);
	va_list args;

	va_start(args, format);
	vsnprintf(a->problem, sizeof(a->problem), format, args);
	va_end(args);
	if (delay > RETRY_MAX_USEC)
		delay = RETRY_MAX_USEC;
	a->failures++;
	a->starting = false;
	a->deadline = 0;
	a->retry_at = now_usec() + delay;
	report(a, "%s; %u times in a row, next try in %u.%u s", a->problem, a->failures,
	       (unsigned int)(delay / 1000000), (unsigned int)(delay / 100000 % 10));

	for (char **name = a->demand->names; *name; name++)
		if (!registry_find(a->service->registry, *name))
			lookup_unreachable(a->service, *name, a->problem);
}

static void unit_ended(void *userdata, const char *problem)
{
	struct activation *a = userdata;

	a->job = NULL;
	if (problem)
		fail(a, "%s", problem);
}

static void start(struct activation *a)
{
	const char *unit = a->demand->unit;
	int r;

	a->started_at = now_usec();
	a->deadline = a->started_at + a->demand->timeout_sec * 1000000ULL;
	a->starting = true;
	say(a->service, "starting %s", a->demand->file);
	r = unit ? unit_start(a->service, unit, unit_ended, a, &a->job) : spawn(a);
	if (r < 0)
		fail(a, "%s%s%s", unit ?: "cannot be started", unit ? ": no way to systemd: " : ": ",
		     strerror(-r));
}

static void ended(struct activation *a, const siginfo_t *info)
{
	bool killed = info->si_code != CLD_EXITED;

	if (now_usec() - a->started_at >= STABLE_USEC)
		a->failures = 0;
	if (a->starting || killed || info->si_status != 0)
		fail(a, "%s%s %d", a->starting ? "before its names were there it " : "",
		     killed ? "was killed by signal" : "ended with status", info->si_status);
	else
		a->failures = 0;
	a->deadline = 0;
}

static void process_ended(struct service *service, struct source *source)
{
	struct activation *a = container_of(source, struct activation, source);
	siginfo_t info = { .si_code = 0 };
	int r = waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | WNOHANG);

	(void)service;
	if (r == 0 && info.si_pid == 0)
		return;
	forget_process(a);
	if (r == 0)
		ended(a, &info);
}

/* It neither adds its names nor ends. */
static void time_is_over(struct activation *a)
{
	a->deadline = 0;
	if (a->pidfd >= 0)
		pidfd_send_signal(a->pidfd, SIGKILL, NULL, /* flags= */ 0);
	a->job = unit_job_free(a->job);
	if (a->starting)
		fail(a, "%s%sits names are not there after seconds: %u", a->demand->unit ?: "",
		     a->demand->unit ? ": " : "", a->demand->timeout_sec);
}

/* --- What others tell ---------------------------------------------------------------- */

struct activation *activation_find(const struct service *service, const char *name)
{
	struct activation *a = service->activations;

	while (a && !demand_has_name(a->demand, name))
		a = a->next;
	return a;
}

const char *activation_problem(const struct activation *a)
{
	return !a->starting && a->failures && now_usec() < a->retry_at ? a->problem : NULL;
}

void activation_wanted(struct activation *a)
{
	/* Owners may be about to add their names again, and this one may be one. */
	if (a->starting || !a->service->settled)
		return;
	if (a->pid || a->job) {
		/* On its way out, or else it is in the way. */
		if (!a->deadline)
			a->deadline = now_usec() + a->demand->timeout_sec * 1000000ULL;
		return;
	}
	if (now_usec() >= a->retry_at)
		start(a);
}

void activation_appeared(struct service *service, const char *name)
{
	struct activation *a = activation_find(service, name);

	if (!a || !all_names_are_there(a))
		return;

	a->starting = false;
	a->deadline = 0;
	/* Units that crash are damped by systemd. */
	if (a->demand->unit)
		a->failures = 0;
}

int activation_work(struct service *service)
{
	uint64_t now = now_usec(), next = 0;

	for (struct activation *a = service->activations; a; a = a->next) {
		if (a->deadline && now >= a->deadline)
			time_is_over(a);
		if (!a->starting && is_wanted(a))
			activation_wanted(a);
		if (a->deadline && (!next || a->deadline < next))
			next = a->deadline;
		if (a->retry_at > now && (!next || a->retry_at < next) && is_wanted(a))
			next = a->retry_at;
	}

	if (!next)
		return -1;
	return next > now ? (int)((next - now) / 1000) + 1 : 0;
}

/* --- Life ---------------------------------------------------------------------------- */

static struct activation *activation_new(struct service *service, struct demand *demand)
{
	struct activation *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;

	a->source.ready = process_ended;
	a->service = service;
	a->demand = demand;
	a->pidfd = -1;
	return a;
}

static void activation_free(struct activation *a)
{
	forget_process(a);
	unit_job_free(a->job);
	demand_free(a->demand);
	free(a);
}

static struct activation *take_old(struct service *service, const char *file)
{
	struct activation **link = &service->activations, *a;

	while (*link && strcmp((*link)->demand->file, file))
		link = &(*link)->next;
	a = *link;
	if (a)
		*link = a->next;
	return a;
}

/* One whose file is still there goes on as what it was, with what the file says now. */
static struct activation *renew(struct service *service, struct demand *demand)
{
	struct activation *a = take_old(service, demand->file);

	if (!a)
		return activation_new(service, demand);

	demand_free(a->demand);
	a->demand = demand;
	return a;
}

int service_set_demands(struct service *service, struct demands *demands)
{
	struct activation *list = NULL;
	int r = 0;

	for (size_t i = 0; i < demands->count; i++) {
		struct activation *a = renew(service, demands->list[i]);

		if (!a) {
			demand_free(demands->list[i]);
			r = -ENOMEM;
			continue;
		}
		a->next = list;
		list = a;
	}
	demands->count = 0;
	activations_end(service);
	service->activations = list;
	return r;
}

/* Those that run go on: they are services like any. */
void activations_end(struct service *service)
{
	while (service->activations) {
		struct activation *a = service->activations;

		service->activations = a->next;
		activation_free(a);
	}
}
