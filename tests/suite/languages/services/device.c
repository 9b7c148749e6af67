// SPDX-License-Identifier: MIT
/*
 * The server plays the kubelet. The client is a plugin, which the kubelet calls after its
 * registration.
 */
#include <pthread.h>

#include "device.ipc.h"
#include "service.h"

static void call_plugin(struct v1beta1_device_plugin *plugin)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	struct ipc_error error = IPC_ERROR_INIT;
	V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	char *ids[] = { "gpu0", "gpu1" };
	V1beta1__ContainerAllocateRequest container = V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest *containers = &container;
	V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
	V1beta1__AllocateResponse *reply;
	const V1beta1__ListAndWatchResponse *list;

	CHECK(v1beta1_device_plugin_list_and_watch_open(plugin, NULL, &empty, &stream, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(v1beta1_device_plugin_list_and_watch_receive(stream, LONG_USEC, &list,
								   NULL) == 1);
		CHECK(list->n_devices == 1 && !strcmp(list->devices[0]->id, "gpu0"));
		CHECK(!strcmp(list->devices[0]->health, i ? "Unhealthy" : "Healthy"));
	}
	CHECK(v1beta1_device_plugin_list_and_watch_receive(stream, LONG_USEC, &list, NULL) == 0);

	CHECK(failed_as(v1beta1_device_plugin_allocate(plugin, &request, &reply, &error), &error,
			"plugin.Devices"));
	container.n_devicesids = 2;
	container.devicesids = ids;
	request.n_container_requests = 1;
	request.container_requests = &containers;
	CHECK(v1beta1_device_plugin_allocate(plugin, &request, &reply, NULL) == 0);
	CHECK(reply->n_container_responses == 1 && reply->container_responses[0]->n_envs == 1);
	CHECK(!strcmp(reply->container_responses[0]->envs[0]->value, "gpu1"));
	CHECK(reply->container_responses[0]->mounts[0]->read_only);
	v1beta1_device_plugin_allocate_reply_free(reply);
}

/* userdata is the bus. */
static int register_plugin(struct ipc_call *call, const V1beta1__RegisterRequest *request,
			   void *userdata)
{
	V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	V1beta1__DevicePluginOptions *options;
	struct v1beta1_device_plugin *plugin;
	int r, required;

	if (strcmp(request->version, "v1beta1"))
		return ipc_call_fail(call, 0, "kubelet.Version", request->version);
	r = v1beta1_device_plugin_get(userdata, request->endpoint, &plugin);
	if (r < 0)
		return r;
	CHECK(v1beta1_device_plugin_get_device_plugin_options(plugin, &empty, &options, NULL) == 0);
	required = options->pre_start_required;
	v1beta1_device_plugin_get_device_plugin_options_reply_free(options);
	call_plugin(plugin);
	v1beta1_device_plugin_unref(plugin);
	if (!required || !request->options || !request->options->pre_start_required)
		return ipc_call_fail(call, 0, "kubelet.Options", request->resource_name);
	return v1beta1_registration_reply_register(call, &empty);
}

static int serve(struct ipc *ipc, const char *name)
{
	static const struct v1beta1_registration_ops ops = { .register_ = register_plugin };

	return v1beta1_registration_register(ipc, name, &ops, ipc);
}

static int options(struct ipc_call *call, const V1beta1__Empty *request, void *userdata)
{
	V1beta1__DevicePluginOptions reply = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;

	(void)request;
	(void)userdata;
	reply.pre_start_required = 1;
	return v1beta1_device_plugin_reply_get_device_plugin_options(call, &reply);
}

static int list_and_watch(struct ipc_stream *stream, const V1beta1__Empty *request, void *userdata)
{
	V1beta1__ListAndWatchResponse message = V1BETA1__LIST_AND_WATCH_RESPONSE__INIT;
	V1beta1__Device device = V1BETA1__DEVICE__INIT, *devices = &device;
	int r;

	(void)request;
	(void)userdata;
	device.id = "gpu0";
	device.health = "Healthy";
	message.n_devices = 1;
	message.devices = &devices;
	r = v1beta1_device_plugin_send_list_and_watch(stream, LONG_USEC, &message);
	device.health = "Unhealthy";
	return r ?: v1beta1_device_plugin_send_list_and_watch(stream, LONG_USEC, &message);
}

/* An environment variable and a mount per container. */
static int allocate(struct ipc_call *call, const V1beta1__AllocateRequest *request, void *userdata)
{
	V1beta1__AllocateResponse reply = V1BETA1__ALLOCATE_RESPONSE__INIT;
	V1beta1__ContainerAllocateResponse container = V1BETA1__CONTAINER_ALLOCATE_RESPONSE__INIT;
	V1beta1__ContainerAllocateResponse *containers = &container;
	V1beta1__ContainerAllocateResponse__EnvsEntry env =
		V1BETA1__CONTAINER_ALLOCATE_RESPONSE__ENVS_ENTRY__INIT;
	V1beta1__ContainerAllocateResponse__EnvsEntry *envs = &env;
	V1beta1__Mount mount = V1BETA1__MOUNT__INIT, *mounts = &mount;

	(void)userdata;
	if (request->n_container_requests != 1 || request->container_requests[0]->n_devicesids != 2)
		return ipc_call_fail(call, 0, "plugin.Devices", "not two devices of one container");
	env.key = "VISIBLE";
	env.value = request->container_requests[0]->devicesids[1];
	container.n_envs = 1;
	container.envs = &envs;
	mount.container_path = "/dev/gpu";
	mount.read_only = 1;
	container.n_mounts = 1;
	container.mounts = &mounts;
	reply.n_container_responses = 1;
	reply.container_responses = &containers;
	return v1beta1_device_plugin_reply_allocate(call, &reply);
}

static void *run(void *ipc)
{
	ipc_run(ipc);
	return NULL;
}

static void call(struct ipc *ipc, const char *name)
{
	static const struct v1beta1_device_plugin_ops ops = {
		.get_device_plugin_options = options,
		.list_and_watch = list_and_watch,
		.allocate = allocate,
	};
	struct v1beta1_registration *kubelet;
	struct ipc_error error = IPC_ERROR_INIT;
	V1beta1__DevicePluginOptions required = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
	V1beta1__RegisterRequest request = V1BETA1__REGISTER_REQUEST__INIT;
	V1beta1__Empty *reply;
	char plugin_name[200];
	pthread_t thread;

	snprintf(plugin_name, sizeof(plugin_name), "%s.plugin", name);
	CHECK(v1beta1_device_plugin_register(ipc, plugin_name, &ops, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, run, ipc) == 0);
	CHECK(v1beta1_registration_wait(ipc, name, LONG_USEC, &kubelet) == 0);
	CHECK(failed_as(v1beta1_registration_register_(kubelet, &request, &reply, &error), &error,
			"kubelet.Version"));
	required.pre_start_required = 1;
	request.version = "v1beta1";
	request.endpoint = plugin_name;
	request.resource_name = "example.com/gpu";
	request.options = &required;
	CHECK(v1beta1_registration_register_(kubelet, &request, &reply, NULL) == 0);
	v1beta1_registration_register_reply_free(reply);
	v1beta1_registration_unref(kubelet);
	ipc_stop(ipc);
	pthread_join(thread, NULL);
}
