// SPDX-License-Identifier: MIT
/*
 * Starting units of systemd: see unit.h. Each job has its own connection to the system bus.
 *
 * systemd replies to StartUnit() with the path of the job. Later it sends the signal JobRemoved
 * with that path and the result. Any process on the system bus may send signals to servicemanager,
 * so signals count only if the sender of that reply sent them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>

#include "loop.h"
#include "unit.h"

#define SYSTEMD		"org.freedesktop.systemd1"
#define SYSTEMD_PATH	"/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

/* Maximum number of messages per turn of the loop. */
#define MESSAGES_AT_ONCE 64

struct unit_job {
	struct source source;
	int epoll;
	sd_bus *bus;
	char *unit;
	char *path;    /* from the reply */
	char *systemd; /* sender of the reply */
	bool ended;
	char problem[UNIT_PROBLEM_MAX]; /* empty: none */
	unit_done *done;
	void *userdata;
};

struct unit_job *unit_job_free(struct unit_job *job)
{
	if (!job)
		return NULL;

	if (job->bus && sd_bus_get_fd(job->bus) >= 0)
		source_remove(job->epoll, sd_bus_get_fd(job->bus));
	sd_bus_close_unref(job->bus);
	free(job->unit);
	free(job->path);
	free(job->systemd);
	free(job);
	return NULL;
}

/* what, why and help are the parts of the problem's text. If what is NULL, the unit was started. */
static void job_ended(struct unit_job *job, const char *what, const char *why, const char *help)
{
	job->ended = true;
	if (what)
		snprintf(job->problem, sizeof(job->problem), "%s: %s%s%s", job->unit, what,
			 why ?: "", help ?: "");
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
		job_ended(job, "systemd refuses to start it: ", error->message ?: error->name,
			  is_denied(error) ? " (see ipcbus-services(5) for the polkit rule)" :
					     NULL);
		return 0;
	}
	if (sd_bus_message_read(reply, "o", &path) < 0 || !sender) {
		job_ended(job, "systemd's reply names no job", NULL, NULL);
		return 0;
	}

	job->path = strdup(path);
	job->systemd = strdup(sender);
	if (!job->path || !job->systemd)
		job_ended(job, strerror(ENOMEM), NULL, NULL);
	return 0;
}

static int on_removed(sd_bus_message *signal, void *userdata, sd_bus_error *unused)
{
	const char *path, *result, *sender = sd_bus_message_get_sender(signal);
	struct unit_job *job = userdata;

	(void)unused;
	if (!sender || !job->path || !job->systemd || strcmp(job->systemd, sender))
		return 0;
	if (sd_bus_message_read(signal, "uoss", NULL, &path, NULL, &result) < 0 ||
	    strcmp(job->path, path))
		return 0;

	if (!strcmp(result, "done"))
		job_ended(job, NULL, NULL, NULL);
	else
		job_ended(job, "its job ended with result ", result, NULL);
	return 0;
}

/* Must be called whenever the events of the bus may have changed. more: messages were read but not
 * yet processed. Then EPOLLOUT makes the source ready at once: the socket is always writable. */
static int watch_bus(struct unit_job *job, bool more)
{
	int fd = sd_bus_get_fd(job->bus), events = sd_bus_get_events(job->bus);

	if (fd < 0 || events < 0)
		return fd < 0 ? fd : events;

	/* The events of poll() and of epoll have the same values. */
	return source_set(job->epoll, &job->source, fd, (uint32_t)events | (more ? EPOLLOUT : 0));
}

static void bus_ready(struct source *source)
{
	struct unit_job *job = container_of(source, struct unit_job, source);
	int r = 1;

	for (int i = 0; i < MESSAGES_AT_ONCE && r > 0 && !job->ended; i++)
		r = sd_bus_process(job->bus, /* ret_message= */ NULL);
	if (r >= 0 && !job->ended)
		r = watch_bus(job, /* more= */ r > 0);
	if (r < 0 && !job->ended)
		job_ended(job, "lost the system bus: ", strerror(-r), NULL);
	if (!job->ended)
		return;

	job->done(job->userdata, *job->problem ? job->problem : NULL);
	unit_job_free(job);
}

/* Subscribe before StartUnit(). Subscribing needs no reply, because the reply of StartUnit() shows
 * whether systemd is reachable. */
static int send_requests(struct unit_job *job)
{
	int r = sd_bus_match_signal_async(job->bus, /* ret_slot= */ NULL, SYSTEMD, SYSTEMD_PATH,
					  SYSTEMD_MANAGER, "JobRemoved", on_removed,
					  /* install_callback= */ NULL, job);

	if (r >= 0)
		r = sd_bus_call_method_async(job->bus, /* ret_slot= */ NULL, SYSTEMD, SYSTEMD_PATH,
					     SYSTEMD_MANAGER, "Subscribe", /* callback= */ NULL,
					     /* userdata= */ NULL, "");
	if (r >= 0)
		r = sd_bus_call_method_async(job->bus, /* ret_slot= */ NULL, SYSTEMD, SYSTEMD_PATH,
					     SYSTEMD_MANAGER, "StartUnit", on_reply, job, "ss",
					     job->unit, "replace");
	return r;
}

int unit_start(int epoll, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job)
{
	struct unit_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;

	job->source.ready = bus_ready;
	job->epoll = epoll;
	job->done = done;
	job->userdata = userdata;
	job->unit = strdup(unit);
	r = job->unit ? sd_bus_open_system(&job->bus) : -ENOMEM;
	if (r >= 0)
		r = send_requests(job);
	if (r >= 0)
		r = watch_bus(job, /* more= */ false);
	if (r < 0) {
		unit_job_free(job);
		return r;
	}

	*ret_job = job;
	return 0;
}
