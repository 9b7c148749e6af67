// SPDX-License-Identifier: MIT
/*
 * ipcctl watch: which services come and go, as it happens. The service manager
 * tells; nothing is polled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "process.h"
#include "verbs.h"

static unsigned long count;

static const struct option options[] = {
	{ "count", required_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	(void)key;
	return parse_number("--count", value, 1, 1UL << 40, &count);
}

/* What the signal handler and the callback act on. */
static struct ipc *bus;
static int result;

static void on_stop(int signal)
{
	(void)signal;
	ipc_stop(bus);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* --- Changes -------------------------------------------------------------------- */

static json_t *change_new(enum ipc_name_change change, const struct ipc_name_info *info)
{
	char process[64] = "", unit[256] = "", user[64] = "";

	if (change == IPC_NAME_GONE)
		return json_pack("{s:s, s:s}", "change", "gone", "name", info->name);
	process_name(info->pid, process, sizeof(process));
	process_unit(info->pid, unit, sizeof(unit));
	user_name(info->uid, user, sizeof(user));
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:s}", "change", "present", "name",
			 info->name, "pid", (int)info->pid, "process", process, "unit", unit, "uid",
			 (int)info->uid, "user", user, "interface", info->interface);
}

static int put_text(const json_t *change)
{
	static const char *const keys[] = { "name", "pid", "process", "unit", "user", "interface" };
	bool gone = !json_object_get(change, "pid");

	printf("%s%c%s", out_color(gone ? COLOR_RED : COLOR_GREEN), gone ? '-' : '+', out_plain());
	for (size_t i = 0; i < (gone ? 1 : sizeof(keys) / sizeof(*keys)); i++) {
		char *text = out_text(json_object_get(change, keys[i]));

		if (!text)
			return fail_memory();
		printf(" %s", text);
		free(text);
	}
	putchar('\n');
	if (fflush(stdout) == 0)
		return STATUS_OK;
	return fail_with(STATUS_FAILED, NULL, "cannot write to standard output");
}

static int put(json_t *change)
{
	int status;

	if (!change || ctl.json)
		return out_line(change);
	status = put_text(change);
	json_decref(change);
	return status;
}

/* People see themselves what is there already. */
static void on_change(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	(void)userdata;
	if (result || (change == IPC_NAME_SETTLED && !ctl.json))
		return;
	if (change == IPC_NAME_SETTLED)
		result = put(json_pack("{s:s}", "change", "settled"));
	else
		result = put(change_new(change, info));
	if (result || (count && --count == 0)) {
		count = 0;
		ipc_stop(ipc);
	}
}

static int watch(struct ipc *ipc, const char *pattern)
{
	uint64_t id;
	int r;

	bus = ipc;
	catch_signals();
	r = ipc_watch_names(ipc, pattern, on_change, NULL, &id);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, "it is a name, or what names start with and a '*'",
				 "\"%s\" is no pattern of names", pattern);
	if (r < 0)
		return fail_errno(r, "watching names");
	r = ipc_run(ipc);
	return r < 0 ? fail_errno(r, "watching names") : result;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status;

	status = bus_open(&ipc);
	return status ? status : watch(ipc, argc ? argv[0] : "*");
}

const struct verb verb_watch = {
	.name = "watch",
	.arguments = "[NAME|'PREFIX*']",
	.summary = "services that come and go, as it happens",
	.help = "Tells of each service that is there (+), and then of those that come, come again or\n"
		"go (-), until Ctrl-C: all, or NAME, or those that start with PREFIX. With --json a\n"
		"line says \"settled\" when what was there is told.\n"
		"\n"
		"      --count N        end after N lines\n",
	.options = options,
	.option = option,
	.max = 1,
	.run = run,
};
