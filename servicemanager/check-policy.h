/* SPDX-License-Identifier: MIT */
/*
 * servicemanager --check-policy: what the files say, without a bus.
 */
#ifndef SERVICEMANAGER_CHECK_POLICY_H
#define SERVICEMANAGER_CHECK_POLICY_H

/*
 * question is USER[:GROUP,...] RIGHT NAME [LABEL] and NULL, or only NULL: then the
 * files alone are checked. An exit status: 0 the files are right and the answer is
 * "allowed"; 1 they are not; 2 the question is not; 3 refused; 4 hidden.
 */
int check_policy(const char *const *directories, char **question);

#endif /* SERVICEMANAGER_CHECK_POLICY_H */
