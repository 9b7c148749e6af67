// SPDX-License-Identifier: MIT
/*
 * Starting services: see manager.h. An activation is the file of one service and the state of that
 * service:
 *
 *   down      as far as servicemanager knows, the service does not run
 *   starting  until all names are registered, the service exits, or its timeout passes
 *   up        all names were registered. The service may have unregistered them since, and be
 *             about to exit
 *
 * If a service crashes or fails to start, and a client waits for its name or gets the name later,
 * the service is started again after half a second, then after twice as long each time, up to a
 * minute. In the meantime Get() of its names fails and Wait() continues to wait. Ten seconds of
 * running clear the count of failures.
 *
 * A program is a child of servicemanager. To start a unit, unit.c asks systemd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activation-config.h"
#include "manager.h"
#include "unit.h"

#define RETRY_USEC     500000ULL
#define RETRY_MAX_USEC 60000000ULL
#define STABLE_USEC    10000000ULL

#define FILES_USUAL  1024
#define SERVICE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct activation {
	struct source source; /* the pidfd */
	struct manager *manager;
	struct activation_config *config;
	struct activation *next;
	pid_t pid; /* 0: no process, as far as servicemanager knows */
	int pidfd;
	bool starting;
	bool expired; /* killed at its timeout, which counted as a failure */
	uint64_t started_at;
	uint64_t deadline; /* 0: none */
	uint64_t retry_at;
	unsigned int failures;		/* in a row */
	char problem[UNIT_PROBLEM_MAX]; /* of the last failure */
	struct unit_job *job;		/* or NULL */
};

static bool has_all_names(const struct activation *a)
{
	for (char **name = a->config->names; *name; name++)
		if (!registry_find(a->manager->registry, *name))
			return false;

	return true;
}

/* Returns true if a call waits for a name of the service and the name has no owner. */
static bool is_wanted(const struct activation *a)
{
	for (char **name = a->config->names; *name; name++)
		if (!registry_find(a->manager->registry, *name) && waiters_exist(a->manager, *name))
			return true;

	return false;
}

/* --- The process ------------------------------------------------------------------- */

static int become_user(const struct activation_config *config)
{
	if (config->uid == geteuid())
		return 0;
	if (initgroups(config->user, config->gid) < 0 || setgid(config->gid) < 0 ||
	    setuid(config->uid) < 0)
		return -errno;

	return 0;
}

/* Undoes the raised limit of open files and a lowered OOM score of servicemanager. */
static int set_limits(void)
{
	int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	struct rlimit files;

	if (score >= 0 && write(score, "0", 1) < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_cur > FILES_USUAL)
		files.rlim_cur = FILES_USUAL;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	return 0;
}

static int detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (null < 0)
		return -errno;

	/* The service must not inherit the signal settings and open files of servicemanager. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	umask(022);
	setsid();
	if (dup2(null, STDIN_FILENO) < 0 || chdir("/") < 0)
		return -errno;

	return 0;
}

/* Exit status of a child that could not run the program, as in a shell. */
#define NOT_RUN 127

/* Runs in the child. The service gets the output and the bus of servicemanager, and a new
 * environment. */
static void run(const struct activation *a)
{
	const struct activation_config *config = a->config;
	const char *bus = a->manager->options.bus ?: getenv("IPCBUS_BUS");
	char variables[5][PATH_MAX], *environment[] = { variables[0], variables[1], variables[2],
							variables[3], NULL, NULL };
	int r;

	snprintf(variables[0], PATH_MAX, "PATH=%s", SERVICE_PATH);
	snprintf(variables[1], PATH_MAX, "HOME=%s", config->home);
	snprintf(variables[2], PATH_MAX, "USER=%s", config->login);
	snprintf(variables[3], PATH_MAX, "LOGNAME=%s", config->login);
	snprintf(variables[4], PATH_MAX, "IPCBUS_BUS=%s", bus ?: "");
	if (bus)
		environment[4] = variables[4];

	r = detach();
	if (r == 0)
		r = set_limits();
	if (r == 0)
		r = become_user(config);
	if (r == 0)
		execve(config->command[0], config->command, environment);

	log_line("%s: cannot run %s: %s", config->file, config->command[0],
		 strerror(r < 0 ? -r : errno));
	_exit(NOT_RUN);
}

static void forget_process(struct activation *a)
{
	if (a->pidfd >= 0) {
		source_remove(a->manager->options.epoll, a->pidfd);
		close(a->pidfd);
	}
	a->pidfd = -1;
	a->pid = 0;
}

/* Watches the process of a service by a pidfd. If that fails, kills the process, whose exit would
 * go unnoticed. Returns 0 or -errno. */
static int watch_process(struct activation *a)
{
	int r;

	a->pidfd = pidfd_open(a->pid, /* flags= */ 0);
	r = a->pidfd < 0 ? -errno :
			   source_set(a->manager->options.epoll, &a->source, a->pidfd, EPOLLIN);
	if (r == 0)
		return 0;

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

static __attribute__((format(printf, 2, 3))) void fail(struct activation *a,
							const char *format, ...)
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
	/* Log even without --verbose: an administrator must see failures. */
	log_line("activation failed: %s: %s; %u in a row, next try in %u.%u s", a->config->file,
		 a->problem, a->failures, (unsigned int)(delay / 1000000),
		 (unsigned int)(delay / 100000 % 10));

	for (char **name = a->config->names; *name; name++)
		if (!registry_find(a->manager->registry, *name))
			waiters_fail(a->manager, *name, /* gets_only= */ true, EHOSTUNREACH,
				     "cannot start the program of %s: %s", *name, a->problem);
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
	const char *unit = a->config->unit;
	int r;

	a->started_at = now_usec();
	a->deadline = a->started_at + a->config->timeout_sec * 1000000ULL;
	a->starting = true;
	log_verbose(a->manager, "starting %s", a->config->file);
	r = unit ? unit_start(a->manager->options.epoll, unit, unit_ended, a, &a->job) : spawn(a);
	if (r < 0)
		fail(a, "%s%s%s",
		     unit ?: "cannot start the program: ", unit ? ": cannot reach systemd: " : "",
		     strerror(-r));
}

static void ended(struct activation *a, const siginfo_t *info)
{
	bool killed = info->si_code != CLD_EXITED;
	/* See run(). A program can exit with that status as well. */
	const char *what = killed		     ? "killed by signal" :
			   info->si_status == NOT_RUN ? "the program cannot be run (see the log), or "
							"exited with status" :
						       "exited with status";

	a->deadline = 0;
	if (a->expired) {
		a->expired = false;
		return;
	}
	if (now_usec() - a->started_at >= STABLE_USEC)
		a->failures = 0;
	if (a->starting || killed || info->si_status != 0)
		fail(a, "%s %d%s", what, info->si_status, a->starting ? " before its names were registered" : "");
	else
		a->failures = 0;
}

static void process_ended(struct source *source)
{
	struct activation *a = container_of(source, struct activation, source);
	siginfo_t info = { .si_code = 0 };
	int r = waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | WNOHANG);

	if (r == 0 && info.si_pid == 0)
		return;
	forget_process(a);
	if (r == 0)
		ended(a, &info);
}

/* Ends the start of a service that neither registered its names in time nor exited. */
static void timed_out(struct activation *a)
{
	a->deadline = 0;
	if (a->pidfd >= 0)
		pidfd_send_signal(a->pidfd, SIGKILL, NULL, /* flags= */ 0);
	a->job = unit_job_free(a->job);
	a->expired = a->starting && a->pid;
	if (a->starting)
		fail(a, "%s%snames not registered within %u s", a->config->unit ?: "",
		     a->config->unit ? ": " : "", a->config->timeout_sec);
}

/* --- Starting ------------------------------------------------------------------------ */

struct activation *activation_find(const struct manager *manager, const char *name)
{
	struct activation *a = manager->activations;

	while (a && !activation_config_has_name(a->config, name))
		a = a->next;
	return a;
}

bool activation_allows(const struct manager *manager, const char *name, uid_t uid)
{
	const struct activation *a = activation_find(manager, name);

	return !a || !uid || uid == a->config->uid;
}

const char *activation_problem(const struct activation *a)
{
	return !a->starting && a->failures && now_usec() < a->retry_at ? a->problem : NULL;
}

const struct activation *activation_next(const struct manager *manager, const char *prefix,
					 const char *after, const char **ret_name)
{
	const struct activation *next = NULL;

	for (const struct activation *a = manager->activations; a; a = a->next)
		for (char **name = a->config->names; *name; name++)
			if (!strncmp(*name, prefix, strlen(prefix)) && strcmp(*name, after) > 0 &&
			    (!next || strcmp(*name, *ret_name) < 0)) {
				next = a;
				*ret_name = *name;
			}

	return next;
}

uid_t activation_uid(const struct activation *a)
{
	return a->config->uid;
}

void activation_message(Ipc__Manager__Activation *message, const struct activation *a)
{
	uint64_t now = now_usec();

	ipc__manager__activation__init(message);
	message->file = a->config->file;
	if (a->config->unit)
		message->unit = a->config->unit;
	else
		message->program = a->config->command[0];
	if (a->starting)
		message->state = IPC__MANAGER__ACTIVATION_STATE__ACTIVATION_STARTING;
	else if (has_all_names(a))
		message->state = IPC__MANAGER__ACTIVATION_STATE__ACTIVATION_UP;
	message->failures = a->failures;
	if (a->failures)
		message->problem = (char *)a->problem;
	if (a->failures && a->retry_at > now)
		message->retry_ms = (uint32_t)((a->retry_at - now) / 1000) + 1;
}

void activation_wanted(struct activation *a)
{
	/* The owner may be about to register the name again. */
	if (a->starting || !a->manager->settled)
		return;
	if (a->pid || a->job) {
		/* The service must exit soon; otherwise it is killed. */
		if (!a->deadline)
			a->deadline = now_usec() + a->config->timeout_sec * 1000000ULL;
		return;
	}
	if (now_usec() >= a->retry_at)
		start(a);
}

void activation_registered(struct manager *manager, const char *name)
{
	struct activation *a = activation_find(manager, name);

	if (!a || !has_all_names(a))
		return;

	a->starting = false;
	a->deadline = 0;
	/* systemd limits how often a unit that crashes starts again. */
	if (a->config->unit)
		a->failures = 0;
}

int activation_work(struct manager *manager)
{
	uint64_t now = now_usec(), next = 0;

	for (struct activation *a = manager->activations; a; a = a->next) {
		if (a->deadline && now >= a->deadline)
			timed_out(a);
		if (!a->starting && is_wanted(a))
			activation_wanted(a);
		if (a->deadline && (!next || a->deadline < next))
			next = a->deadline;
		if (a->retry_at > now && (!next || a->retry_at < next) && is_wanted(a))
			next = a->retry_at;
	}

	return next ? timeout_until(next) : -1;
}

/* --- Life ---------------------------------------------------------------------------- */

static struct activation *take_old(struct manager *manager, const char *file)
{
	struct activation **link = &manager->activations, *a;

	while (*link && strcmp((*link)->config->file, file))
		link = &(*link)->next;
	a = *link;
	if (a)
		*link = a->next;
	return a;
}

/* If the file of a service still exists, the service keeps its state and gets the new
 * configuration. */
int activations_set(struct manager *manager, struct activation_configs *configs)
{
	struct activation *list = NULL;
	int r = 0;

	for (size_t i = 0; i < configs->count; i++) {
		struct activation *a = take_old(manager, configs->list[i]->file);

		if (!a) {
			a = calloc(1, sizeof(*a));
			if (!a) {
				r = -ENOMEM;
				continue;
			}
			a->source.ready = process_ended;
			a->manager = manager;
			a->pidfd = -1;
		}
		activation_config_free(a->config);
		a->config = configs->list[i];
		configs->list[i] = NULL;
		a->next = list;
		list = a;
	}
	activations_end(manager);
	manager->activations = list;
	return r;
}

void activations_end(struct manager *manager)
{
	while (manager->activations) {
		struct activation *a = manager->activations;

		manager->activations = a->next;
		forget_process(a);
		unit_job_free(a->job);
		activation_config_free(a->config);
		free(a);
	}
}
