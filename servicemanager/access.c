// SPDX-License-Identifier: MIT
/*
 * Asking the policy: see access.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "reply.h"
#include "private.h"

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

/* --- Checking -------------------------------------------------------------------- */

/* Others than administrators do not learn which names are hidden, nor what else a rule says:
 * to them a hidden name is like one that nobody has, which they may look for. */
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
	uid_t uid = ipc_call_uid(call);
	bool administrator = !uid || uid == geteuid();
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
		decision = policy_decide(manager->policy, &other, right, request->name);
	return r < 0 ? r : reply_decision(call, &decision, right, administrator);
}
