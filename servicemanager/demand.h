/* SPDX-License-Identifier: MIT */
/*
 * Services that are started when somebody wants them: what their files say. Pure but
 * for demands_load(); activation.c starts them. ipcbus-services(5) is what people are
 * told.
 */
#ifndef SERVICEMANAGER_DEMAND_H
#define SERVICEMANAGER_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#define DEMANDS_MAX		512
#define DEMAND_LIMITS		4
#define DEMAND_TIMEOUT_SEC	10	/* where a file says none */

struct demand {
	char *file;
	char **names;	/* that it adds; ends with NULL */
	char **command;	/* ends with NULL; or NULL: there is a unit */
	char *unit;
	char *user;	/* NULL: as servicemanager itself */
	uid_t uid;
	gid_t gid;
	unsigned int timeout_sec; /* for its names to be there */
	struct {
		int resource;
		rlim_t value;
	} limits[DEMAND_LIMITS];
	size_t n_limits;
};

struct demands {
	struct demand *list[DEMANDS_MAX];
	size_t count;
};

struct demand_problem {
	unsigned int line;
	char text[256];
};

/* The text of one file, which is one service. -EINVAL: *ret_problem says why; -ENOMEM. */
int demand_read(const char *file, const char *text, size_t size, struct demand **ret_demand,
		struct demand_problem *ret_problem);
struct demand *demand_free(struct demand *demand);
bool demand_has_name(const struct demand *demand, const char *name);

/*
 * Reads all *.conf of the directories, as policy_load() does, and finds the users.
 * -EINVAL also: a name is in two of them, or a user is not there or not ours to become.
 */
int demands_load(const char *const *directories, struct demands **ret_demands);
struct demands *demands_free(struct demands *demands);

#endif /* SERVICEMANAGER_DEMAND_H */
