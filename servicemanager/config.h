/* SPDX-License-Identifier: MIT */
/*
 * Files of configuration: all *.conf of some directories, in the order of their
 * names; of several with one name that in the first directory. For policy-load.c and
 * demand-load.c. What cannot be read is said on standard error.
 */
#ifndef SERVICEMANAGER_CONFIG_H
#define SERVICEMANAGER_CONFIG_H

#include <stddef.h>

#define CONFIG_FILES_MAX 512
#define CONFIG_SIZE_MAX	 (1 << 20)

struct config_file {
	char *path;
	const char *name; /* its end */
};

struct config {
	struct config_file list[CONFIG_FILES_MAX];
	size_t count;
};

/* Finds the files. directories ends with NULL; one that is not there has none. To be
 * followed by config_done() in any case. */
int config_open(struct config *config, const char *const *directories);
void config_done(struct config *config);
size_t config_count(const struct config *config);

/* Hands them out one by one. What fails with one keeps none from being handed out,
 * so that all that is wrong is said; the last failure is returned. */
typedef int config_taker(void *userdata, const char *path, const char *text, size_t size);
int config_read(const struct config *config, config_taker *taker, void *userdata);

#endif /* SERVICEMANAGER_CONFIG_H */
