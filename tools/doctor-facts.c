// SPDX-License-Identifier: MIT
/*
 * Collects the facts for ipcctl doctor: files below the root, the module with libkmod, the
 * driver with IPCBUS_IOC_INFO, a daemon by its first message and libipc.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libkmod.h>
#include <linux/capability.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "bus.h"
#include "doctor.h"
#include "ipcbus-daemon.h"
#include "servicemanager.ipc.h"
#include "user.h"

#define MANAGER_TIMEOUT_USEC 5000000
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* --- Files under the root -------------------------------------------------------- */

static bool path_of(const struct facts *facts, char *path, size_t size, const char *file)
{
	return (size_t)snprintf(path, size, "%s%s", facts->root, file) < size;
}

static bool is_there(const struct facts *facts, const char *file)
{
	char path[1024];

	return path_of(facts, path, sizeof(path), file) && access(path, F_OK) == 0;
}

/* The beginning of a file and a 0. Returns the number of bytes. */
static size_t slurp(const struct facts *facts, const char *file, char *text, size_t size)
{
	char path[1024];
	ssize_t n = 0;
	int fd = -1;

	if (path_of(facts, path, sizeof(path), file))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	n = n > 0 ? n : 0;
	text[n] = '\0';
	return n;
}

/* --- The module ------------------------------------------------------------------ */

static void note_info(struct facts *facts, const struct kmod_module *module)
{
	struct kmod_list *list = NULL, *entry;

	if (kmod_module_get_info(module, &list) < 0)
		return;
	kmod_list_foreach(entry, list) {
		const char *key = kmod_module_info_get_key(entry);
		const char *value = kmod_module_info_get_value(entry);

		if (!strcmp(key, "vermagic"))
			snprintf(facts->vermagic, sizeof(facts->vermagic), "%s", value);
		if (!strcmp(key, "signer"))
			snprintf(facts->signer, sizeof(facts->signer), "%s", value);
	}
	kmod_module_info_free_list(list);
}

/* As modprobe finds it. */
static struct kmod_module *find_by_index(struct kmod_ctx *ctx)
{
	struct kmod_module *module = NULL;
	struct kmod_list *list = NULL;

	if (kmod_module_new_from_lookup(ctx, "ipcbus", &list) == 0 && list)
		module = kmod_module_get_module(list);
	kmod_module_unref_list(list);
	return module;
}

/* In the folders for modules that are not part of the kernel, indexed or not. */
static struct kmod_module *find_by_place(struct kmod_ctx *ctx, const char *folder)
{
	struct kmod_module *module = NULL;
	char pattern[1100];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/{updates,updates/dkms,extra}/ipcbus.ko*", folder);
	if (glob(pattern, GLOB_BRACE, NULL, &found))
		return NULL;
	if (kmod_module_new_from_path(ctx, found.gl_pathv[0], &module) < 0)
		module = NULL;
	globfree(&found);
	return module;
}

static void look_for_file(struct facts *facts)
{
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	char folder[1024];

	snprintf(folder, sizeof(folder), "%s/lib/modules/%s", facts->root, facts->release);
	ctx = kmod_new(folder, NULL);
	if (!ctx)
		return;
	kmod_set_log_priority(ctx, 0);
	module = find_by_index(ctx);
	facts->indexed = module;
	if (!module)
		module = find_by_place(ctx, folder);
	if (module && kmod_module_get_path(module)) {
		snprintf(facts->file, sizeof(facts->file), "%s", kmod_module_get_path(module));
		note_info(facts, module);
	}
	kmod_module_unref(module);
	kmod_unref(ctx);
}

/* A container lacks the capability even as root, or its user namespace is not the first one. */
static bool is_confined(void)
{
	static const struct facts here = { .root = "" };
	unsigned int inside = 0, outside = 0, count = 0;
	char map[64];

	slurp(&here, "/proc/self/uid_map", map, sizeof(map));
	return prctl(PR_CAPBSET_READ, CAP_SYS_MODULE) == 0 ||
	       (sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && count != UINT32_MAX);
}

static bool is_refusal(const char *line)
{
	static const char *const texts[] = {
		"ipcbus: version magic",
		"ipcbus: disagrees about version",
		"ipcbus: Unknown symbol",
		"Loading of unsigned module is rejected",
		"Loading of module with unavailable key is rejected",
		"Loading of module with unsupported crypto is rejected",
		"unsigned module loading is restricted",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strstr(line, texts[i]))
			return true;
	return false;
}

/* Each read returns one record: "6,339,5140900,-;TEXT\n", then details. */
static void look_into_log(struct facts *facts)
{
	char path[1024], line[2048];
	ssize_t n;
	int fd;

	path_of(facts, path, sizeof(path), "/dev/kmsg");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	while ((n = read(fd, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		const char *text;

		line[n > 0 ? n : 0] = '\0';
		line[strcspn(line, "\n")] = '\0';
		text = strchr(line, ';');
		if (text && is_refusal(text + 1))
			snprintf(facts->refusal, sizeof(facts->refusal), "%s", text + 1);
	}
	close(fd);
}

/* "none [integrity] confidentiality": the mode is in brackets. */
static void look_at_lockdown(struct facts *facts)
{
	const char *begin, *end;
	char text[128];

	slurp(facts, "/sys/kernel/security/lockdown", text, sizeof(text));
	begin = strchr(text, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (end)
		snprintf(facts->lockdown, sizeof(facts->lockdown), "%.*s",
			 (int)(end - begin - 1), begin + 1);
}

static void look_at_signatures(struct facts *facts)
{
	char text[64];
	size_t n;

	n = slurp(facts, SECURE_BOOT, text, sizeof(text));
	facts->secure_boot = n == 5 && text[4] == 1;
	slurp(facts, "/sys/module/module/parameters/sig_enforce", text, sizeof(text));
	facts->sig_enforce = text[0] == 'Y';
	look_at_lockdown(facts);
}

static void look_at_dkms(struct facts *facts)
{
	char pattern[1024], file[256];
	glob_t found;

	snprintf(file, sizeof(file), "/lib/modules/%s/build/Makefile", facts->release);
	facts->headers = is_there(facts, file);
	path_of(facts, pattern, sizeof(pattern), "/usr/src/ipcbus-*/dkms.conf");
	facts->dkms = glob(pattern, 0, NULL, &found) == 0;
	if (facts->dkms)
		globfree(&found);
}

/* --- The device, the driver, the manager --------------------------------------------- */

/* 1: it replies; 0: there is none; or -errno. */
static int ask_manager(struct facts *facts, const char *path)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy *proxy = NULL;
	int r = ipc_wait_manager(path, 0);

	if (r == 1)
		r = ipc_open(&ipc, path);
	if (!ipc)
		return r;
	r = ipc_set_timeout(ipc, MANAGER_TIMEOUT_USEC);
	if (r == 0)
		r = ipc_get_manager(ipc, &proxy);
	manager = service_manager_from_proxy(proxy);
	if (r == 0)
		r = ipc_proxy_ping(proxy, /* error= */ NULL);
	/* It may have other folders of policy than this system's. */
	if (r == 0)
		bus_policy_problem(manager, facts->outdated, sizeof(facts->outdated));
	return r == 0 ? 1 : r == -ENOTCONN ? 0 : r;
}

static void open_device(struct facts *facts, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		facts->open_error = -errno;
		return;
	}
	facts->info.size = sizeof(facts->info);
	if (ioctl(fd, IPCBUS_IOC_INFO, &facts->info) < 0)
		facts->info_error = -errno;
	close(fd);
}

/* A daemon that does not greet would keep libipc waiting. */
static void open_socket(struct facts *facts, const char *path)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t features = 0;

	daemon_ask(path, MANAGER_TIMEOUT_USEC / 1000, &facts->peer);
	facts->open_error = facts->peer.connect_error;
	facts->info_error = facts->peer.welcome_error;
	if (!facts->info_error && facts->peer.version != IPCBUSD_VERSION)
		facts->info_error = -EPROTO;
	if (facts->open_error || facts->info_error)
		return;
	facts->info_error = ipc_open(&ipc, path);
	if (!facts->info_error)
		facts->info_error = ipc_get_driver(ipc, &facts->info.version, &features);
}

static void look_at_device(struct facts *facts)
{
	char path[1024];
	struct stat st;

	path_of(facts, path, sizeof(path), facts->device);
	if (stat(path, &st) < 0) {
		facts->device_error = -errno;
		return;
	}
	facts->mode = st.st_mode & 07777;
	group_name(st.st_gid, facts->group, sizeof(facts->group));
	user_name(st.st_uid, facts->owner, sizeof(facts->owner));
	if (facts->kind == IPC_BUS_DAEMON)
		open_socket(facts, path);
	else
		open_device(facts, path);
	if (!facts->open_error && !facts->info_error)
		facts->manager = ask_manager(facts, path);
}

static int is_policy(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".conf");
}

/* Runs the service manager's own check, whose first line says what is wrong. Its status is 1
 * then. Any other says nothing about the policy: it may not be installed. */
static void check_policy(struct facts *facts, char *folder)
{
	char *const argv[] = { "servicemanager", "--check-policy", "--policy", folder, NULL };
	posix_spawn_file_actions_t actions;
	char first[512] = "", rest[512];
	int ends[2], wstatus = 0;
	FILE *file;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ))
		pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	file = fdopen(ends[0], "r");
	if (file && fgets(first, sizeof(first), file))
		while (fgets(rest, sizeof(rest), file))
			;
	if (file)
		fclose(file);
	first[strcspn(first, "\n")] = '\0';
	if (pid && waitpid(pid, &wstatus, 0) == pid && WIFEXITED(wstatus) &&
	    WEXITSTATUS(wstatus) == 1)
		snprintf(facts->policy_error, sizeof(facts->policy_error), "%s", first);
}

static void look_at_policy(struct facts *facts)
{
	struct dirent **entries;
	char path[1024];

	path_of(facts, path, sizeof(path), "/etc/ipcbus/policy.d");
	facts->policy = scandir(path, &entries, is_policy, NULL);
	if (facts->policy < 0) {
		facts->policy = -errno;
		return;
	}
	for (int i = 0; i < facts->policy; i++)
		free(entries[i]);
	free(entries);
	if (facts->policy)
		check_policy(facts, path);
}

void facts_gather(struct facts *facts)
{
	struct utsname name;

	uname(&name);
	snprintf(facts->release, sizeof(facts->release), "%s", name.release);
	facts->uid = geteuid();
	user_name(facts->uid, facts->user, sizeof(facts->user));
	facts->confined = is_confined();
	facts->loaded = is_there(facts, "/sys/module/ipcbus");
	look_for_file(facts);
	look_at_signatures(facts);
	if (!facts->loaded)
		look_into_log(facts);
	look_at_dkms(facts);
	look_at_device(facts);
	look_at_policy(facts);
}
