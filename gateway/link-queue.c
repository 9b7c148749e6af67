// SPDX-License-Identifier: MIT
/*
 * Queued frames, and jobs that wait for a worker: see link-private.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "link-private.h"

/* A worker ends after this time without a job. */
#define IDLE_MSEC 5000

/* --- Frames ------------------------------------------------------------------------------ */

/* Memory of a waiting frame: its bytes and the overhead. */
static size_t cost_of(const struct out *out)
{
	return out->bytes.size + 128;
}

static void pump_locked(struct link *link)
{
	struct out *out = link->out;

	if (!out || link->sending || link->broken)
		return;
	link->sending = net_call_send(link->call, out->bytes.data, out->bytes.size) == 0;
	if (!link->sending)
		return;
	link->out = out->next;
	if (!link->out)
		link->last_out = &link->out;
	link->out_bytes -= cost_of(out);
	pthread_cond_broadcast(&link->changed);
	free(out->bytes.data);
	free(out);
}

void link_send_locked(struct link *link, const struct link_frame *frame)
{
	struct out *out;

	if (link->broken)
		return;
	out = calloc(1, sizeof(*out));
	if (out)
		link_frame_write(&out->bytes, frame);
	/* The states of the two sides would differ without this frame. */
	if (!out || out->bytes.failed) {
		if (out)
			free(out->bytes.data);
		free(out);
		link_break_locked(link, "no memory");
		return;
	}
	link->out_bytes += cost_of(out);
	*link->last_out = out;
	link->last_out = &out->next;
	pump_locked(link);
	/* A single message can be as large as message_size. */
	if (link->out_bytes > OUT_BYTES_END + link_options(link)->message_size)
		link_break_locked(link, "it does not read its frames");
}

void link_send(struct link *link, const struct link_frame *frame)
{
	pthread_mutex_lock(&link->lock);
	link_send_locked(link, frame);
	pthread_mutex_unlock(&link->lock);
}

void link_sent(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	link->sending = false;
	pump_locked(link);
	pthread_mutex_unlock(&link->lock);
	oneways_send_held(link);
}

void link_drop_out(struct link *link)
{
	struct out *next;

	for (struct out *out = link->out; out; out = next) {
		next = out->next;
		free(out->bytes.data);
		free(out);
	}
	link->out = NULL;
	link->last_out = &link->out;
}

/* --- Work --------------------------------------------------------------------------------- */

static struct job *next_job_locked(struct link *link)
{
	struct job *job = link->jobs;

	if (!job)
		return NULL;
	link->jobs = job->next;
	if (!link->jobs)
		link->last_job = &link->jobs;
	link->n_jobs--;
	return job;
}

/* Returns false after the timeout. */
static bool wait_locked(struct link *link)
{
	const struct timespec until = link_time_in(IDLE_MSEC);
	int r;

	link->idle++;
	r = pthread_cond_clockwait(&link->changed, &link->lock, CLOCK_MONOTONIC, &until);
	link->idle--;
	return r != ETIMEDOUT;
}

static void *work(void *userdata)
{
	struct link *link = userdata;
	bool has_objects = false;
	struct job *job;

	pthread_mutex_lock(&link->lock);
	while (!link->broken) {
		job = next_job_locked(link);
		if (job) {
			pthread_mutex_unlock(&link->lock);
			has_objects = job->run(job);
			pthread_mutex_lock(&link->lock);
		} else if (has_objects || (!wait_locked(link) && !link->jobs)) {
			break;
		}
	}
	link->workers--;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
	return NULL;
}

static int start_locked(struct link *link)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, (size_t)512 << 10);
	r = pthread_create(&thread, &attributes, work, link);
	pthread_attr_destroy(&attributes);
	if (r == 0)
		link->workers++;
	return r ? -EDQUOT : 0;
}

/* Gives the job to a thread at once, because it may wait for the end of a later job. */
int link_work_locked(struct link *link, struct job *job)
{
	if (link->broken)
		return -ESHUTDOWN;
	if (link->n_jobs >= link->idle && start_locked(link) < 0)
		return -EDQUOT;
	job->next = NULL;
	*link->last_job = job;
	link->last_job = &job->next;
	link->n_jobs++;
	pthread_cond_broadcast(&link->changed);
	return 0;
}

void link_drop_jobs(struct link *link)
{
	struct job *job;

	while ((job = next_job_locked(link)))
		if (job->drop)
			job->drop(job);
}
