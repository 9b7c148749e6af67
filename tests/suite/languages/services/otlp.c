// SPDX-License-Identifier: MIT
#include "otlp.ipc.h"
#include "service.h"

#define trace(name) opentelemetry_proto_collector_trace_v1_trace_service_##name
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest Request;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse Response;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess Partial;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans ResourceSpans;
typedef Opentelemetry__Proto__Trace__V1__Span Span;
typedef Opentelemetry__Proto__Trace__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Trace__V1__KeyValueList KeyValueList;
typedef Opentelemetry__Proto__Trace__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Trace__V1__Status Status;

#define KVLIST OPENTELEMETRY__PROTO__TRACE__V1__ANY_VALUE__VALUE_KVLIST_VALUE
#define DOUBLE OPENTELEMETRY__PROTO__TRACE__V1__ANY_VALUE__VALUE_DOUBLE_VALUE
#define SERVER OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_SERVER
#define ERROR  OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_ERROR

/* Checks the client's request. */
static int is_right(const Span *span)
{
	const AnyValue *list, *inner;

	if (span->trace_id.len != 16 || span->trace_id.data[15] != 15 || span->kind != SERVER ||
	    span->start_time_unix_nano != UINT64_C(0xfedcba9876543210) || span->n_attributes != 1 ||
	    !span->status || span->status->code != ERROR || strcmp(span->status->message, "late"))
		return 0;
	list = span->attributes[0]->value;
	if (!list || list->value_case != KVLIST || list->kvlist_value->n_values != 1)
		return 0;
	inner = list->kvlist_value->values[0]->value;
	return inner && inner->value_case == DOUBLE && inner->double_value == -0.5;
}

static int export(struct ipc_call *call, const Request *request, void *userdata)
{
	Response reply =
		OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_RESPONSE__INIT;
	Partial partial =
		OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_PARTIAL_SUCCESS__INIT;

	(void)userdata;
	for (size_t i = 0; i < request->n_resource_spans; i++)
		for (size_t j = 0; j < request->resource_spans[i]->n_spans; j++)
			partial.rejected_spans += !is_right(request->resource_spans[i]->spans[j]);
	if (partial.rejected_spans) {
		partial.error_message = "wrong";
		reply.partial_success = &partial;
	}
	return trace(reply_export)(call, &reply);
}

static int serve(struct ipc *ipc, const char *name)
{
	static const struct opentelemetry_proto_collector_trace_v1_trace_service_ops ops = {
		.export_ = export
	};

	return trace(register)(ipc, name, &ops, NULL);
}

static void call(struct ipc *ipc, const char *name)
{
	struct opentelemetry_proto_collector_trace_v1_trace_service *service;
	uint8_t id[16];
	AnyValue number = OPENTELEMETRY__PROTO__TRACE__V1__ANY_VALUE__INIT;
	AnyValue list = OPENTELEMETRY__PROTO__TRACE__V1__ANY_VALUE__INIT;
	KeyValue inner = OPENTELEMETRY__PROTO__TRACE__V1__KEY_VALUE__INIT, *inners = &inner;
	KeyValue outer = OPENTELEMETRY__PROTO__TRACE__V1__KEY_VALUE__INIT, *outers = &outer;
	KeyValueList kvlist = OPENTELEMETRY__PROTO__TRACE__V1__KEY_VALUE_LIST__INIT;
	Status status = OPENTELEMETRY__PROTO__TRACE__V1__STATUS__INIT;
	Span span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
	Span other = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT, *spans[] = { &span, &other };
	ResourceSpans resource = OPENTELEMETRY__PROTO__TRACE__V1__RESOURCE_SPANS__INIT,
		      *resources = &resource;
	Request request =
		OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_REQUEST__INIT;
	Response *reply;

	for (uint8_t i = 0; i < 16; i++)
		id[i] = i;
	number.value_case = DOUBLE;
	number.double_value = -0.5;
	inner.key = "ratio";
	inner.value = &number;
	kvlist.n_values = 1;
	kvlist.values = &inners;
	list.value_case = KVLIST;
	list.kvlist_value = &kvlist;
	outer.key = "values";
	outer.value = &list;
	status.code = ERROR;
	status.message = "late";
	span.trace_id = (ProtobufCBinaryData){ .len = sizeof(id), .data = id };
	span.kind = SERVER;
	span.start_time_unix_nano = UINT64_C(0xfedcba9876543210);
	span.n_attributes = 1;
	span.attributes = &outers;
	span.status = &status;
	resource.n_spans = 1;
	resource.spans = spans;
	request.n_resource_spans = 1;
	request.resource_spans = &resources;

	CHECK(trace(wait)(ipc, name, LONG_USEC, &service) == 0);
	CHECK(trace(export)(service, &request, &reply, NULL) == 0);
	CHECK(!reply->partial_success);
	trace(export_reply_free)(reply);
	resource.n_spans = 2;
	CHECK(trace(export)(service, &request, &reply, NULL) == 0);
	CHECK(reply->partial_success && reply->partial_success->rejected_spans == 1 &&
	      !strcmp(reply->partial_success->error_message, "wrong"));
	trace(export_reply_free)(reply);
	trace(unref)(service);
}
