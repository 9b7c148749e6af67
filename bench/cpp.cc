// SPDX-License-Identifier: MIT
/*
 * The client and the server of typed.c in C++, over <ipc/ipc.hpp> and protobuf's own messages.
 */
extern "C" {
#include "bench.h"
}

#include "bench.ipc.hpp"

class Sink : public bench::Sink::Service {
public:
	bench::PutReply Put(const bench::PutRequest &request, const ipc::call &) override
	{
		bench::PutReply reply;

		reply.set_number(static_cast<std::uint32_t>(request.payload().size()));
		return reply;
	}
};

/* The end of a process. */
struct cpp_state {
	ipc::connection *bus;
	bench::Sink::Proxy *sink;
	bench::PutRequest *request;
};

static int report(const ipc::error &e)
{
	return bench_fail(e.what(), -e.number_of_errno());
}

static int cpp_serve(struct bench_case *c)
try {
	auto bus = ipc::connection::open();
	auto sink = ipc::make_object(bus, std::make_shared<Sink>());
	int r = ipc::c::ipc_set_manager(bus.c_ptr(), sink.c_ptr());

	if (r < 0)
		return bench_fail("become handle 0 (does a service manager run?)", r);
	r = bench_ready(c);
	if (r < 0)
		return r;
	bus.run();
	return 0;
} catch (const ipc::error &e) {
	return report(e);
}

/* The payload is in the request before the first round, as in the other transports. */
static int cpp_connect(struct bench_case *c)
try {
	auto *s = static_cast<cpp_state *>(c->state);
	ipc::c::ipc_proxy *manager;
	int r;

	s->bus = new ipc::connection(ipc::connection::open());
	r = ipc::c::ipc_get_manager(s->bus->c_ptr(), &manager);
	if (r < 0)
		return r;
	s->sink = new bench::Sink::Proxy(ipc::proxy(manager));
	s->request = new bench::PutRequest;
	s->request->set_payload(c->request, c->size);
	return 0;
} catch (const ipc::error &e) {
	return report(e);
}

static int cpp_round(struct bench_case *c)
try {
	auto *s = static_cast<cpp_state *>(c->state);

	return s->sink->Put(*s->request).number() == c->size ? 0 : -EPROTO;
} catch (const ipc::error &e) {
	return -e.number_of_errno();
}

static struct bench_transport cpp()
{
	struct bench_transport t = {};

	t.name = "c++";
	t.call = "typed";
	t.state_size = sizeof(cpp_state);
	t.serve = cpp_serve;
	t.connect = cpp_connect;
	t.round = cpp_round;
	return t;
}

extern const struct bench_transport bench_cpp = cpp();
