/* SPDX-License-Identifier: MIT */
/*
 * The guard: which peers on the network may do what with which exported and shared names. The rules
 * are those of servicemanager's policy (ipcbus-policy(5)), about the names in certificates. Without
 * a policy every peer may do everything.
 */
#ifndef GATEWAY_GUARD_H
#define GATEWAY_GUARD_H

#include "net.h"
#include "policy.h"

/* Call a name: as for processes, find it and get it. */
#define GUARD_CALL (POLICY_FIND | POLICY_CALL)

struct guard;

/* Create one, and read the policy: a file, or a folder with *.conf files. path must stay valid, or
 * is NULL for none. The reason of a failure is logged, with file and line. Blocks for the disk. */
int guard_new(struct guard **ret_guard, const char *path);

/* NULL is allowed. */
struct guard *guard_free(struct guard *guard);

/* Read the policy again, on any thread. After a failure, which is logged, the old one stays. Blocks
 * for the disk. */
int guard_load(struct guard *guard);

/* Whether the peer of a call may do this: rights are one enum policy_right or several, of which the
 * first that is not allowed decides. On any thread, does not block. Without memory: refused. */
enum policy_verdict guard_ask(struct guard *guard, const struct net_call *call,
			      unsigned int rights, const char *name);

/*
 * ipc-gateway --check-policy: print how many rules a policy has, or, with the words CERTIFICATE
 * RIGHT NAME, what it decides. An empty CERTIFICATE is a client without one. words ends with NULL.
 * Returns the exit status: 0 right, or allowed; 1 the policy is wrong; 2 the words are; 3 refused;
 * 4 hidden.
 */
int guard_check(const char *path, char **words);

#endif /* GATEWAY_GUARD_H */
