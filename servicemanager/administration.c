// SPDX-License-Identifier: MIT
/*
 * Questions about the policy: CheckPolicy() and ShowPolicy(); and Reload().
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "manager.h"

/* Rules of one reply. */
#define PAGE	     64
/* The shortest line has a character and a 0. */
#define PROBLEMS_MAX (sizeof(((struct log_copy *)NULL)->text) / 2)

static bool is_administrator(const struct ipc_call *call)
{
	uid_t uid = ipc_call_uid(call);

	return !uid || uid == geteuid();
}

/* Only administrators learn which names are hidden, and which rule decides. To other users a
 * hidden name is like a name without an owner, which they may look for. */
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
		return ipc_call_errno(call, EINVAL, "unknown right; it is register, find, list or call");
	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);
	if (!request->self && !administrator)
		return ipc_call_errno(
			call, EPERM,
			"only root and the user of servicemanager may ask about other users");

	if (request->self)
		r = access_decide_call(manager, call, right, request->name, &decision);
	else
		decision = policy_decide(manager->options.policy, &other, right, request->name);
	return r < 0 ? r : reply_decision(call, &decision, right, administrator);
}

/* -EPERM, and the call has ended. */
static int check_caller(struct ipc_call *call)
{
	if (is_administrator(call))
		return 0;
	ipc_call_errno(call, EPERM, "only root and the user of servicemanager may do that");
	return -EPERM;
}

/* Points list at the lines that were logged. Returns their number. */
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
	Ipc__Manager__PolicyRule rules[PAGE], *pointers[PAGE];
	const struct manager *manager = userdata;
	size_t all = policy_count(manager->options.policy);
	char *problems[PROBLEMS_MAX];

	if (check_caller(call) < 0)
		return 0;

	for (size_t i = request->after; i < all && reply.n_rules < PAGE; i++) {
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
	reply.services = (uint32_t)reload.services;
	reply.policy_refused = reload.policy_refused;
	reply.services_refused = reload.services_refused;
	reply.n_problems = list_problems(manager->options.problems, problems);
	reply.problems = problems;
	return service_manager_reply_reload(call, &reply);
}
