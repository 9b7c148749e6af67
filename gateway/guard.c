// SPDX-License-Identifier: MIT
/*
 * The guard: see guard.h. A decision holds the lock, so that nobody frees the policy meanwhile.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "guard.h"
#include "log.h"

struct guard {
	const char *path;
	pthread_mutex_t lock;
	struct policy *policy; /* NULL: everybody may do everything */
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

int guard_load(struct guard *guard)
{
	struct policy *policy, *old;
	int r;

	if (!guard->path)
		return 0;
	r = read_policy(guard->path, &policy);
	if (r < 0)
		return r;
	log_line("the policy %s has %zu rules", guard->path, policy_count(policy));
	pthread_mutex_lock(&guard->lock);
	old = guard->policy;
	guard->policy = policy;
	pthread_mutex_unlock(&guard->lock);
	policy_free(old);
	return 0;
}

int guard_new(struct guard **ret_guard, const char *path)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	int r;

	if (!guard)
		return -ENOMEM;
	guard->path = path;
	pthread_mutex_init(&guard->lock, NULL);
	r = guard_load(guard);
	if (r < 0) {
		guard_free(guard);
		return r;
	}
	*ret_guard = guard;
	return 0;
}

struct guard *guard_free(struct guard *guard)
{
	if (!guard)
		return NULL;
	policy_free(guard->policy);
	pthread_mutex_destroy(&guard->lock);
	free(guard);
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

enum policy_verdict guard_ask(struct guard *guard, const struct net_call *call,
			      unsigned int rights, const char *name)
{
	enum policy_verdict verdict = POLICY_REFUSE;
	char **certificates;

	/* A policy stays once there is one. */
	if (!guard->path)
		return POLICY_ALLOW;
	certificates = net_call_names(call);
	if (certificates) {
		pthread_mutex_lock(&guard->lock);
		verdict = decide(guard->policy, certificates, rights, name).verdict;
		pthread_mutex_unlock(&guard->lock);
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

	decision = decide(policy, certificates, right == POLICY_CALL ? GUARD_CALL : right,
			  words[2]);
	return policy_print(&decision);
}

int guard_check(const char *path, char **words)
{
	struct policy *policy;
	int status = 0;

	if (words[0] && (!words[1] || !words[2] || words[3])) {
		log_line("expected CERTIFICATE RIGHT NAME");
		return 2;
	}
	if (words[0] && !(policy_right_from(words[1]) & (GUARD_CALL | POLICY_LIST))) {
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
