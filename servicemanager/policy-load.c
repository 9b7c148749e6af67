// SPDX-License-Identifier: MIT
/*
 * Loading the policy: see policy-load.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "policy-load.h"

static const char built_in[] =
#include "default-policy.inc"
	;

/* --- Users and groups -------------------------------------------------------------- */

static int number_from(const char *text, unsigned int *ret)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value >= UINT32_MAX)
		return -EINVAL;

	*ret = (unsigned int)value;
	return 0;
}

/* root is 0 even without a user database. */
static int user_named(const char *name, uid_t *ret_uid)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_uid = entry ? entry->pw_uid : 0;
	return 0;
}

static int group_named(const char *name, gid_t *ret_gid)
{
	const struct group *entry = getgrnam(name);

	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_gid = entry ? entry->gr_gid : 0;
	return 0;
}

int policy_find_user(const char *text, uid_t *ret_uid)
{
	return number_from(text, ret_uid) == 0 ? 0 : user_named(text, ret_uid);
}

int policy_find_group(const char *text, gid_t *ret_gid)
{
	return number_from(text, ret_gid) == 0 ? 0 : group_named(text, ret_gid);
}

static const struct policy_names names = { .user = user_named, .group = group_named };

/* --- Reading ------------------------------------------------------------------------- */

static void print_problem(const char *file, const struct text_problem *problem)
{
	log_line("%s:%u: %s", file, problem->line, problem->text);
}

static int load_text(struct policy *policy, const char *path, const char *text, size_t size)
{
	struct text_problem problem;
	int r = policy_read(policy, path, text, size, &names, print_problem, &problem);

	if (r == -EINVAL)
		print_problem(path, &problem);
	return r;
}

static int take_file(void *userdata, const char *path, const char *text, size_t size)
{
	return load_text(userdata, path, text, size);
}

static int load(struct policy *policy, const char *const *directories)
{
	struct config config;
	int r = config_open(&config, directories);

	if (r == 0 && !config_count(&config))
		r = load_text(policy, "(built in)", built_in, sizeof(built_in) - 1);
	else if (r == 0)
		r = config_read(&config, take_file, policy);
	config_done(&config);
	return r;
}

int policy_load(const char *const *directories, struct policy **ret_policy)
{
	struct policy *policy = policy_new();
	int r = policy ? load(policy, directories) : -ENOMEM;

	if (r < 0) {
		policy_free(policy);
		return r;
	}

	*ret_policy = policy;
	return 0;
}
