// SPDX-License-Identifier: MIT
/*
 * A server is a class. Its methods return replies or throw errors.
 */
#include <atomic>
#include <iostream>
#include <memory>

#include "greet.ipc.hpp"

class Greeter : public greet::Greeter::Service {
public:
	explicit Greeter(ipc::connection bus) : bus(std::move(bus)) {}

	greet::GreetReply Greet(const greet::GreetRequest &request, const ipc::call &) override
	{
		greet::GreetReply reply;

		if (request.name().empty())
			throw ipc::error("greet.NoName", "who are you?");
		reply.set_text("Hello, " + request.name() + "!");
		reply.set_greeted(++greeted);
		return reply;
	}

	void Stop(const ipc::call &) override { bus.stop(); }

private:
	ipc::connection bus;
	std::atomic<unsigned int> greeted{ 0 };
};

int main()
try {
	auto bus = ipc::connection::open();
	auto greeter = ipc::make_object(bus, std::make_shared<Greeter>(bus));

	bus.register_name("demo.greeter", greeter);
	bus.run();
	bus.unregister_name("demo.greeter");
	return 0;
} catch (const std::exception &e) {
	std::cerr << "demo.greeter: " << e.what() << '\n';
	return 1;
}
