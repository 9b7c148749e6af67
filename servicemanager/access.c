// SPDX-License-Identifier: MIT
/*
 * Asking the policy: see access.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "reply.h"
#include "state.h"

struct policy_decision access_decide(const struct manager *manager, const struct caller *caller,
				     unsigned int rights, const char *name)
{
	struct policy_decision decision = { POLICY_ALLOW, NULL };

	for (unsigned int right = 1; right <= rights; right <<= 1) {
		if (!(rights & right))
			continue;
		decision = policy_decide(manager->policy, &caller->subject,
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
	int r = caller_init(&caller, call, manager->policy);

	if (r < 0)
		return r;

	*ret_decision = access_decide(manager, &caller, right, name);
	caller_done(&caller);
	return 0;
}

/* --- Checking -------------------------------------------------------------------- */

static int reply_decision(struct ipc_call *call, const struct policy_decision *decision)
{
	Ipc__Manager__CheckPolicyReply reply = IPC__MANAGER__CHECK_POLICY_REPLY__INIT;

	reply.verdict = (char *)policy_verdict_text(decision->verdict);
	if (decision->rule) {
		reply.file = (char *)policy_rule_file(decision->rule);
		reply.line = policy_rule_line(decision->rule);
		reply.rule = (char *)policy_rule_text(decision->rule);
	}
	return service_manager_reply_check_policy(call, &reply);
}

static int decide_other(const struct manager *manager, const struct ipc_call *call,
			const Ipc__Manager__CheckPolicyRequest *request, enum policy_right right,
			struct policy_decision *ret_decision)
{
	struct policy_subject subject = {
		.uid = request->uid,
		.gid = request->n_gids ? request->gids[0] : request->uid,
		.groups = request->gids,
		.n_groups = request->n_gids,
		.label = *request->label ? request->label : NULL,
	};

	if (ipc_call_uid(call) != 0 && ipc_call_uid(call) != geteuid())
		return -EPERM;

	*ret_decision = policy_decide(manager->policy, &subject, right, request->name);
	return 0;
}

int handle_check_policy(struct ipc_call *call, const Ipc__Manager__CheckPolicyRequest *request,
			void *userdata)
{
	enum policy_right right = policy_right_from(request->right);
	const struct manager *manager = userdata;
	struct policy_decision decision;
	int r;

	if (!right)
		return ipc_call_errno(call, EINVAL, "unknown right; it is register, find, list or call");
	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);
	r = request->self ? access_decide_call(manager, call, right, request->name, &decision) :
			    decide_other(manager, call, request, right, &decision);
	if (r == -EPERM)
		return ipc_call_errno(
			call, EPERM,
			"only root and the user of servicemanager may ask about other users");

	return r < 0 ? r : reply_decision(call, &decision);
}
