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
	const struct passwd *entry;

	config->uid = geteuid();
	config->gid = getegid();
	if (!config->user)
		return 0;

	entry = getpwnam(config->user);
	if (!entry) {
		log_line("%s: unknown user %s", config->file, config->user);
		return -EINVAL;
	}
	if (geteuid() != 0 && entry->pw_uid != geteuid()) {
		log_line("%s: only root can run a program as %s; use a unit", config->file,
			 config->user);
		return -EINVAL;
	}

	config->uid = entry->pw_uid;
	config->gid = entry->pw_gid;
	return 0;
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

static int add(struct activation_configs *configs, struct activation_config *config)
{
	int r = find_user(config);

	if (r == 0)
		r = check_names(configs, config);
	if (r < 0) {
		activation_config_free(config);
		return r;
	}

	configs->list[configs->count++] = config;
	return 0;
}

static int take_file(void *userdata, const char *path, const char *text, size_t size)
{
	struct text_problem problem;
	struct activation_config *config;
	int r = activation_config_read(path, text, size, &config, &problem);

	if (r == -EINVAL)
		log_line("%s:%u: %s", path, problem.line, problem.text);
	return r < 0 ? r : add(userdata, config);
}

int activation_configs_load(const char *const *directories, struct activation_configs **ret_configs)
{
	struct activation_configs *configs = calloc(1, sizeof(*configs));
	struct config config;
	int r;

	if (!configs)
		return -ENOMEM;

	r = config_open(&config, directories);
	if (r == 0)
		r = config_read(&config, take_file, configs);
	config_done(&config);
	if (r < 0) {
		activation_configs_free(configs);
		return r;
	}

	*ret_configs = configs;
	return 0;
}
