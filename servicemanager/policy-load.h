/* SPDX-License-Identifier: MIT */
/*
 * The files of the policy, and the user database for the names in them. Called at the start,
 * on SIGHUP, for Reload() and for --check-policy. May block on the user database.
 */
#ifndef SERVICEMANAGER_POLICY_LOAD_H
#define SERVICEMANAGER_POLICY_LOAD_H

#include "policy.h"

/*
 * Reads all *.conf of the folders, which end with NULL, in the order of the file names. Of two
 * files with the same name, only the file in the earlier folder is read. If there are no files,
 * the built-in rules apply. Logs all problems.
 *
 *   -EINVAL  a file is wrong
 *   -ENOMEM
 *   other    a file cannot be read
 */
int policy_load(const char *const *folders, struct policy **ret_policy);

/*
 * Implements --check-policy, which needs no bus: checks the files, and decides a question. The
 * question is USER[:GROUP,...] RIGHT NAME [LABEL] and NULL; or only NULL, to check just the files.
 * Returns an exit status:
 *
 *   0  the files are right, and access is allowed
 *   1  a file is wrong
 *   2  the question is wrong
 *   3  access is refused
 *   4  the name is hidden
 */
int check_policy(const char *const *folders, char **question);

#endif /* SERVICEMANAGER_POLICY_LOAD_H */
