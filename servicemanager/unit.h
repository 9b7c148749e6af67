/* SPDX-License-Identifier: MIT */
/*
 * Having systemd start units, without waiting for it.
 */
#ifndef SERVICEMANAGER_UNIT_H
#define SERVICEMANAGER_UNIT_H

#define UNIT_PROBLEM_MAX 256

struct manager;
struct unit_job;

/* The job has ended. problem is NULL on success; otherwise it names the unit and says what
 * failed. Is called neither from within unit_start() nor after unit_job_free(). */
typedef void unit_done(void *userdata, const char *problem);

/* Has systemd start the unit. The job is valid until done was called. -ENOMEM, or why
 * systemd cannot be reached. */
int unit_start(struct manager *manager, const char *unit, unit_done *done, void *userdata,
	       struct unit_job **ret_job);
/* Forgets the job, which systemd may go on with: done is not called. */
struct unit_job *unit_job_free(struct unit_job *job);
/* Does what is due, and closes the connection that no job needs. Returns the timeout until
 * the next call. */
int units_work(struct manager *manager);
void units_end(struct manager *manager);

#endif /* SERVICEMANAGER_UNIT_H */
