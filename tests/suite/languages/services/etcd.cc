// SPDX-License-Identifier: MIT
#include <condition_variable>
#include <map>
#include <mutex>

#include "etcd.ipc.hpp"
#include "service.hpp"

using namespace etcdserverpb;

struct Store {
	std::mutex lock;
	std::condition_variable changed;
	std::map<std::string, mvccpb::KeyValue> keys;
	std::int64_t revision = 1;

	RangeResponse range(const RangeRequest &request)
	{
		RangeResponse reply;

		reply.mutable_header()->set_revision(revision);
		for (auto &[key, kv] : keys)
			if (request.range_end().empty() ?
				    key == request.key() :
				    key >= request.key() && key < request.range_end())
				*reply.add_kvs() = kv;
		reply.set_count(reply.kvs_size());
		return reply;
	}

	DeleteRangeResponse erase(const DeleteRangeRequest &request)
	{
		DeleteRangeResponse reply;

		reply.set_deleted(static_cast<std::int64_t>(keys.erase(request.key())));
		revision += reply.deleted();
		return reply;
	}
};

class Keys : public KV::Service {
      public:
	explicit Keys(std::shared_ptr<Store> of) : store(std::move(of)) {}

	RangeResponse Range(const RangeRequest &request, const ipc::call &) override
	{
		if (request.key().empty())
			throw ipc::error("etcdserver.EmptyKey", "no key");
		const std::lock_guard<std::mutex> held(store->lock);
		return store->range(request);
	}

	PutResponse Put(const PutRequest &request, const ipc::call &) override
	{
		const std::lock_guard<std::mutex> held(store->lock);
		PutResponse reply;
		auto &kv = store->keys[request.key()];

		if (request.prev_kv() && kv.version())
			*reply.mutable_prev_kv() = kv;
		kv.set_key(request.key());
		kv.set_value(request.value());
		kv.set_version(kv.version() + 1);
		kv.set_mod_revision(++store->revision);
		reply.mutable_header()->set_revision(store->revision);
		store->changed.notify_all();
		return reply;
	}

	DeleteRangeResponse DeleteRange(const DeleteRangeRequest &request,
					const ipc::call &) override
	{
		const std::lock_guard<std::mutex> held(store->lock);
		return store->erase(request);
	}

	TxnResponse Txn(const TxnRequest &request, const ipc::call &) override
	{
		const std::lock_guard<std::mutex> held(store->lock);
		TxnResponse reply;

		reply.set_succeeded(true);
		for (auto &compare : request.compare())
			if (store->keys[compare.key()].value() != compare.value())
				reply.set_succeeded(false);
		for (auto &op : reply.succeeded() ? request.success() : request.failure())
			if (op.has_request_range())
				*reply.add_responses()->mutable_response_range() =
					store->range(op.request_range());
			else
				*reply.add_responses()->mutable_response_delete_range() =
					store->erase(op.request_delete_range());
		return reply;
	}

      private:
	std::shared_ptr<Store> store;
};

class Watcher : public Watch::Service {
      public:
	explicit Watcher(std::shared_ptr<Store> of) : store(std::move(of)) {}

	void Watch(ipc::stream_of<WatchResponse, WatchRequest> both) override
	{
		const auto create = both.receive(LONG)->create_request();
		WatchResponse response;
		std::unique_lock<std::mutex> held(store->lock);
		const auto revision = store->revision;

		response.set_watch_id(create.watch_id());
		response.set_created(true);
		both.send(response);
		store->changed.wait(
			held, [&] { return store->keys[create.key()].mod_revision() > revision; });
		response.set_created(false);
		*response.add_events()->mutable_kv() = store->keys[create.key()];
		held.unlock();
		both.send(response);
		if (!both.receive(LONG)->has_cancel_request())
			throw ipc::error("etcdserver.Watch", "not canceled");
		response.clear_events();
		response.set_canceled(true);
		both.send(response);
	}

      private:
	std::shared_ptr<Store> store;
};

static void serve(ipc::connection &bus, const std::string &name)
{
	auto store = std::make_shared<Store>();

	bus.register_name(name + ".watch", ipc::make_object(bus, std::make_shared<Watcher>(store)));
	bus.register_name(name, ipc::make_object(bus, std::make_shared<Keys>(store)));
}

/* Returns the revision. */
static std::int64_t put(const KV::Proxy &kv, const std::string &key, const std::string &value,
			const std::string &previous)
{
	PutRequest request;

	request.set_key(key);
	request.set_value(value);
	request.set_prev_kv(true);
	auto reply = kv.Put(request);
	CHECK(reply.has_prev_kv() == !previous.empty() && reply.prev_kv().value() == previous);
	return reply.header().revision();
}

static void watch_and_put(const Watch::Proxy &watch, const KV::Proxy &kv)
{
	auto both = watch.Watch();
	WatchRequest request;

	request.mutable_create_request()->set_key("a");
	request.mutable_create_request()->set_watch_id(7);
	request.mutable_create_request()->add_filters(WatchCreateRequest::NODELETE);
	both.send(request, LONG);
	auto created = both.receive(LONG);
	CHECK(created->created() && created->watch_id() == 7 && created->events_size() == 0);
	auto revision = put(kv, "a", "1", "");
	auto changed = both.receive(LONG);
	CHECK(changed->events_size() == 1 && changed->events(0).type() == mvccpb::Event::PUT);
	CHECK(changed->events(0).kv().value() == "1" &&
	      changed->events(0).kv().mod_revision() == revision);
	request.mutable_cancel_request();
	both.send(request, LONG);
	CHECK(both.receive(LONG)->canceled());
	CHECK(!both.receive(LONG));
	CHECK(put(kv, "a", "2", "1") == revision + 1);
}

static void call(ipc::connection &bus, const std::string &name)
{
	auto kv = bus.wait<KV>(name, LONG);
	RangeRequest range;
	DeleteRangeRequest deletion;
	TxnRequest txn;

	watch_and_put(bus.get<Watch>(name + ".watch"), kv);
	put(kv, "b", std::string("\0\xff", 2), "");
	fails("etcdserver.EmptyKey", [&] { kv.Range(range); });
	range.set_key("a");
	range.set_range_end("c");
	auto found = kv.Range(range);
	CHECK(found.count() == 2 && found.kvs(0).version() == 2 &&
	      found.kvs(1).value() == std::string("\0\xff", 2));

	auto *compare = txn.add_compare();
	compare->set_target(Compare::VALUE);
	compare->set_key("a");
	compare->set_value("2");
	txn.add_success()->mutable_request_delete_range()->set_key("b");
	*txn.add_success()->mutable_request_range() = range;
	auto done = kv.Txn(txn);
	CHECK(done.succeeded() && done.responses_size() == 2);
	CHECK(done.responses(0).response_delete_range().deleted() == 1);
	CHECK(done.responses(1).response_range().count() == 1);
	compare->set_value("3");
	CHECK(!kv.Txn(txn).succeeded());
	deletion.set_key("a");
	CHECK(kv.DeleteRange(deletion).deleted() == 1);
}

int main(int argc, char **argv)
{
	return service_main(argc, argv, serve, call);
}
