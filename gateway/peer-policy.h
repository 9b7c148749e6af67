/* SPDX-License-Identifier: MIT */
/*
 * The policy for peers on the network: the rights of peers to exported and shared names. The rules
 * are those of servicemanager's policy (ipcbus-policy(5)), with the names in certificates instead
 * of users. Without a policy every peer has all rights.
 */
#ifndef GATEWAY_PEER_POLICY_H
#define GATEWAY_PEER_POLICY_H

#include "net.h"
#include "policy.h"

/* A call of a name needs both rights, as for processes of the bus. */
#define PEER_POLICY_CALL (POLICY_FIND | POLICY_CALL)

struct peer_policy;

/* Create a policy and read it from path: a file, or a folder with *.conf files. If path is NULL,
 * there are no rules; otherwise it must stay valid. Returns 0 or -errno, and logs the reason, with
 * file and line. May block on the disk. */
int peer_policy_new(struct peer_policy **ret_policy, const char *path);

/* policy may be NULL. */
struct peer_policy *peer_policy_free(struct peer_policy *policy);

/* Read the rules again, on any thread. If that fails, keeps the old rules, logs the reason and
 * returns -errno. May block on the disk. */
int peer_policy_load(struct peer_policy *policy);

/* Decide whether the peer of a call has the rights (enum policy_right, or'ed) to a name. If several
 * rights are missing, the first determines the verdict. If memory is short, the verdict is a
 * refusal. May be called on any thread, and does not block. */
enum policy_verdict peer_policy_ask(struct peer_policy *policy, const struct net_call *call,
				    unsigned int rights, const char *name);

/*
 * ipc-gateway --check-policy: print the number of rules at path. If words has CERTIFICATE RIGHT
 * NAME, print the decision instead; an empty CERTIFICATE stands for a client without a certificate.
 * words ends with NULL.
 *
 * Returns the exit status: 0 if the policy is valid, or access is allowed; 1 if the policy is
 * invalid; 2 if the words are invalid; 3 if access is refused; 4 if the name is hidden.
 */
int peer_policy_check(const char *path, char **words);

#endif /* GATEWAY_PEER_POLICY_H */
