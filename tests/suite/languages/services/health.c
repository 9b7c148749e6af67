// SPDX-License-Identifier: MIT
#include "health.ipc.h"
#include "service.h"

typedef Grpc__Health__V1__HealthCheckRequest Request;
typedef Grpc__Health__V1__HealthCheckResponse Response;

#define SERVING	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

static int check(struct ipc_call *call, const Request *request, void *userdata)
{
	Response reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	(void)userdata;
	if (strcmp(request->service, "") && strcmp(request->service, "db"))
		return ipc_call_fail(call, 0, "grpc.NotFound", "unknown service");
	reply.status = *request->service ? NOT_SERVING : SERVING;
	return grpc_health_v1_health_reply_check(call, &reply);
}

static int watch(struct ipc_stream *stream, const Request *request, void *userdata)
{
	Response message = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int r = 0;

	(void)userdata;
	(void)request;
	for (int i = 0; i < 4 && r == 0; i++) {
		message.status = i % 2 ? NOT_SERVING : SERVING;
		r = grpc_health_v1_health_send_watch(stream, LONG_USEC, &message);
	}
	return r;
}

static int serve(struct ipc *ipc, const char *name)
{
	static const struct grpc_health_v1_health_ops ops = { .check = check, .watch = watch };

	return grpc_health_v1_health_register(ipc, name, &ops, NULL);
}

static void call(struct ipc *ipc, const char *name)
{
	ipc_auto(grpc_health_v1_health_unref) struct grpc_health_v1_health *health = NULL;
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	struct ipc_error error = IPC_ERROR_INIT;
	Request request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	const Response *message;
	Response *reply;

	CHECK(grpc_health_v1_health_wait(ipc, name, LONG_USEC, &health) == 0);
	CHECK(grpc_health_v1_health_check(health, &request, &reply, NULL) == 0);
	CHECK(reply->status == SERVING);
	grpc_health_v1_health_check_reply_free(reply);
	request.service = "db";
	CHECK(grpc_health_v1_health_check(health, &request, &reply, NULL) == 0);
	CHECK(reply->status == NOT_SERVING);
	grpc_health_v1_health_check_reply_free(reply);
	request.service = "nothing";
	CHECK(failed_as(grpc_health_v1_health_check(health, &request, &reply, &error), &error,
			"grpc.NotFound"));

	CHECK(grpc_health_v1_health_watch_open(health, NULL, &request, &stream, NULL) == 0);
	for (int i = 0; i < 4; i++) {
		CHECK(grpc_health_v1_health_watch_receive(stream, LONG_USEC, &message, NULL) == 1);
		CHECK(message->status == (i % 2 ? NOT_SERVING : SERVING));
	}
	CHECK(grpc_health_v1_health_watch_receive(stream, LONG_USEC, &message, NULL) == 0);
}
