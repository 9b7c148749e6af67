// SPDX-License-Identifier: MIT
/*
 * Loads and unloads the driver. Also random numbers and parameters.
 */
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/rcupdate.h>

#include "shim.h"

static bool loaded;

static struct {
	const char *name;
	unsigned int *value;
} params[16];

void shim_param_add(const char *name, unsigned int *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++)
		if (!params[i].name) {
			params[i].name = name;
			params[i].value = value;
			return;
		}
	shim_panic("boot: too many parameters");
}

unsigned int *shim_param(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(params) && params[i].name; i++)
		if (!strcmp(params[i].name, name))
			return params[i].value;
	return NULL;
}

u32 get_random_u32(void)
{
	u32 value = 0;

	if (shim_is_deterministic)
		return shim_random();
	BUG_ON(getrandom(&value, sizeof(value), 0) != sizeof(value));
	return value;
}

#ifndef SHIM_LEAN
void shim_deterministic(void)
{
	BUG_ON(loaded);
	shim_is_deterministic = true;
}
#endif

void shim_boot(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned int *manager_uid = shim_param("manager_uid");

	pthread_mutex_lock(&lock);
	/* The user of this process is its administrator, and may have set another manager
	 * uid. */
	if (!loaded && manager_uid && *manager_uid == -1U)
		*manager_uid = geteuid();
	if (!loaded) {
		shim_time_begins();
		BUG_ON(shim_module_init());
	}
	loaded = true;
	pthread_mutex_unlock(&lock);
}

void shim_unload(void)
{
	if (!loaded)
		return;
	shim_module_exit();
	loaded = false;
	rcu_barrier();
	for (int i = 0; i < SHIM_COUNTS; i++)
		if (shim_live[i] && i != SHIM_PIDS && i != SHIM_TASKS && i != SHIM_CREDS &&
		    i != SHIM_MMS)
			shim_panic("%ld %s are left after the driver was unloaded", shim_live[i],
				   shim_count_name[i]);
}
