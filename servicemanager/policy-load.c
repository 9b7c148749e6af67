// SPDX-License-Identifier: MIT
/*
 * Loading the policy: see policy-load.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "policy-load.h"

static const char built_in[] =
#include "default-policy.inc"
	;

/* --- Users and groups -------------------------------------------------------------- */

static bool number_from(const char *text, unsigned int *ret)
{
	uint64_t value;

	if (!words_take_number(&text, UINT32_MAX - 1, &value) || *text)
		return false;

	*ret = (unsigned int)value;
	return true;
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
	return number_from(text, ret_uid) ? 0 : user_named(text, ret_uid);
}

int policy_find_group(const char *text, gid_t *ret_gid)
{
	return number_from(text, ret_gid) ? 0 : group_named(text, ret_gid);
}

static const struct policy_names names = { .user = user_named, .group = group_named };

/* --- Reading ------------------------------------------------------------------------- */

static void print_problem(const char *file, const struct text_problem *problem)
{
	log_line("%s:%u: %s", file, problem->line, problem->text);
}

static int take_text(void *userdata, const char *path, const char *text, size_t size)
{
	struct text_problem problem;
	int r = policy_read(userdata, path, text, size, &names, print_problem, &problem);

	if (r == -EINVAL)
		print_problem(path, &problem);
	return r;
}

int policy_load(const char *const *directories, struct policy **ret_policy)
{
	struct policy *policy = policy_new();
	int r = policy ? config_load(directories, take_text, policy) : -ENOMEM;

	if (r == 0)
		r = take_text(policy, "(built in)", built_in, sizeof(built_in) - 1);
	if (r < 0) {
		policy_free(policy);
		return r;
	}

	*ret_policy = policy;
	return 0;
}
