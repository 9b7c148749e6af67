// SPDX-License-Identifier: MIT
/*
 * Having systemd start units: see unit.h. The connection to the system bus exists while
 * there are jobs.
 *
 * For each job systemd replies to StartUnit() with the path of the job, and later sends the
 * signal JobRemoved with that path and the result. Anybody on the system bus may send us a
 * signal, so only one from the sender of that reply counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>

#include "source.h"
#include "private.h"
#include "unit.h"

#define SYSTEMD		"org.freedesktop.systemd1"
#define SYSTEMD_PATH	"/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

#define MESSAGES_AT_ONCE 64

struct unit_job {
	struct unit_job *next, **link; /* in units.jobs */
	sd_bus_slot *reply;	       /* of StartUnit() */
	char *unit;
	char *path;    /* from the reply */
	char *systemd; /* who sent it */
	unit_done *done;
	void *userdata;
};

struct units {
	struct source source;
	sd_bus *bus;
	int fd; /* -1: the loop does not wait for it yet */
	struct unit_job *jobs;
};

/* --- Jobs ------------------------------------------------------------------------ */

static struct unit_job *job_new(const char *unit, unit_done *done, void *userdata)
{
	struct unit_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;

	job->done = done;
	job->userdata = userdata;
	job->unit = strdup(unit);
	if (!job->unit) {
		free(job);
		return NULL;
	}

	return job;
}

struct unit_job *unit_job_free(struct unit_job *job)
{
	if (!job)
		return NULL;

	if (job->link) {
		*job->link = job->next;
		if (job->next)
			job->next->link = job->link;
	}
	sd_bus_slot_unref(job->reply);
	free(job->unit);
	free(job->path);
	free(job->systemd);
	free(job);
	return NULL;
}

/* what, why and help are the parts of a text; what is NULL on success. */
static void job_end(struct unit_job *job, const char *what, const char *why, const char *help)
{
	char problem[UNIT_PROBLEM_MAX];

	snprintf(problem, sizeof(problem), "%s: %s%s%s", job->unit, what ?: "", why ?: "",
		 help ?: "");
	job->done(job->userdata, what ? problem : NULL);
	unit_job_free(job);
}

static bool is_denied(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *path = NULL, *sender = sd_bus_message_get_sender(reply);
	struct unit_job *job = userdata;

	(void)unused;
	if (error) {
		job_end(job, "systemd refuses to start it: ", error->message ?: error->name,
			is_denied(error) ? " (see ipcbus-services(5) for the polkit rule)" : NULL);
		return 0;
	}
	if (sd_bus_message_read(reply, "o", &path) < 0 || !sender) {
		job_end(job, "systemd's reply names no job", NULL, NULL);
		return 0;
	}

	job->path = strdup(path);
	job->systemd = strdup(sender);
	if (!job->path || !job->systemd)
		job_end(job, strerror(ENOMEM), NULL, NULL);
	return 0;
}

static struct unit_job *find_job(const struct units *units, const char *path, const char *sender)
{
	struct unit_job *job = units->jobs;

	while (job && !(job->path && job->systemd && !strcmp(job->path, path) &&
			!strcmp(job->systemd, sender)))
		job = job->next;
	return job;
}

static int on_removed(sd_bus_message *signal, void *userdata, sd_bus_error *unused)
{
	const char *path, *result, *sender = sd_bus_message_get_sender(signal);
	struct units *units = userdata;
	struct unit_job *job;

	(void)unused;
	if (!sender || sd_bus_message_read(signal, "uoss", NULL, &path, NULL, &result) < 0)
		return 0;
	job = find_job(units, path, sender);
	if (!job)
		return 0;

	if (!strcmp(result, "done"))
		job_end(job, NULL, NULL, NULL);
	else
		job_end(job, "its job ended with result ", result, NULL);
	return 0;
}

/* --- The connection --------------------------------------------------------------- */

/* units_work(), which runs next, does the work. */
static void bus_ready(struct source *source)
{
	(void)source;
}

/* No jobs are left. */
static struct units *units_free(const struct manager *manager, struct units *units)
{
	if (units->fd >= 0)
		source_remove(manager->epoll, units->fd);
	sd_bus_close_unref(units->bus);
	free(units);
	return NULL;
}

/* For each time that the events the bus waits for may have changed. */
static int units_watch(const struct manager *manager, struct units *units)
{
	int fd = sd_bus_get_fd(units->bus), events = sd_bus_get_events(units->bus);
	int r;

	if (fd < 0 || events < 0)
		return fd < 0 ? fd : events;

	/* The events of poll() and of epoll have the same values. */
	r = source_set(manager->epoll, &units->source, fd, (uint32_t)events);
	if (r == 0)
		units->fd = fd;
	return r;
}

/* Must come before the first StartUnit(). */
static int subscribe(struct units *units)
{
	int r = sd_bus_match_signal_async(units->bus, /* ret_slot= */ NULL, SYSTEMD, SYSTEMD_PATH,
					  SYSTEMD_MANAGER, "JobRemoved", on_removed,
					  /* install_callback= */ NULL, units);

	if (r < 0)
		return r;

	/* No reply is needed: that of StartUnit() shows whether systemd is there. */
	return sd_bus_call_method_async(units->bus, /* ret_slot= */ NULL, SYSTEMD, SYSTEMD_PATH,
					SYSTEMD_MANAGER, "Subscribe", /* callback= */ NULL,
					/* userdata= */ NULL, "");
}

static int units_new(struct manager *manager)
{
	struct units *units = calloc(1, sizeof(*units));
	int r;

	if (!units)
		return -ENOMEM;

	units->fd = -1;
	units->source.ready = bus_ready;
	r = sd_bus_open_system(&units->bus);
	if (r >= 0)
		r = subscribe(units);
	if (r < 0) {
		units_free(manager, units);
		return r;
	}

	manager->units = units;
	return 0;
}

static int units_process(struct manager *manager, struct units *units)
{
	int r = 1;

	for (int i = 0; i < MESSAGES_AT_ONCE && r > 0; i++)
		r = sd_bus_process(units->bus, /* ret_message= */ NULL);
	return r < 0 ? r : units_watch(manager, units);
}

int units_work(struct manager *manager)
{
	struct units *units = manager->units;
	uint64_t at;
	int r;

	if (!units)
		return -1;

	r = units_process(manager, units);
	while (r < 0 && units->jobs)
		job_end(units->jobs, "lost the system bus: ", strerror(-r), NULL);
	if (!units->jobs) {
		manager->units = units_free(manager, units);
		return -1;
	}

	if (sd_bus_get_timeout(units->bus, &at) < 0 || at == UINT64_MAX)
		return -1;
	return timeout_until(at);
}

void units_end(struct manager *manager)
{
	if (manager->units)
		manager->units = units_free(manager, manager->units);
}

/* --- Starting ---------------------------------------------------------------------- */

int unit_start(struct manager *manager, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job)
{
	struct unit_job *job = job_new(unit, done, userdata);
	int r;

	if (!job)
		return -ENOMEM;

	r = manager->units ? 0 : units_new(manager);
	if (r == 0)
		r = sd_bus_call_method_async(manager->units->bus, &job->reply, SYSTEMD,
					     SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit", on_reply,
					     job, "ss", unit, "replace");
	if (r >= 0)
		r = units_watch(manager, manager->units);
	if (r < 0) {
		unit_job_free(job);
		return r;
	}

	job->next = manager->units->jobs;
	job->link = &manager->units->jobs;
	if (job->next)
		job->next->link = &job->next;
	manager->units->jobs = job;
	*ret_job = job;
	return 0;
}
