// SPDX-License-Identifier: MIT
/*
 * Callers, and their rights under the policy. The driver reports the effective ids. The
 * supplementary groups are read from /proc. If the driver still returns a pidfd of the caller
 * afterwards, the pid was not reused, so the file belonged to the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manager.h"

/* --- Callers -------------------------------------------------------------------------- */

/* Parses the list after "Groups:" in a /proc/PID/status. Returns the number of groups, or -ENOMEM.
 * The caller must free *ret_groups. */
static int groups_from(const char *list, gid_t **ret_groups)
{
	/* Each group takes at least a digit and a blank. */
	gid_t *groups = calloc(strlen(list) / 2 + 1, sizeof(*groups));
	int n = 0;

	if (!groups)
		return -ENOMEM;

	for (char *end;; list = end) {
		unsigned long group = strtoul(list, &end, 10);

		if (end == list)
			break;
		groups[n++] = (gid_t)group;
	}

	*ret_groups = groups;
	return n;
}

/* Returns the number of groups, or -errno. */
static int read_status(pid_t pid, gid_t **ret_groups)
{
	char path[32], *line = NULL;
	size_t size = 0;
	int r = -EBADMSG;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return -errno;

	while (r == -EBADMSG && getline(&line, &size, status) > 0)
		if (!strncmp(line, "Groups:", strlen("Groups:")))
			r = groups_from(line + strlen("Groups:"), ret_groups);
	if (ferror(status))
		r = -errno;
	free(line);
	fclose(status);
	return r;
}

/* Reads the supplementary groups of the caller. A caller in another pid namespace has no pid here,
 * and is treated as if it had none. Returns 0 or -errno. */
static int read_groups(struct caller *caller, const struct ipc_call *call)
{
	int pidfd, n;

	if (!ipc_call_pid(call))
		return 0;

	n = read_status(ipc_call_pid(call), &caller->groups);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : n;

	/* The caller had this pid until now, so the status was its own. */
	pidfd = ipc_call_pidfd(call);
	if (pidfd < 0)
		return pidfd;

	close(pidfd);
	caller->subject.groups = caller->groups;
	caller->subject.n_groups = (size_t)n;
	return 0;
}

int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy)
{
	const char *label = ipc_call_label(call);
	int r = 0;

	*caller = (struct caller){
		.subject = { .uid = ipc_call_uid(call), .gid = ipc_call_gid(call) },
	};
	if (label) {
		/* The call's own copy ends with the call. */
		caller->label = strdup(label);
		caller->subject.label = caller->label;
		r = caller->label ? 0 : -ENOMEM;
	}
	if (r == 0 && policy_asks_for_groups(policy))
		r = read_groups(caller, call);
	if (r < 0)
		caller_done(caller);
	return r;
}

void caller_done(struct caller *caller)
{
	free(caller->groups);
	free(caller->label);
	*caller = (struct caller){ .groups = NULL };
}

/* --- Decisions ------------------------------------------------------------------------ */

struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name)
{
	struct policy_decision decision = { POLICY_ALLOW, NULL };

	for (unsigned int right = 1; right <= rights; right <<= 1) {
		if (!(rights & right))
			continue;
		decision = policy_decide(manager->options.policy, &caller->subject,
					 (enum policy_right)right, name);
		if (decision.verdict != POLICY_ALLOW)
			break;
	}

	return decision;
}

bool access_allows(const struct manager *manager, const struct caller *caller, unsigned int rights,
		   const char *name)
{
	return access_decide(manager, caller, rights, name).verdict == POLICY_ALLOW;
}

int access_decide_call(const struct manager *manager, const struct ipc_call *call,
		       enum policy_right right, const char *name,
		       struct policy_decision *ret_decision)
{
	struct caller caller;
	int r = caller_init(&caller, call, manager->options.policy);

	if (r < 0)
		return r;

	*ret_decision = access_decide(manager, &caller, right, name);
	caller_done(&caller);
	return 0;
}

int access_reply_unseen(const struct manager *manager, struct ipc_call *call, const char *name)
{
	struct policy_decision decision;
	int r = access_decide_call(manager, call, POLICY_FIND, name, &decision);

	if (r < 0)
		return r;
	if (decision.verdict == POLICY_HIDE)
		return reply_unknown(call);

	return decision.verdict == POLICY_ALLOW ? 1 : reply_denied(call, &decision, name);
}

/* --- Administration ------------------------------------------------------------------- */

/* Maximum number of rules in a reply. */
#define RULES_PAGE   64
/* The shortest line is a character and a 0. */
#define PROBLEMS_MAX (sizeof(((struct log_copy *)NULL)->text) / 2)

static bool is_administrator(const struct ipc_call *call)
{
	uid_t uid = ipc_call_uid(call);

	return !uid || uid == geteuid();
}

/* Replies with a decision. Only administrators learn which names are hidden, and which rule
 * decides. For other users a hidden name looks like a name that is not registered, which they may
 * find. */
static int reply_decision(struct ipc_call *call, const struct policy_decision *decision,
			  enum policy_right right, bool administrator)
{
	Ipc__Manager__CheckPolicyReply reply = IPC__MANAGER__CHECK_POLICY_REPLY__INIT;
	enum policy_verdict verdict = decision->verdict;

	if (verdict == POLICY_HIDE && !administrator)
		verdict = right == POLICY_REGISTER ? POLICY_REFUSE : POLICY_ALLOW;
	reply.verdict = (char *)policy_verdict_text(verdict);
	if (decision->rule && administrator) {
		reply.file = (char *)decision->rule->file;
		reply.line = decision->rule->line;
		reply.rule = (char *)decision->rule->text;
	}
	return service_manager_reply_check_policy(call, &reply);
}

int handle_check_policy(struct ipc_call *call, const Ipc__Manager__CheckPolicyRequest *request,
			void *userdata)
{
	enum policy_right right = policy_right_from(request->right);
	bool administrator = is_administrator(call);
	const struct manager *manager = userdata;
	struct policy_decision decision;
	struct policy_subject other = {
		.uid = request->uid,
		.gid = request->n_gids ? request->gids[0] : request->uid,
		.groups = request->gids,
		.n_groups = request->n_gids,
		.label = *request->label ? request->label : NULL,
	};
	int r = 0;

	if (!right)
		return ipc_call_fail(call, EINVAL, NULL,
				     "unknown right; it is register, find, list or call");
	if (!registry_name_is_valid(request->name))
		return ipc_call_fail(call, EINVAL, NULL, BAD_NAME);
	if (!request->self && !administrator)
		return ipc_call_fail(
			call, EPERM, NULL,
			"only root and the user of the service manager may ask about other users");

	if (request->self)
		r = access_decide_call(manager, call, right, request->name, &decision);
	else
		decision = policy_decide(manager->options.policy, &other, right, request->name);
	return r < 0 ? r : reply_decision(call, &decision, right, administrator);
}

/* Returns 0 if the caller is an administrator. Otherwise sends it -EPERM and returns an error. */
static int check_caller(struct ipc_call *call)
{
	if (is_administrator(call))
		return 0;
	ipc_call_fail(call, EPERM, NULL, "only root and the user of the service manager may do that");
	return -EPERM;
}

/* Sets the entries of list to the logged lines. Returns their number. */
static size_t list_problems(const struct log_copy *problems, char *list[PROBLEMS_MAX])
{
	size_t n = 0;

	for (size_t at = 0; problems && at < problems->size && n < PROBLEMS_MAX;
	     at += strlen(list[n++]) + 1)
		list[n] = (char *)problems->text + at;

	return n;
}

int handle_show_policy(struct ipc_call *call, const Ipc__Manager__ShowPolicyRequest *request,
		       void *userdata)
{
	Ipc__Manager__ShowPolicyReply reply = IPC__MANAGER__SHOW_POLICY_REPLY__INIT;
	Ipc__Manager__PolicyRule rules[RULES_PAGE], *pointers[RULES_PAGE];
	const struct manager *manager = userdata;
	size_t all = policy_count(manager->options.policy);
	char *problems[PROBLEMS_MAX];

	if (check_caller(call) < 0)
		return 0;

	for (size_t i = request->after; i < all && reply.n_rules < RULES_PAGE; i++) {
		const struct policy_rule *rule = policy_at(manager->options.policy, i);
		Ipc__Manager__PolicyRule *message = &rules[reply.n_rules];

		ipc__manager__policy_rule__init(message);
		message->file = rule->file;
		message->line = rule->line;
		message->text = rule->text;
		pointers[reply.n_rules++] = message;
	}
	reply.rules = pointers;
	reply.more = reply.n_rules && request->after + reply.n_rules < all;
	reply.outdated = manager->options.outdated && *manager->options.outdated;
	reply.activations_outdated = manager->options.activations_outdated &&
				     *manager->options.activations_outdated;
	reply.n_problems = list_problems(manager->options.problems, problems);
	reply.problems = problems;
	return service_manager_reply_show_policy(call, &reply);
}

int handle_reload(struct ipc_call *call, const Ipc__Manager__ReloadRequest *request, void *userdata)
{
	Ipc__Manager__ReloadReply reply = IPC__MANAGER__RELOAD_REPLY__INIT;
	const struct manager *manager = userdata;
	struct manager_reload reload = { 0 };
	char *problems[PROBLEMS_MAX];

	(void)request;
	if (check_caller(call) < 0)
		return 0;
	if (!manager->options.reload)
		return -EOPNOTSUPP;

	manager->options.reload(&reload, manager->options.userdata);
	reply.rules = (uint32_t)reload.rules;
	reply.activations = (uint32_t)reload.activations;
	reply.policy_refused = reload.policy_refused;
	reply.activations_refused = reload.activations_refused;
	reply.n_problems = list_problems(manager->options.problems, problems);
	reply.problems = problems;
	return service_manager_reply_reload(call, &reply);
}
