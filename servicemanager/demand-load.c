// SPDX-License-Identifier: MIT
/*
 * The files of services that are started on demand, and the users that they name.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "demand.h"

struct demands *demands_free(struct demands *demands)
{
	if (!demands)
		return NULL;

	while (demands->count)
		demand_free(demands->list[--demands->count]);
	free(demands);
	return NULL;
}

static int complain(const char *file, const char *text, const char *what)
{
	fprintf(stderr, "servicemanager: %s: %s%s\n", file, text, what);
	return -EINVAL;
}

static int find_user(struct demand *demand)
{
	const struct passwd *entry;

	demand->uid = geteuid();
	demand->gid = getegid();
	if (!demand->user)
		return 0;

	entry = getpwnam(demand->user);
	if (!entry)
		return complain(demand->file, "there is no user ", demand->user);
	if (geteuid() != 0 && entry->pw_uid != geteuid())
		return complain(demand->file, "only root can run it as another user; use a unit for ",
				demand->user);

	demand->uid = entry->pw_uid;
	demand->gid = entry->pw_gid;
	return 0;
}

static int find_names(const struct demands *demands, const struct demand *demand)
{
	for (size_t i = 0; i < demands->count; i++)
		for (char **name = demand->names; *name; name++)
			if (demand_has_name(demands->list[i], *name))
				return complain(demand->file, "another file has the name ", *name);

	return 0;
}

static int add(struct demands *demands, struct demand *demand)
{
	int r = find_user(demand);

	if (r == 0)
		r = find_names(demands, demand);
	if (r < 0) {
		demand_free(demand);
		return r;
	}

	demands->list[demands->count++] = demand;
	return 0;
}

static int take_file(void *userdata, const char *path, const char *text, size_t size)
{
	struct demand_problem problem;
	struct demand *demand;
	int r = demand_read(path, text, size, &demand, &problem);

	if (r == -EINVAL)
		fprintf(stderr, "servicemanager: %s:%u: %s\n", path, problem.line, problem.text);
	return r < 0 ? r : add(userdata, demand);
}

int demands_load(const char *const *directories, struct demands **ret_demands)
{
	struct demands *demands = calloc(1, sizeof(*demands));
	struct config config;
	int r;

	if (!demands)
		return -ENOMEM;

	r = config_open(&config, directories);
	if (r == 0)
		r = config_read(&config, take_file, demands);
	config_done(&config);
	if (r < 0) {
		demands_free(demands);
		return r;
	}

	*ret_demands = demands;
	return 0;
}
