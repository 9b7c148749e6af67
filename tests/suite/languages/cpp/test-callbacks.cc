// SPDX-License-Identifier: MIT
/*
 * Callbacks of <ipc/ipc.hpp> that throw.
 */
#include "fixture.hpp"

/* Fills the receiver's region, because no thread serves it. */
static void fill(const ipc::proxy &proxy)
{
	const std::string bytes(100000, 'x');

	try {
		for (;;)
			proxy.oneway(ipc::message(1, bytes));
	} catch (const ipc::error &e) {
		CHECK(e.number_of_errno() == EAGAIN);
	}
}

/* Each callback throws. Ending its slot waits until it has returned. */
CASE(callbacks_that_throw_are_logged_and_serving_goes_on)
{
	auto thrower = [](event &ran) {
		return [&ran](auto &&...) {
			ran.set();
			throw std::runtime_error("thrown\nby a callback");
		};
	};
	event kept, canceled, replied, died, watched, writable;
	std::vector<ipc::call> calls;
	ipc::slot on_cancel;
	pair p([&](ipc::call c) {
		if (c.request().method() == 2) {
			on_cancel = c.on_cancel(thrower(canceled));
			calls.push_back(std::move(c));
			kept.set();
		} else {
			std::move(c).reply("still there");
		}
	});
	captured_stderr log;
	auto stop = ipc::cancellation::create(p.client);
	auto future = p.proxy.call_future(ipc::message(2), ipc::options().cancellation(stop));

	CHECK(kept.wait());
	stop.cancel();
	CHECK(canceled.wait());
	p.proxy.call_async(ipc::message(1), thrower(replied));

	auto mortal = std::make_unique<ipc::connection>(ipc::connection::open());
	{
		auto o = ipc::object::create(*mortal, { "test.Mortal" }, [](ipc::call) {});

		mortal->register_name("test.mortal", o);
	}
	ipc::proxy proxy = p.client.get("test.mortal");
	ipc::slot on_writable = p.client.on_writable(thrower(writable));
	fill(proxy);
	ipc::slot on_death = proxy.on_death(thrower(died));
	ipc::slot watch = p.client.watch_names("test.mortal", thrower(watched));
	mortal.reset();
	CHECK(replied.wait() && died.wait() && watched.wait() && writable.wait());

	for (ipc::slot *slot : { &on_cancel, &on_writable, &on_death, &watch })
		slot->end();
	CHECK(log.has("ipc: on_cancel (uid " + std::to_string(getuid()) + ", pid "));
	for (const char *name : { "on_writable", "on_death", "watch_names", "call_async" })
		CHECK(log.has("ipc: " + std::string(name) +
			      ": unhandled exception: thrown?by a callback\n"));
	CHECK_FAILS(ECANCELED, future.get());
	CHECK(p.proxy.call(ipc::message(1)).bytes() == "still there");
}

CASE(functions_of_a_stream_that_throw_fail_the_stream)
{
	class streaming : public ipc::service {
	public:
		void serve(ipc::call) override {}
		bool has_streams() const noexcept override { return true; }
		void serve_stream(ipc::stream s, std::uint32_t method) override
		{
			ipc::stream::functions f;

			if (method == 1)
				f.on_message = [](const ipc::stream &) { throw std::runtime_error("a secret"); };
			else
				f.on_message = [](const ipc::stream &) { throw ipc::error("test.No", "no"); };
			s.set_functions(std::move(f));
		}
	};
	pair p([](ipc::call c) { std::move(c).reply("still there"); });
	auto o = ipc::object::create(p.server, { "test.Streaming" }, std::make_shared<streaming>());
	captured_stderr log;

	p.server.register_name("test.streaming", o);
	for (std::uint32_t method : { 1, 2 }) {
		ipc::stream s = p.client.get("test.streaming").open_stream(method);

		CHECK(s.connection().c_ptr() == p.client.c_ptr());
		s.send(ipc::message(""));
		try {
			s.receive();
			CHECK(!"failed");
		} catch (const ipc::error &e) {
			CHECK(e.name() == (method == 1 ? "ipc.Unhandled" : "test.No"));
		}
	}
	CHECK(log.has("ipc: on_message of a stream (uid ") && log.has("a secret\n") && !log.has("no\n"));

	/* The client's end, after it has ended its messages. */
	ipc::stream s = p.client.get("test.streaming").open_stream(1);
	ipc::stream::functions f;
	event over;
	f.on_end = [&](const ipc::stream &, ipc::result<void>) {
		over.set();
		throw std::runtime_error("");
	};
	s.send(ipc::message(""));
	s.end();
	s.set_functions(std::move(f));
	CHECK(over.wait());
	p.server.unregister_name("test.streaming");
	CHECK(p.proxy.call(ipc::message(1)).bytes() == "still there");
}

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
