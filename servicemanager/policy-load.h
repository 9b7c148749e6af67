/* SPDX-License-Identifier: MIT */
/*
 * The files of the policy, and the user database behind the names in them. Called at the
 * start, on SIGHUP and for --check-policy, but never while a request is served, because
 * the user database may block.
 */
#ifndef SERVICEMANAGER_POLICY_LOAD_H
#define SERVICEMANAGER_POLICY_LOAD_H

#include "policy.h"

/*
 * Reads all *.conf of the directories, which end with NULL, in the order of the names of
 * the files. Of two files with one name, only that in the earlier directory is read.
 * Without any file the built-in rules apply. What is wrong is in the log.
 *
 *   -EINVAL  a file is wrong
 *   -ENOMEM
 *   other    why a file cannot be read
 */
int policy_load(const char *const *directories, struct policy **ret_policy);

/* The text is a name, or a number, which need not be in the user database. -ENOENT: there
 * is no such name. */
int policy_find_user(const char *text, uid_t *ret_uid);
int policy_find_group(const char *text, gid_t *ret_gid);

#endif /* SERVICEMANAGER_POLICY_LOAD_H */
