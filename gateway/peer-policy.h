/* SPDX-License-Identifier: MIT */
/*
 * The policy for peers on the network: which peers may do what with which exported and shared
 * names. The rules are those of servicemanager's policy (ipcbus-policy(5)), with the names in
 * certificates instead of users. Without a policy every peer may do everything.
 */
#ifndef GATEWAY_PEER_POLICY_H
#define GATEWAY_PEER_POLICY_H

#include "net.h"
#include "policy.h"

/* A call of a name needs both rights, as for processes of the bus. */
#define PEER_POLICY_CALL (POLICY_FIND | POLICY_CALL)

struct peer_policy;

/* Create a policy and read it from path: a file, or a folder with *.conf files. If path is NULL,
 * there are no rules; otherwise it must stay valid. The reason of a failure is logged, with file
 * and line. Blocks for the disk. */
int peer_policy_new(struct peer_policy **ret_policy, const char *path);

/* NULL is allowed. */
struct peer_policy *peer_policy_free(struct peer_policy *policy);

/* Read the rules again, on any thread. After a failure, which is logged, the old rules stay. Blocks
 * for the disk. */
int peer_policy_load(struct peer_policy *policy);

/* Decide whether the peer of a call may use a name. rights are one or more of enum policy_right. If
 * several rights are not allowed, the first decides the verdict. May be called on any thread, and
 * does not block. Without memory the verdict is a refusal. */
enum policy_verdict peer_policy_ask(struct peer_policy *policy, const struct net_call *call,
				    unsigned int rights, const char *name);

/*
 * ipc-gateway --check-policy: print the number of rules at path. With the words CERTIFICATE RIGHT
 * NAME, print the decision instead; an empty CERTIFICATE stands for a client that has none. words
 * ends with NULL.
 *
 * Returns the exit status: 0 if the policy is valid, or access is allowed; 1 if the policy is
 * invalid; 2 if the words are invalid; 3 if access is refused; 4 if the name is hidden.
 */
int peer_policy_check(const char *path, char **words);

#endif /* GATEWAY_PEER_POLICY_H */
