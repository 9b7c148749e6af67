/* SPDX-License-Identifier: MIT */
/*
 * The files of ipcbus-services(5). Each file has a single service, which activation.c starts.
 */
#ifndef SERVICEMANAGER_ACTIVATION_CONFIG_H
#define SERVICEMANAGER_ACTIVATION_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"

#define ACTIVATIONS_MAX	       512
#define ACTIVATION_TIMEOUT_SEC 10 /* for files without a timeout */

struct activation_config {
	char *file;
	char **names;	/* names that the service registers; ends with NULL */
	char **command; /* ends with NULL; NULL if there is a unit */
	char *unit;
	char *user; /* NULL: the user of the service manager; for a unit: root */
	uid_t uid;
	gid_t gid;
	char *login, *home; /* of uid */
	unsigned int timeout_sec; /* until all names must be registered */
};

struct activation_configs {
	struct activation_config *list[ACTIVATIONS_MAX];
	size_t count;
};

/* Parses the text of a file. If the text is invalid, returns -EINVAL and sets *ret_problem. If
 * memory is short, returns -ENOMEM. */
int activation_config_read(const char *file, const char *text, size_t size,
			   struct activation_config **ret_config, struct text_problem *ret_problem);
struct activation_config *activation_config_free(struct activation_config *config);
bool activation_config_has_name(const struct activation_config *config, const char *name);

/*
 * Reads all *.conf of the folders, as policy_load() does, and looks up the users. Logs all
 * problems.
 *
 *   -EINVAL  a file is wrong, a name is in two files, or servicemanager cannot become the
 *            user of a program
 *   -ENOMEM
 *   other    a file cannot be read
 */
int activation_configs_load(const char *const *folders,
			    struct activation_configs **ret_configs);
struct activation_configs *activation_configs_free(struct activation_configs *configs);

#endif /* SERVICEMANAGER_ACTIVATION_CONFIG_H */
