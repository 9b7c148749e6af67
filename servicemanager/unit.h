/* SPDX-License-Identifier: MIT */
/*
 * Starting units of systemd, without waiting for systemd.
 */
#ifndef SERVICEMANAGER_UNIT_H
#define SERVICEMANAGER_UNIT_H

#define UNIT_PROBLEM_MAX 256

struct unit_job;

/* The job has ended. problem is NULL on success; otherwise it names the unit and says what
 * failed. Is called neither from within unit_start() nor after unit_job_free(). */
typedef void unit_done(void *userdata, const char *problem);

/* Asks systemd to start the unit. The job is valid until done was called. Without a reply of
 * systemd the job never ends: the caller must have a time limit. Returns -ENOMEM, or why
 * systemd cannot be reached. */
int unit_start(int epoll, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job);
/* Forgets the job, which systemd may continue: done is not called. */
struct unit_job *unit_job_free(struct unit_job *job);

#endif /* SERVICEMANAGER_UNIT_H */
