/* SPDX-License-Identifier: MIT */
/*
 * servicemanager --check-policy: checks the files of the policy, and what they decide,
 * without a bus.
 */
#ifndef SERVICEMANAGER_CHECK_POLICY_H
#define SERVICEMANAGER_CHECK_POLICY_H

/*
 * The question is USER[:GROUP,...] RIGHT NAME [LABEL] and NULL; or only NULL, to check just
 * the files. Returns an exit status:
 *
 *   0  the files are right, and access is allowed
 *   1  a file is wrong
 *   2  the question is wrong
 *   3  access is refused
 *   4  the name is hidden
 */
int check_policy(const char *const *directories, char **question);

#endif /* SERVICEMANAGER_CHECK_POLICY_H */
