/* SPDX-License-Identifier: MIT */
/*
 * The policy's files, and the user database behind the names in them. Called by
 * main.c at the start, on SIGHUP and for --check-policy; nothing here is called
 * while a request is served.
 */
#ifndef SERVICEMANAGER_POLICY_LOAD_H
#define SERVICEMANAGER_POLICY_LOAD_H

#include "policy.h"

/*
 * Reads all *.conf of the directories, in the order of their names; of two with
 * one name that in the earlier directory. directories ends with NULL. Without any
 * file the built-in rules apply. What is wrong is said on standard error, file and
 * line first. -EINVAL: one of them is not right; -ENOMEM, or why one cannot be read.
 */
int policy_load(const char *const *directories, struct policy **ret_policy);

/* "NAME" or "NUMBER", in the user database or not: -ENOENT, -EINVAL. */
int policy_find_user(const char *text, uid_t *ret_uid);
int policy_find_group(const char *text, gid_t *ret_gid);

#endif /* SERVICEMANAGER_POLICY_LOAD_H */
