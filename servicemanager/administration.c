// SPDX-License-Identifier: MIT
/*
 * For administrators: see administration.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "administration.h"
#include "manager.h"
#include "private.h"

/* Rules of one reply. */
#define PAGE	     64
/* The shortest line has a character and a 0. */
#define PROBLEMS_MAX (sizeof(((struct log_copy *)NULL)->text) / 2)

/* -EPERM, and the call has ended. */
static int check_caller(struct ipc_call *call)
{
	uid_t uid = ipc_call_uid(call);

	if (!uid || uid == geteuid())
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
	size_t all = policy_count(manager->policy);
	char *problems[PROBLEMS_MAX];

	if (check_caller(call) < 0)
		return 0;

	for (size_t i = request->after; i < all && reply.n_rules < PAGE; i++) {
		const struct policy_rule *rule = policy_at(manager->policy, i);
		Ipc__Manager__PolicyRule *message = &rules[reply.n_rules];

		ipc__manager__policy_rule__init(message);
		message->file = rule->file;
		message->line = rule->line;
		message->text = rule->text;
		pointers[reply.n_rules++] = message;
	}
	reply.rules = pointers;
	reply.more = reply.n_rules && request->after + reply.n_rules < all;
	reply.outdated = manager->outdated && *manager->outdated;
	reply.n_problems = list_problems(manager->problems, problems);
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
	if (!manager->reload)
		return -EOPNOTSUPP;

	manager->reload(&reload, manager->userdata);
	reply.rules = (uint32_t)reload.rules;
	reply.services = (uint32_t)reload.services;
	reply.policy_refused = reload.policy_refused;
	reply.services_refused = reload.services_refused;
	reply.n_problems = list_problems(manager->problems, problems);
	reply.problems = problems;
	return service_manager_reply_reload(call, &reply);
}
