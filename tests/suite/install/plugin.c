// SPDX-License-Identifier: MIT
/*
 * A plugin that contains libipc.a (PLUGIN), and a program that unloads it while a thread that used
 * it continues. The thread then ends without the plugin's code.
 */
#include <ipc/ipc.h>
#include <ipc/raw.h>
#include <stddef.h>

int plug(void);

#ifdef PLUGIN
static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return 0;
}

__attribute__((visibility("default"))) int plug(void)
{
	static const struct ipc_raw_ops ops = { .serve = serve };
	struct ipc_object *object;
	struct ipc *ipc;
	int r;

	r = ipc_open(&ipc, NULL);
	if (r < 0)
		return r;
	r = ipc_raw_object_new(ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_process(ipc);
	ipc_object_unref(object);
	ipc_unref(ipc);
	return r;
}
#else
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void *use(void *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*function)(void);

	if (!plugin) {
		puts(dlerror());
		return path;
	}
	function = (int (*)(void))dlsym(plugin, "plug");
	if (!function || function() < 0 || dlclose(plugin))
		return path;
	/* It must be unloaded. */
	return dlopen(path, RTLD_NOW | RTLD_NOLOAD);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *failed;

	for (int i = 0; argc > 1 && i < 3; i++)
		if (pthread_create(&thread, NULL, use, argv[1]) ||
		    pthread_join(thread, &failed) || failed)
			return 1;
	return 0;
}
#endif
