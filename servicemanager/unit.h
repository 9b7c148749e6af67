/* SPDX-License-Identifier: MIT */
/*
 * Starting units of systemd. These functions never wait for systemd.
 */
#ifndef SERVICEMANAGER_UNIT_H
#define SERVICEMANAGER_UNIT_H

#define UNIT_PROBLEM_MAX 256

struct unit_job;

/* Called when the job has ended. The job is freed when the callback returns; the callback must not
 * free it. problem is NULL on success; otherwise it has the name of the unit and the reason. Never
 * called from within unit_start() or after unit_job_free(). */
typedef void unit_done(void *userdata, const char *problem);

/* Asks systemd to start the unit. If systemd does not reply, the job never ends, so the caller must
 * have a timeout. Returns 0, -ENOMEM, or the error if systemd cannot be reached. */
int unit_start(int epoll, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job);
/* Frees a job that has not ended. done is not called, but systemd may continue the job. */
struct unit_job *unit_job_free(struct unit_job *job);

#endif /* SERVICEMANAGER_UNIT_H */
