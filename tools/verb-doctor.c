// SPDX-License-Identifier: MIT
/*
 * ipcctl doctor: looks whether everything is there that a bus needs, and says what
 * to do about what is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "ipcctl.h"
#include "out.h"
#include "verbs.h"

static const char *root = "";

static const struct option options[] = {
	{ "root", required_argument, NULL, 'r' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	(void)key;
	root = value;
	return 0;
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static enum color color_of(const char *state)
{
	return !strcmp(state, "ok")	 ? COLOR_GREEN :
	       !strcmp(state, "error")	 ? COLOR_RED :
	       !strcmp(state, "warning") ? COLOR_YELLOW :
					   COLOR_DIM;
}

/* Texts have names of files and lines of the kernel's in them. */
static int put_finding(const json_t *finding)
{
	char *text = out_text(json_object_get(finding, "text"));
	const char *state = text_of(finding, "state"), *fix = text_of(finding, "fix");

	if (!text)
		return fail_memory();
	printf("%s%-8s%s %-11s %s\n", out_color(color_of(state)), state, out_plain(),
	       text_of(finding, "check"), text);
	if (fix)
		printf("%21s%sto right it:%s %s\n", "", out_color(COLOR_BOLD), out_plain(), fix);
	free(text);
	return STATUS_OK;
}

static int put(json_t *findings, int status)
{
	json_t *finding;
	size_t i;

	if (ctl.json) {
		int put = out_json(findings);

		return put ? put : status;
	}
	json_array_foreach(findings, i, finding)
		if (put_finding(finding))
			status = STATUS_FAILED;
	json_decref(findings);
	return status;
}

static int run(int argc, char **argv)
{
	struct facts facts = { .root = root, .device = ctl_device() };
	int status = STATUS_OK;
	json_t *findings, *finding;
	size_t i;

	(void)argc;
	(void)argv;
	facts_gather(&facts);
	findings = facts_check(&facts);
	if (!findings)
		return fail_memory();
	json_array_foreach(findings, i, finding) if (!strcmp(text_of(finding, "state"), "error"))
		status = STATUS_FAILED;
	return put(findings, status);
}

const struct verb verb_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "what is wrong here, and the command that rights it",
	.help = "Looks at the module, its signature, the kernel's headers, the device, what one may do\n"
		"with it, the driver's version, the service manager and the policy; says of each what\n"
		"it found and, where something is wrong, the command that rights it. Ends with\n"
		"status 1 if anything is wrong. As root it sees more: the kernel's log.\n"
		"\n"
		"      --root DIR       look at the system under DIR\n",
	.options = options,
	.option = option,
	.run = run,
};
