// SPDX-License-Identifier: MIT
/*
 * ipcctl policy check: what the policy permits, and which rule decides. The service
 * manager is asked, because it knows the policy in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "servicemanager.ipc.h"
#include "text.h"
#include "user.h"
#include "verbs.h"

#define MAX_GROUPS 1024

static const char *user, *label = "";

static const struct verb_option options[] = {
	{ "user", "USER", "check for this user (name or number) and their groups", .text = &user },
	{ "label", "LABEL", "check for this label of the security module", .text = &label },
	{ 0 },
};

/* Fills in uid and groups: of a user of this system, or a number only. */
static int find_user(Ipc__Manager__CheckPolicyRequest *request)
{
	static gid_t groups[MAX_GROUPS];
	static uint32_t numbers[MAX_GROUPS];
	const struct passwd *entry;
	int n = MAX_GROUPS;

	if (user_find(user, &request->uid) < 0)
		return fail_with(STATUS_USAGE, NULL, "no such user: %s", user);
	entry = getpwuid(request->uid);
	if (!entry)
		return STATUS_OK;
	if (getgrouplist(entry->pw_name, entry->pw_gid, groups, &n) < 0)
		return fail_with(STATUS_FAILED, NULL, "%s has more than %d groups", user,
				 MAX_GROUPS);
	for (int i = 0; i < n; i++)
		numbers[i] = groups[i];
	request->gids = numbers;
	request->n_gids = n;
	return STATUS_OK;
}

static int put(Ipc__Manager__CheckPolicyReply *reply, const char *right, const char *name)
{
	bool allowed = !strcmp(reply->verdict, "allowed");
	int status = allowed ? STATUS_OK : STATUS_DENIED, put;

	text_clean(reply->verdict);
	text_clean(reply->file);
	text_clean(reply->rule);
	if (ctl.json) {
		put = out_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "right", right,
					 "name", name, "user", user ? user : "", "verdict",
					 reply->verdict, "file", reply->file, "line",
					 (int)reply->line, "rule", reply->rule));
		return put ? put : status;
	}
	printf("%s%s%s\n", out_color(allowed ? COLOR_GREEN : COLOR_RED), reply->verdict,
	       out_plain());
	if (*reply->file)
		printf("%s:%u: %s\n", reply->file, reply->line, reply->rule);
	else
		puts("no rule matches, or only root may see which does");
	return status;
}

static int check(struct service_manager *manager, const char *right, const char *name)
{
	ipc_auto(service_manager_check_policy_reply_free)
		Ipc__Manager__CheckPolicyReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__CheckPolicyRequest request = IPC__MANAGER__CHECK_POLICY_REQUEST__INIT;
	int status = STATUS_OK, r;

	request.self = !user;
	request.label = (char *)label;
	request.right = (char *)right;
	request.name = (char *)name;
	if (user)
		status = find_user(&request);
	if (status)
		return status;
	r = service_manager_check_policy(manager, &request, &reply, &error);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, "see ipcctl policy --help", "%s",
				 error.message ? error.message : "invalid question");
	if (r < 0)
		return fail_errno(r == -EOWNERDEAD ? -ENOTCONN : r,
				  error.message ? error.message : "the service manager");
	return put(reply, right, name);
}

static int run(int argc, char **argv)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status;

	(void)argc;
	if (strcmp(argv[0], "check"))
		return fail_with(STATUS_USAGE, "ipcctl policy check find NAME",
				 "unknown subcommand \"%s\"; policy knows check only", argv[0]);
	status = bus_manager(&ipc, &manager);
	return status ? status : check(manager, argv[1], argv[2]);
}

const struct verb verb_policy = {
	.name = "policy",
	.arguments = "check register|find|list|call NAME",
	.summary = "check what the policy permits, and by which rule",
	.description =
		"Asks the service manager whether you may register, find, list or call NAME,\n"
		"and prints the rule of ipcbus-policy(5) that decides. Only root and the user of the\n"
		"service manager see the rule, and that a name is hidden. The status is 0 if it is\n"
		"allowed, and 6 if it is refused or the name is hidden.\n",
	.example = "  ipcctl policy check --user joe find demo.echo\n",
	.statuses = ON_BUS | MAY_END(NO_MANAGER),
	.options = options,
	.min = 3,
	.max = 3,
	.run = run,
};
