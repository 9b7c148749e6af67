// SPDX-License-Identifier: MIT
/*
 * ipcctl policy: checks a permission and prints the deciding rule; prints all rules; reloads the
 * files. It asks the service manager, which has the policy in force.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "process.h"
#include "servicemanager.ipc.h"
#include "schema/text.h"
#include "verbs.h"

#define MAX_GROUPS 1024

static const char *user, *label = "";

static const struct verb_option options[] = {
	{ "user", "USER", "check for this user (name or uid) and their groups", .text = &user },
	{ "label", "LABEL", "check for this label of the security module", .text = &label },
	{ 0 },
};

/* Fills in uid and groups: of a user of this system, or only a number. */
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

/* The texts of reply may be protobuf-c's constant empty string, so this cleans copies of them. */
static json_t *verdict_json(const Ipc__Manager__CheckPolicyReply *reply, const char *shown,
			    const char *right, const char *name)
{
	char self[64];

	user_name(geteuid(), self, sizeof(self));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o}", "right", right, "name", name,
			 "user", user ? user : self, "verdict", text_json(shown), "file",
			 text_json(reply->file), "line", (json_int_t)reply->line, "rule",
			 text_json(reply->rule));
}

static int put(const Ipc__Manager__CheckPolicyReply *reply, const char *right, const char *name)
{
	bool allowed = !strcmp(reply->verdict, "allowed");
	/* Only an administrator gets the rule, and learns that a name is hidden. */
	bool may_be_hidden = allowed && !*reply->file && strcmp(right, "register");
	json_t *verdict = verdict_json(reply, may_be_hidden ?
					      "allowed, unless the policy hides the name" :
					      reply->verdict, right, name);
	int status = allowed ? STATUS_OK : STATUS_DENIED, put;

	if (ctl.json) {
		put = out_json(verdict);
		return put ? put : status;
	}
	if (!verdict)
		return fail_memory();
	printf("%s%s%s\n", out_color(allowed ? COLOR_GREEN : COLOR_RED),
	       value_text(verdict, "verdict"), out_plain());
	if (*value_text(verdict, "file"))
		printf("%s:%u: %s\n", value_text(verdict, "file"), reply->line,
		       value_text(verdict, "rule"));
	else if (allowed)
		puts("only root and the user of the service manager may see which rule decides");
	else
		/* Only they may check for another user. */
		puts(user || !geteuid() ? "no rule matches" :
					  "no rule matches, or only root may see which does");
	json_decref(verdict);
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
				 error.text ? error.text : "invalid question");
	if (r < 0)
		return fail_manager(r, &error);
	return put(reply, right, name);
}

/* --- show and reload ------------------------------------------------------------------ */

static json_t *texts_json(char **texts, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		array = value_append(array, text_json(texts[i]));
	return array;
}

static json_t *add_rules(json_t *rules, const Ipc__Manager__ShowPolicyReply *reply)
{
	for (size_t i = 0; i < reply->n_rules; i++) {
		const Ipc__Manager__PolicyRule *rule = reply->rules[i];

		rules = value_append(rules, json_pack("{s:o, s:I, s:o}", "file",
						      text_json(rule->file), "line",
						      (json_int_t)rule->line, "rule",
						      text_json(rule->text)));
	}
	return rules;
}

/* Sets *ret_policy to {"rules": [...], "outdated": ..., "activations_outdated": ...,
 * "problems": [...]}. */
static int get_rules(struct service_manager *manager, json_t **ret_policy)
{
	Ipc__Manager__ShowPolicyRequest request = IPC__MANAGER__SHOW_POLICY_REQUEST__INIT;
	json_t *rules = json_array(), *problems = NULL;
	bool more = true, outdated = false, activations_outdated = false;

	while (more && rules) {
		ipc_auto(service_manager_show_policy_reply_free)
			Ipc__Manager__ShowPolicyReply *reply = NULL;
		ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
		int r = service_manager_show_policy(manager, &request, &reply, &error);

		if (r < 0) {
			json_decref(rules);
			json_decref(problems);
			return fail_manager(r, &error);
		}
		rules = add_rules(rules, reply);
		json_decref(problems);
		problems = texts_json(reply->problems, reply->n_problems);
		outdated = reply->outdated;
		activations_outdated = reply->activations_outdated;
		request.after += reply->n_rules;
		more = reply->more && reply->n_rules;
	}
	*ret_policy = json_pack("{s:o, s:b, s:b, s:o}", "rules", rules, "outdated", outdated,
				"activations_outdated", activations_outdated, "problems", problems);
	return *ret_policy ? STATUS_OK : fail_memory();
}

static void put_problems(const json_t *problems)
{
	json_t *problem;
	size_t i;

	json_array_foreach(problems, i, problem)
		printf("%sproblem:%s %s\n", out_color(COLOR_YELLOW), out_plain(),
		       json_string_value(problem));
}

static int show(struct service_manager *manager)
{
	json_t *policy, *rule;
	int status = get_rules(manager, &policy);
	size_t i;

	if (status || ctl.json)
		return status ? status : out_json(policy);
	json_array_foreach(json_object_get(policy, "rules"), i, rule)
		printf("%s%s:%lld:%s %s\n", out_color(COLOR_DIM), value_text(rule, "file"),
		       (long long)value_number(rule, "line"), out_plain(),
		       value_text(rule, "rule"));
	put_problems(json_object_get(policy, "problems"));
	if (json_is_true(json_object_get(policy, "outdated")))
		printf("%sa file is wrong: %s%s\n", out_color(COLOR_RED),
		       json_array_size(json_object_get(policy, "rules")) ?
			       "these rules are older than the files" :
			       "no rules are in force, and all names are refused",
		       out_plain());
	if (json_is_true(json_object_get(policy, "activations_outdated")))
		printf("%san activation file is wrong: the old activation files, or none, are in "
		       "force%s\n", out_color(COLOR_RED), out_plain());
	json_decref(policy);
	return STATUS_OK;
}

/* At the start of the service manager, a wrong file leaves nothing in force. */
static const char *in_force(int64_t n, const char *old, const char *nothing)
{
	return n ? old : nothing;
}

static int put_reload(const json_t *result, bool policy_refused, bool activations_refused)
{
	put_problems(json_object_get(result, "problems"));
	if (out_flush())
		return STATUS_FAILED;
	if (policy_refused || activations_refused)
		return fail_with(STATUS_FAILED, "correct the file, and reload again",
				 "a file is wrong; %s%s%s",
				 policy_refused ? in_force(value_number(result, "rule_count"),
							   "still in force: the old policy",
							   "no rules are in force, and all names are "
							   "refused") : "",
				 policy_refused && activations_refused ? "; " : "",
				 activations_refused ? in_force(value_number(result, "activation_count"),
							     "still in force: the old activation files",
							     "no activation files are in force") : "");
	printf("%lld rules and %lld activation files are in force\n",
	       (long long)value_number(result, "rule_count"), (long long)value_number(result, "activation_count"));
	return STATUS_OK;
}

static int reload(struct service_manager *manager)
{
	ipc_auto(service_manager_reload_reply_free) Ipc__Manager__ReloadReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__ReloadRequest request = IPC__MANAGER__RELOAD_REQUEST__INIT;
	int r = service_manager_reload(manager, &request, &reply, &error), status;
	json_t *result;
	bool refused;

	if (r < 0)
		return fail_manager(r, &error);
	refused = reply->policy_refused || reply->activations_refused;
	result = json_pack("{s:I, s:I, s:b, s:b, s:o}", "rule_count", (json_int_t)reply->rules,
			   "activation_count", (json_int_t)reply->activations, "policy_refused",
			   reply->policy_refused, "activations_refused", reply->activations_refused,
			   "problems", texts_json(reply->problems, reply->n_problems));
	if (!result)
		return fail_memory();
	if (ctl.json) {
		status = out_json(result);
		return status || !refused ? status : STATUS_FAILED;
	}
	status = put_reload(result, reply->policy_refused, reply->activations_refused);
	json_decref(result);
	return status;
}

/* --- The verb ----------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	bool checks = !strcmp(argv[0], "check"), shows = !strcmp(argv[0], "show");
	int status;

	if (!checks && !shows && strcmp(argv[0], "reload"))
		return fail_with(STATUS_USAGE, "as in ipcctl policy check find demo.echo",
				 "unknown subcommand \"%s\"; policy knows check, show and reload",
				 argv[0]);
	if (argc != (checks ? 3 : 1))
		return fail_with(STATUS_USAGE,
				 checks ? "as in ipcctl policy check call demo.echo" : NULL,
				 checks ? "policy check takes a right and a name" :
					  "policy %s takes no arguments", argv[0]);
	status = bus_manager(&ipc, &manager);
	if (status)
		return status;
	if (checks)
		return check(manager, argv[1], argv[2]);
	return shows ? show(manager) : reload(manager);
}

const struct verb verb_policy = {
	.name = "policy",
	.arguments = "check|reload|show [register|find|list|call NAME]",
	.summary = "check a permission; show or reload the policy",
	.description =
		"check asks the service manager whether you may register, find, list or call NAME,\n"
		"and prints the rule of ipcbus-policy(5) that decides: find, to learn that the name is\n"
		"registered; call, to get its object, which needs find too. Even if register is allowed,\n"
		"a name may be taken. If the right is refused or the name is hidden, the status is 6. Only\n"
		"root and the user of the service manager see the rule, and that a name is hidden; others\n"
		"read \"allowed, unless the policy hides the name\" for find, list and call, with status 0.\n"
		"\n"
		"show prints all rules in force, of which the last that matches decides. reload makes the\n"
		"service manager read the files again, rules in /etc/ipcbus/policy.d (ipcbus-policy(5)) and\n"
		"activation files in /etc/ipcbus/services.d (ipcbus-services(5)), and prints their\n"
		"problems. If a file is wrong, the status is 1, and the old rules or activation files\n"
		"stay in force; if it was wrong when the service manager started, there are none. A\n"
		"rule for a user or group that does not exist is a problem, but the rules are in force.\n"
		"Both need root or the user of the service manager.\n",
	.example = "  ipcctl policy check --user joe find demo.echo\n"
		   "  sudo ipcctl policy reload\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.options = options,
	.min = 1,
	.max = 3,
	.run = run,
};
