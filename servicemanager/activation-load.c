// SPDX-License-Identifier: MIT
/*
 * The files of services that are activated, and the users that they name.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activation-config.h"
#include "config.h"
#include "log.h"

struct activation_configs *activation_configs_free(struct activation_configs *configs)
{
	if (!configs)
		return NULL;

	while (configs->count)
		activation_config_free(configs->list[--configs->count]);
	free(configs);
	return NULL;
}

static int find_user(struct activation_config *config)
{
	const uid_t own = config->unit ? 0 : geteuid();
	const struct passwd *entry = config->user ? getpwnam(config->user) : getpwuid(own);
	char number[16];

	if (config->user && !entry) {
		log_line("%s: unknown user %s", config->file, config->user);
		return -EINVAL;
	}
	if (!config->unit && geteuid() != 0 && entry && entry->pw_uid != geteuid()) {
		log_line("%s: only root can run a program as %s; use a unit", config->file,
			 config->user);
		return -EINVAL;
	}

	config->uid = entry ? entry->pw_uid : own;
	config->gid = entry ? entry->pw_gid : getegid();
	snprintf(number, sizeof(number), "%u", config->uid);
	config->login = strdup(entry ? entry->pw_name : number);
	config->home = strdup(entry ? entry->pw_dir : "/");
	return config->login && config->home ? 0 : -ENOMEM;
}

static int check_names(const struct activation_configs *configs,
		       const struct activation_config *config)
{
	for (size_t i = 0; i < configs->count; i++)
		for (char **name = config->names; *name; name++)
			if (activation_config_has_name(configs->list[i], *name)) {
				log_line("%s: %s has the name %s too", config->file,
					 configs->list[i]->file, *name);
				return -EINVAL;
			}

	return 0;
}

static int take_file(void *userdata, const char *path, const char *text, size_t size)
{
	struct activation_configs *configs = userdata;
	struct text_problem problem;
	struct activation_config *config;
	int r = activation_config_read(path, text, size, &config, &problem);

	if (r == -EINVAL)
		log_line("%s:%u: %s", path, problem.line, problem.text);
	if (r < 0)
		return r;

	r = find_user(config);
	if (r == 0)
		r = check_names(configs, config);
	if (r == 0)
		configs->list[configs->count++] = config;
	else
		activation_config_free(config);
	return r;
}

int activation_configs_load(const char *const *directories, struct activation_configs **ret_configs)
{
	struct activation_configs *configs = calloc(1, sizeof(*configs));
	int r;

	if (!configs)
		return -ENOMEM;

	r = config_load(directories, take_file, configs);
	if (r < 0) {
		activation_configs_free(configs);
		return r;
	}

	*ret_configs = configs;
	return 0;
}
