/* SPDX-License-Identifier: MIT */
/*
 * Configuration files, for policy-load.c and activation-load.c: all *.conf of some
 * directories, in the order of their names. Of several files with one name only that in
 * the first directory counts. The log says what cannot be read.
 */
#ifndef SERVICEMANAGER_CONFIG_H
#define SERVICEMANAGER_CONFIG_H

#include <stddef.h>

#define CONFIG_FILES_MAX 512
#define CONFIG_SIZE_MAX	 (1 << 20)

struct config_file {
	char *path;
	const char *name; /* the last component of the path */
};

struct config {
	struct config_file list[CONFIG_FILES_MAX];
	size_t count;
};

/* Finds the files. directories ends with NULL; one that does not exist has no files. The
 * caller must call config_done(), even on failure. */
int config_open(struct config *config, const char *const *directories);
void config_done(struct config *config);
size_t config_count(const struct config *config);

/* Reads each file and passes it to the taker. Goes on after a failure, so that the log has
 * all that is wrong; returns the last failure. */
typedef int config_taker(void *userdata, const char *path, const char *text, size_t size);
int config_read(const struct config *config, config_taker *taker, void *userdata);

#endif /* SERVICEMANAGER_CONFIG_H */
