// SPDX-License-Identifier: MIT
/* A store of some keys, with a single watcher of changes. The lock is held while a reply is built.
 * */
#include <pthread.h>

#include "etcd.ipc.h"
#include "service.h"

#define MAX 8

typedef Etcdserverpb__ResponseHeader Header;
typedef Etcdserverpb__RangeResponse RangeResponse;
typedef Mvccpb__KeyValue KeyValue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static KeyValue store[MAX];
static size_t n_store;
static Header header = ETCDSERVERPB__RESPONSE_HEADER__INIT;

static ProtobufCBinaryData copy(ProtobufCBinaryData data)
{
	uint8_t *bytes = malloc(data.len + 1);

	CHECK(bytes);
	memcpy(bytes, data.data ?: bytes, data.len);
	return (ProtobufCBinaryData){ .len = data.len, .data = bytes };
}

static int is(ProtobufCBinaryData data, const char *text)
{
	return data.len == strlen(text) && !memcmp(data.data, text, data.len);
}

static ProtobufCBinaryData bytes(char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
}

static KeyValue *find(ProtobufCBinaryData key)
{
	for (size_t i = 0; i < n_store; i++)
		if (store[i].key.len == key.len && !memcmp(store[i].key.data, key.data, key.len))
			return &store[i];
	return NULL;
}

/* The client uses only keys of a single byte. */
static void find_range(const Etcdserverpb__RangeRequest *request, RangeResponse *reply,
		       KeyValue **kvs)
{
	reply->header = &header;
	reply->kvs = kvs;
	for (int c = request->key.data[0];
	     c <= (request->range_end.len ? request->range_end.data[0] - 1 : request->key.data[0]);
	     c++) {
		uint8_t byte = (uint8_t)c;
		KeyValue *found = find((ProtobufCBinaryData){ .len = 1, .data = &byte });

		if (found)
			kvs[reply->n_kvs++] = found;
	}
	reply->count = (int64_t)reply->n_kvs;
}

static int64_t erase(ProtobufCBinaryData key)
{
	KeyValue *found = find(key);

	if (!found)
		return 0;
	*found = store[--n_store];
	header.revision++;
	return 1;
}

static int range(struct ipc_call *call, const Etcdserverpb__RangeRequest *request, void *userdata)
{
	RangeResponse reply = ETCDSERVERPB__RANGE_RESPONSE__INIT;
	KeyValue *kvs[MAX];
	int r;

	(void)userdata;
	if (!request->key.len)
		return ipc_call_fail(call, 0, "etcdserver.EmptyKey", NULL);
	pthread_mutex_lock(&lock);
	find_range(request, &reply, kvs);
	r = etcdserverpb_kv_reply_range(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

static int put(struct ipc_call *call, const Etcdserverpb__PutRequest *request, void *userdata)
{
	Etcdserverpb__PutResponse reply = ETCDSERVERPB__PUT_RESPONSE__INIT;
	KeyValue previous, *kv;
	int r;

	(void)userdata;
	if (!request->key.len)
		return ipc_call_fail(call, 0, "etcdserver.EmptyKey", NULL);
	pthread_mutex_lock(&lock);
	kv = find(request->key);
	if (kv) {
		previous = *kv;
		reply.prev_kv = request->prev_kv ? &previous : NULL;
	} else {
		CHECK(n_store < MAX);
		kv = &store[n_store++];
		mvccpb__key_value__init(kv);
		kv->key = copy(request->key);
	}
	kv->value = copy(request->value);
	kv->version++;
	kv->mod_revision = ++header.revision;
	pthread_cond_broadcast(&changed);
	reply.header = &header;
	r = etcdserverpb_kv_reply_put(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

static int delete_range(struct ipc_call *call, const Etcdserverpb__DeleteRangeRequest *request,
			void *userdata)
{
	Etcdserverpb__DeleteRangeResponse reply = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
	int r;

	(void)userdata;
	pthread_mutex_lock(&lock);
	reply.deleted = erase(request->key);
	reply.header = &header;
	r = etcdserverpb_kv_reply_delete_range(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

/* A comparison of a value, a deletion and a search. */
static int txn(struct ipc_call *call, const Etcdserverpb__TxnRequest *request, void *userdata)
{
	Etcdserverpb__TxnResponse reply = ETCDSERVERPB__TXN_RESPONSE__INIT;
	Etcdserverpb__DeleteRangeResponse deletion = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
	RangeResponse search = ETCDSERVERPB__RANGE_RESPONSE__INIT;
	Etcdserverpb__ResponseOp ops[2] = { ETCDSERVERPB__RESPONSE_OP__INIT,
					    ETCDSERVERPB__RESPONSE_OP__INIT };
	Etcdserverpb__ResponseOp *responses[] = { &ops[0], &ops[1] };
	const Etcdserverpb__Compare *compare = request->n_compare ? request->compare[0] : NULL;
	KeyValue *kvs[MAX], *kv;
	int r;

	(void)userdata;
	if (!compare || compare->target_union_case != ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE ||
	    request->n_success != 2 || !request->success[0]->request_delete_range ||
	    !request->success[1]->request_range)
		return ipc_call_fail(call, 0, "etcdserver.Txn", "not the client's transaction");
	pthread_mutex_lock(&lock);
	kv = find(compare->key);
	reply.header = &header;
	reply.succeeded = kv && kv->value.len == compare->value.len &&
			  !memcmp(kv->value.data, compare->value.data, kv->value.len);
	if (reply.succeeded) {
		deletion.deleted = erase(request->success[0]->request_delete_range->key);
		find_range(request->success[1]->request_range, &search, kvs);
		ops[0].response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
		ops[0].response_delete_range = &deletion;
		ops[1].response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
		ops[1].response_range = &search;
		reply.n_responses = 2;
		reply.responses = responses;
	}
	r = etcdserverpb_kv_reply_txn(call, &reply);
	pthread_mutex_unlock(&lock);
	return r;
}

/* The requested watch is created, has an event, and is canceled. */
static int watch(struct ipc_stream *stream, void *userdata)
{
	const Etcdserverpb__WatchRequest *request;
	Etcdserverpb__WatchResponse response = ETCDSERVERPB__WATCH_RESPONSE__INIT;
	Mvccpb__Event event = MVCCPB__EVENT__INIT, *events = &event;
	ProtobufCBinaryData key;
	int64_t revision;
	int r;

	(void)userdata;
	r = etcdserverpb_watch_receive_watch(stream, LONG_USEC, &request, NULL);
	if (r <= 0 || request->request_union_case !=
			      ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST)
		return ipc_stream_fail(stream, 0, "etcdserver.Watch", "not created");
	key = copy(request->create_request->key);
	response.watch_id = request->create_request->watch_id;
	response.created = 1;
	pthread_mutex_lock(&lock);
	revision = header.revision;
	r = etcdserverpb_watch_send_watch(stream, LONG_USEC, &response);
	while (r == 0 && (!find(key) || find(key)->mod_revision <= revision))
		pthread_cond_wait(&changed, &lock);
	response.created = 0;
	response.n_events = 1;
	response.events = &events;
	event.kv = find(key);
	if (r == 0)
		r = etcdserverpb_watch_send_watch(stream, LONG_USEC, &response);
	pthread_mutex_unlock(&lock);
	if (r == 0)
		r = etcdserverpb_watch_receive_watch(stream, LONG_USEC, &request, NULL);
	if (r <= 0 || request->request_union_case !=
			      ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST)
		return ipc_stream_fail(stream, 0, "etcdserver.Watch", "not canceled");
	response.n_events = 0;
	response.canceled = 1;
	return etcdserverpb_watch_send_watch(stream, LONG_USEC, &response);
}

static int serve(struct ipc *ipc, const char *name)
{
	static const struct etcdserverpb_kv_ops ops = {
		.range = range,
		.put = put,
		.delete_range = delete_range,
		.txn = txn,
	};
	static const struct etcdserverpb_watch_ops watch_ops = { .watch = watch };
	char watch_name[200];
	int r;

	header.revision = 1;
	snprintf(watch_name, sizeof(watch_name), "%s.watch", name);
	r = etcdserverpb_watch_register(ipc, watch_name, &watch_ops, NULL);
	return r ?: etcdserverpb_kv_register(ipc, name, &ops, NULL);
}

/* Returns the revision. With previous, the put replaces that value. */
static int64_t put_and_check(struct etcdserverpb_kv *kv, char *key, ProtobufCBinaryData value,
			     const char *previous)
{
	Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
	Etcdserverpb__PutResponse *reply;
	int64_t revision;

	request.key = bytes(key);
	request.value = value;
	request.prev_kv = 1;
	CHECK(etcdserverpb_kv_put(kv, &request, &reply, NULL) == 0);
	CHECK(previous ? reply->prev_kv && is(reply->prev_kv->value, previous) : !reply->prev_kv);
	revision = reply->header->revision;
	etcdserverpb_kv_put_reply_free(reply);
	return revision;
}

static int64_t watch_and_put(struct etcdserverpb_watch *service, struct etcdserverpb_kv *kv)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	Etcdserverpb__WatchCreateRequest__FilterType filter =
		ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE;
	Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
	Etcdserverpb__WatchCancelRequest cancel = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
	Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
	const Etcdserverpb__WatchResponse *message;
	int64_t revision;

	CHECK(etcdserverpb_watch_watch_open(service, NULL, &stream, NULL) == 0);
	create.key = bytes("a");
	create.watch_id = 7;
	create.n_filters = 1;
	create.filters = &filter;
	request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
	request.create_request = &create;
	CHECK(etcdserverpb_watch_watch_send(stream, LONG_USEC, &request) == 0);
	CHECK(etcdserverpb_watch_watch_receive(stream, LONG_USEC, &message, NULL) == 1);
	CHECK(message->created && message->watch_id == 7 && !message->n_events);
	revision = put_and_check(kv, "a", bytes("1"), NULL);
	CHECK(etcdserverpb_watch_watch_receive(stream, LONG_USEC, &message, NULL) == 1);
	CHECK(message->n_events == 1 && message->events[0]->type == MVCCPB__EVENT__EVENT_TYPE__PUT);
	CHECK(is(message->events[0]->kv->value, "1") &&
	      message->events[0]->kv->mod_revision == revision);
	request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
	request.cancel_request = &cancel;
	CHECK(etcdserverpb_watch_watch_send(stream, LONG_USEC, &request) == 0);
	CHECK(etcdserverpb_watch_watch_receive(stream, LONG_USEC, &message, NULL) == 1);
	CHECK(message->canceled);
	CHECK(etcdserverpb_watch_watch_receive(stream, LONG_USEC, &message, NULL) == 0);
	return revision;
}

static void range_and_txn(struct etcdserverpb_kv *kv)
{
	struct ipc_error error = IPC_ERROR_INIT;
	Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
	Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
	Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT, *compares = &compare;
	Etcdserverpb__RequestOp ops[2] = { ETCDSERVERPB__REQUEST_OP__INIT,
					   ETCDSERVERPB__REQUEST_OP__INIT };
	Etcdserverpb__RequestOp *success[] = { &ops[0], &ops[1] };
	Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
	Etcdserverpb__DeleteRangeResponse *deleted;
	Etcdserverpb__TxnResponse *reply;
	RangeResponse *found;

	CHECK(failed_as(etcdserverpb_kv_range(kv, &range, &found, &error), &error,
			"etcdserver.EmptyKey"));
	range.key = bytes("a");
	range.range_end = bytes("c");
	CHECK(etcdserverpb_kv_range(kv, &range, &found, NULL) == 0);
	CHECK(found->count == 2 && found->n_kvs == 2 && found->kvs[0]->version == 2);
	CHECK(found->kvs[1]->value.len == 2 && !memcmp(found->kvs[1]->value.data, "\0\377", 2));
	etcdserverpb_kv_range_reply_free(found);

	compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
	compare.key = bytes("a");
	compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
	compare.value = bytes("2");
	deletion.key = bytes("b");
	ops[0].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
	ops[0].request_delete_range = &deletion;
	ops[1].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
	ops[1].request_range = &range;
	request.n_compare = 1;
	request.compare = &compares;
	request.n_success = 2;
	request.success = success;
	CHECK(etcdserverpb_kv_txn(kv, &request, &reply, NULL) == 0);
	CHECK(reply->succeeded && reply->n_responses == 2);
	CHECK(reply->responses[0]->response_delete_range->deleted == 1);
	CHECK(reply->responses[1]->response_range->count == 1);
	etcdserverpb_kv_txn_reply_free(reply);
	compare.value = bytes("3");
	CHECK(etcdserverpb_kv_txn(kv, &request, &reply, NULL) == 0);
	CHECK(!reply->succeeded && !reply->n_responses);
	etcdserverpb_kv_txn_reply_free(reply);
	deletion.key = bytes("a");
	CHECK(etcdserverpb_kv_delete_range(kv, &deletion, &deleted, NULL) == 0);
	CHECK(deleted->deleted == 1);
	etcdserverpb_kv_delete_range_reply_free(deleted);
}

static void call(struct ipc *ipc, const char *name)
{
	struct etcdserverpb_kv *kv;
	struct etcdserverpb_watch *watch;
	char watch_name[200];
	int64_t revision;

	snprintf(watch_name, sizeof(watch_name), "%s.watch", name);
	CHECK(etcdserverpb_kv_wait(ipc, name, LONG_USEC, &kv) == 0);
	CHECK(etcdserverpb_watch_get(ipc, watch_name, &watch) == 0);
	revision = watch_and_put(watch, kv);
	CHECK(put_and_check(kv, "a", bytes("2"), "1") == revision + 1);
	put_and_check(kv, "b", (ProtobufCBinaryData){ .len = 2, .data = (uint8_t *)"\0\377" },
		      NULL);
	range_and_txn(kv);
	etcdserverpb_watch_unref(watch);
	etcdserverpb_kv_unref(kv);
}
