// SPDX-License-Identifier: MIT
/* A runtime with at most 1 container. */
#include "cri.ipc.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "service.h"

typedef Runtime__V1__ContainerConfig Config;
typedef Runtime__V1__ContainerConfig__LabelsEntry Label;

#define OOM	RUNTIME__V1__CONTAINER_CONFIG___OOM_SCORE_ADJ_OOM_SCORE_ADJ
#define RUNNING RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING
#define EXITED	RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED

static int exists;

static int version(struct ipc_call *call, const Runtime__V1__VersionRequest *request,
		   void *userdata)
{
	Runtime__V1__VersionResponse reply = RUNTIME__V1__VERSION_RESPONSE__INIT;

	(void)userdata;
	reply.version = request->version;
	reply.runtime_name = "test";
	return runtime_v1_runtime_service_reply_version(call, &reply);
}

/* Expects the client's request, with presence in every form that a .proto file can have. */
static int create(struct ipc_call *call, const Runtime__V1__CreateContainerRequest *request,
		  void *userdata)
{
	Runtime__V1__CreateContainerResponse reply = RUNTIME__V1__CREATE_CONTAINER_RESPONSE__INIT;
	const Config *config = request->config;

	(void)userdata;
	if (!config || !config->metadata || config->n_labels != 1 || config->n_command != 2 ||
	    config->_oom_score_adj_case != OOM || config->oom_score_adj != 0 ||
	    !config->privileged || config->privileged->value || !config->grace ||
	    config->grace->nanos != 5)
		return ipc_call_fail(call, 0, "cri.InvalidArgument", "not the client's container");
	exists = 1;
	reply.container_id = config->metadata->name;
	return runtime_v1_runtime_service_reply_create_container(call, &reply);
}

static int list(struct ipc_call *call, const Runtime__V1__ListContainersRequest *request,
		void *userdata)
{
	Runtime__V1__ListContainersResponse reply = RUNTIME__V1__LIST_CONTAINERS_RESPONSE__INIT;
	Runtime__V1__Container container = RUNTIME__V1__CONTAINER__INIT, *containers = &container;
	Google__Protobuf__Timestamp created = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	(void)userdata;
	created.seconds = 1700000000;
	container.id = "c1";
	container.state = RUNNING;
	container.created_at = &created;
	reply.containers = &containers;
	/* Without a filter, or with a filter of its state. */
	reply.n_containers = exists && (!request->filter || !request->filter->_state_case ||
					request->filter->state == RUNNING);
	return runtime_v1_runtime_service_reply_list_containers(call, &reply);
}

static int remove_container(struct ipc_call *call,
			    const Runtime__V1__RemoveContainerRequest *request, void *userdata)
{
	Runtime__V1__RemoveContainerResponse reply = RUNTIME__V1__REMOVE_CONTAINER_RESPONSE__INIT;

	(void)userdata;
	if (!exists || strcmp(request->container_id, "c1"))
		return ipc_call_fail(call, 0, "cri.NotFound", request->container_id);
	exists = 0;
	return runtime_v1_runtime_service_reply_remove_container(call, &reply);
}

static int events(struct ipc_stream *stream, const Runtime__V1__GetEventsRequest *request,
		  void *userdata)
{
	Runtime__V1__ContainerEventResponse message = RUNTIME__V1__CONTAINER_EVENT_RESPONSE__INIT;

	(void)userdata;
	(void)request;
	message.container_id = "c1";
	message.state = EXITED;
	return runtime_v1_runtime_service_send_get_container_events(stream, LONG_USEC, &message);
}

static int pull_image(struct ipc_call *call, const Runtime__V1__PullImageRequest *request,
		      void *userdata)
{
	Runtime__V1__PullImageResponse reply = RUNTIME__V1__PULL_IMAGE_RESPONSE__INIT;

	(void)userdata;
	if (!request->image || request->image->n_annotations != 1)
		return ipc_call_fail(call, 0, "cri.InvalidArgument", "no image");
	reply.image_ref = request->image->annotations[0]->value;
	return runtime_v1_image_service_reply_pull_image(call, &reply);
}

static int serve(struct ipc *ipc, const char *name)
{
	static const struct runtime_v1_runtime_service_ops ops = {
		.version = version,
		.create_container = create,
		.list_containers = list,
		.remove_container = remove_container,
		.get_container_events = events,
	};
	static const struct runtime_v1_image_service_ops image_ops = { .pull_image = pull_image };
	char image_name[200];
	int r;

	snprintf(image_name, sizeof(image_name), "%s.images", name);
	r = runtime_v1_image_service_register(ipc, image_name, &image_ops, NULL);
	return r ?: runtime_v1_runtime_service_register(ipc, name, &ops, NULL);
}

static void create_one(struct runtime_v1_runtime_service *runtime)
{
	struct ipc_error error = IPC_ERROR_INIT;
	char *command[] = { "sh", "-c" };
	Runtime__V1__ContainerConfig__Metadata metadata =
		RUNTIME__V1__CONTAINER_CONFIG__METADATA__INIT;
	Label label = RUNTIME__V1__CONTAINER_CONFIG__LABELS_ENTRY__INIT, *labels = &label;
	Google__Protobuf__BoolValue no = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
	Google__Protobuf__Duration grace = GOOGLE__PROTOBUF__DURATION__INIT;
	Config config = RUNTIME__V1__CONTAINER_CONFIG__INIT;
	Runtime__V1__CreateContainerRequest request = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
	Runtime__V1__CreateContainerResponse *reply;

	metadata.name = "c1";
	label.key = "app";
	label.value = "shop";
	grace.nanos = 5;
	config.metadata = &metadata;
	config.n_command = 2;
	config.command = command;
	config.n_labels = 1;
	config.labels = &labels;
	config.privileged = &no;
	config.grace = &grace;
	request.config = &config;
	CHECK(failed_as(
		runtime_v1_runtime_service_create_container(runtime, &request, &reply, &error),
		&error, "cri.InvalidArgument"));
	config._oom_score_adj_case = OOM;
	CHECK(runtime_v1_runtime_service_create_container(runtime, &request, &reply, NULL) == 0);
	CHECK(!strcmp(reply->container_id, "c1"));
	runtime_v1_runtime_service_create_container_reply_free(reply);
}

static size_t count(struct runtime_v1_runtime_service *runtime,
		    Runtime__V1__ContainerFilter *filter)
{
	Runtime__V1__ListContainersRequest request = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ListContainersResponse *reply;
	size_t n;

	request.filter = filter;
	CHECK(runtime_v1_runtime_service_list_containers(runtime, &request, &reply, NULL) == 0);
	n = reply->n_containers;
	CHECK(!n || (reply->containers[0]->created_at->seconds == 1700000000 &&
		     reply->containers[0]->state == RUNNING));
	runtime_v1_runtime_service_list_containers_reply_free(reply);
	return n;
}

static void pull(struct ipc *ipc, const char *name)
{
	struct runtime_v1_image_service *images;
	Runtime__V1__ImageSpec__AnnotationsEntry note =
		RUNTIME__V1__IMAGE_SPEC__ANNOTATIONS_ENTRY__INIT;
	Runtime__V1__ImageSpec__AnnotationsEntry *notes = &note;
	Runtime__V1__ImageSpec image = RUNTIME__V1__IMAGE_SPEC__INIT;
	Runtime__V1__PullImageRequest request = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
	Runtime__V1__PullImageResponse *reply;
	char image_name[200];

	snprintf(image_name, sizeof(image_name), "%s.images", name);
	CHECK(runtime_v1_image_service_get(ipc, image_name, &images) == 0);
	note.key = "digest";
	note.value = "sha256:1";
	image.n_annotations = 1;
	image.annotations = &notes;
	request.image = &image;
	CHECK(runtime_v1_image_service_pull_image(images, &request, &reply, NULL) == 0);
	CHECK(!strcmp(reply->image_ref, "sha256:1"));
	runtime_v1_image_service_pull_image_reply_free(reply);
	runtime_v1_image_service_unref(images);
}

static void call(struct ipc *ipc, const char *name)
{
	ipc_auto(runtime_v1_runtime_service_unref) struct runtime_v1_runtime_service *runtime =
		NULL;
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	struct ipc_error error = IPC_ERROR_INIT;
	Runtime__V1__VersionRequest version = RUNTIME__V1__VERSION_REQUEST__INIT;
	Runtime__V1__VersionResponse *versions;
	Runtime__V1__ContainerFilter filter = RUNTIME__V1__CONTAINER_FILTER__INIT;
	Runtime__V1__GetEventsRequest watch = RUNTIME__V1__GET_EVENTS_REQUEST__INIT;
	Runtime__V1__RemoveContainerRequest removal = RUNTIME__V1__REMOVE_CONTAINER_REQUEST__INIT;
	Runtime__V1__RemoveContainerResponse *removed;
	const Runtime__V1__ContainerEventResponse *event;

	CHECK(runtime_v1_runtime_service_wait(ipc, name, LONG_USEC, &runtime) == 0);
	version.version = "v1";
	CHECK(runtime_v1_runtime_service_version(runtime, &version, &versions, NULL) == 0);
	CHECK(!strcmp(versions->version, "v1") && !strcmp(versions->runtime_name, "test"));
	runtime_v1_runtime_service_version_reply_free(versions);
	create_one(runtime);
	CHECK(count(runtime, NULL) == 1);
	CHECK(count(runtime, &filter) == 1);
	/* The field is present, although it is 0. */
	filter._state_case = RUNTIME__V1__CONTAINER_FILTER___STATE_STATE;
	CHECK(count(runtime, &filter) == 0);

	CHECK(runtime_v1_runtime_service_get_container_events_open(runtime, NULL, &watch, &stream,
								   NULL) == 0);
	CHECK(runtime_v1_runtime_service_get_container_events_receive(stream, LONG_USEC, &event,
								      NULL) == 1);
	CHECK(!strcmp(event->container_id, "c1") && event->state == EXITED);
	CHECK(runtime_v1_runtime_service_get_container_events_receive(stream, LONG_USEC, &event,
								      NULL) == 0);

	removal.container_id = "c1";
	CHECK(runtime_v1_runtime_service_remove_container(runtime, &removal, &removed, NULL) == 0);
	runtime_v1_runtime_service_remove_container_reply_free(removed);
	CHECK(failed_as(
		runtime_v1_runtime_service_remove_container(runtime, &removal, &removed, &error),
		&error, "cri.NotFound"));
	pull(ipc, name);
}
