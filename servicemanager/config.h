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

typedef int config_taker(void *userdata, const char *path, const char *text, size_t size);

/* Reads each file and passes it to the taker. directories ends with NULL; one that does not
 * exist has no files. Goes on after a failure, so that the log has all that is wrong.
 * Returns how many files there are, or the last failure. */
int config_load(const char *const *directories, config_taker *taker, void *userdata);

/* The same for one file. Returns 0 or the failure. */
int config_load_file(const char *path, config_taker *taker, void *userdata);

#endif /* SERVICEMANAGER_CONFIG_H */
