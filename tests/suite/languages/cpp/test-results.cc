// SPDX-License-Identifier: MIT
/*
 * <ipc/ipc.hpp> with errors as results. Also compiled with -fno-exceptions.
 */
#define IPC_RESULTS 1
#include "fixture.hpp"

static_assert(std::is_same_v<ipc::outcome<int>, ipc::result<int>>);

static ipc::result<void> echo(ipc::call c)
{
	if (c.request().method() == 99)
		return ipc::error("test.NinetyNine", "no", 99);
	return std::move(c).reply(c.request().bytes());
}

CASE(a_result_is_a_value)
{
	pair p(echo);
	ipc::result<ipc::reply> r = p.proxy.call(ipc::message(1, "this"));

	CHECK(r && r.has_value() && r->bytes() == "this");
	CHECK(r.value().bytes() == "this");
	CHECK(p.proxy.ping());
}

CASE(a_result_is_an_error)
{
	pair p(echo);
	auto r = p.proxy.call(ipc::message(99));

	CHECK(!r && r.error().name() == "test.NinetyNine" && r.error().number() == 99);
	auto none = ipc::connection::open("/nowhere");
	CHECK(!none && none.error().code() == std::errc::no_such_file_or_directory);
	auto name = p.client.get("test.nobody");
	CHECK(!name && name.error().number_of_errno() == ENOENT);
}

CASE(a_value_in_place_of_an_error)
{
	CHECK(ipc::result<int>(7).value_or(8) == 7);
	CHECK(ipc::result<int>(ipc::error(EIO)).value_or(8) == 8);
	CHECK(ipc::result<void>());
	CHECK(!ipc::result<void>(ipc::error(EIO)));
}

CASE(a_future_has_a_result)
{
	pair p(echo);
	auto good = p.proxy.call_future(ipc::message(1, "later"));
	auto bad = p.proxy.call_future(ipc::message(99));

	CHECK(good.get().value().bytes() == "later");
	CHECK(bad.get().error().name() == "test.NinetyNine");
}

CASE(a_callback_has_a_result)
{
	event replied;
	pair p(echo);

	CHECK(p.proxy.call_async(ipc::message(99), [&](ipc::result<ipc::reply> r) {
		CHECK(!r && r.error().number() == 99);
		replied.set();
	}));
	CHECK(replied.wait());
}

CASE(a_dropped_call_fails)
{
	pair p([](ipc::call) { return ipc::result<void>(); });
	auto r = p.proxy.call(ipc::message(1));

	CHECK(!r && r.error().number_of_errno() == ENOMSG);
}

CASE(death_is_reported)
{
	event died;
	pair p(echo);
	auto server = std::make_unique<ipc::connection>(must(ipc::connection::open()));
	auto mortal = must(ipc::object::create(*server, { "test.Mortal" }, echo));

	CHECK(server->register_name("test.mortal", mortal));
	ipc::proxy proxy = must(p.client.get("test.mortal"));
	ipc::slot watch = must(proxy.on_death([&] { died.set(); }));
	server.reset();
	CHECK(died.wait());
}

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
