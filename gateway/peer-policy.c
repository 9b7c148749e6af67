// SPDX-License-Identifier: MIT
/*
 * The policy for peers: see peer-policy.h. The lock protects rules: a decision holds it, so that no
 * other thread frees them in the meantime.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "log.h"
#include "peer-policy.h"

struct peer_policy {
	const char *path;
	pthread_mutex_t lock;
	struct policy *rules; /* NULL if path is: every peer may do everything */
};

/* --- Reading ------------------------------------------------------------------------------- */

static int take_text(void *userdata, const char *path, const char *text, size_t size)
{
	static const struct policy_names names = { .network = true };
	struct text_problem problem;
	int r = policy_read(userdata, path, text, size, &names, /* warn= */ NULL, &problem);

	if (r == -EINVAL)
		log_line("%s:%u: %s", path, problem.line, problem.text);
	else if (r < 0)
		log_line("cannot read %s: %s", path, strerror(-r));
	return r;
}

static int read_policy(const char *path, struct policy **ret_policy)
{
	const char *const folders[] = { path, NULL };
	struct policy *policy = policy_new();
	struct stat status;
	int r;

	if (!policy)
		return -ENOMEM;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		r = config_load(folders, take_text, policy);
	else
		r = config_load_file(path, take_text, policy);
	if (r < 0) {
		policy_free(policy);
		return r;
	}
	*ret_policy = policy;
	return 0;
}

int peer_policy_load(struct peer_policy *peers)
{
	struct policy *policy, *old;
	int r;

	if (!peers->path)
		return 0;
	r = read_policy(peers->path, &policy);
	if (r < 0)
		return r;
	log_line("the policy %s has %zu rules", peers->path, policy_count(policy));
	pthread_mutex_lock(&peers->lock);
	old = peers->rules;
	peers->rules = policy;
	pthread_mutex_unlock(&peers->lock);
	policy_free(old);
	return 0;
}

int peer_policy_new(struct peer_policy **ret_policy, const char *path)
{
	struct peer_policy *peers = calloc(1, sizeof(*peers));
	int r;

	if (!peers)
		return -ENOMEM;
	peers->path = path;
	pthread_mutex_init(&peers->lock, NULL);
	r = peer_policy_load(peers);
	if (r < 0) {
		peer_policy_free(peers);
		return r;
	}
	*ret_policy = peers;
	return 0;
}

struct peer_policy *peer_policy_free(struct peer_policy *peers)
{
	if (!peers)
		return NULL;
	policy_free(peers->rules);
	pthread_mutex_destroy(&peers->lock);
	free(peers);
	return NULL;
}

/* --- Deciding ------------------------------------------------------------------------------ */

static struct policy_decision decide(const struct policy *policy, char *const *certificates,
				     unsigned int rights, const char *name)
{
	const struct policy_subject subject = { .certificates = certificates };
	struct policy_decision decision = { POLICY_ALLOW, NULL };

	for (unsigned int right = 1; right <= rights && decision.verdict == POLICY_ALLOW;
	     right <<= 1)
		if (rights & right)
			decision = policy_decide(policy, &subject, (enum policy_right)right, name);
	return decision;
}

enum policy_verdict peer_policy_ask(struct peer_policy *peers, const struct net_call *call,
			      unsigned int rights, const char *name)
{
	enum policy_verdict verdict = POLICY_REFUSE;
	char **certificates;

	if (!peers->path)
		return POLICY_ALLOW;
	certificates = net_call_names(call);
	if (certificates) {
		pthread_mutex_lock(&peers->lock);
		verdict = decide(peers->rules, certificates, rights, name).verdict;
		pthread_mutex_unlock(&peers->lock);
	}
	free(certificates);
	return verdict;
}

/* --- Checking ------------------------------------------------------------------------------ */

static int print(const struct policy *policy, char **words)
{
	char *certificates[] = { *words[0] ? words[0] : NULL, NULL };
	struct policy_decision decision;
	enum policy_right right = policy_right_from(words[1]);

	decision = decide(policy, certificates, right == POLICY_CALL ? PEER_POLICY_CALL : right,
			  words[2]);
	return policy_print(&decision);
}

int peer_policy_check(const char *path, char **words)
{
	struct policy *policy;
	int status = 0;

	if (words[0] && (!words[1] || !words[2] || words[3])) {
		log_line("expected CERTIFICATE RIGHT NAME");
		return 2;
	}
	if (words[0] && !(policy_right_from(words[1]) & (PEER_POLICY_CALL | POLICY_LIST))) {
		log_line("a right is find, list or call, not \"%s\"", words[1]);
		return 2;
	}
	if (read_policy(path, &policy) < 0)
		return 1;
	if (words[0])
		status = print(policy, words);
	else
		printf("%zu rules\n", policy_count(policy));
	policy_free(policy);
	return status;
}
