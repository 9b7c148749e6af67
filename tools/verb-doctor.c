// SPDX-License-Identifier: MIT
/*
 * ipcctl doctor: checks everything that a bus needs, and prints how to fix what is wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "ipcctl.h"
#include "out.h"
#include "value.h"
#include "verbs.h"

static const char *root = "";

static const struct verb_option options[] = {
	{ "root", "DIR", "check the system below DIR", .text = &root },
	{ 0 },
};

static enum color color_of(const char *state)
{
	return !strcmp(state, "ok")	 ? COLOR_GREEN :
	       !strcmp(state, "error")	 ? COLOR_RED :
	       !strcmp(state, "warning") ? COLOR_YELLOW :
					   COLOR_DIM;
}

/* Texts contain names of files and lines of the kernel's log: out_text() cleans them. */
static int put_finding(const json_t *finding)
{
	char *text = out_text(json_object_get(finding, "text"));
	const char *state = value_text(finding, "state"), *fix = value_text(finding, "fix");

	if (!text)
		return fail_memory();
	printf("%s%-8s%s %-11s %s\n", out_color(color_of(state)), state, out_plain(),
	       value_text(finding, "check"), text);
	if (fix)
		printf("%21s%sfix:%s %s\n", "", out_color(COLOR_BOLD), out_plain(), fix);
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
	const struct ctl_bus *bus = ctl_bus();
	struct facts facts = {
		.root = root,
		.device = bus->path,
		.kind = bus->kind,
		.reason = bus->reason,
	};
	int status = STATUS_OK;
	json_t *findings, *finding;
	size_t i;

	(void)argc;
	(void)argv;
	facts_gather(&facts);
	findings = facts_check(&facts);
	if (!findings)
		return fail_memory();
	json_array_foreach(findings, i, finding) if (!strcmp(value_text(finding, "state"), "error"))
		status = STATUS_FAILED;
	return put(findings, status);
}

const struct verb verb_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "check the system, and print how to fix what is wrong",
	.description =
		"Says which bus programs open, and why. For a device, checks the module, its signature\n"
		"and the kernel's headers; for a socket, the daemon behind it. Then checks the\n"
		"permission to open it, the driver's version, the service manager and the policy. Each\n"
		"line begins with ok, warning, error or unknown; the command that fixes it follows. The\n"
		"status is 1 if there is an error. Root sees more, because it may read the kernel's log.\n",
	.example = "  sudo ipcctl doctor\n",
	.options = options,
	.run = run,
};
